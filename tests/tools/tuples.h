/* SPDX-License-Identifier: BSD-2-Clause */
/* Socket pairs as the kernel's own table has them, and which of them exist twice. */
#ifndef BERTH_TESTS_TUPLES_H
#define BERTH_TESTS_TUPLES_H

#include <stddef.h>
#include <stdint.h>

/* A connected socket; addresses in 16 bytes, IPv4 as ::ffff:a.b.c.d; ports in host order. */
struct tuple {
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
	uint8_t protocol, state; /* state as in enum tcp states: 1 ESTABLISHED, 6 TIME_WAIT */
	uint8_t pad[2];
	uint64_t cookie; /* tells sockets apart */
};

struct tuples {
	struct tuple *at;
	size_t count, room;
};

/*
 * Appends every connected socket of a protocol (IPPROTO_TCP with TIME_WAIT, IPPROTO_UDP), both
 * families, of the caller's network namespace. Returns 0 or -errno; free with tuples_fini().
 */
int tuples_read(struct tuples *t, uint8_t protocol);

void tuples_fini(struct tuples *t);

/* Sorts, and returns how many sockets have a tuple that another socket before them has. */
size_t tuples_duplicates(struct tuples *t);

/*
 * Reads a protocol until two readings agree: a dump is no snapshot, so a pair counts as twice there
 * only when the same two sockets show it in two dumps. Returns the number, or -errno. out_count
 * (may be NULL): sockets in the last dump. Prints each pair on stderr.
 */
long tuples_check(uint8_t protocol, size_t *out_count);

#endif
