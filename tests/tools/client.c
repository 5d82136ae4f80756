/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways in which programs open connections, one mode each, for the system tests.
 *
 * Prints "ADDR PORT" of the local end for each connection, or "refused ERRNO"; ends with 0 where
 * all were opened, 1 where some were refused. Linked twice: as usual and statically.
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "sock.h"

struct options {
	struct endpoint to, source;
	unsigned long count, threads, source_port, dead;
	const char *source_addr;
	bool hold;
};

/* Opens one connection. Returns 0 or the errno; *out_fd is then untouched. */
typedef int open_fn(const struct options *o, int *out_fd);

static int make(const struct options *o, int type)
{
	int fd = socket(o->to.sa.sa_family, type | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		perror("client: socket");
		exit(2);
	}
	return fd;
}

/* Hands fd on where code is 0, closes it otherwise. */
static int done(int fd, int code, int *out_fd)
{
	if (code)
		close(fd);
	else
		*out_fd = fd;
	return code;
}

static int plain(const struct options *o, int type, int *out_fd)
{
	int fd = make(o, type);

	return done(fd, connect(fd, &o->to.sa, o->to.len) ? errno : 0, out_fd);
}

static int open_tcp(const struct options *o, int *out_fd)
{
	return plain(o, SOCK_STREAM, out_fd);
}

static int open_udp(const struct options *o, int *out_fd)
{
	return plain(o, SOCK_DGRAM, out_fd);
}

static int wait_connected(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int code;

	if (poll(&p, 1, 10000) != 1)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) ? errno : code;
}

static int open_nonblock(const struct options *o, int *out_fd)
{
	int fd = make(o, SOCK_STREAM | SOCK_NONBLOCK), code = 0;

	if (connect(fd, &o->to.sa, o->to.len))
		code = errno == EINPROGRESS ? wait_connected(fd) : errno;
	return done(fd, code, out_fd);
}

static int open_tfo(const struct options *o, int *out_fd)
{
	int fd = make(o, SOCK_STREAM);
	ssize_t n = sendto(fd, "hello\n", 6, MSG_FASTOPEN, &o->to.sa, o->to.len);

	return done(fd, n < 0 ? errno : 0, out_fd);
}

static int open_tfo_connect(const struct options *o, int *out_fd)
{
	int fd = make(o, SOCK_STREAM), one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)) ||
	    connect(fd, &o->to.sa, o->to.len) || send(fd, "hello\n", 6, MSG_NOSIGNAL) < 0)
		return done(fd, errno, out_fd);
	return done(fd, 0, out_fd);
}

/*
 * The first connect() must fail, at a port where nobody listens; the same socket then goes to ADDR
 * PORT.
 */
static int open_reconnect(const struct options *o, int *out_fd)
{
	int fd = make(o, SOCK_STREAM);
	struct endpoint dead = o->to;

	endpoint_set_port(&dead, (uint16_t)o->dead);
	if (!connect(fd, &dead.sa, dead.len)) {
		fprintf(stderr, "client: somebody listens at the port of --dead\n");
		exit(2);
	}
	if (errno != ECONNREFUSED)
		return done(fd, errno, out_fd);
	return done(fd, connect(fd, &o->to.sa, o->to.len) ? errno : 0, out_fd);
}

static int open_bound(const struct options *o, int *out_fd)
{
	int fd = make(o, SOCK_STREAM);

	if (bind(fd, &o->source.sa, o->source.len) || connect(fd, &o->to.sa, o->to.len))
		return done(fd, errno, out_fd);
	return done(fd, 0, out_fd);
}

static int open_bound_udp(const struct options *o, int *out_fd)
{
	int fd = make(o, SOCK_DGRAM);

	if (bind(fd, &o->source.sa, o->source.len) || connect(fd, &o->to.sa, o->to.len))
		return done(fd, errno, out_fd);
	return done(fd, 0, out_fd);
}

/* The parent connects and lets go; the child goes on with the socket and says so. */
static int open_fork(const struct options *o, int *out_fd)
{
	int fd, code = open_tcp(o, &fd), status;
	struct endpoint before, after;
	pid_t pid;

	if (code)
		return code;
	before = endpoint_local(fd);
	pid = fork();
	if (pid < 0)
		return done(fd, errno, out_fd);
	if (!pid) {
		after = endpoint_local(fd);
		_exit(send(fd, "hello\n", 6, MSG_NOSIGNAL) != 6 ||
		      memcmp(&before, &after, sizeof(after)));
	}
	waitpid(pid, &status, 0);
	return done(fd, status ? EPIPE : 0, out_fd);
}

