/* SPDX-License-Identifier: BSD-2-Clause */
/* What berth reads out of /proc, from texts of several kinds of hosts; the shape of the facts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "src/kernel/probe.h"
#include "src/kernel/proctext.h"

static const struct {
	const char *what, *mounts;
	int err;
	const char *path;
	bool rw;
} mounts_cases[] = {
	{ "pure v2", "sysfs /sys sysfs rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n", 0,
	  "/sys/fs/cgroup", true },
	{ "hybrid",
	  "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
	  "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n",
	  0, "/sys/fs/cgroup/unified", true },
	{ "only v1", "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n", -ENOENT, NULL, false },
	{ "empty", "", -ENOENT, NULL, false },
	{ "the type in another field", "cgroup2 /cgroup2 tmpfs rw,cgroup2 0 0\n", -ENOENT, NULL,
	  false },
	{ "a longer type", "none /mnt cgroup22 rw 0 0\n", -ENOENT, NULL, false },
	{ "space and backslash", "none /a\\040b\\134c cgroup2 rw 0 0\n", 0, "/a b\\c", true },
	{ "no escape", "none /a\\04 cgroup2 rw 0 0\n", 0, "/a\\04", true },
	{ "bytes above 127", "none /\\303\\251 cgroup2 rw 0 0\n", 0, "/\303\251", true },
	{ "read-only", "none /sys/fs/cgroup cgroup2 ro,relatime 0 0\n", 0, "/sys/fs/cgroup",
	  false },
	{ "rw is only the first option", "none /c cgroup2 ro,rwx 0 0\n", 0, "/c", false },
	{ "a writable one wins", "a /ro cgroup2 ro 0 0\nb /rw cgroup2 rw 0 0\n", 0, "/rw", true },
	{ "the first one wins", "a /one cgroup2 rw 0 0\nb /two cgroup2 rw 0 0\n", 0, "/one", true },
	{ "no newline at the end", "none /c cgroup2 rw 0 0", 0, "/c", true },
	{ "a line cut short", "none\nnone /c\nnone /c cgroup2 rw 0 0\n", 0, "/c", true },
	{ "too long", "none /0123456789012345678901234567890123456789 cgroup2 rw 0 0\n",
	  -ENAMETOOLONG, NULL, false },
};

static void mounts_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mounts_cases) / sizeof(mounts_cases[0]); i++) {
		char path[32] = "untouched";
		bool rw = false;
		int err = berth_mounts_find(mounts_cases[i].mounts, "cgroup2", path, sizeof(path),
					    &rw);

		if (err != mounts_cases[i].err || rw != mounts_cases[i].rw ||
		    (!err && strcmp(path, mounts_cases[i].path)))
			fail_msg("%s: %d '%s' rw=%d", mounts_cases[i].what, err, path, rw);
	}
}

static void a_path_may_fill_its_buffer(void **state)
{
	char path[4];
	bool rw;

	(void)state;
	assert_int_equal(berth_mounts_find("n /ab t rw 0 0\n", "t", path, sizeof(path), &rw), 0);
	assert_string_equal(path, "/ab");
	assert_int_equal(berth_mounts_find("n /abc t rw 0 0\n", "t", path, sizeof(path), &rw),
			 -ENAMETOOLONG);
}

static void the_own_cgroup_is_found(void **state)
{
	char path[16];

	(void)state;
	assert_int_equal(berth_own_cgroup_parse("0::/\n", path, sizeof(path)), 0);
	assert_string_equal(path, "");
	assert_int_equal(berth_own_cgroup_parse("12:cpu:/x\n0::/a/b\n", path, sizeof(path)), 0);
	assert_string_equal(path, "/a/b");
	assert_int_equal(berth_own_cgroup_parse("0::/../other", path, sizeof(path)), 0);
	assert_string_equal(path, "");
	assert_int_equal(berth_own_cgroup_parse("1:cpu:/\n", path, sizeof(path)), -ENOENT);
	assert_int_equal(berth_own_cgroup_parse("10::/x", path, sizeof(path)), -ENOENT);
	assert_int_equal(berth_own_cgroup_parse("", path, sizeof(path)), -ENOENT);
	assert_int_equal(berth_own_cgroup_parse("0::/23456789012345", path, sizeof(path)), 0);
	assert_int_equal(berth_own_cgroup_parse("0::/234567890123456", path, sizeof(path)),
			 -ENAMETOOLONG);
}

static void ranges_are_read(void **state)
{
	static const char *const bad[] = { "",
					   "32768",
					   "x 1",
					   "1 x",
					   "2 1",
					   "1 65536",
					   "-1 5",
					   "1 2 3",
					   "1\t2junk",
					   "1 -2",
					   "99999999999999999999 5" };
	struct berth_range r = { 7, 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (berth_local_range_parse(bad[i], &r) != -EINVAL || r.first != 7)
			fail_msg("'%s' was taken for a range", bad[i]);
	assert_int_equal(berth_local_range_parse("32768\t60999\n", &r), 0);
	assert_int_equal(r.first, 32768);
	assert_int_equal(r.last, 60999);
	assert_int_equal(berth_local_range_parse("0 65535", &r), 0);
	assert_int_equal(r.last, 65535);
	assert_int_equal(berth_local_range_parse("9 9", &r), 0);
}

static void releases_are_read(void **state)
{
	(void)state;
	assert_int_equal(berth_release_parse("6.1.0-37-amd64"), 6001);
	assert_int_equal(berth_release_parse("6.18.44"), 6018);
	assert_int_equal(berth_release_parse("10.0"), 10000);
	assert_int_equal(berth_release_parse("5.15-rc1"), 5015);
	assert_int_equal(berth_release_parse("6"), -EINVAL);
	assert_int_equal(berth_release_parse("6."), -EINVAL);
	assert_int_equal(berth_release_parse("v6.1"), -EINVAL);
	assert_int_equal(berth_release_parse(""), -EINVAL);
}

static void the_bracketed_word_is_found(void **state)
{
	const char *word = NULL;

	(void)state;
	assert_int_equal(berth_bracketed("none [integrity] confidentiality", &word), 9);
	assert_memory_equal(word, "integrity", 9);
	assert_int_equal(berth_bracketed("[none] x", &word), 4);
	assert_int_equal(berth_bracketed("none", &word), -ENOENT);
	assert_int_equal(berth_bracketed("]none[", &word), -ENOENT);
}

static void every_fact_is_complete(void **state)
{
	struct berth_fact fact;

	(void)state;
	for (size_t i = 0; i < berth_probe_count(); i++) {
		bool ok;

		berth_probe_fact(i, &fact);
		ok = fact.health == BERTH_HEALTH_OK;
		if (!fact.name || !fact.value[0] || ok == !!fact.cost[0] || ok == !!fact.remedy[0])
			fail_msg("%s: '%s' cost '%s' remedy '%s'", fact.name, fact.value, fact.cost,
				 fact.remedy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mounts_are_found),
		cmocka_unit_test(a_path_may_fill_its_buffer),
		cmocka_unit_test(the_own_cgroup_is_found),
		cmocka_unit_test(ranges_are_read),
		cmocka_unit_test(releases_are_read),
		cmocka_unit_test(the_bracketed_word_is_found),
		cmocka_unit_test(every_fact_is_complete),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
