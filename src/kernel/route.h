/* SPDX-License-Identifier: BSD-2-Clause */
/* The namespace's routes, as far as they decide which pool address can reach a destination. */
#ifndef BERTH_KERNEL_ROUTE_H
#define BERTH_KERNEL_ROUTE_H

#include "src/kernel/assign.h"

/*
 * Tells the programs the outgoing interface of each unicast route of the main table, IPv4 and IPv6.
 * Rules with tables of their own are not followed. Returns 0 or -errno.
 */
int berth_route_tell(struct berth_assign *a);

#endif
