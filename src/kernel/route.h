/* SPDX-License-Identifier: BSD-2-Clause */
/* The namespace's routes, as far as they decide which pool address can reach a destination. */
#ifndef BERTH_KERNEL_ROUTE_H
#define BERTH_KERNEL_ROUTE_H

#include "src/kernel/assign.h"

/*
 * Opens a descriptor that is readable whenever a route has changed; berth_route_tell() empties it.
 * Returns it, the caller's to close, or -errno.
 */
int berth_route_watch(void);

/*
 * Tells the programs the outgoing interface of each unicast route of the main table, IPv4 and IPv6, and takes
 * back what they knew of routes that are gone. Of routes that differ in metric only the best counts; rules with
 * tables of their own are not followed. watch_fd: of berth_route_watch(), or -1.
 * Returns 0 or -errno; on failure what the programs knew is left.
 */
int berth_route_tell(struct berth_assign *a, int watch_fd);

#endif
