/* SPDX-License-Identifier: BSD-2-Clause */
/* The texts that the kernel shows under /proc and /sys, read from a string: no system call here. */
#ifndef BERTH_KERNEL_PROCTEXT_H
#define BERTH_KERNEL_PROCTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "src/core/range.h"

/*
 * Finds a mount of a file system type in the text of /proc/mounts. A writable mount wins over a
 * read-only one, an earlier one over a later. Octal escapes (\040 for a space) in the path are
 * undone.
 * Returns 0 with the path in out_path and whether it is mounted rw in out_rw; -ENOENT where there
 * is no such mount; -ENAMETOOLONG where the path does not fit into size bytes, NUL included.
 */
int berth_mounts_find(const char *mounts, const char *fstype, char *out_path, size_t size,
		      bool *out_rw);

/*
 * Finds the caller's cgroup v2 in the text of /proc/self/cgroup, as a path below the mount: "" for
 * the root, and where it lies outside of what this cgroup namespace shows.
 * Returns 0; -ENOENT where the text has no line for v2; -ENAMETOOLONG where it does not fit.
 */
int berth_own_cgroup_parse(const char *text, char *out_path, size_t size);

/*
 * Reads ip_local_port_range: two ports, the low end first.
 * Returns 0, or -EINVAL where the text is anything else.
 */
int berth_local_range_parse(const char *text, struct berth_range *out_range);

/*
 * Reads the release that uname() gives ("6.1.0-37-amd64") as 1000 * major + minor.
 * Returns it, or -EINVAL where the text does not begin with two numbers.
 */
int berth_release_parse(const char *release);

/*
 * Finds the word in brackets, as in /sys/kernel/security/lockdown: "none [integrity] x".
 * Returns its length with its start in out_word, or -ENOENT.
 */
int berth_bracketed(const char *text, const char **out_word);

#endif
