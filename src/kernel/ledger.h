/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger of reservations: which ports are never to be assigned, who said so and why.
 *
 * One JSON file, /var/lib/berth/reservations.json, replaced as a whole under a lock. It also notes which ports
 * of ip_local_reserved_ports berth has put there, so that those of others are never taken out. A reservation
 * ends with its date or its owner, when the ledger is opened next; in a namespace that has no name, with that.
 */
#ifndef BERTH_KERNEL_LEDGER_H
#define BERTH_KERNEL_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/why.h"
#include "src/core/range.h"

struct berth_ledger;

/* One reservation; strings are borrowed for the call. */
struct berth_reservation {
	const char *ports; /* as text */
	const char *netns; /* name or path; "" for the host's */
	const char *owner; /* "pid:NUMBER:START", "unit:NAME", "path:PATH", "" for none */
	const char *by;    /* who made it */
	const char *why;
	uint64_t made_s, until_s; /* Unix time; until 0: no end */
};

/*
 * Opens the ledger and sweeps it. write: takes the lock, makes the file where it is missing; needs root.
 * Without it what was swept is forgotten again. 0; -EINVAL: the file cannot be read, and is not touched.
 */
int berth_ledger_open(bool write, struct berth_ledger **out_ledger, struct berth_why *why);

/* How many reservations the sweep has ended. */
unsigned berth_ledger_swept(const struct berth_ledger *l);

/*
 * True where a namespace lacks what is reserved in it: one with a name has come after the ledger was saved, somebody has
 * written over ip_local_reserved_ports, or a berth was killed.
 */
bool berth_ledger_waits(const struct berth_ledger *l);

/* Reads "pid:N", "unit:NAME" or "path:PATH" (a number is a pid, a word with a slash a path) into out (size). */
int berth_ledger_owner(const char *text, char *out, size_t size, struct berth_why *why);

/* Adds one. made_s and by are filled in. 0 or -errno. */
int berth_ledger_add(struct berth_ledger *l, const struct berth_reservation *r,
		     struct berth_why *why);

/* Takes ports out of all reservations of the namespace; returns how many of them were reserved. */
unsigned berth_ledger_remove(struct berth_ledger *l, const char *netns,
			     const struct berth_portset *ports);

/* Takes out all reservations of the owner. */
void berth_ledger_remove_owner(struct berth_ledger *l, const char *owner);

/* Calls each for every reservation in order; a result other than 0 ends the walk and is returned. */
int berth_ledger_each(const struct berth_ledger *l,
		      int (*each)(const struct berth_reservation *r, void *arg), void *arg);

/* The ports that are reserved in a namespace. */
void berth_ledger_ports(const struct berth_ledger *l, const char *netns,
			struct berth_portset *out_ports);

/* The ports of a namespace that berth has put into the kernel. */
void berth_ledger_applied(const struct berth_ledger *l, const char *netns,
			  struct berth_portset *out_ports);

/*
 * Tells the kernel, sysctl.d and the runs in progress, and saves the file. Ports of others stay in both. Runs are
 * told of their namespace's reservations: of the host's where it has no name. out_later: as of
 * berth_reserved_of_files(), PATH_MAX bytes. 0 or -errno; what could be done is done, but nothing where the file cannot
 * be written.
 */
int berth_ledger_commit(struct berth_ledger *l, char *out_later, struct berth_why *why);

/* NULL is allowed; lets go of the lock. */
void berth_ledger_close(struct berth_ledger *l);

#endif
