/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Source ports by host and destination, in a fixed amount of memory.
 *
 * Each port that was chosen goes to two streams: that of its host and destination, and, where it is that of a new socket,
 * that of its host over all destinations. A stream keeps the first BERTH_JUDGE_MAX ports in chunks of 60 and counts the others. Where
 * streams or chunks run out, the stream that was quiet longest is given up, and counted.
 */
#ifndef BERTH_SIM_STREAMS_H
#define BERTH_SIM_STREAMS_H

#include <stddef.h>

#include "src/sim/frame.h"
#include "src/sim/judge.h"

struct berth_stream {
	uint8_t source[16], destination[16];
	uint16_t destination_port;
	uint8_t protocol;
	bool all;              /* over all destinations: destination ::, port 0 */
	uint64_t seen;         /* ports in all */
	uint32_t kept;         /* of them in chunks */
	uint32_t destinations; /* of a stream over all: how many streams to one began */
	/* used by the table: chunks, neighbours in the order of use, and in the bucket */
	uint32_t first_chunk, last_chunk, newer, older, next;
};

struct berth_streams;

/* Bytes that a table of so many streams and chunks needs; memory needs no initial value. */
size_t berth_streams_size(uint32_t streams, uint32_t chunks);

/* Makes the table, empty, in memory of that size, aligned as malloc() does. At least 8 streams and chunks. */
struct berth_streams *berth_streams_init(void *memory, uint32_t streams, uint32_t chunks);

/*
 * Adds a port that was chosen: berth_flows_opens() said so. new_socket: for the host, too, and not only toward this
 * destination.
 */
void berth_streams_add(struct berth_streams *t, const struct berth_frame *frame, bool new_socket);

/* How many streams were given up, and ports in them. */
uint64_t berth_streams_evicted(const struct berth_streams *t, uint64_t *out_ports);

/* The streams, 0 up to the count; NULL where the number has none. */
uint32_t berth_streams_count(const struct berth_streams *t);
const struct berth_stream *berth_streams_get(const struct berth_streams *t, uint32_t number);

/* Copies the ports of a stream in their order; room for BERTH_JUDGE_MAX. Returns how many. */
size_t berth_streams_ports(const struct berth_streams *t, const struct berth_stream *s,
			   uint16_t *out);

#endif
