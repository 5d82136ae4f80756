/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registry of runs: one file a run in /run/berth (for a user: $XDG_RUNTIME_DIR/berth), held under a
 * file lock while the run lives. The kernel drops the lock with its owner, however that dies, so "is it
 * alive" needs no guess about process ids.
 */
#ifndef BERTH_KERNEL_RUNS_H
#define BERTH_KERNEL_RUNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "src/base/why.h"
#include "src/kernel/assign.h"

#define BERTH_RUN_ID_MAX 40

struct berth_run {
	char id[BERTH_RUN_ID_MAX]; /* names the file and the cgroup */
	pid_t pid;
	uint64_t started_s;  /* Unix time */
	const char *via;     /* "bpf" or "preload" */
	const char *command; /* program and arguments */
	const char *pool;    /* as text; "" where the route decides */
	const char *ports;
	const char *policy;
	const char *cgroup; /* path, "" without */
	const char *shm;    /* file of shared memory, "" without */
	uint32_t abi;
	uint32_t map_ids[BERTH_SHARED_MAP_COUNT + 1]; /* 0 without */
};

/* Where the registry is: root's folder, or the user's own. 0 or -ENAMETOOLONG. */
int berth_runs_dir(char *out, size_t size);

/* Takes the lock of the registry (made where missing); released by closing the descriptor. */
int berth_runs_lock(int *out_fd, struct berth_why *why);

/* Gives the run an id that no other run has or had. */
void berth_runs_name(struct berth_run *run);

/* Enters the run; it counts as alive while the descriptor is open. The caller holds the lock. */
int berth_runs_add(const struct berth_run *run, int *out_fd, struct berth_why *why);

/* Takes the run out. */
void berth_runs_remove(const struct berth_run *run);

/*
 * Calls each for every run, alive or not; a result other than 0 ends the walk and is returned. Strings
 * are borrowed for the call. Returns 0 also where there is no registry. Takes the lock for as long, where the
 * caller may have it: without it, a run that is just being entered can look like one cut short.
 */
int berth_runs_each(int (*each)(const struct berth_run *run, bool alive, void *arg), void *arg);

/*
 * Removes what runs left behind whose berth is gone: cgroup, shared memory, registry file. One whose
 * program still lives is left until that ends. The caller holds the lock.
 */
void berth_runs_sweep(void);

/* The map ids of a run to share with; false where there is none. The caller holds the lock. */
bool berth_runs_peer(uint32_t out_ids[BERTH_SHARED_MAP_COUNT]);

#endif
