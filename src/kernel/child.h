/* SPDX-License-Identifier: BSD-2-Clause */
/* A program run on behalf of the caller: its status, signals and terminal are its own. */
#ifndef BERTH_KERNEL_CHILD_H
#define BERTH_KERNEL_CHILD_H

#include <sys/types.h>

#include <stdint.h>

#include "src/base/why.h"

struct berth_child {
	pid_t pid;
	int signal_fd; /* signals that berth_child_wait() handles */
};

/*
 * Starts argv[0], found through PATH, in the cgroup (-1: in the caller's), with the environment given.
 * Blocks the caller's signals; the program gets the mask that the caller had.
 * Returns 0; -ENOENT: not found; other -errno: not executable, or the cgroup was refused.
 */
int berth_child_start(char *const argv[], char *const envp[], int cgroup_fd,
		      struct berth_child *out_child, struct berth_why *why);

/* run(arg) is called whenever fd (-1: never) is readable. */
struct berth_child_event {
	int fd;
	void (*run)(void *arg);
	void *arg;
};

#define BERTH_CHILD_EVENTS 2u

/*
 * Waits until the program ends. Signals sent to the caller alone are passed on; those of the terminal
 * reach the program by themselves; where the program is stopped the caller stops too.
 * Meanwhile serves events, BERTH_CHILD_EVENTS at most.
 * Returns the wait status, or -errno.
 */
int berth_child_wait(struct berth_child *c, const struct berth_child_event *event, uint32_t n);

/* Ends the caller as the program ended: the same exit status, or the same signal. Does not return. */
void berth_child_exit_as(int wait_status) __attribute__((noreturn));

#endif
