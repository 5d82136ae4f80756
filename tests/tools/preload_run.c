/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a program under the preload shim: the options of berth run that the tests of the shim
 * need, and --check, which only says whether the program could be run so. Leaves with the
 * program's own status.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "src/core/range.h"
#include "src/preload/launch.h"

#define NOT_EXECUTABLE 126
#define NOT_FOUND 127

static const char *const policies[] = {
#define NAME(id, name, text) name,
	BERTH_POLICIES(NAME)
#undef NAME
};

static const char *const verdicts[] = {
#define NAME(id, name, text) name,
	BERTH_VERDICTS(NAME)
#undef NAME
};

struct options {
	const char *pool, *ports, *policy, *exhausted, *stats;
	unsigned long rest_ms;
	bool check;
};

static void fail(const struct berth_why *why, int status)
{
	fprintf(stderr, "preload_run: %s\n", why->text);
	exit(status);
}

/* One address or prefix of a family; prefix_len counts in 128 bits. */
static void read_entry(char *text, struct berth_pool_entry *e)
{
	char *slash = strchr(text, '/');
	struct in_addr v4;

	*e = (struct berth_pool_entry){ .prefix_len = 128 };
	if (slash)
		*slash = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1) {
		e->is_v4 = 1;
		e->addr[10] = e->addr[11] = 0xff;
		memcpy(e->addr + 12, &v4, 4);
		e->scope = e->addr[12] == 127 ? BERTH_SCOPE_LOOPBACK : BERTH_SCOPE_GLOBAL;
	} else if (inet_pton(AF_INET6, text, e->addr) != 1) {
		fprintf(stderr, "preload_run: --pool: not an address: %s\n", text);
		exit(2);
	}
	if (slash)
		e->prefix_len = (uint8_t)(atoi(slash + 1) + (e->is_v4 ? 96 : 0));
}

static uint32_t read_pool(const char *text, struct berth_pool_entry *entry)
{
	char *copy = text ? strdup(text) : NULL, *save = NULL, *item;
	uint32_t n = 0;

	for (item = copy ? strtok_r(copy, ",", &save) : NULL; item && n < BERTH_POOL_MAX;
	     item = strtok_r(NULL, ",", &save))
		read_entry(item, &entry[n++]);
	free(copy);
	return n;
}

static void write_stats(const struct berth_preload *run, const char *path)
{
	uint64_t n[BERTH_VERDICT_COUNT];
	FILE *out = fopen(path, "we");
	int i;

	if (!out) {
		perror(path);
		exit(2);
	}
	berth_preload_counters(run, n);
	for (i = 0; i < BERTH_VERDICT_COUNT; i++)
		fprintf(out, "%s %llu\n", verdicts[i], (unsigned long long)n[i]);
	fclose(out);
}

static int run(struct berth_preload *p, char **argv)
{
	struct berth_why why;
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (berth_preload_enter(p, &why) < 0)
			fail(&why, 2);
		execvp(argv[0], argv);
		_exit(errno == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 2;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void prepare(const struct options *o, struct berth_preload *out)
{
	static struct berth_portset ports;
	static struct berth_pool_entry entry[BERTH_POOL_MAX];
	struct berth_assign_config c = { .pool_id = 1,
					 .rest_ns = o->rest_ms * 1000000,
					 .counters = 1024 };
	struct berth_range_error error;
	struct berth_why why;

	while (strcmp(policies[c.policy], o->policy))
		if (++c.policy == BERTH_POLICY_COUNT)
			exit(2);
	c.exhausted_to_kernel = !strcmp(o->exhausted, "kernel");
	c.entries = read_pool(o->pool, entry);
	if (berth_portset_parse(o->ports, &ports, &error)) {
		fprintf(stderr, "preload_run: --ports: %s\n", error.what);
		exit(2);
	}
	if (getrandom(c.key, sizeof(c.key), 0) != sizeof(c.key))
		exit(2);
	if (berth_preload_prepare(&c, &ports, entry, out, &why) < 0)
		fail(&why, 2);
}

int main(int argc, char **argv)
{
	struct options o = {
		.ports = "1024-32767", .policy = "uniform", .exhausted = "fail", .rest_ms = 1000
	};
	const struct arg rows[] = {
		{ "pool", ARG_TEXT, &o.pool, "addresses and prefixes" },
		{ "ports", ARG_TEXT, &o.ports, "ports to assign" },
		{ "policy", ARG_TEXT, &o.policy, "how the next port is chosen" },
		{ "reuse-after", ARG_NUMBER, &o.rest_ms, "rest of a released port in ms" },
		{ "when-exhausted", ARG_TEXT, &o.exhausted, "fail or kernel" },
		{ "stats", ARG_TEXT, &o.stats, "file for the counters" },
		{ "check", ARG_FLAG, &o.check, "only say whether the program can be preloaded" },
		{ 0 },
	};
	int at = args_parse("-- PROGRAM [ARG...]", rows, argc, argv), err, status;
	struct berth_preload p;
	struct berth_why why;

	if (at >= argc)
		args_usage(argv[0], "-- PROGRAM [ARG...]", rows, 2);
	err = berth_preload_check_program(argv[at], &why);
	if (err < 0)
		fail(&why, err == -ENOENT ? NOT_FOUND : err == -EACCES ? NOT_EXECUTABLE : 2);
	if (o.check)
		return 0;
	prepare(&o, &p);
	status = run(&p, argv + at);
	if (o.stats)
		write_stats(&p, o.stats);
	berth_preload_remove(&p);
	return status;
}
