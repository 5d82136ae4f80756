/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of a pcapng file (draft-ietf-opsawg-pcapng), one after the other, without libpcap.
 *
 * libpcap refuses a file whose interfaces differ in link type or in what they cut off; so does every capture of two
 * different interfaces at once, and two files put together. No system call, no allocation: the caller reads.
 */
#ifndef BERTH_KERNEL_PCAPNG_H
#define BERTH_KERNEL_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BERTH_PCAPNG_HEAD 12u          /* as many bytes tell how long a block is */
#define BERTH_PCAPNG_BLOCK (16u << 20) /* longer blocks are refused */
#define BERTH_PCAPNG_INTERFACES 4096u

struct berth_pcapng_interface {
	uint16_t link; /* LINKTYPE, as the file has it */
	uint32_t snap;
	double tick_s;   /* length of one unit of time */
	double offset_s; /* to be added */
};

/* What the blocks before say of those behind. Zeroed before the first block. */
struct berth_pcapng {
	int order;           /* 0: no section yet, 1: as this host, 2: the other */
	uint32_t interfaces; /* of the section */
	struct berth_pcapng_interface interface[BERTH_PCAPNG_INTERFACES];
};

struct berth_pcapng_packet {
	const uint8_t *bytes; /* in the block */
	uint32_t len;         /* as many were captured */
	uint16_t link;
	double time_s; /* 0 where the block has none */
};

/*
 * The length of the block that begins with these BERTH_PCAPNG_HEAD bytes, in *out_len: a multiple of four, 12 at
 * least. Returns NULL, else what is wrong: constant text.
 */
const char *berth_pcapng_length(const struct berth_pcapng *s, const uint8_t *head,
				uint32_t *out_len);

/*
 * Takes the block that begins at block, len bytes long as berth_pcapng_length() gave it. out->bytes is NULL where it
 * has no packet. Returns NULL, else what is wrong: constant text.
 */
const char *berth_pcapng_block(struct berth_pcapng *s, const uint8_t *block, uint32_t len,
			       struct berth_pcapng_packet *out);

#endif
