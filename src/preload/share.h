/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the processes of one run share: lanes, claims, counters, routes.
 *
 * Why the lock is a word with a lease and not a robust mutex: connect() may be called in a signal
 * handler, in a child of vfork() that borrows its parent's thread, and in PID namespaces where
 * numbers repeat; the C library's robust mutexes keep a list for each thread that none of these
 * may touch half-way. Here the word holds who took it and when. Nobody makes a system call or
 * runs a loop without bound inside, so an owner is done within microseconds. A thread that finds
 * its own number (a signal handler over a critical section) goes on without the lane; one that
 * waited 20 ms does the same; a lock older than a second belonged to somebody killed, and is
 * taken over with a lane made new. That can tear a lane when its owner was only stopped: a lane
 * is a hint, its indices are masked, and the kernel is asked about each port before it is used.
 *
 * What keeps two threads from one tuple is not the lane but the claim: a word set before the
 * kernel is asked and cleared when connect() has returned, void after two seconds.
 *
 * Everything here may be called in a signal handler: no allocation, nothing waits for a dead
 * process.
 */
#ifndef BERTH_PRELOAD_SHARE_H
#define BERTH_PRELOAD_SHARE_H

#include "abi/preload.h"

/* The run's file, or NULL where there is none: then every call goes to the kernel as it is. */
extern struct berth_preload_file *berth_share;

/* Maps the file that the environment names. Called once, when the library is loaded. */
void berth_share_open(void);

void berth_share_count(enum berth_verdict verdict);

/* 32 bits that nobody can foretell without the run's key. */
uint32_t berth_share_random(void);

/* The name of a lane: a keyed hash of key and interface; never 0. */
uint64_t berth_share_id(const struct berth_lane_key *key, uint32_t device);

/* The lane's place, or NULL where nobody has built it. */
struct berth_preload_slot *berth_share_find(uint64_t id);

/* As find, building it where it is missing; NULL where there is no memory for it. */
struct berth_preload_slot *berth_share_get(uint64_t id, uint64_t now_ns);

/*
 * Locks the place and gives its lane, made new where that is due, without the port `never` (0:
 * none). NULL where it is not to be had now. out_lock is what berth_share_unlock() takes.
 */
struct berth_lane *berth_share_lock(struct berth_preload_slot *slot, uint64_t id, uint16_t never,
				    uint64_t *out_lock);
void berth_share_unlock(struct berth_preload_slot *slot, uint64_t lock);

/* Ports of the pool that this lane can still give; the whole pool where there is no such lane. */
uint32_t berth_share_headroom(uint64_t id);

/* Tells the lane that a port came free; nothing happens where there is no lane. */
void berth_share_drop(uint64_t id, uint16_t port);

/* True where the port was reserved after the run began. */
bool berth_share_is_withheld(uint16_t port);

/*
 * Claims (id, port) until berth_share_unclaim(); false where somebody has it. out_claim: what
 * unclaim takes.
 */
bool berth_share_claim(uint64_t id, uint16_t port, uint64_t *out_claim);
void berth_share_unclaim(uint64_t id, uint16_t port, uint64_t claim);

/*
 * Copies what is known of a route (netns, dst, asked, device, mark are filled in); false where it
 * is too old.
 */
bool berth_share_route_get(struct berth_preload_route *route, uint64_t now_ns);
void berth_share_route_put(const struct berth_preload_route *route, uint64_t now_ns);

/* True where IP_LOCAL_PORT_RANGE can choose this port in the run's own network namespace. */
bool berth_share_in_range(uint16_t port, uint64_t now_ns);

#endif
