/* SPDX-License-Identifier: BSD-2-Clause */
/* berth run: a program whose outgoing connections get their ports from berth. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "src/base/auto.h"
#include "src/base/text.h"
#include "src/cli/cli.h"
#include "src/cli/default_pool.h"
#include "src/core/range.h"
#include "src/kernel/assign.h"
#include "src/kernel/cgroup.h"
#include "src/kernel/child.h"
#include "src/kernel/ledger.h"
#include "src/kernel/pool.h"
#include "src/kernel/route.h"
#include "src/kernel/runs.h"
#include "src/preload/launch.h"

#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127
#define REST_DEFAULT_NS 1000000000ULL
#define REKEY_DEFAULT_NS 10000000000ULL /* as often as Linux */

enum via { VIA_AUTO, VIA_BPF, VIA_PRELOAD };

struct want {
	const char *pool, *ports, *stats;
	enum berth_policy policy;
	enum via via;
	uint64_t rest_ns, rekey_ns;
	bool to_kernel;
};

/* All that one run holds; zero is "nothing yet". */
struct session {
	struct want want;
	struct berth_pool pool;
	struct berth_portset ports;
	struct berth_run run;
	struct berth_assign_spec spec;
	struct berth_assign *assign;  /* via bpf */
	struct berth_preload preload; /* via preload; its file is NULL otherwise */
	struct timespec began;
	int cgroup_fd, run_fd;
	int route_fd; /* -1 where the pool does not ask the routes */
	char cgroup[BERTH_CGROUP_PATH_MAX];
	char *command, *ports_text;
};

static const char *const policy_name[] = {
#define NAME(id, name, text) name,
	BERTH_POLICIES(NAME)
#undef NAME
};

static int set_pool(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct want *)into)->pool = value;
	return 0;
}

static int set_ports(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct want *)into)->ports = value;
	return 0;
}

static int set_stats(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct want *)into)->stats = value;
	return 0;
}

static int set_policy(void *into, const char *value, struct berth_why *why)
{
	uint32_t i;

	(void)why;
	for (i = 0; i < BERTH_POLICY_COUNT; i++)
		if (!strcmp(value, policy_name[i]))
			((struct want *)into)->policy = i;
	return 0;
}

static int read_time(const char *option, const char *value, uint64_t *out_ns, struct berth_why *why)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "", 1e9 },   { "ms", 1e6 },   { "s", 1e9 },
		      { "m", 60e9 }, { "min", 60e9 }, { "h", 3600e9 } };
	char *end;
	double n = strtod(value, &end);
	uint32_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (value[0] < '0' || value[0] > '9' || strcmp(end, units[i].unit) ||
		    n * units[i].ns > 86400e9)
			continue;
		*out_ns = (uint64_t)(n * units[i].ns);
		return 0;
	}
	return berth_why(why, -EINVAL,
			 "--%s: \"%s\" is not a time up to a day; write e.g. 500ms, 1s, 2m", option,
			 value);
}

static int set_rest(void *into, const char *value, struct berth_why *why)
{
	return read_time("reuse-after", value, &((struct want *)into)->rest_ns, why);
}

static int set_rekey(void *into, const char *value, struct berth_why *why)
{
	return read_time("rekey", value, &((struct want *)into)->rekey_ns, why);
}

static int set_exhausted(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct want *)into)->to_kernel = !strcmp(value, "kernel");
	return 0;
}

static int set_via(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct want *)into)->via = !strcmp(value, "bpf")       ? VIA_BPF
				     : !strcmp(value, "preload") ? VIA_PRELOAD
								 : VIA_AUTO;
	return 0;
}

#define VALUE(id, name, text) name "|"
static const char policy_values[] = BERTH_POLICIES(VALUE);
#undef VALUE

