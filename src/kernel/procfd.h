/* SPDX-License-Identifier: BSD-2-Clause */
/* The sockets that processes have descriptors for, out of /proc; needs no privilege for the caller's own processes. */
#ifndef BERTH_KERNEL_PROCFD_H
#define BERTH_KERNEL_PROCFD_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/observe.h"

/* One descriptor that is a socket, of any family. A result other than 0 ends the walk and is returned by it. */
typedef int (*berth_procfd_fn)(uint32_t pid, uint32_t thread, uint32_t fd, uint64_t inode,
			       void *arg);

/*
 * Walks over every process (pid 0) or one, and over its threads that have descriptors of their own. out_hidden: set
 * where a process could not be looked into. Returns 0, what fn returned, or -errno.
 */
int berth_procfd_each(uint32_t pid, berth_procfd_fn fn, void *arg, bool *out_hidden);

/* Walks over one descriptor table. As berth_procfd_each(); -ENOENT: gone. */
int berth_procfd_table(uint32_t pid, uint32_t thread, berth_procfd_fn fn, void *arg);

/*
 * Fills in the process's name, effective user and start; cgroup is left 0. -ESRCH where it is gone.
 */
int berth_procfd_task(uint32_t pid, struct berth_task *out_task);

#endif
