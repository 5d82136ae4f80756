/* SPDX-License-Identifier: BSD-2-Clause */
/* Kills a program before the n-th step by which it changes what is pinned: "killed", or "ended STATUS" before that. */
#include <errno.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_step(const struct __ptrace_syscall_info *call)
{
	switch (call->entry.nr) {
	case SYS_bpf:
		return call->entry.args[0] == BPF_MAP_UPDATE_ELEM ||
		       call->entry.args[0] == BPF_OBJ_PIN ||
		       call->entry.args[0] == BPF_LINK_CREATE ||
		       call->entry.args[0] == BPF_LINK_UPDATE ||
		       call->entry.args[0] == BPF_LINK_DETACH;
	case SYS_rename:
	case SYS_unlink:
	case SYS_rmdir:
		return true;
	default:
		return false;
	}
}

static void start(char **program)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(126);
	raise(SIGSTOP);
	execvp(program[0], program);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct __ptrace_syscall_info call;
	unsigned long left = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
	int status;
	pid_t pid = left ? fork() : -1;

	if (!pid)
		start(argv + 2);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD)) {
		perror("test-kill-at: N PROGRAM [ARG...]");
		return 2;
	}
	while (!ptrace(PTRACE_SYSCALL, pid, NULL, NULL) && waitpid(pid, &status, 0) == pid &&
	       WIFSTOPPED(status)) {
		if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(call), &call) <= 0 ||
		    call.op != PTRACE_SYSCALL_INFO_ENTRY || !is_step(&call) || --left)
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		puts("killed");
		return 0;
	}
	printf("ended %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	return 1;
}