const struct berth_opt berth_run_opts[] = {
	{ "pool", "ADDR|CIDR[,...]", NULL,
	  "Source addresses to connect from; for each destination the one with most headroom is taken. "
	  "Without it the route decides, as ever.",
	  NULL, set_pool },
	{ "ports", "SET",
	  "1024-65535 without the ephemeral range, reserved, named and declared ports",
	  "Ports to assign, as in 1024-32767,!5432,61000-65535. Declared are those on which a configuration file lets "
	  "a program listen, see \"berth lint\".",
	  NULL, set_ports },
	{ "policy", "NAME", "uniform", "How the next port is chosen.", policy_values, set_policy },
	{ "rekey", "TIME", "10s",
	  "hash and double-hash: so long a key is used. By one that lasts, strangers can know a host again "
	  "(berth sim --scenario track). 0: one key for the whole run.",
	  NULL, set_rekey },
	{ "reuse-after", "TIME", "1s",
	  "A released port rests so long before it is chosen again, while another one is free.",
	  NULL, set_rest },
	{ "when-exhausted", "WHAT", "fail",
	  "Where the pool has no usable port: fail the connect() with EADDRNOTAVAIL, or leave it to the kernel.",
	  "fail|kernel", set_exhausted },
	{ "via", "HOW", "auto",
	  "bpf: in the kernel; preload: in the program's own process, without privileges; auto: bpf where the "
	  "kernel permits it.",
	  "auto|bpf|preload", set_via },
	{ "stats", "FILE", NULL,
	  "Write the run's counters to FILE as JSON when the program has ended. A FILE that cannot be written is "
	  "refused before the program starts.",
	  NULL, set_stats },
	{ NULL },
};

/* Writes text as UTF-8: a byte that is none becomes U+FFFD. JSON, in which the run is told of, has no others. */
static void put_utf8(FILE *out, const char *text, size_t len)
{
	unsigned c;
	size_t n;

	for (; len; text += n ? n : 1, len -= n ? n : 1) {
		n = berth_text_char(text, len, &c);
		fwrite(n ? text : "\xef\xbf\xbd", n ? n : 3, 1, out);
	}
}

