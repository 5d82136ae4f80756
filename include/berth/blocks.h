/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port blocks: subscribers of a NAT share addresses, each by ranges of ports of its own.
 *
 * Deterministic (RFC 7422): who had a port is computed, nothing is logged. Dynamic (RFC 6888): a
 * subscriber takes blocks as it needs them, up to a limit; a log has one line for each block, not
 * for each port (requirement 9), and a port that was given back is held down (requirement 8: 120 s)
 * before it is given again.
 *
 * Nothing here reads a clock or makes random numbers: both are arguments.
 *
 * Threads: "any thread" functions may run at any time. "One at a time" ones must not run beside
 * another function on the same struct berth_blocks, which is not synchronised.
 */
#ifndef BERTH_BLOCKS_H
#define BERTH_BLOCKS_H

#include "space.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How subscribers are laid over addresses: in order, one block each, then the next address. */
struct berth_plan {
	uint32_t subscribers, addresses;
	uint16_t first, last; /* of each address */
	uint32_t each;        /* ports of a block, computed */
	uint32_t sharing;     /* subscribers of an address, computed */
};

/* A block of ports of one of the addresses, counted from 0. */
struct berth_block {
	uint32_t address;
	uint16_t first, last;
};

/*
 * Computes the block size: the ports of an address by the subscribers that share it, rounded down
 * (RFC 7422 section 2.2); what is over at the end of each address is left to dynamic blocks. More
 * for them (the RFC's dynamic pool): ports that first and last leave out. Errors: INVALID (nothing
 * to share, or more subscribers than ports). Any thread; pure.
 */
BERTH_API int berth_plan_init(struct berth_plan *plan, uint32_t subscribers, uint32_t addresses,
			      uint16_t first, uint16_t last);

/* The block of a subscriber, counted from 0. Errors: INVALID. Any thread; pure. */
BERTH_API int berth_plan_block(const struct berth_plan *plan, uint32_t subscriber,
			       struct berth_block *out_block);

/* Whose port it was: a subscriber, or -1 where the port belongs to nobody. Any thread; pure. */
BERTH_API int64_t berth_plan_subscriber(const struct berth_plan *plan, uint32_t address,
					uint16_t port);

/*
 * Ports at the end of each address that the plan leaves over: false where there are none. Any
 * thread; pure.
 */
BERTH_API bool berth_plan_over(const struct berth_plan *plan, uint16_t *out_first,
			       uint16_t *out_last);

/* Who is to have blocks, of which ports, and how many. */
struct berth_blocks_config {
	uint32_t subscribers, addresses; /* how many; up to 2^20 and 2^12 */
	uint16_t first, last;            /* of each address */
	uint16_t size;                   /* ports of a block: a power of two, 64 to 4096 */
	uint16_t most_blocks;            /* of a subscriber; 0: any number */
	uint32_t most_ports;             /* of a subscriber, at one time; 0: any number */
	uint32_t hold_ms;                /* hold-down of a port that was given back; 0: none */
	uint32_t now_ms;
	/* A subscriber keeps the address of its first block (RFC 6888 requirement 2: pooling). */
	bool one_address;
};

struct berth_blocks;

/*
 * Makes blocks out of what fits into the range, all memory at once. Errors: INVALID, MEMORY. Any
 * thread.
 */
BERTH_API int berth_blocks_new(const struct berth_blocks_config *config,
			       const struct berth_space_memory *memory,
			       struct berth_blocks **out_blocks);

/* Gives everything back; blocks may be NULL. One at a time, as the last. */
BERTH_API void berth_blocks_free(struct berth_blocks *blocks);

/* Bytes taken from the allocator. Any thread. */
BERTH_API size_t berth_blocks_bytes(const struct berth_blocks *blocks);

/* What is to be logged: a subscriber has got a block (got true), or has given it back. */
typedef void (*berth_blocks_log)(void *context, uint32_t subscriber,
				 const struct berth_block *block, bool got);

/* Whom to tell of blocks; NULL: nobody. The function must not change the blocks. One at a time. */
BERTH_API void berth_blocks_set_log(struct berth_blocks *blocks, berth_blocks_log log,
				    void *context);

/*
 * A port for a subscriber: a random one of one of its blocks that has room, else of a new block. A
 * fixed number of steps, and one for each 64 ports of a block at most. Errors: INVALID; QUOTA (a
 * limit of the subscriber); BOUND (no block is left: everybody else's ports are taken); WAIT (the
 * same, but ports only rest). One at a time.
 */
BERTH_API int berth_blocks_take(struct berth_blocks *blocks, uint32_t subscriber, uint64_t rnd,
				uint32_t *out_address, uint16_t *out_port);

/*
 * Gives a port back; it rests for hold_ms. The block goes back when none of its ports is taken or
 * rests. Errors: INVALID (not taken). One at a time.
 */
BERTH_API int berth_blocks_drop(struct berth_blocks *blocks, uint32_t address, uint16_t port,
				uint32_t now_ms);

/*
 * The clock goes on, as berth_space_advance(); returns how many ports have rested. One at a time.
 */
BERTH_API uint32_t berth_blocks_advance(struct berth_blocks *blocks, uint32_t now_ms,
					uint32_t limit);

/* Who has the block of a port, in use or resting: a subscriber, or -1. One at a time. */
BERTH_API int64_t berth_blocks_subscriber(const struct berth_blocks *blocks, uint32_t address,
					  uint16_t port);

/* What a subscriber has. Errors: INVALID. One at a time. */
BERTH_API int berth_blocks_count(const struct berth_blocks *blocks, uint32_t subscriber,
				 uint32_t *out_blocks, uint32_t *out_ports);

#ifdef __cplusplus
}
#endif
#endif
