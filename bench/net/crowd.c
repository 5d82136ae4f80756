/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many TCP sockets in many processes: bench-crowd PROCESSES SOCKETS. Each process connects to itself over loopback.
 *
 * Prints "ready" when all are open, and ends with its standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "bench-crowd: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void raise_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		die("getrlimit");
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

/* Process i talks to 127.1.(i / 250).(i % 250 + 1), so that ports are shared between processes. */
static struct sockaddr_in address_of(unsigned i)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(9000) };

	sa.sin_addr.s_addr = htonl(0x7f010001u + i / 250 * 256 + i % 250);
	return sa;
}

/* Ends by reset, so that nothing is left in TIME_WAIT. Returns the descriptor. */
static int resetting(int fd)
{
	struct linger l = { 1, 0 };

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)))
		die("socket");
	return fd;
}

static void fill(unsigned i, unsigned sockets)
{
	struct sockaddr_in sa = address_of(i);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	unsigned n;

	if (listener < 0 || bind(listener, (struct sockaddr *)&sa, sizeof(sa)) ||
	    listen(listener, 64))
		die("listen");
	for (n = 1; n + 2 <= sockets; n += 2) {
		fd = resetting(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
		if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
			die("connect");
		resetting(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	}
}

static void child(unsigned i, unsigned sockets, int ready, int hold)
{
	char byte = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fill(i, sockets);
	if (write(ready, &byte, 1) != 1)
		die("write");
	close(ready);
	while (read(hold, &byte, 1) > 0)
		;
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned processes = argc == 3 ? (unsigned)atoi(argv[1]) : 0, i, each;
	int ready[2];
	char byte;

	if (!processes || atoi(argv[2]) < 3) {
		fputs("usage: bench-crowd PROCESSES SOCKETS\n", stderr);
		return 2;
	}
	each = (unsigned)atoi(argv[2]) / processes;
	raise_limit();
	if (pipe(ready))
		die("pipe");
	for (i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid) {
			close(ready[0]);
			child(i, each, ready[1], STDIN_FILENO);
		}
	}
	close(ready[1]);
	for (i = 0; i < processes; i++)
		if (read(ready[0], &byte, 1) != 1)
			die("a process ended early");
	puts("ready");
	fflush(stdout);
	while (wait(NULL) > 0)
		;
	return 0;
}
