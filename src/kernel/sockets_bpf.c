/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows out of bpf/observe.bpf.c: a walk over descriptors, then one over the kernel's tables for what has none.
 *
 * Made for a million sockets: rows go to the caller as they are read, 0.4 us each. What is remembered is bounded by
 * what is rare: sockets with several descriptors of the process at hand, sockets of rare protocols, and late ones: those
 * that had no descriptor when the first walk came by and have a file now. Who holds these a second walk tells; what
 * it does not find was on its way between two processes.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/observe.h"
#include "bpf/count.skel.h"
#include "bpf/observe.skel.h"
#include "src/base/auto.h"
#include "src/kernel/diag.h"
#include "src/kernel/file.h"
#include "src/kernel/keyset.h"
#include "src/kernel/netns.h"
#include "src/kernel/procfd.h"
#include "src/kernel/readahead.h"
#include "src/kernel/sockets.h"

#define BUFFER 65536
#define READS_ALONE 8   /* a walk that is longer is read by a thread of its own */
#define SEEN_UNIT 1024u /* bytes of memory that share a mark: seen_shift() of the program */
#define SEEN_BITS_MAX                                                                              \
	(1ull << 28) /* 32 MB; beyond 128 GB of memory an unowned socket may be missed */
#define SEEN_BITS_MIN (1ull << 20)
#define PLACES_MIN (1u << 17) /* of the table of counts: 4 MB */
#define PLACES_MAX (1u << 23)

struct late {
	struct berth_socket socket;
	uint32_t next; /* of the same inode, plus one */
	bool held;
};

struct reader {
	const struct berth_sockets_query *query;
	struct observe_bpf *skel;
	struct count_bpf *counter; /* instead, where sockets are only counted */
	berth_sockets_fn fn;
	void *arg;
	char *buf;
	struct berth_keyset
		shared; /* inodes with several descriptors that process shared_pid has had */
	uint32_t shared_pid;
	struct berth_keyset threads; /* (process, inode) where threads have tables of their own */
	struct berth_keyset rare;    /* inodes of protocols that no walk knows, held */
	struct late *late;
	size_t late_count, late_room;
	struct berth_keyset late_inodes; /* inode -> index in late, plus one */
	bool tcp_done;                   /* the table of TCP needs no walk of its own any more */
};

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level, (void)format, (void)ap;
	return 0;
}

/* ---- a process counts once for a socket ---- */

static uint64_t thread_key(uint32_t pid, uint64_t inode)
{
	return (uint64_t)pid << 32 | (uint32_t)inode;
}

static int note_leader(uint32_t pid, uint32_t thread, uint32_t fd, uint64_t inode, void *arg)
{
	struct reader *r = arg;

	(void)thread, (void)fd;
	return berth_keyset_add(&r->threads, thread_key(pid, inode), 0) < 0 ? -ENOMEM : 0;
}

/* A thread with a table of its own: does its process have the socket without it? */
static int is_new_of_thread(struct reader *r, const struct berth_observed *o)
{
	uint64_t known = thread_key(o->task.pid, 0xffffffff);
	int added = berth_keyset_add(&r->threads, known, 0);

	if (added > 0)
		berth_procfd_table(o->task.pid, o->task.pid, note_leader, r);
	if (added < 0)
		return added;
	return berth_keyset_add(&r->threads, thread_key(o->task.pid, o->socket.inode), 0);
}

/* 1 where the process has not had this socket yet, else 0, or -ENOMEM. Its descriptors come one after the other. */
static int is_new(struct reader *r, const struct berth_observed *o)
{
	if (o->task.thread != o->task.pid)
		return is_new_of_thread(r, o);
	if (!(o->socket.flags & BERTH_SOCKET_SHARED))
		return 1;
	if (r->shared_pid != o->task.pid) {
		berth_keyset_clear(&r->shared);
		r->shared_pid = o->task.pid;
	}
	return berth_keyset_add(&r->shared, o->socket.inode, 0);
}

/* ---- what a walk brings ---- */

typedef int (*observed_fn)(struct reader *r, const struct berth_observed *o);

static bool is_rare(const struct berth_socket *s)
{
	return (s->flags & BERTH_SOCKET_RAW) ||
	       (s->protocol != IPPROTO_TCP && s->protocol != IPPROTO_UDP);
}

static int on_held(struct reader *r, const struct berth_observed *o)
{
	int fresh = is_new(r, o);

	if (fresh > 0 && is_rare(&o->socket) && berth_keyset_add(&r->rare, o->socket.inode, 0) < 0)
		fresh = -ENOMEM;
	return fresh <= 0 ? fresh : r->fn(&o->socket, &o->task, r->arg);
}

