/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random connect, close and bind operations from several processes, checked against the kernel's
 * own table.
 *
 * Each process holds --hold connections at most: with procs x hold below the ports of the pool a
 * tuple is free at all times, so every refused connect() is a fault and is printed with its errno.
 * An explicit bind() that finds its port taken is no fault: it is counted as busy. While they run,
 * and at the end, the parent looks for socket pairs that exist twice. Ends with 1 where there was
 * either fault.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "sock.h"
#include "tuples.h"

#define HOLD_MAX 4096u

struct options {
	struct endpoint to[16];
	struct endpoint source; /* port set by each operation */
	unsigned targets;
	unsigned long procs, operations, hold, seed, bind_first, bind_last;
	bool udp, reset;
};

/* Counted by all processes. */
struct seen {
	uint64_t connected, closed, bound, busy, refused;
};

struct worker {
	const struct options *o;
	struct seen *seen;
	uint64_t state; /* of the random numbers, never 0 */
	unsigned held, who;
	int fd[HOLD_MAX];
};

/* xorshift64*: good enough to choose operations, and the same for the same seed. */
static uint32_t below(struct worker *w, uint32_t n)
{
	w->state ^= w->state >> 12;
	w->state ^= w->state << 25;
	w->state ^= w->state >> 27;
	return (uint32_t)(((w->state * 0x2545f4914f6cdd1dULL >> 32) * n) >> 32);
}

