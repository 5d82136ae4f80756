/* SPDX-License-Identifier: BSD-2-Clause */
/* Units and containers out of the paths of cgroups; the set of numbers against a naive twin. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "src/kernel/holder.h"
#include "src/kernel/keyset.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_owners(void **state)
{
	static const struct {
		const char *path, *unit, *container;
	} rows[] = {
		{ "", "", "" },
		{ "/", "", "" },
		{ "/system.slice/ssh.service", "ssh.service", "" },
		{ "/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope",
		  "app-x.scope", "" },
		{ "/user.slice/user-1000.slice/session-2.scope", "session-2.scope", "" },
		{ "/system.slice/nginx.service/worker", "nginx.service", "" },
		{ "/system.slice", "", "" },
		{ "/.service", "", "" },
		{ "/system.slice/docker-" ID ".scope", "docker-" ID ".scope",
		  "docker:0123456789ab" },
		{ "/docker/" ID, "", "docker:0123456789ab" },
		{ "/docker/" ID "0", "", "" },
		{ "/machine.slice/libpod-" ID ".scope/container", "libpod-" ID ".scope",
		  "podman:0123456789ab" },
		{ "/kubepods.slice/x.slice/cri-containerd-" ID ".scope",
		  "cri-containerd-" ID ".scope", "containerd:0123456789ab" },
		{ "/kubepods/besteffort/pod1/" ID, "", "container:0123456789ab" },
		{ "/machine.slice/machine-web.scope", "machine-web.scope", "machine:web" },
		{ "/lxc.payload.web/init.scope", "init.scope", "lxc:web" },
		{ "/lxc/web", "", "lxc:web" },
		{ "//ssh.service//", "ssh.service", "" },
		{ "/a\033[2J.service", "a\033[2J.service", "" },
	};
	char unit[128], container[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		berth_cgroup_owner(rows[i].path, unit, sizeof(unit), container, sizeof(container));
		assert_string_equal(unit, rows[i].unit);
		assert_string_equal(container, rows[i].container);
	}
	berth_cgroup_owner("/system.slice/ssh.service", unit, 4, container, sizeof(container));
	assert_string_equal(unit, "ssh");
}

#define KEYS 5000

static void test_keyset(void **state)
{
	static uint32_t twin[KEYS]; /* value + 1; 0: absent */
	struct berth_keyset s = { 0 };
	size_t count = 0, i;
	int round;

	(void)state;
	srandom(1);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 20000; i++) {
			uint32_t k = (uint32_t)random() % KEYS, v = (uint32_t)random() % 1000;
			/* Keys that only their upper half tells apart, too. */
			uint64_t key = (uint64_t)(k / 2 + 1) << (k % 2 ? 40 : 0);
			int added = berth_keyset_add(&s, key, v);

			assert_int_equal(added, !twin[k]);
			if (!twin[k])
				twin[k] = v + 1;
			count += (size_t)added;
			assert_int_equal(*berth_keyset_find(&s, key), twin[k] - 1);
		}
		assert_int_equal(s.count, count);
		for (i = 0; i < KEYS; i++) {
			uint64_t key = (uint64_t)(i / 2 + 1) << (i % 2 ? 40 : 0);

			assert_int_equal(berth_keyset_find(&s, key) != NULL, twin[i] != 0);
		}
		berth_keyset_clear(&s);
		assert_null(berth_keyset_find(&s, 1));
		memset(twin, 0, sizeof(twin));
		count = 0;
	}
	berth_keyset_free(&s);
	assert_null(berth_keyset_find(&s, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_keyset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