static int add_late(struct reader *r, const struct berth_socket *s)
{
	struct late *more;
	uint32_t *first;

	if (r->late_count == r->late_room) {
		size_t room = r->late_room ? r->late_room * 2 : 64;

		more = reallocarray(r->late, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		r->late = more;
		r->late_room = room;
	}
	if (berth_keyset_add(&r->late_inodes, s->inode, 0) < 0)
		return -ENOMEM;
	first = berth_keyset_find(&r->late_inodes, s->inode);
	r->late[r->late_count] = (struct late){ *s, *first, false };
	*first = (uint32_t)++r->late_count;
	return 0;
}

static int on_table(struct reader *r, const struct berth_observed *o)
{
	bool file = o->socket.inode && (o->socket.flags & BERTH_SOCKET_FILE);

	/* A process that is asked for has had its turn, but for the subflows of its MPTCP sockets. */
	if (r->query->ask.pid && !r->query->no_holders &&
	    !(file && berth_keyset_find(&r->rare, o->socket.inode)))
		return 0;
	if (file && !r->query->no_holders)
		return add_late(r, &o->socket);
	return r->fn(&o->socket, NULL, r->arg);
}

/* A holder of a late socket, or of another socket that came later still: that one is left out. */
static int on_second(struct reader *r, const struct berth_observed *o)
{
	uint32_t *first = berth_keyset_find(&r->late_inodes, o->socket.inode), at;
	int result = first ? is_new(r, o) : 0;

	if (result <= 0)
		return result;
	for (result = 0, at = *first; at && !result; at = r->late[at - 1].next) {
		r->late[at - 1].held = true;
		result = r->fn(&r->late[at - 1].socket, &o->task, r->arg);
	}
	return result;
}

static int each_observed(struct reader *r, const char *bytes, size_t n, observed_fn fn)
{
	const struct berth_observed *o = (const void *)bytes, *end = o + n / sizeof(*o);
	int result = 0;

	for (; o < end && !result; o++)
		result = fn(r, o);
	return result;
}

struct stream {
	struct reader *r;
	observed_fn fn;
};

static int on_bytes(const char *bytes, size_t n, void *arg)
{
	const struct stream *s = arg;

	return each_observed(s->r, bytes, n, s->fn);
}

/* The rest of a walk that turned out to be long; beside: another one at the same time, or -1. */
static int read_rest(struct reader *r, int iter, observed_fn fn, int beside)
{
	struct stream stream[] = { { r, fn }, { r, on_table } };
	struct berth_stream both[] = { { iter, on_bytes, &stream[0] },
				       { beside, on_bytes, &stream[1] } };

	return berth_readahead(both, beside < 0 ? 1 : 2);
}

static int open_walk(struct reader *r, const struct bpf_program *program, int *out_iter)
{
	union bpf_iter_link_info info = { .task.pid = r->query->ask.pid };
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	berth_auto_fd int link = -1;

	if (info.task.pid && !r->counter && program == r->skel->progs.berth_files) {
		opts.iter_info = &info;
		opts.iter_info_len = sizeof(info);
	}
	link = bpf_link_create(bpf_program__fd(program), 0, BPF_TRACE_ITER, &opts);
	*out_iter = link < 0 ? -1 : bpf_iter_create(link);
	return *out_iter < 0 ? -errno : 0;
}

/* Where the walk over descriptors is long, the table of TCP is walked at the same time, by another CPU. */
static int read_both(struct reader *r, int iter, observed_fn fn)
{
	const struct bpf_program *tcp = r->skel->progs.berth_tcp;
	berth_auto_fd int beside = -1;
	int result;

	if (fn != on_held || r->query->ask.pid || r->query->all_namespaces ||
	    bpf_program__fd(tcp) < 0)
		return read_rest(r, iter, fn, -1);
	result = open_walk(r, tcp, &beside);
	if (result)
		return result;
	r->skel->bss->tables = BERTH_TABLES_BESIDE;
	result = read_rest(r, iter, fn, beside);
	r->skel->bss->tables = BERTH_TABLES_FILES;
	/* Each that had a file was met by the other walk. */
	r->tcp_done = r->skel->bss->pended == r->skel->bss->settled;
	return result;
}

static int walk(struct reader *r, const struct bpf_program *program, observed_fn fn)
{
	berth_auto_fd int iter = -1;
	int result = open_walk(r, program, &iter), reads;
	ssize_t n = 1;

	/* The one process that is asked for is gone. */
	if (result)
		return result == -ESRCH ? 0 : result;
	for (reads = 0; n > 0 && reads < READS_ALONE && !result; reads++) {
		n = read(iter, r->buf, BUFFER);
		if (n < 0 && errno == EAGAIN)
			n = 1;
		else if (n > 0)
			result = each_observed(r, r->buf, (size_t)n, fn);
	}
	if (n < 0)
		return -errno;
	return n && !result ? read_both(r, iter, fn) : result;
}

/* ---- loading ---- */

/* Marks for all of the memory that sockets can lie in, and as much again for holes in it. */
static uint64_t seen_bits(void)
{
	uint64_t units = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) /
			 SEEN_UNIT,
		 bits = SEEN_BITS_MIN;

	while (bits < 2 * units && bits < SEEN_BITS_MAX)
		bits *= 2;
	return bits;
}

