/* SPDX-License-Identifier: BSD-2-Clause */
/* Starts a program, passes signals on and ends as it ended. */
#include "src/kernel/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/kernel/cgroup.h"

/* What failed on the way to the program, sent through the pipe. */
struct failure {
	int step; /* 0 cgroup, 1 exec */
	int err;
};

/* In the new process: into the cgroup, then the program. Async-signal-safe. */
static void become(char *const argv[], char *const envp[], int cgroup_fd, int pipe_fd,
		   const sigset_t *mask)
{
	struct failure f = { 0 };

	if (cgroup_fd >= 0)
		f.err = -berth_cgroup_enter(cgroup_fd);
	if (!f.err) {
		f.step = 1;
		sigprocmask(SIG_SETMASK, mask, NULL);
		execvpe(argv[0], argv, envp);
		f.err = errno;
	}
	if (write(pipe_fd, &f, sizeof(f)) < 0)
		_exit(126);
	_exit(127);
}

static int explain(const struct failure *f, const char *program, struct berth_why *why)
{
	if (f->step == 0)
		return berth_why(
			why, -EACCES,
			"cgroup: the kernel refused to move the program there (%s); a cgroup with domain "
			"controllers below it takes no processes: see \"berth doctor\"",
			strerror(f->err));
	if (f->err == ENOENT || f->err == ENOTDIR)
		return berth_why(why, -ENOENT,
				 "%s: program not found; check the name, or give its path",
				 program);
	return berth_why(
		why, -f->err,
		"%s: the kernel refused to execute it (%s); see ls -l \"$(command -v %s)\"",
		program, strerror(f->err), program);
}

int berth_child_start(char *const argv[], char *const envp[], int cgroup_fd,
		      struct berth_child *out_child, struct berth_why *why)
{
	sigset_t all, old;
	struct failure f;
	int pipe_fds[2];
	ssize_t n;
	pid_t pid;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGABRT);
	sigprocmask(SIG_SETMASK, &all, &old);
	if (pipe2(pipe_fds, O_CLOEXEC))
		return berth_why(why, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return berth_why(why, -errno, "fork: %s", strerror(errno));
	if (!pid)
		become(argv, envp, cgroup_fd, pipe_fds[1], &old);
	close(pipe_fds[1]);
	do
		n = read(pipe_fds[0], &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	close(pipe_fds[0]);
	if (n == sizeof(f)) {
		waitpid(pid, NULL, 0);
		return explain(&f, argv[0], why);
	}
	out_child->pid = pid;
	out_child->signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (out_child->signal_fd < 0)
		return berth_why(why, -errno, "signalfd: %s", strerror(errno));
	return 0;
}

/* Passes a signal on where a process sent it to us alone; the terminal's reach the whole group. */
static void pass_on(const struct berth_child *c, const struct signalfd_siginfo *si)
{
	if (si->ssi_code <= 0 && (pid_t)si->ssi_pid != c->pid)
		kill(c->pid, (int)si->ssi_signo);
}

/* True where the program has ended. */
static int reap(const struct berth_child *c, int *out_status)
{
	int status;

	while (waitpid(c->pid, &status, WNOHANG | WUNTRACED) == c->pid) {
		if (!WIFSTOPPED(status)) {
			*out_status = status;
			return 1;
		}
		/* Seen by our own parent as it would see the program: stopped. */
		raise(SIGSTOP);
	}
	return 0;
}

int berth_child_wait(struct berth_child *c, const struct berth_child_event *event, uint32_t n)
{
	struct pollfd fds[1 + BERTH_CHILD_EVENTS] = { { c->signal_fd, POLLIN, 0 } };
	struct signalfd_siginfo si;
	int status = 0;
	uint32_t i;

	assert(n <= BERTH_CHILD_EVENTS);
	for (i = 0; i < n; i++)
		fds[1 + i] = (struct pollfd){ event[i].fd, POLLIN, 0 };
	while (!reap(c, &status)) {
		if (poll(fds, 1 + n, -1) < 0 && errno != EINTR)
			return -errno;
		while (read(c->signal_fd, &si, sizeof(si)) == sizeof(si))
			if (si.ssi_signo != SIGCHLD)
				pass_on(c, &si);
		for (i = 0; i < n; i++)
			if (fds[1 + i].revents & POLLIN)
				event[i].run(event[i].arg);
	}
	close(c->signal_fd);
	c->signal_fd = -1;
	return status;
}

void berth_child_exit_as(int wait_status)
{
	struct rlimit none = { 0, 0 };
	sigset_t set;

	if (WIFSIGNALED(wait_status)) {
		int sig = WTERMSIG(wait_status);

		/* The program's core is enough. */
		setrlimit(RLIMIT_CORE, &none);
		signal(sig, SIG_DFL);
		sigemptyset(&set);
		sigaddset(&set, sig);
		raise(sig);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		_exit(128 + sig);
	}
	exit(WEXITSTATUS(wait_status));
}
