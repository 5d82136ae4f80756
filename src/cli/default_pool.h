/* SPDX-License-Identifier: BSD-2-Clause */
/* The ports that berth assigns from where nobody says otherwise. */
#ifndef BERTH_CLI_DEFAULT_POOL_H
#define BERTH_CLI_DEFAULT_POOL_H

#include "src/base/why.h"
#include "src/core/portset.h"

/*
 * As berth_pool_default_ports() (src/kernel/pool.h), without the ports on which the configuration files of this
 * host let a program listen; a file that cannot be read declares nothing.
 * Returns as that does.
 */
int berth_default_pool(struct berth_portset *out_ports, struct berth_why *why);

#endif
