/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening sockets of this network namespace, with the command that owns each. */
#ifndef BERTH_KERNEL_LISTENERS_H
#define BERTH_KERNEL_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct berth_listener {
	uint32_t inode;
	uint16_t port;
	bool is_udp, loopback;
	char command[16]; /* as the kernel has it; "" where no wanted one is seen to own it */
};

/*
 * Lists listening TCP and unconnected UDP sockets, with the commands that wanted() accepts: descriptors of other
 * processes are not looked at, which may be many. Those of other users are seen by root only. *out_list is the
 * caller's to free. Returns how many, or -errno.
 */
int berth_listeners_read(bool (*wanted)(void *arg, const char *command), void *arg,
			 struct berth_listener **out_list);

#endif
