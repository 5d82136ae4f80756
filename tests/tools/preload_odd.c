/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Odd places to call connect() from: preload_odd signal|vfork|nofiles ADDR PORT.
 *
 *   signal   in a handler that interrupts a loop of connects
 *   vfork    in a child of vfork(), which borrows the parent's memory
 *   nofiles  with no descriptor left for anybody else
 *
 * Prints how many connects were made there; ends with 1 where one failed.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"
#include "sock.h"

#define ROUNDS 2000
#define FILES 40

static struct endpoint to;
static volatile sig_atomic_t made, failed, code;

/* Connects and waits until both sides have closed. */
static void once(void)
{
	int fd = socket(to.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char c;

	if (fd < 0 || connect(fd, &to.sa, to.len)) {
		failed++;
		code = errno;
	} else {
		shutdown(fd, SHUT_WR);
		while (read(fd, &c, 1) > 0)
			;
		made++;
	}
	if (fd >= 0)
		close(fd);
}

static void on_alarm(int number)
{
	int saved = errno;

	(void)number;
	once();
	errno = saved;
}

static void in_signal(void)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval often = { { 0, 700 }, { 0, 700 } }, never = { 0 };
	int i;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (i = 0; i < ROUNDS; i++) {
		int fd = socket(to.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		/* A connect that the handler interrupts goes on; both results are good. */
		if (connect(fd, &to.sa, to.len) && errno != EINTR) {
			failed++;
			code = errno;
		}
		close(fd);
	}
	setitimer(ITIMER_REAL, &never, NULL);
}

static void in_vfork(void)
{
	int i;

	for (i = 0; i < ROUNDS / 10; i++) {
		pid_t pid = vfork();

		if (!pid) {
			once();
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		once();
	}
}

static void without_files(void)
{
	struct rlimit limit = { FILES, FILES };
	int fds[FILES], n, last;

	setrlimit(RLIMIT_NOFILE, &limit);
	for (n = 0; n < FILES && (fds[n] = socket(to.sa.sa_family, SOCK_STREAM, 0)) >= 0; n++)
		;
	for (last = n; n-- > 0;) {
		if (connect(fds[n], &to.sa, to.len)) {
			failed++;
			code = errno;
		} else {
			made++;
		}
	}
	if (last < FILES / 2)
		failed++;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} modes[] = { { "signal", in_signal },
		      { "vfork", in_vfork },
		      { "nofiles", without_files } };
	size_t i;

	if (argc != 4 || !endpoint_parse(argv[2], argv[3], &to))
		return 2;
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name))
			modes[i].run();
	printf("%d made, %d failed%s%s\n", (int)made, (int)failed, failed ? ": " : "",
	       failed ? strerror(code) : "");
	return failed || !made;
}