static const struct mode {
	const char *name;
	open_fn *open;
	bool binds;
} modes[] = {
	{ "tcp", open_tcp, false },
	{ "udp", open_udp, false },
	{ "nonblock", open_nonblock, false },
	{ "tfo", open_tfo, false },
	{ "tfo-connect", open_tfo_connect, false },
	{ "reconnect", open_reconnect, false },
	{ "bind", open_bound, true },
	{ "bind-udp", open_bound_udp, true },
	{ "fork", open_fork, false },
};
#define MODES (sizeof(modes) / sizeof(modes[0]))

struct work {
	const struct options *o;
	open_fn *open;
	pthread_barrier_t *start;
	bool refused;
};

static void *open_all(void *arg)
{
	struct work *w = arg;
	char text[80];
	unsigned long i;
	int fd, code;

	pthread_barrier_wait(w->start);
	for (i = 0; i < w->o->count; i++) {
		code = w->open(w->o, &fd);
		if (code) {
			printf("refused %s\n", errno_name(code));
			w->refused = true;
			continue;
		}
		struct endpoint local = endpoint_local(fd);
		printf("%s\n", endpoint_text(&local, text, sizeof(text)));
		if (!w->o->hold)
			close(fd);
	}
	return NULL;
}

/* Runs the threads; true where one of them was refused. */
static bool run(const struct options *o, open_fn *open)
{
	struct work *w = calloc(o->threads, sizeof(*w));
	pthread_t *t = calloc(o->threads, sizeof(*t));
	pthread_barrier_t start;
	bool refused = false;
	unsigned long i;

	if (!w || !t)
		abort();
	pthread_barrier_init(&start, NULL, (unsigned)o->threads);
	for (i = 0; i < o->threads; i++) {
		w[i] = (struct work){ o, open, &start, false };
		if (pthread_create(&t[i], NULL, open_all, &w[i])) {
			fprintf(stderr, "client: no thread\n");
			exit(2);
		}
	}
	for (i = 0; i < o->threads; i++) {
		pthread_join(t[i], NULL);
		refused |= w[i].refused;
	}
	free(w);
	free(t);
	return refused;
}

static void usage(const char *program, const struct arg *rows)
{
	size_t i;

	fprintf(stderr, "modes:");
	for (i = 0; i < MODES; i++)
		fprintf(stderr, " %s", modes[i].name);
	fputc('\n', stderr);
	args_usage(program, "ADDR PORT", rows, 2);
}

int main(int argc, char **argv)
{
	struct options o = { .count = 1, .threads = 1, .dead = 1 };
	const struct arg rows[] = {
		{ "count", ARG_NUMBER, &o.count, "connections of each thread" },
		{ "threads", ARG_NUMBER, &o.threads, "threads that connect at once" },
		{ "source", ARG_TEXT, &o.source_addr, "bind, bind-udp: address to bind to" },
		{ "source-port", ARG_NUMBER, &o.source_port,
		  "bind, bind-udp: port to bind to, 0 for any" },
		{ "dead", ARG_NUMBER, &o.dead, "reconnect: a port where nobody listens" },
		{ "hold", ARG_FLAG, &o.hold, "keep the connections until stdin ends" },
		{ 0 },
	};
	char port[8], buf[64];
	bool refused;
	size_t m;
	int at;

	for (m = 0; argc > 1 && m < MODES && strcmp(argv[1], modes[m].name); m++)
		;
	if (argc < 2 || m == MODES)
		usage(argv[0], rows);
	at = args_parse("ADDR PORT", rows, argc - 1, argv + 1) + 1;
	if (argc - at != 2 || !o.threads || !endpoint_parse(argv[at], argv[at + 1], &o.to))
		usage(argv[0], rows);
	snprintf(port, sizeof(port), "%lu", o.source_port);
	if (modes[m].binds && (!o.source_addr || !endpoint_parse(o.source_addr, port, &o.source)))
		usage(argv[0], rows);
	raise_nofile();
	setvbuf(stdout, NULL, _IOLBF, 0);
	refused = run(&o, modes[m].open);
	while (o.hold && read(STDIN_FILENO, buf, sizeof(buf)) > 0)
		;
	return refused;
}
