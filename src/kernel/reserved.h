/* SPDX-License-Identifier: BSD-2-Clause */
/* ip_local_reserved_ports of a network namespace, and what sysctl.d(5) says of it. */
#ifndef BERTH_KERNEL_RESERVED_H
#define BERTH_KERNEL_RESERVED_H

#include <stdbool.h>

#include "src/base/why.h"
#include "src/core/range.h"

#define BERTH_RESERVED_FILE "/etc/sysctl.d/60-berth-reserved.conf"

/*
 * Reads the ports of a namespace: netns is a name of /run/netns or a path to one, "" the host's: as of
 * berth_netns_name(), the caller's own where that has no name. The calling thread enters it for the time. 0; -ENOENT: no such namespace; other -errno.
 */
int berth_reserved_read(const char *netns, struct berth_portset *out_ports, struct berth_why *why);

/* Writes the ports. Needs CAP_NET_ADMIN; CAP_SYS_ADMIN for another namespace. */
int berth_reserved_write(const char *netns, const struct berth_portset *ports,
			 struct berth_why *why);

/* True where there is such a namespace. */
bool berth_reserved_has_netns(const char *netns);

/*
 * Adds up the ports that files of sysctl.d(5) and /etc/sysctl.conf reserve, without berth's own. out_later
 * (PATH_MAX bytes) is a file that comes after berth's and so undoes it at the next boot, "" for none.
 */
void berth_reserved_of_files(struct berth_portset *out_ports, char *out_later);

/* Replaces berth's file by one with these ports, or removes it where there are none. 0 or -errno. */
int berth_reserved_persist(const struct berth_portset *ports, struct berth_why *why);

#endif
