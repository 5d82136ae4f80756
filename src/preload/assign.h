/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chooses source address and port for one socket and makes the program's call with them.
 *
 * Two ways, because the kernel has two rules. Inside ip_local_port_range a TCP connect() gets its
 * port from the kernel, narrowed by IP_LOCAL_PORT_RANGE to the one that berth chose: where the
 * tuple is taken the kernel says EADDRNOTAVAIL, the socket stays unbound, and the next candidate
 * is tried. Outside, and for UDP, the socket is bound with SO_REUSEADDR, which cannot be undone:
 * so sock_diag is asked first, and a claim in shared memory keeps the processes of the run off
 * the tuple meanwhile. (The kernel would serve UDP in its range too, but walks 65,536 steps to
 * find one port.)
 *
 * A tuple in TIME_WAIT for less than the rest goes back to the lane and rests; a longer one is
 * taken where the kernel allows it, see probe.h.
 *
 * State costs memory only where there is contention: the first two candidates of a connect are
 * chosen without a lane (all policies but longest-idle), a lane is built when both were taken.
 *
 * Limits: two runs do not see each other's claims. Should both choose one tuple outside of the
 * range within the same few microseconds, the second program gets EADDRNOTAVAIL (UDP: nobody
 * notices). A socket bound outside of the range keeps its port when connect() fails; connected to
 * another destination next, it gets EADDRNOTAVAIL where that tuple is in use.
 */
#ifndef BERTH_PRELOAD_ASSIGN_H
#define BERTH_PRELOAD_ASSIGN_H

#include "src/preload/probe.h"

struct berth_ask {
	/*
	 * Given. tuple.src is the address that the program chose (zeros: none); dst is zeros for
	 * bind_only.
	 */
	struct berth_tuple tuple;
	int fd;
	bool v6;        /* the socket's family */
	bool bind_only; /* bind(addr, 0): no destination */
	bool foreign;   /* the socket is in another network namespace than the run was started in */
	uint32_t mark;
	/*
	 * Makes the program's call, with tuple.sport where it binds; as a system call: -1 and
	 * errno.
	 */
	long (*go)(struct berth_ask *ask);
	void *call; /* for go() */
};

/*
 * Returns what the program's call is to return, with errno; counts the verdict and notes the
 * descriptor.
 */
long berth_assign(struct berth_ask *ask);

#endif
