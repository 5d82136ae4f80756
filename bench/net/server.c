/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other side of the measurements: accepts any number of connections and closes each when its
 * peer does.
 *
 * --queue never accepts: an established connection then stays in the listen queue and needs no
 * descriptor, so one process carries a million of them (net.core.somaxconn of the namespace
 * permitting). It prints one line when it listens, lives until its stdin ends, and then prints what
 * it has seen.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "tests/tools/args.h"
#include "tests/tools/sock.h"

#define BATCH 256
#define PROCS_MAX 256

struct server {
	struct endpoint at;
	bool queue, udp;
	unsigned long procs, backlog;
};

/* Counters that all processes add to. */
struct seen {
	uint64_t accepted, closed, refused; /* refused: accept() found no descriptor */
};

static void fail(const char *what)
{
	fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int listener(const struct server *s)
{
	int one = 1, type = s->udp ? SOCK_DGRAM : SOCK_STREAM;
	int fd = socket(s->at.sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (s->procs > 1)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(fd, &s->at.sa, s->at.len))
		fail("bind");
	if (!s->udp && listen(fd, (int)s->backlog))
		fail("listen");
	return fd;
}

static void watch(int ep, int op, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	if (epoll_ctl(ep, op, fd, &ev))
		fail("epoll_ctl");
}

static bool
	paused; /* no descriptor was left: this process waits for a close before it accepts again */

static int highest; /* descriptor of a connection: the limit of descriptors may be a billion */

/* Accepts a batch at most: peers that have closed must not wait behind all that arrive. */
static void take_new(int ep, int lfd, struct seen *seen)
{
	int fd = 0, left = BATCH;

	while (left-- > 0 && (fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		__atomic_add_fetch(&seen->accepted, 1, __ATOMIC_RELAXED);
		watch(ep, EPOLL_CTL_ADD, fd, EPOLLIN);
		highest = fd > highest ? fd : highest;
	}
	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		__atomic_add_fetch(&seen->refused, 1, __ATOMIC_RELAXED);
		watch(ep, EPOLL_CTL_MOD, lfd, 0);
		paused = true;
	}
}

/* Reads away what the peer has sent; closes when it has closed. */
static void serve(int ep, int lfd, int fd, struct seen *seen)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		;
	if (n < 0 && errno == EAGAIN)
		return;
	close(fd);
	__atomic_add_fetch(&seen->closed, 1, __ATOMIC_RELAXED);
	if (paused)
		watch(ep, EPOLL_CTL_MOD, lfd, EPOLLIN);
	paused = false;
}

static volatile sig_atomic_t over;

static void on_term(int sig)
{
	(void)sig;
	over = 1;
}

/* Ends with every connection reset: neither side keeps a TIME_WAIT of it. */
static _Noreturn void leave(void)
{
	struct linger at_once = { 1, 0 };
	int fd;

	for (fd = 3; fd <= highest; fd++)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	_exit(0);
}

static _Noreturn void worker(const struct server *s, int lfd, struct seen *seen)
{
	struct epoll_event ev[BATCH];
	int ep = epoll_create1(EPOLL_CLOEXEC), n, i;
	struct sigaction sa = { .sa_handler = on_term };
	char drop[65536];
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigaction(SIGTERM, &sa, NULL);
	raise_nofile();
	watch(ep, EPOLL_CTL_ADD, lfd, s->queue ? 0 : EPOLLIN);
	while (!over) {
		n = epoll_pwait(ep, ev, BATCH, -1, &none);
		for (i = 0; i < n; i++) {
			if (ev[i].data.fd != lfd)
				serve(ep, lfd, ev[i].data.fd, seen);
			else if (s->udp)
				while (recv(lfd, drop, sizeof(drop), 0) >= 0)
					;
			else
				take_new(ep, lfd, seen);
		}
	}
	leave();
}

int main(int argc, char **argv)
{
	struct server s = { .procs = 1, .backlog = 65535 };
	const struct arg rows[] = {
		{ "queue", ARG_FLAG, &s.queue,
		  "never accept: connections stay in the listen queue" },
		{ "udp", ARG_FLAG, &s.udp, "UDP: read datagrams away" },
		{ "procs", ARG_NUMBER, &s.procs, "processes that share the port (SO_REUSEPORT)" },
		{ "backlog", ARG_NUMBER, &s.backlog, "length of each listen queue" },
		{ 0 },
	};
	int at = args_parse("ADDR PORT", rows, argc, argv), i;
	struct seen *seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int lfd[PROCS_MAX];
	pid_t pid[PROCS_MAX];
	sigset_t term;
	char buf[64];

	if (argc - at != 2 || !s.procs || s.procs > PROCS_MAX ||
	    !endpoint_parse(argv[at], argv[at + 1], &s.at))
		args_usage(argv[0], "ADDR PORT", rows, 2);
	if (seen == MAP_FAILED)
		fail("mmap");
	/* SIGTERM reaches a worker only while it waits in epoll_pwait(). */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	for (i = 0; i < (int)s.procs; i++)
		lfd[i] = listener(&s);
	for (i = 0; i < (int)s.procs; i++) {
		pid[i] = fork();
		if (pid[i] < 0)
			fail("fork");
		if (!pid[i])
			worker(&s, lfd[i], seen);
	}
	for (i = 0; i < (int)s.procs; i++)
		close(lfd[i]);
	printf("{\"event\":\"listening\",\"procs\":%lu}\n", s.procs);
	fflush(stdout);
	while (read(STDIN_FILENO, buf, sizeof(buf)) > 0)
		;
	for (i = 0; i < (int)s.procs; i++)
		kill(pid[i], SIGTERM);
	while (wait(NULL) > 0)
		;
	printf("{\"event\":\"served\",\"accepted\":%llu,\"closed\":%llu,\"refused\":%llu}\n",
	       (unsigned long long)seen->accepted, (unsigned long long)seen->closed,
	       (unsigned long long)seen->refused);
	return 0;
}
