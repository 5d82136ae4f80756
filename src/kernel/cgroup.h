/* SPDX-License-Identifier: BSD-2-Clause */
/* The private cgroup of a run. */
#ifndef BERTH_KERNEL_CGROUP_H
#define BERTH_KERNEL_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/why.h"

#define BERTH_CGROUP_PATH_MAX 4096

/*
 * Makes the cgroup "berth-ID" below the caller's own, so that limits set on the caller hold for the program too.
 * Returns 0, with its path and a descriptor that the caller closes; else -errno.
 */
int berth_cgroup_make(const char *id, char *out_path, size_t size, int *out_fd,
		      struct berth_why *why);

/* Moves the calling process into the cgroup. Async-signal-safe. 0 or -errno. */
int berth_cgroup_enter(int cgroup_fd);

/* True where a process is in it or below it; false also where it is gone. */
bool berth_cgroup_is_populated(const char *path);

/* Removes it, with empty cgroups below it; 0, also where it is gone; -EBUSY while processes live in it. */
int berth_cgroup_remove(const char *path);

#endif
