/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads the programs that assign ports, attaches them to a cgroup and reads their counters. */
#ifndef BERTH_KERNEL_ASSIGN_H
#define BERTH_KERNEL_ASSIGN_H

#include <stdint.h>

#include <stddef.h>

#include "abi/assign.h"
#include "src/base/why.h"

struct berth_assign;

/* Maps that the runs of a host share, in the order of berth_assign_map_ids(). */
#define BERTH_SHARED_MAPS(X) X(lanes) X(slabs) X(slots) X(assigned) X(shared) X(routes) X(loads)

#define BERTH_MAP_ENUM(name) BERTH_MAP_##name,
enum berth_shared_map { BERTH_SHARED_MAPS(BERTH_MAP_ENUM) BERTH_SHARED_MAP_COUNT };
#undef BERTH_MAP_ENUM

/* Names of the maps above, and of the one with the counters. */
extern const char *const berth_shared_map_name[BERTH_SHARED_MAP_COUNT];

/* What a run asks for. Borrowed during berth_assign_open(). */
struct berth_assign_spec {
	struct berth_assign_config config;      /* pool_id is computed */
	const struct berth_pool_entry *entries; /* config.entries of them */
	const struct berth_portset *ports;
};

/*
 * Fills in what a run does not choose: the namespace's cookie, fresh keys and the pool's number.
 * Returns 0 or -errno.
 */
int berth_assign_complete(struct berth_assign_spec *spec);

/*
 * Loads the programs. peer_ids: kernel ids of the shared maps of another run, or NULL to make new ones.
 * Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; CAP_SYS_ADMIN to share maps by id. The caller holds the
 * lock of the run registry. Returns 0; -EPERM, -EACCES: not permitted; other -errno: see why.
 */
int berth_assign_open(const struct berth_assign_spec *spec, const uint32_t *peer_ids,
		      struct berth_assign **out_assign, struct berth_why *why);

/*
 * Withholds ports from all runs that share the maps, beside those that are withheld already. The caller holds the
 * lock of the run registry.
 */
void berth_assign_withhold(struct berth_assign *a, const struct berth_portset *ports);

/* Attaches the programs to the cgroup; they stay until the cgroup is removed. 0 or -errno. */
int berth_assign_attach(struct berth_assign *a, int cgroup_fd, struct berth_why *why);

/* Kernel ids of the shared maps and, last, of the counters' map. */
int berth_assign_map_ids(const struct berth_assign *a,
			 uint32_t out_ids[BERTH_SHARED_MAP_COUNT + 1]);

/* A destination prefix and the interface that its route leaves by. */
struct berth_egress {
	struct berth_egress_key prefix;
	uint32_t device;
};

/*
 * Tells the routes to programs whose pool sits on several interfaces, in place of those that they knew; of equal
 * prefixes the first counts. Sorts route. Returns 0 or -errno: -ENOSPC where the map has no room for all.
 */
int berth_assign_set_egress(struct berth_assign *a, struct berth_egress *route, size_t n);

/* A descriptor that is readable when lanes were built: call berth_assign_grow() then. Borrowed. */
int berth_assign_event_fd(const struct berth_assign *a);

/*
 * Makes room for more lanes where little is left: first of lanes that nobody used for a minute, then of
 * new memory. The caller holds the lock of the run registry.
 * Returns 0 or -errno; without memory the programs go on with one port after the other.
 */
int berth_assign_grow(struct berth_assign *a);

/* Sums of the counters in a map over all CPUs. 0 or -errno. */
int berth_assign_read(int map_fd, uint64_t out_verdicts[BERTH_VERDICT_COUNT]);

/* As berth_assign_read(), of any run: the kernel's id of its counters' map. Needs CAP_SYS_ADMIN. */
int berth_assign_read_id(uint32_t map_id, uint64_t out_verdicts[BERTH_VERDICT_COUNT]);

/* The counters' map of this run. Borrowed. */
int berth_assign_counters_fd(const struct berth_assign *a);

/* Lets go of programs and maps; what is attached stays attached. NULL is allowed. */
void berth_assign_close(struct berth_assign *a);

#endif
