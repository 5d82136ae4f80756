/* SPDX-License-Identifier: BSD-2-Clause */
/* Names the runs that keep ports which were denied or reserved after they began. */
#ifndef BERTH_CLI_KEEPERS_H
#define BERTH_CLI_KEEPERS_H

#include "src/core/portset.h"

/*
 * Writes a line on stderr, beginning with "berth VERB:", for each run of a namespace (as berth_netns_name() has it;
 * NULL: of any) that cannot be told of the ports and has one of them in its pool.
 */
void berth_keepers_name(const char *verb, const char *netns, const struct berth_portset *ports);

#endif
