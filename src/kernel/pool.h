/* SPDX-License-Identifier: BSD-2-Clause */
/* Source addresses and ports that a run may use on this host. */
#ifndef BERTH_KERNEL_POOL_H
#define BERTH_KERNEL_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/assign.h"
#include "src/base/why.h"

struct berth_pool {
	struct berth_pool_entry entry[BERTH_POOL_MAX];
	uint32_t entries;
	bool by_device; /* the addresses sit on more than one interface */
};

/*
 * Reads "ADDR|PREFIX[,...]". A prefix with few enough addresses becomes one entry for each that is local;
 * a larger one stays a prefix to take random addresses from. Whether an address may be a source is asked
 * of the kernel by binding a socket to it, so local routes and ip_nonlocal_bind count.
 * Returns 0; -EINVAL: not an address; -EADDRNOTAVAIL: not local; -E2BIG: more than BERTH_POOL_MAX.
 */
int berth_pool_parse(const char *text, struct berth_pool *out_pool, struct berth_why *why);

/*
 * The ports that may be assigned where nobody says otherwise: 1024-65535 without the namespace's ephemeral range,
 * without ip_local_reserved_ports, without ports that have a name in the service registry
 * (src/registry/services.h), without the declared ones: those that the caller knows of.
 * Where that leaves fewer than 1,024 ports the ephemeral range is used, without reserved, named and declared ones.
 * Returns 0; 1: they are out of the ephemeral range; or -errno.
 */
int berth_pool_default_ports(const struct berth_portset *declared, struct berth_portset *out_ports,
			     struct berth_why *why);

/*
 * Takes the ports out that the ledger of reservations (src/kernel/ledger.h) has for this network namespace,
 * deny rules of "berth grant" included. Returns how many; 0 also where the ledger cannot be read.
 */
unsigned berth_pool_drop_reserved(struct berth_portset *ports);

#endif
