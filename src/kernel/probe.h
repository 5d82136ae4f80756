/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this host offers to berth: one fact for each thing that berth needs or can use.
 *
 * Whatever can be tried is tried, not looked up: BPF programs are loaded, socket options are set,
 * sock_diag is asked for a socket. Nothing on the host is changed.
 */
#ifndef BERTH_KERNEL_PROBE_H
#define BERTH_KERNEL_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/why.h"

/* How much depends on a fact. One row each: enumerator, name in JSON. */
#define BERTH_NEEDS(X)                                                                             \
	X(BPF, "bpf")         /* `berth run --via bpf` does not work without it */                 \
	X(PRELOAD, "preload") /* `berth run --via preload` does not work without it */             \
	X(USEFUL, "useful")   /* something is slower or smaller without it */                      \
	X(SPARE, "spare")     /* nothing uses it yet; it does not count in the verdict */

/* One row each: enumerator, name in table and JSON; ascending: the worst of many is the maximum. */
#define BERTH_HEALTHS(X)                                                                           \
	X(OK, "ok")                                                                                \
	X(DEGRADED, "degraded")                                                                    \
	X(MISSING, "missing")

#define BERTH_NEED_ENUM(id, name) BERTH_NEED_##id,
enum berth_need { BERTH_NEEDS(BERTH_NEED_ENUM) BERTH_NEED_COUNT };
#undef BERTH_NEED_ENUM

#define BERTH_HEALTH_ENUM(id, name) BERTH_HEALTH_##id,
enum berth_health { BERTH_HEALTHS(BERTH_HEALTH_ENUM) BERTH_HEALTH_COUNT };
#undef BERTH_HEALTH_ENUM

struct berth_fact {
	const char *name; /* constant text, one for each row */
	enum berth_need need;
	enum berth_health health;
	char value[256];  /* what was found */
	char cost[256];   /* what it costs; "" where health is OK */
	char remedy[256]; /* the command or step that mends it; "" where health is OK */
};

/* How many facts there are. */
size_t berth_probe_count(void);

/* Finds fact i, which is below berth_probe_count(), on this host and in this network namespace. */
void berth_probe_fact(size_t i, struct berth_fact *out_fact);

/* The word for it: "ok", "degraded", "missing". */
const char *berth_health_name(enum berth_health health);

/* The word for it: "bpf", "preload", "useful", "spare". */
const char *berth_need_name(enum berth_need need);

#endif
