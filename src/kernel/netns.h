/* SPDX-License-Identifier: BSD-2-Clause */
/* The network namespaces of a host, and a way into them and back. */
#ifndef BERTH_KERNEL_NETNS_H
#define BERTH_KERNEL_NETNS_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/why.h"

/* The inode that names the caller's network namespace; 0 where /proc does not tell. */
uint32_t berth_netns_own(void);

/*
 * The name of the namespace at a path, as of /proc/PID/ns/net, by which the ledger of reservations knows it: that under
 * /run/netns; "" for the host's, where process 1 lives. One that has no name is taken for the host's.
 */
void berth_netns_name(const char *path, char out[NAME_MAX + 1]);

struct berth_netns_list {
	size_t count;
	struct berth_netns {
		uint32_t inode;
		int fd;
	} * netns; /* the caller's own is the first */
};

/*
 * Finds every namespace that a process lives in or that is mounted (ip netns). One that only a socket or a descriptor
 * keeps alive is not found. Returns 0 or -errno; the list is the caller's, for berth_netns_free().
 */
int berth_netns_find(struct berth_netns_list *out_list, struct berth_why *why);

/* Moves the calling thread into a namespace (needs CAP_SYS_ADMIN). 0 or -errno. */
int berth_netns_enter(const struct berth_netns *netns);

void berth_netns_free(struct berth_netns_list *list);

#endif
