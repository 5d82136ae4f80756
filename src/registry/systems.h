/* SPDX-License-Identifier: BSD-2-Clause */
/* How operating systems and network stacks choose ephemeral ports. */
#ifndef BERTH_REGISTRY_SYSTEMS_H
#define BERTH_REGISTRY_SYSTEMS_H

#include "src/core/range.h"

struct berth_system {
	const char *name; /* NULL ends the table */
	struct berth_range range;
	const char *choice;
	const char *source;
};

extern const struct berth_system berth_systems[];

#endif
