/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules while they judge: what they share, and the files that they stand in. */
#ifndef BERTH_LINT_JUDGE_H
#define BERTH_LINT_JUDGE_H

#include "src/lint/lint.h"

struct berth_lint_judge {
	struct berth_lint *l;
	const struct berth_lint_live *live;
	const struct berth_lint_registry *registry;
	struct berth_lint_decl **listener; /* by first port, then last, then service */
	size_t listeners;
	bool has_local; /* local is filled in: ports that /etc/services names, of any protocol */
	struct berth_portset local;
};

/* One declaration (rules_alone.c). */
void berth_lint_judge_alone(struct berth_lint_judge *j, const struct berth_lint_decl *d);

/* A declaration of a unit of systemd against what that unit may bind (rules_policy.c). */
void berth_lint_judge_policy(struct berth_lint *l, const struct berth_lint_decl *d);

/* Two of them, and pools of source ports against listeners (rules_pairs.c). */
void berth_lint_judge_pairs(struct berth_lint_judge *j);

/* Declarations against what the host has, and against what they serve (rules_host.c). */
void berth_lint_judge_sysctl(const struct berth_lint_judge *j);
void berth_lint_judge_applied(const struct berth_lint_judge *j);
void berth_lint_judge_host(const struct berth_lint_judge *j);

/* ---- what they share (rules.c) ---- */

/* True for ports that a program sends from. */
static inline bool berth_lint_is_pool(const struct berth_lint_decl *d)
{
	return d->key->flags & (BERTH_LINT_SOURCE | BERTH_LINT_AVOID);
}

static inline bool berth_lint_is_single(const struct berth_lint_decl *d)
{
	return d->ports.ports.first == d->ports.ports.last;
}

/* How many ports of a range a set has. */
uint32_t berth_lint_count_in(const struct berth_portset *s, struct berth_range r);

/* The row of a place that has this flag; NULL where none has. */
const struct berth_lint_key *berth_lint_key_with(const struct berth_lint_place *place,
						 unsigned flag);

/* Adds the ports of a range that a declaration leaves to others, by a setting of its place, to the set. */
void berth_lint_add_left_out(const struct berth_lint *l, const struct berth_lint_decl *d,
			     struct berth_range in, struct berth_portset *set);

/* The ports that two ranges share; they share some. */
struct berth_range berth_lint_common(struct berth_range a, struct berth_range b);

/* True where a name is one of "a|b|c"; names may be NULL. */
bool berth_lint_is_one_of(const char *names, const char *name);

/* True where a declaration is one of a program that has this name. */
bool berth_lint_is_program(const struct berth_lint_decl *d, const char *name);

/* Texts, kept in the arena: "50000-60000" or "22"; "FILE:LINE"; "vsftpd's pasv_min_port, pasv_max_port 50000-60000"; "s" or "". */
const char *berth_lint_ports_text(struct berth_lint *l, struct berth_range r);
const char *berth_lint_spot_text(struct berth_lint *l, const struct berth_lint_spot *s);
const char *berth_lint_decl_text(struct berth_lint *l, const struct berth_lint_decl *d);
const char *berth_lint_ephemeral_text(const struct berth_lint_judge *j);

static inline const char *berth_lint_plural(uint32_t n)
{
	return n == 1 ? "" : "s";
}

#endif