static uint32_t tick_ms(void)
{
	struct timespec tick;

	return clock_getres(CLOCK_MONOTONIC_COARSE, &tick) ? 1 : (uint32_t)(tick.tv_nsec / 1000000);
}

static bool asks_for(const struct berth_socket_ask *ask, uint16_t protocol)
{
	uint32_t i;

	for (i = 0; i < ask->protocols; i++)
		if (ask->protocol[i] == protocol)
			return true;
	return !ask->protocols;
}

static int load(struct observe_bpf *skel, const struct berth_sockets_query *q)
{
	uint64_t bits = q->no_holders ? 64 : seen_bits();
	int err;

	bpf_program__set_autoload(skel->progs.berth_files, !q->no_holders);
	bpf_program__set_autoload(skel->progs.berth_tcp, asks_for(&q->ask, IPPROTO_TCP));
	bpf_program__set_autoload(skel->progs.berth_udp, asks_for(&q->ask, IPPROTO_UDP));
	bpf_map__set_max_entries(skel->maps.seen, (uint32_t)(bits / 64));
	err = observe_bpf__load(skel);
	if (err)
		return err;
	skel->bss->ask = q->ask;
	skel->bss->seen_mask = (uint32_t)(bits - 1);
	skel->bss->tick_ms = tick_ms();
	return 0;
}

static int refuse_load(int err, struct berth_why *why)
{
	return berth_why(
		why, err,
		"bpf: the kernel refused a program that reads sockets (%s); run as root, with "
		"CAP_BPF and CAP_PERFMON, or see \"berth doctor\"",
		strerror(-err));
}

static int open_reader(struct reader *r, struct berth_why *why)
{
	int err;

	if (!getenv("BERTH_BPF_LOG"))
		libbpf_set_print(quiet);
	r->buf = malloc(BUFFER);
	r->skel = r->buf ? observe_bpf__open() : NULL;
	err = r->skel ? load(r->skel, r->query) : -ENOMEM;
	return err ? refuse_load(err, why) : 0;
}

static void close_reader(struct reader *r)
{
	observe_bpf__destroy(r->skel);
	count_bpf__destroy(r->counter);
	free(r->buf);
	free(r->late);
	berth_keyset_free(&r->shared);
	berth_keyset_free(&r->threads);
	berth_keyset_free(&r->rare);
	berth_keyset_free(&r->late_inodes);
}

/* ---- one namespace, all namespaces ---- */

static int on_rare(const struct berth_socket *s, void *arg)
{
	struct reader *r = arg;

	if (!berth_socket_is_asked(s, &r->query->ask) ||
	    (s->inode && berth_keyset_find(&r->rare, s->inode)))
		return 0;
	return r->fn(s, NULL, r->arg);
}

/* A number of the line "TCP:" of the namespace's sockstat; -1 where it cannot be read. */
static long tcp_stat(const char *name)
{
	berth_auto_free char *text = NULL;
	const char *line, *at;
	char want[16];

	snprintf(want, sizeof(want), " %s ", name);
	if (berth_file_read("/proc/thread-self/net/sockstat", &text))
		return -1;
	line = strstr(text, "TCP:");
	at = line ? strstr(line, want) : NULL;
	return at ? strtol(at + strlen(want), NULL, 10) : -1;
}

/*
 * Whether the host has TCP sockets that no table of the kernel has, among them those that are bound only. To find these
 * takes as long as a walk over all sockets; that there are none two numbers tell: those allocated, on the host,
 * and those in tables, of each namespace.
 */
