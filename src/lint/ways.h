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
			     const struct berth_lint_clients *clients,
			     struct berth_lint_finding *f);

/* Low ports that RPC may take: spare them. */
void berth_lint_ways_resvport(struct berth_lint *l, struct berth_range in,
			      struct berth_lint_finding *f);

/* Ports that belong to names (named): others. */
void berth_lint_ways_names(struct berth_lint *l, const struct berth_lint_decl *d,
			   const struct berth_portset *named, struct berth_lint_finding *f);

/* NodePorts beside the ephemeral range: reserve them before it grows. */
void berth_lint_ways_adjacent(struct berth_lint *l, const struct berth_lint_decl *d,
			      struct berth_lint_finding *f);

/* A listener at a port that its file does not declare. */
void berth_lint_ways_live(struct berth_lint *l, const struct berth_lint_decl *d, uint16_t port,
			  struct berth_lint_finding *f);

/* A range below the first port that needs no privilege (start), or (not is_range) that above the range. */
void berth_lint_ways_refused(struct berth_lint *l, uint32_t start, bool is_range,
			     struct berth_lint_finding *f);

/* Low ports that every user may bind. */
void berth_lint_ways_open(struct berth_lint *l, struct berth_lint_finding *f);

/* A sysctl of a file that the kernel has with another value. */
void berth_lint_ways_applied(struct berth_lint *l, struct berth_lint_finding *f, const char *value);

/* A list of reserved ports whose place another one takes, at `last`: that one with all of them. */
void berth_lint_ways_lost(struct berth_lint *l, const struct berth_lint_spot *last,
			  const struct berth_portset *all, struct berth_lint_finding *f);

/* Ports that a unit denies itself, at `deny`. */
void berth_lint_ways_denied(struct berth_lint *l, const char *unit,
			    const struct berth_lint_spot *deny, const struct berth_portset *ports,
			    struct berth_lint_finding *f);

/* A reservation of ports that the kernel never chooses. */
void berth_lint_ways_reserved(struct berth_lint *l, struct berth_lint_finding *f);

/* A suppression that lacks its reason. */
void berth_lint_ways_suppress(struct berth_lint *l, struct berth_lint_finding *f);

/* An include of a file that is not there. */
void berth_lint_ways_include(struct berth_lint *l, const char *path, struct berth_lint_finding *f);

/* A set as the kernel writes it, kept in the arena; cut where it is very long. */
const char *berth_lint_set_text(struct berth_lint *l, const struct berth_portset *set);

/*
 * The reservation that a sysctl.d file must have so that nothing is lost: what is reserved, and what the findings
 * would reserve. Returns how many ports that adds.
 */
uint32_t berth_lint_reservation(const struct berth_lint *l, struct berth_portset *out_set);

#endif