static void add(uint64_t *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static void refuse(struct worker *w, const char *what, int code)
{
	add(&w->seen->refused);
	printf("refused %s %s in process %u with %u held\n", what, errno_name(code), w->who,
	       w->held);
}

static int make(struct worker *w, int family)
{
	int fd = socket(family, (w->o->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		perror("stress: socket");
		exit(2);
	}
	return fd;
}

static void connect_to(struct worker *w, int fd, const struct endpoint *to, const char *what)
{
	if (connect(fd, &to->sa, to->len)) {
		refuse(w, what, errno);
		close(fd);
		return;
	}
	w->fd[w->held++] = fd;
	add(&w->seen->connected);
}

static const struct endpoint *target(struct worker *w)
{
	return &w->o->to[below(w, w->o->targets)];
}

static void op_connect(struct worker *w)
{
	const struct endpoint *to = target(w);

	connect_to(w, make(w, to->sa.sa_family), to, "connect");
}

/* With --reset the pair is free at once; without, the peer may hold it as long as it likes. */
static void op_close(struct worker *w)
{
	const struct linger now = { .l_onoff = 1 };
	unsigned i;

	if (!w->held)
		return;
	i = below(w, w->held);
	if (w->o->reset)
		setsockopt(w->fd[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(w->fd[i]);
	w->fd[i] = w->fd[--w->held];
	add(&w->seen->closed);
}

/* Binds to port (0: any) and connects from there. */
static void bind_connect(struct worker *w, uint16_t port, const char *what)
{
	const struct endpoint *to = target(w);
	struct endpoint from = w->o->source;
	int fd = make(w, from.sa.sa_family);

	endpoint_set_port(&from, port);
	if (bind(fd, &from.sa, from.len)) {
		if (port && errno == EADDRINUSE)
			add(&w->seen->busy);
		else
			refuse(w, what, errno);
		close(fd);
		return;
	}
	add(&w->seen->bound);
	connect_to(w, fd, to, what);
}

static void op_bind_any(struct worker *w)
{
	bind_connect(w, 0, "bind-any");
}

static void op_bind_port(struct worker *w)
{
	uint32_t n = (uint32_t)(w->o->bind_last - w->o->bind_first + 1);

	bind_connect(w, (uint16_t)(w->o->bind_first + below(w, n)), "bind-port");
}

static const struct {
	unsigned weight;
	void (*run)(struct worker *w);
} operations[] = { { 50, op_connect }, { 46, op_close }, { 2, op_bind_any }, { 2, op_bind_port } };

static void work(struct worker *w)
{
	unsigned long i;

	for (i = 0; i < w->o->operations / w->o->procs; i++) {
		unsigned dice = below(w, 100), k = 0;

		while (dice >= operations[k].weight)
			dice -= operations[k++].weight;
		if (w->held == w->o->hold && operations[k].run != op_close)
			k = 1;
		if (!w->o->source.len && k > 1)
			k = 0;
		operations[k].run(w);
	}
}

/* Looks for duplicates until the pipe ends, that is until no process is left. */
static long watch(const struct options *o, int running, unsigned long *out_checks)
{
	struct pollfd p = { .fd = running };
	uint8_t protocol = o->udp ? IPPROTO_UDP : IPPROTO_TCP;
	long found = 0, n;

	for (*out_checks = 0; !poll(&p, 1, 50); ++*out_checks) {
		n = tuples_check(protocol, NULL);
		if (n < 0) {
			fprintf(stderr, "stress: sock_diag: %s\n", strerror((int)-n));
			exit(2);
		}
		found += n;
	}
	return found;
}

static void start(const struct options *o, struct seen *seen, unsigned who, int running[2],
		  int gate[2])
{
	static struct worker w;
	pid_t pid = fork();
	char c;

	if (pid < 0) {
		perror("stress: fork");
		exit(2);
	}
	if (pid)
		return;
	close(running[0]);
	close(gate[1]);
	w = (struct worker){ .o = o, .seen = seen, .who = who };
	w.state = (o->seed + who + 1) * 0x9e3779b97f4a7c15ULL;
	work(&w);
	fflush(stdout);
	close(running[1]);
	while (read(gate[0], &c, 1) > 0)
		;
	_exit(0);
}

static void parse(struct options *o, int argc, char **argv)
{
	const char *source = NULL;
	const struct arg rows[] = {
		{ "procs", ARG_NUMBER, &o->procs, "processes (8)" },
		{ "operations", ARG_NUMBER, &o->operations, "operations of all together (100000)" },
		{ "hold", ARG_NUMBER, &o->hold,
		  "connections that one process holds at most (500)" },
		{ "seed", ARG_NUMBER, &o->seed, "of the random choices" },
		{ "source", ARG_TEXT, &source, "address for bind operations; none without" },
		{ "bind-first", ARG_NUMBER, &o->bind_first,
		  "lowest port of explicit binds (20000)" },
		{ "bind-last", ARG_NUMBER, &o->bind_last,
		  "highest port of explicit binds (20999)" },
		{ "udp", ARG_FLAG, &o->udp, "connected UDP instead of TCP" },
		{ "reset", ARG_FLAG, &o->reset, "close with a reset, which leaves no TIME_WAIT" },
		{ 0 },
	};
	int at = args_parse("ADDR PORT [PORT...]", rows, argc, argv), i;

	for (i = at + 1; i < argc && o->targets < 16; i++)
		if (endpoint_parse(argv[at], argv[i], &o->to[o->targets]))
			o->targets++;
	if (!o->targets || !o->procs || o->hold > HOLD_MAX || o->bind_last < o->bind_first ||
	    o->bind_last > 65535 || (source && !endpoint_parse(source, "0", &o->source)))
		args_usage(argv[0], "ADDR PORT [PORT...]", rows, 2);
}

int main(int argc, char **argv)
{
	struct options o = { .procs = 8,
			     .operations = 100000,
			     .hold = 500,
			     .seed = 1,
			     .bind_first = 20000,
			     .bind_last = 20999 };
	struct seen *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int running[2], gate[2], status, bad = 0;
	unsigned long checks;
	long duplicates;
	unsigned i;

	parse(&o, argc, argv);
	raise_nofile();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (s == MAP_FAILED || pipe(running) || pipe(gate)) {
		perror("stress");
		return 2;
	}
	for (i = 0; i < o.procs; i++)
		start(&o, s, i, running, gate);
	close(running[1]);
	duplicates = watch(&o, running[0], &checks);
	duplicates += tuples_check(o.udp ? IPPROTO_UDP : IPPROTO_TCP, NULL);
	close(gate[1]);
	while (wait(&status) > 0)
		bad |= status;
	printf("{\"connected\":%llu,\"closed\":%llu,\"bound\":%llu,\"busy\":%llu,\"refused\":%llu,"
	       "\"duplicates\":%ld,\"checks\":%lu}\n",
	       (unsigned long long)s->connected, (unsigned long long)s->closed,
	       (unsigned long long)s->bound, (unsigned long long)s->busy,
	       (unsigned long long)s->refused, duplicates, checks + 1);
	return bad ? 2 : s->refused || duplicates;
}