static bool has_unhashed(void)
{
	struct berth_netns_list list;
	struct berth_why why;
	long hashed = 0, n = 0;
	size_t i;

	if (berth_netns_find(&list, &why))
		return true;
	for (i = list.count; i-- > 0 && n >= 0;) {
		n = berth_netns_enter(&list.netns[i]) ? -1 : tcp_stat("inuse");
		hashed += n;
	}
	if (berth_netns_enter(&list.netns[0]))
		n = -1;
	berth_netns_free(&list);
	return n < 0 || tcp_stat("alloc") != hashed;
}

/* Sockets that no walk comes by: protocols without a table of their own; bound ones of TCP, which only files know. */
static int read_rare(struct reader *r, struct berth_why *why)
{
	uint32_t states = r->query->ask.states ? r->query->ask.states : ~0u;
	const uint16_t *p;
	int result = 0;

	for (p = berth_diag_protocols; *p && !result; p++) {
		if (*p == IPPROTO_UDP || !asks_for(&r->query->ask, *p))
			continue;
		if (*p == IPPROTO_TCP && (!r->query->no_holders ||
					  !(states >> BERTH_STATE_BOUND & 1) || !has_unhashed()))
			continue;
		result = berth_diag_dump(
			*p, *p == IPPROTO_TCP ? states & 1u << BERTH_STATE_BOUND : states, on_rare,
			r, why);
	}
	return result;
}

static int read_tables(struct reader *r, struct berth_why *why)
{
	int result = 0;

	if (!r->tcp_done && bpf_program__fd(r->skel->progs.berth_tcp) >= 0)
		result = walk(r, r->skel->progs.berth_tcp, on_table);
	if (!result && bpf_program__fd(r->skel->progs.berth_udp) >= 0)
		result = walk(r, r->skel->progs.berth_udp, on_table);
	if (r->query->ask.pid && !r->query->no_holders)
		return result;
	return result ? result : read_rare(r, why);
}

/* Calls fn in each namespace that is asked for. */
static int in_namespaces(struct reader *r, struct berth_sockets_told *told,
			 int (*fn)(struct reader *r, struct berth_why *why), struct berth_why *why)
{
	struct berth_netns_list list;
	int result, back;
	size_t i;

	told->namespaces = 1;
	if (!r->query->all_namespaces)
		return fn(r, why);
	result = berth_netns_find(&list, why);
	if (result)
		return result;
	for (i = list.count; !result && i-- > 0;) {
		result = berth_netns_enter(&list.netns[i]);
		if (!result)
			result = fn(r, why);
	}
	back = berth_netns_enter(&list.netns[0]);
	told->namespaces = (unsigned)list.count;
	berth_netns_free(&list);
	return result ? result : back;
}

/* Finds the holders of late sockets; what nobody holds comes last. */
static int read_late(struct reader *r)
{
	int result = 0;
	size_t i;

	if (!r->late_count)
		return 0;
	berth_keyset_clear(&r->shared);
	berth_keyset_clear(&r->threads);
	r->shared_pid = 0;
	memset(&r->skel->bss->ask, 0, sizeof(r->skel->bss->ask));
	r->skel->bss->again = 1;
	result = walk(r, r->skel->progs.berth_files, on_second);
	for (i = 0; i < r->late_count && !result; i++)
		if (!r->late[i].held && !r->query->ask.pid)
			result = r->fn(&r->late[i].socket, NULL, r->arg);
	return result;
}

int berth_sockets_bpf_read(const struct berth_sockets_query *query, berth_sockets_fn fn, void *arg,
			   struct berth_sockets_told *told, struct berth_why *why)
{
	struct reader r = { .query = query, .fn = fn, .arg = arg };
	int result;

	if (!query->no_holders && berth_sockets_in_pid_namespace())
		return berth_why(
			why, -EPERM,
			"bpf: programs in the kernel see process ids of the host, which are others here, "
			"in a PID namespace; leave the source to berth, or name diag");
	result = open_reader(&r, why);
	if (!result) {
		*told = (struct berth_sockets_told){ .source = BERTH_SOCKETS_BPF, .namespaces = 1 };
		if (!query->no_holders)
			result = walk(&r, r.skel->progs.berth_files, on_held);
		if (!result && (query->no_holders || !query->ask.pid || r.rare.count))
			result = in_namespaces(&r, told, read_tables, why);
		if (!result)
			result = read_late(&r);
		if (result < 0 && !*why->text)
			berth_why(why, result, "bpf: a walk over sockets broke off (%s); try again",
				  strerror(-result));
	}
	close_reader(&r);
	return result;
}

