/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the compiler of grant rules share: rules, and a compilation at work. Read src/kernel/grantset.h first. */
#ifndef BERTH_KERNEL_GRANTJOB_H
#define BERTH_KERNEL_GRANTJOB_H

#include <stdbool.h>

#include "src/kernel/grantset.h"

#define WORK_MAX (1u << 28) /* comparisons: some seconds */
#define PORTS 65536u

enum family { FAMILY_ANY, FAMILY_V4, FAMILY_V6 };

/* A prefix as rules and tables see it: IPv6 prefixes do not reach into the IPv4-mapped block. */
struct area {
	struct berth_prefix prefix;
	enum family family; /* FAMILY_ANY only in rules that name no address */
	bool wildcard;      /* 0.0.0.0 or :: itself */
};

struct rule {
	enum berth_grantrule_verb verb;
	uint32_t protocols;
	bool open, nobody;
	uint64_t sign;
	struct berth_grant_id *ids;
	struct area *areas;
	struct berth_range *ranges;
	uint32_t id_count, area_count, range_count;
};

struct berth_grantset {
	struct rule *rules;
	uint32_t count, room;
};

/* A list of equal things that grows. */
struct list {
	void *data;
	uint32_t count, room;
};

/* What a compilation holds. */
struct job {
	const struct berth_grantset *g;
	struct berth_grant_tables *t;
	uint32_t *where; /* port of the class's first port: protocol << 16 | port */
	uint32_t *from;  /* class i: rules list[from[i]] to list[from[i + 1] - 1] */
	uint32_t *list;
	struct list areas;    /* of the class at hand: struct area */
	struct list guards;   /* of the wildcard at hand: struct guard */
	struct list rows;     /* of the set at hand: struct berth_grant_member */
	struct list prefixes; /* found: struct berth_grant_area */
	struct list members;  /* found: struct berth_grant_member, set by set */
	struct list sets;     /* flags of each */
	struct list starts;   /* index of each set's first member */
	uint32_t *buckets;    /* of sets, by their contents: 0 or the set */
	uint32_t bucket_count;
	uint64_t work;
};

/* Room for one more of the size, all zero; NULL without memory or beyond the limit. */
void *berth_grantlist_append(struct list *l, size_t size, uint32_t limit);

/* 0.0.0.0/0, 0.0.0.0 and ::. */
extern const struct berth_prefix berth_grant_v4_all, berth_grant_v4_zero, berth_grant_v6_zero;

/* The prefix as tables see it. */
struct area berth_grant_area_of(const struct berth_prefix *p);

/* True where a has all addresses of b; a rule without an address has those of both families. */
bool berth_grant_area_covers(const struct area *a, const struct area *b);

/* Gives each port its class and lists the rules of each class: where, from, list. 0, -ENOMEM, -E2BIG. */
int berth_grant_classes_make(struct job *j);

/* Begins the list of sets: with set 0, which has no rules. 0, -E2BIG. */
int berth_grant_sets_begin(struct job *j);

/* The set of a class and an area, by the rules of the class. 0, -ENOMEM, -E2BIG. */
int berth_grant_set_make(struct job *j, uint32_t class, const struct area *a,
			 struct berth_grant_set *out_set);

/* Fills in a class: its set, or its prefixes with theirs. 0, -ENOMEM, -E2BIG. */
int berth_grant_class_fill(struct job *j, uint32_t class);

/* Makes the tables of areas and members out of the prefixes and members found. 0, -ENOMEM, -E2BIG. */
int berth_grant_slots_make(struct job *j);

#endif
