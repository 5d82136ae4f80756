/* SPDX-License-Identifier: BSD-2-Clause */
/* What sock_diag and /proc/net tell of the sockets of the caller's network namespace; holders they do not know. */
#ifndef BERTH_KERNEL_DIAG_H
#define BERTH_KERNEL_DIAG_H

#include "abi/observe.h"
#include "src/base/why.h"

typedef int (*berth_diag_fn)(const struct berth_socket *socket, void *arg);

/* Protocols that berth_diag_dump() can be asked for, ended by 0; BERTH_DIAG_RAW stands for raw sockets. */
extern const uint16_t berth_diag_protocols[];
#define BERTH_DIAG_RAW 255u

/*
 * Calls fn for each socket of a protocol whose state is in states (bits 1 << state) and that has a port, both families.
 * A kernel without the protocol or without its diag module has none: then /proc/net is read where it tells.
 * Returns 0, what fn returned where that was not 0, or -errno.
 */
int berth_diag_dump(uint16_t protocol, uint32_t states, berth_diag_fn fn, void *arg,
		    struct berth_why *why);

/*
 * Ends a socket of the caller's network namespace: TCP and UDP (needs CAP_NET_ADMIN and a kernel with
 * CONFIG_INET_DIAG_DESTROY). cookie must be that of the socket. 0; -ENOENT: gone; other -errno.
 */
int berth_diag_destroy(const struct berth_socket *socket);

#endif