/* ---- counts ---- */

static int load_counter(struct count_bpf *counter, const struct berth_sockets_query *q,
			enum berth_count_by by, uint32_t places)
{
	uint64_t seed = 0;
	int err;

	bpf_program__set_autoload(counter->progs.berth_count_tcp, asks_for(&q->ask, IPPROTO_TCP));
	bpf_program__set_autoload(counter->progs.berth_count_udp, asks_for(&q->ask, IPPROTO_UDP));
	bpf_map__set_max_entries(counter->maps.counts, places);
	err = count_bpf__load(counter);
	if (err)
		return err;
	if (getrandom(&seed, sizeof(seed), 0) < 0)
		return -errno;
	counter->bss->ask = q->ask;
	counter->bss->tick_ms = tick_ms();
	counter->bss->count_by = by;
	counter->bss->counts_mask = places - 1;
	counter->bss->counts_seed = seed;
	return 0;
}

static int open_counter(struct reader *r, enum berth_count_by by, uint32_t places,
			struct berth_why *why)
{
	int err;

	if (!getenv("BERTH_BPF_LOG"))
		libbpf_set_print(quiet);
	r->buf = malloc(BUFFER);
	r->counter = r->buf ? count_bpf__open() : NULL;
	err = r->counter ? load_counter(r->counter, r->query, by, places) : -ENOMEM;
	return err ? refuse_load(err, why) : 0;
}

static int count_tables(struct reader *r, struct berth_why *why)
{
	struct count_bpf *c = r->counter;
	int result = 0;

	if (bpf_program__fd(c->progs.berth_count_tcp) >= 0)
		result = walk(r, c->progs.berth_count_tcp, NULL);
	if (!result && bpf_program__fd(c->progs.berth_count_udp) >= 0)
		result = walk(r, c->progs.berth_count_udp, NULL);
	(void)why;
	return !result && c->bss->uncounted ? -E2BIG : result;
}

struct adder {
	enum berth_count_by by;
	berth_sockets_count_fn fn;
	void *arg;
};

static int add_rare(const struct berth_socket *s, const struct berth_task *task, void *arg)
{
	const struct adder *a = arg;
	struct berth_count_key key;

	(void)task;
	berth_sockets_count_key(s, a->by, &key);
	return a->fn(&key, 1, a->arg);
}

/* Hands on what the table has, where it lies. */
static int fetch(int map, uint32_t places, const struct adder *a)
{
	size_t size = places * sizeof(struct berth_count);
	const struct berth_count *c =
		mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, map, 0);
	int result = 0;
	uint32_t i;

	if (c == MAP_FAILED)
		return -errno;
	for (i = 0; i < places && !result; i++)
		if (c[i].sockets)
			result = a->fn(&c[i].key, c[i].sockets, a->arg);
	munmap((void *)c, size);
	return result;
}

/* Counts with room for so many keys: -E2BIG where these are too few, before the first call of fn. */
static int count_once(struct reader *r, const struct adder *a, uint32_t places,
		      struct berth_sockets_told *told, struct berth_why *why)
{
	int result = open_counter(r, a->by, places, why);

	if (result)
		return result;
	*told = (struct berth_sockets_told){ .source = BERTH_SOCKETS_BPF, .namespaces = 1 };
	result = in_namespaces(r, told, count_tables, why);
	if (!result)
		result = in_namespaces(r, told, read_rare, why);
	if (!result)
		result = fetch(bpf_map__fd(r->counter->maps.counts), places, a);
	return result;
}

int berth_sockets_bpf_count(const struct berth_sockets_query *query, enum berth_count_by by,
			    berth_sockets_count_fn fn, void *arg, struct berth_sockets_told *told,
			    struct berth_why *why)
{
	struct adder a = { by, fn, arg };
	uint32_t places;
	int result = -E2BIG;

	/* Few keys are the rule, and a small table stays in the cache. */
	for (places = PLACES_MIN; result == -E2BIG && places <= PLACES_MAX; places *= 8) {
		struct reader r = { .query = query, .fn = add_rare, .arg = &a };

		result = count_once(&r, &a, places, told, why);
		close_reader(&r);
	}
	if (result == -E2BIG)
		return berth_why(
			why, result,
			"counting: more than %u different values; ask for fewer, e.g. one port",
			PLACES_MAX / 4 * 3);
	if (result < 0 && !*why->text)
		berth_why(why, result, "bpf: a count of sockets broke off (%s); try again",
			  strerror(-result));
	return result;
}