/* The command line as one text; the caller's to free. NULL: no memory. */
static char *join(char **argv)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	char **arg;

	for (arg = argv; out && *arg; arg++) {
		if (arg != argv)
			putc(' ', out);
		put_utf8(out, *arg, strlen(*arg));
	}
	if (out && fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

/* Takes reserved ports out; says so where they were asked for, or where nobody can tell which they are. */
static void drop_reserved(struct session *s)
{
	struct berth_ledger *l = NULL;
	struct berth_why why;
	unsigned dropped = berth_pool_drop_reserved(&s->ports);

	if (berth_ledger_open(false, &l, &why))
		fprintf(stderr, "berth run: reserved ports may be assigned: %s\n", why.text);
	berth_ledger_close(l);
	if (dropped && s->want.ports)
		fprintf(stderr,
			"berth run: %u ports of --ports are reserved and left out; see \"berth reserve list\"\n",
			dropped);
}

/* The ports asked for, or the default ones. */
static int read_ports(struct session *s, struct berth_why *why)
{
	struct berth_range_error error;
	size_t n;
	int err;

	if (s->want.ports && berth_portset_parse(s->want.ports, &s->ports, &error))
		return berth_why(
			why, -EINVAL,
			"--ports: %s at character %zu, \"%.12s\"; write e.g. 1024-32767,!5432",
			error.what, error.at + 1, s->want.ports + error.at);
	err = s->want.ports ? 0 : berth_default_pool(&s->ports, why);
	if (err < 0)
		return err;
	drop_reserved(s);
	if (!s->ports.count && !s->want.ports)
		return berth_why(
			why, -EINVAL,
			"no port is left for the default pool: services, reservations (berth reserve list) and "
			"configuration files (berth lint) have them all; name some: --ports 1024-32767");
	if (!s->ports.count)
		return berth_why(
			why, -EINVAL,
			"--ports: no port is left in the pool; name more, e.g. --ports 1024-32767");
	n = berth_portset_format(&s->ports, NULL, 0) + 1;
	s->ports_text = malloc(n);
	if (!s->ports_text)
		return berth_why(why, -ENOMEM, "no memory");
	berth_portset_format(&s->ports, s->ports_text, n);
	return 0;
}

static int stats_refused(int err, const char *path, struct berth_why *why)
{
	return berth_why(why, -err, "--stats: cannot write %s (%s); name another file", path,
			 strerror(err));
}

/*
 * Refuses a file that cannot be written as things stand. It is opened when the program has ended: where the run
 * fails before, what is in it stays, and none is made.
 */
static int check_stats(const char *path, struct berth_why *why)
{
	berth_auto_fd int fd = -1;
	struct stat st;

	if (!stat(path, &st)) {
		errno = EISDIR;
		return S_ISDIR(st.st_mode) || faccessat(AT_FDCWD, path, W_OK, AT_EACCESS)
			       ? stats_refused(errno, path, why)
			       : 0;
	}
	/* Not every file system tells without a trial. A link to nowhere is there, too, and left alone. */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? 0 : stats_refused(errno, path, why);
	unlink(path);
	return 0;
}

static int prepare(struct session *s, struct berth_why *why)
{
	int err = s->want.stats ? check_stats(s->want.stats, why) : 0;

	if (!err)
		err = read_ports(s, why);
	if (!err && s->want.pool)
		err = berth_pool_parse(s->want.pool, &s->pool, why);
	return err;
}

/*
 * What was reserved between the reading of the pool and the lock of the registry: whoever reserves saves the
 * ledger first and tells the runs of the registry then, so that one of the two is in time.
 */
static void withhold_late(struct berth_assign *assign)
{
	static struct berth_portset reserved;
	struct berth_ledger *l;

	if (berth_ledger_open(false, &l, NULL))
		return;
	berth_ledger_ports(l, "", &reserved);
	berth_ledger_close(l);
	berth_assign_withhold(assign, &reserved);
}

/* Loads the programs, makes the cgroup and enters the run. */
static int open_bpf(struct session *s, struct berth_why *why)
{
	uint32_t peer[BERTH_SHARED_MAP_COUNT];
	int err = berth_assign_open(&s->spec, berth_runs_peer(peer) ? peer : NULL, &s->assign, why);

	if (err)
		return err;
	withhold_late(s->assign);
	if (s->pool.by_device) {
		s->route_fd = berth_route_watch();
		err = berth_route_tell(s->assign, s->route_fd);
		if (err)
			return berth_why(why, err, "routes: the kernel does not tell them (%s)",
					 strerror(-err));
	}
	err = berth_cgroup_make(s->run.id, s->cgroup, sizeof(s->cgroup), &s->cgroup_fd, why);
	if (err)
		return err;
	s->run.via = "bpf";
	s->run.cgroup = s->cgroup;
	s->run.abi = BERTH_ASSIGN_ABI;
	err = berth_assign_map_ids(s->assign, s->run.map_ids);
	if (err)
		return berth_why(why, err, "bpf: the kernel does not tell the ids of maps (%s)",
				 strerror(-err));
	err = berth_runs_add(&s->run, &s->run_fd, why);
	return err ? err : berth_assign_attach(s->assign, s->cgroup_fd, why);
}

/* Gives back what open_bpf() got before it failed, so that the preload path can begin anew. */
static void undo_bpf(struct session *s)
{
	berth_assign_close(s->assign);
	s->assign = NULL;
	if (s->route_fd >= 0)
		close(s->route_fd);
	s->route_fd = -1;
	if (s->cgroup_fd >= 0)
		close(s->cgroup_fd);
	if (s->cgroup[0])
		berth_cgroup_remove(s->cgroup);
	if (s->run_fd >= 0)
		close(s->run_fd);
	berth_runs_remove(&s->run);
	s->cgroup_fd = s->run_fd = -1;
	s->cgroup[0] = 0;
	s->run.cgroup = "";
	memset(s->run.map_ids, 0, sizeof(s->run.map_ids));
}

static int open_preload(struct session *s, const char *program, int *out_status,
			struct berth_why *why)
{
	int err = berth_preload_check_program(program, why);

	if (err) {
		*out_status = err == -ENOENT   ? W_EXITCODE(EXIT_NOT_FOUND, 0)
			      : err == -EACCES ? W_EXITCODE(EXIT_NOT_EXECUTABLE, 0)
					       : -1;
		return err;
	}
	/* As withhold_late(): nobody else draws on this pool. */
	berth_pool_drop_reserved(&s->ports);
	err = berth_preload_prepare(&s->spec.config, &s->ports, s->pool.entry, &s->preload, why);
	if (err)
		return err;
	s->run.via = "preload";
	s->run.shm = s->preload.path;
	s->run.abi = BERTH_PRELOAD_ABI;
	err = berth_runs_add(&s->run, &s->run_fd, why);
	return err ? err : berth_preload_enter(&s->preload, why);
}

/* Takes the way that was asked for, or the first that is open. */
static int open_way(struct session *s, const char *program, int *out_status, struct berth_why *why)
{
	berth_auto_fd int lock = -1;
	int err = berth_runs_lock(&lock, why);

	if (err)
		return err;
	berth_runs_sweep();
	err = berth_assign_complete(&s->spec);
	if (err)
		return berth_why(why, err,
				 "network namespace: the kernel does not tell its cookie (%s)",
				 strerror(-err));
	if (s->want.via != VIA_PRELOAD) {
		err = open_bpf(s, why);
		if (!err || s->want.via == VIA_BPF)
			return err;
		undo_bpf(s);
		fprintf(stderr, "berth run: taking --via preload: %s\n", why->text);
	}
	return open_preload(s, program, out_status, why);
}

static void grow(void *arg)
{
	berth_auto_fd int lock = -1;

	if (!berth_runs_lock(&lock, NULL))
		berth_assign_grow(arg);
}

static void follow_routes(void *arg)
{
	struct session *s = arg;

	berth_route_tell(s->assign, s->route_fd);
}

static json_t *counters_json(const uint64_t v[BERTH_VERDICT_COUNT])
{
	json_t *o = json_object();

#define ADD(id, name, text)                                                                        \
	json_object_set_new(o, name, json_integer((json_int_t)v[BERTH_VERDICT_##id]));
	BERTH_VERDICTS(ADD)
#undef ADD
	return o;
}

static double seconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

static int write_stats(const struct session *s, const uint64_t v[BERTH_VERDICT_COUNT], int status,
		       struct berth_why *why)
{
	json_t *root =
		json_pack("{s:s s:s s:s s:s s:s s:f s:f s:o s:i s:i}", "via", s->run.via, "command",
			  s->run.command, "policy", s->run.policy, "pool", s->run.pool, "ports",
			  s->run.ports, "reuse_after_seconds", (double)s->want.rest_ns / 1e9,
			  "seconds", seconds_since(&s->began), "counters", counters_json(v),
			  "exit_status", WIFEXITED(status) ? WEXITSTATUS(status) : -1, "signal",
			  WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	int err =
		root ? json_dump_file(root, s->want.stats, JSON_INDENT(2) | JSON_ENSURE_ASCII) : -1;

	json_decref(root);
	return err ? stats_refused(errno, s->want.stats, why) : 0;
}

/*
 * Says what the program could not see: that berth refused it, or let the kernel choose. A connection is also
 * refused, and not counted as exhausted, where another socket holds the pair that it would have.
 */
static void report(const struct session *s, const uint64_t v[BERTH_VERDICT_COUNT])
{
	uint64_t refused = v[BERTH_VERDICT_REFUSED],
		 exhausted = s->want.to_kernel ? 0 : v[BERTH_VERDICT_EXHAUSTED];

	exhausted = exhausted < refused ? exhausted : refused;
	if (exhausted)
		fprintf(stderr,
			"berth run: %llu connections refused, the pool was exhausted; widen --ports, add addresses with "
			"--pool, or --when-exhausted kernel\n",
			(unsigned long long)exhausted);
	if (refused > exhausted)
		fprintf(stderr,
			"berth run: %llu connections refused, another socket held their socket pair; a new socket gets "
			"another port\n",
			(unsigned long long)(refused - exhausted));
	if (v[BERTH_VERDICT_FALLBACK])
		fprintf(stderr,
			"berth run: %llu sockets left to the kernel, berth had no port for them\n",
			(unsigned long long)v[BERTH_VERDICT_FALLBACK]);
}

/* Gives back all that the run holds. A cgroup in which processes live on is left to the next sweep. */
static void close_session(struct session *s)
{
	berth_auto_fd int lock = -1;

	berth_assign_close(s->assign);
	if (s->preload.file)
		berth_preload_remove(&s->preload);
	if (s->cgroup_fd >= 0)
		close(s->cgroup_fd);
	if (s->run_fd >= 0 || s->cgroup[0]) {
		berth_runs_lock(&lock, NULL);
		if (!s->cgroup[0] || berth_cgroup_remove(s->cgroup) != -EBUSY)
			berth_runs_remove(&s->run);
	}
	if (s->run_fd >= 0)
		close(s->run_fd);
	if (s->route_fd >= 0)
		close(s->route_fd);
	free(s->command);
	free(s->ports_text);
}

static int finish(struct session *s, int status, struct berth_why *why)
{
	uint64_t v[BERTH_VERDICT_COUNT] = { 0 };
	int err = 0;

	if (s->assign)
		err = berth_assign_read(berth_assign_counters_fd(s->assign), v);
	else
		berth_preload_counters(&s->preload, v);
	if (err)
		return berth_why(why, err, "bpf: cannot read the counters (%s)", strerror(-err));
	report(s, v);
	return s->want.stats ? write_stats(s, v, status, why) : 0;
}

/* What the run is called in the registry and in the counters' file. */
static int describe(struct session *s, char **program, struct berth_why *why)
{
	s->command = join(program);
	if (!s->command)
		return berth_why(why, -ENOMEM, "no memory");
	berth_runs_name(&s->run);
	s->run.command = s->command;
	s->run.pool = s->want.pool ? s->want.pool : "";
	s->run.ports = s->ports_text;
	s->run.policy = policy_name[s->want.policy];
	s->run.cgroup = s->run.shm = "";
	s->spec = (struct berth_assign_spec){
		.config = { .rest_ns = s->want.rest_ns,
			    .rekey_ns = s->want.rekey_ns,
			    .policy = s->want.policy,
			    .entries = s->pool.entries,
			    .exhausted_to_kernel = s->want.to_kernel,
			    .by_device = s->pool.by_device },
		.entries = s->pool.entry,
		.ports = &s->ports,
	};
	return 0;
}

/* out_status: the program's wait status; left at -1 where the failure is berth's own. */
static int run(struct session *s, char **program, struct berth_why *why, int *out_status)
{
	struct berth_child child = { .signal_fd = -1 };
	struct berth_child_event event[2];
	int err = prepare(s, why);

	if (!err)
		err = describe(s, program, why);
	if (!err)
		err = open_way(s, program[0], out_status, why);
	if (err)
		return err;
	clock_gettime(CLOCK_MONOTONIC, &s->began);
	err = berth_child_start(program, environ, s->cgroup_fd, &child, why);
	if (err) {
		*out_status = W_EXITCODE(err == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, 0);
		return err;
	}
	event[0] = (struct berth_child_event){ s->assign ? berth_assign_event_fd(s->assign) : -1,
					       grow, s->assign };
	event[1] = (struct berth_child_event){ s->route_fd, follow_routes, s };
	*out_status = berth_child_wait(&child, event, 2);
	return finish(s, *out_status, why);
}

int berth_run_main(int argc, char **argv)
{
	struct session s = { .want = { .rest_ns = REST_DEFAULT_NS, .rekey_ns = REKEY_DEFAULT_NS },
			     .cgroup_fd = -1,
			     .run_fd = -1,
			     .route_fd = -1 };
	struct berth_why why;
	int status = -1, at = berth_opt_parse(berth_run_opts, argc, argv, &s.want, &why), err;

	if (at < 0)
		return berth_complain("run", &why, BERTH_EXIT_FAILURE);
	if (at >= argc) {
		berth_why(&why, 0, "name a program: berth run [OPTION...] -- PROGRAM [ARG...]");
		return berth_complain("run", &why, BERTH_EXIT_FAILURE);
	}
	err = run(&s, argv + at, &why, &status);
	close_session(&s);
	if (err)
		berth_complain("run", &why, 0);
	if (status < 0)
		return BERTH_EXIT_FAILURE;
	berth_child_exit_as(status);
}
