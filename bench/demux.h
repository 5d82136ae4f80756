/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the demultiplexer's bench share: connections, rivals, times. */
#ifndef BERTH_BENCH_DEMUX_H
#define BERTH_BENCH_DEMUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/berth/demux.h"

#define BATCH 32u
#define ROUNDS 7
#define HUGE_PAGE (2ull << 20)

/* A connection as the rivals know it. */
struct connection {
	uint32_t local, remote;
	uint16_t local_port, remote_port;
	uint32_t protocol;
};

extern uint64_t random_state;

/* xorshift64 (Marsaglia 2003). */
static inline uint32_t draw(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) * below >> 32);
}

/* Connection i: one server, clients of 32,768 ports each. */
static inline struct connection connection_of(uint32_t i)
{
	return (struct connection){ 0x0100000a, __builtin_bswap32(0x0b000000 + (i >> 15)), 443,
				    (uint16_t)(1024 + (i & 0x7fff)), BERTH_TCP };
}

/* CPU time of this thread. */
double now_ns(void);

/* Ends the program with what went wrong. */
__attribute__((noreturn)) void die(const char *what);

/* Memory at the begin of a huge page, of huge ones or of small ones only; ends the program where there is none. */
void *map_memory(uint64_t size, bool huge);

/* Is built with count connections and asked for times of them; ask returns the sum of owners. */
struct rival {
	const char *name;
	void (*build)(uint32_t count);
	uint64_t (*ask)(uint32_t count, uint32_t times);
	void (*end)(void);
	bool alone;                      /* too slow for many look-ups */
	void (*prepare)(uint32_t count); /* NULL, or before each PREPARED look-ups; takes no time */
};

#define PREPARED 2048u

/* The rivals that are no part of berth; the last one has no name. */
extern const struct rival peers[];

struct spread {
	double median, min, max;
};

/* Of ROUNDS times, which it sorts. */
struct spread spread_of(double *ns);

/* Something other than a look-up that is measured. */
struct part {
	const char *what;
	struct spread (*measure)(void);
};

/* What memory costs, and what parts of a look-up cost; the last one has no name. */
extern const struct part memory_parts[], other_parts[];

/* Registers this thread with the libraries whose sections of readers are measured. */
void begin_sections(void);

/* Keeps what was read from being thrown away by the compiler. */
extern uint64_t kept;

#endif
