/* SPDX-License-Identifier: BSD-2-Clause */
/* Who a process is: its program, user, unit or container, and why it runs. Each process is looked at once. */
#ifndef BERTH_KERNEL_HOLDER_H
#define BERTH_KERNEL_HOLDER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/observe.h"

/* Bytes that somebody else chose; may hold anything but NUL. "" where not known. */
struct berth_holder {
	uint32_t index; /* 0, 1, 2, ... in the order that they were met */
	uint32_t pid;
	uint32_t uid;
	uint64_t start_ns; /* since boot */
	char program[16];  /* its name for itself */
	char *exe;         /* path of its file; "" where it may not be asked */
	const char *user;  /* name, or the number */
	char *cgroup;      /* path below the mount of cgroup v2 (or systemd's hierarchy) */
	char *unit;        /* of systemd: "ssh.service" */
	char *container;   /* "docker:0123456789ab" */
};

struct berth_holders;

/* NULL where there is no memory. */
struct berth_holders *berth_holders_new(void);
void berth_holders_free(struct berth_holders *h);

/*
 * The process of a row, kept until berth_holders_free(). What cannot be read, because it is gone or another user's, is
 * left empty. NULL where there is no memory.
 */
const struct berth_holder *berth_holders_get(struct berth_holders *h,
					     const struct berth_task *task);

/* The name of a user, or the number as text; kept as long as h. NULL where there is no memory. */
const char *berth_holders_user(struct berth_holders *h, uint32_t uid);

/*
 * The unit and the container that a cgroup belongs to, out of its path alone: the innermost ".service" or ".scope";
 * what Docker, Podman, containerd, CRI-O, LXC and systemd-nspawn call their cgroups. "" for none.
 */
void berth_cgroup_owner(const char *path, char *out_unit, size_t unit_size, char *out_container,
			size_t container_size);

/* The parent of a process; 0 where it has none that can be seen, or is gone. */
pid_t berth_holder_parent(pid_t pid);

#endif
