/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules about bind() compiled into the tables of abi/grant.h. No system call here.
 *
 * What the rules mean, whatever their order:
 *   - an allow rule grants its subjects the ports on its addresses;
 *   - a deny rule refuses the ports on its addresses to all but its owners, even where an allow rule
 *     grants them. Of several deny rules those with the longest prefix decide, together;
 *   - 0.0.0.0 and :: stand for every address of their family: a deny rule for some address refuses them
 *     too, to all who are not an owner of each such prefix; an allow rule grants them only where its prefix
 *     has them.
 *
 * Workload: 10,000 rules, each with a port of its own or all with one. Limits: BERTH_GRANT_ENTRIES of each
 * table, WORK_MAX comparisons.
 */
#ifndef BERTH_KERNEL_GRANTSET_H
#define BERTH_KERNEL_GRANTSET_H

#include <stddef.h>

#include "abi/grant.h"
#include "src/base/why.h"
#include "src/core/grantrule.h"

struct berth_grant_id {
	uint32_t kind; /* enum berth_grant_kind */
	uint64_t id;
};

/* The tables; all zero is no rule. What each is for is in abi/grant.h. */
struct berth_grant_tables {
	uint16_t *port_class; /* BERTH_GRANT_PROTOCOLS * 65536 */
	struct berth_grant_class *classes;
	uint32_t class_count;              /* class 0 too */
	struct berth_grant_area *areas;    /* slots, of classes that have few lengths of prefixes */
	uint32_t area_slots;               /* a power of two */
	struct berth_grant_area *prefixes; /* of the others, for the trie */
	uint32_t prefix_count;
	uint32_t set_count;                 /* set 0, which has no rules, too */
	struct berth_grant_member *members; /* slots */
	uint32_t member_slots;              /* a power of two */
	struct berth_portset guarded;       /* ports with a deny rule, of either protocol */
	bool lopsided;                      /* some class is BERTH_GRANT_CLASS_LOPSIDED */
};

struct berth_grantset;

/* An empty set of rules; NULL without memory. */
struct berth_grantset *berth_grantset_new(void);

/*
 * Adds a rule whose names are ids (count of them; rule->name is not looked at). nobody: none of the names
 * could be found, so an allow rule grants nobody, and a deny rule has no owner. 0 or -ENOMEM.
 */
int berth_grantset_add(struct berth_grantset *g, const struct berth_grantrule *rule,
		       const struct berth_portset *ports, const struct berth_grant_id *ids,
		       uint32_t count, bool nobody);

/* Compiles; the caller gives the tables back. 0; -ENOMEM; -E2BIG: beyond the limits. */
int berth_grantset_compile(const struct berth_grantset *g, struct berth_grant_tables *out_tables,
			   struct berth_why *why);

/* Frees what the tables point to. */
void berth_grant_tables_fini(struct berth_grant_tables *t);

/* NULL is allowed. */
void berth_grantset_free(struct berth_grantset *g);

/*
 * Hash of a cgroup's path below the root, "/a/b", as the kernel program computes it under the key. Returns 0,
 * or -EINVAL: no absolute path, the root, "." or "..", a name of more than 255 bytes, or deeper than BERTH_GRANT_DEPTH.
 */
int berth_grant_hash_path(const uint64_t key[2], const char *path, uint64_t *out_hash);

#endif
