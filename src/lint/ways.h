/* SPDX-License-Identifier: BSD-2-Clause */
/* Ways out of a finding, as lines and commands that can be used as they stand. */
#ifndef BERTH_LINT_WAYS_H
#define BERTH_LINT_WAYS_H

#include "src/lint/lint.h"

/* A listener in the ephemeral range: reserve, move, narrow the range. */
void berth_lint_ways_ephemeral(struct berth_lint *l, const struct berth_lint_decl *d,
			       struct berth_lint_finding *f);

/* A listener without a port: give it one. */
void berth_lint_ways_floating(struct berth_lint *l, const struct berth_lint_decl *d,
			      struct berth_lint_finding *f);

/* Two listeners: move the one or the other. */
void berth_lint_ways_move(struct berth_lint *l, const struct berth_lint_decl *a,
			  const struct berth_lint_decl *b, struct berth_lint_finding *f);

/* A pool of source ports: avoid the listeners' ports (hit), or send from the ephemeral range. */
void berth_lint_ways_pool(struct berth_lint *l, const struct berth_lint_decl *pool,
			  const struct berth_portset *hit, struct berth_lint_finding *f);

/* A range that is too small. */
void berth_lint_ways_clients(struct berth_lint *l, const struct berth_lint_decl *range,
			     uint32_t wanted, struct berth_lint_finding *f);

/*
 * The reservation that a sysctl.d file must have so that nothing is lost: what is reserved, and what the findings
 * would reserve. Returns how many ports that adds.
 */
uint32_t berth_lint_reservation(const struct berth_lint *l, struct berth_portset *out_set);

#endif
