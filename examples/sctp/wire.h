/* SPDX-License-Identifier: BSD-2-Clause */
/* SCTP packets as bytes (RFC 9260), as far as whoever carries them must look into them. */
#ifndef WIRE_H
#define WIRE_H

#include <berth/flow.h>

/* The largest packet that is carried, and how many addresses of a peer are looked at. */
#define WIRE_ROOM 65536
#define WIRE_ADDRESSES 4

enum wire_type {
	WIRE_DATA = 0,
	WIRE_INIT = 1,
	WIRE_INIT_ACK = 2,
	WIRE_HEARTBEAT = 4,
	WIRE_ABORT = 6,
	WIRE_SHUTDOWN = 7,
	WIRE_SHUTDOWN_ACK = 8,
	WIRE_ERROR = 9,
	WIRE_COOKIE_ECHO = 10,
	WIRE_COOKIE_ACK = 11,
	WIRE_SHUTDOWN_COMPLETE = 14,
};

/* What a packet says. Tags are as they stand in it. */
struct wire_packet {
	uint16_t source_port, destination_port;
	uint32_t tag;
	uint8_t type; /* of the first chunk */
	uint32_t
		initiate_tag; /* INIT and INIT ACK: the tag that the sender wants to be called by */
	/* INIT and INIT ACK: addresses of the sender beside the one it came from, each once. */
	struct berth_address addresses[WIRE_ADDRESSES];
	unsigned address_count;
};

/*
 * Reads size hostile bytes. False: cut short, checksum wrong, a port or a tag that cannot be, a chunk longer than the
 * packet, INIT or INIT ACK not alone. The bytes are as before when it returns.
 */
bool wire_read(uint8_t *packet, size_t size, struct wire_packet *out_packet);

/* True where a chunk is in it that the peer has to answer: silence then says something about the path. */
bool wire_wants_answer(const uint8_t *packet, size_t size);

/* Appends addresses to INIT or INIT ACK (sections 3.3.2.1.1, 3.3.2.1.2); room for 20 bytes each. Returns its size. */
size_t wire_list(uint8_t *packet, size_t size, const struct berth_address *addresses,
		 unsigned count);

/* Puts the checksum in (section 6.8). */
void wire_seal(uint8_t *packet, size_t size);

/* What is said to a packet that is nobody's (section 8.4), in 16 bytes of out. Returns its size; 0: nothing. */
size_t wire_refuse(const struct wire_packet *packet, uint8_t out[16]);

#endif
