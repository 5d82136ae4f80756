/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets of IPv4 and IPv6 as bytes: their checksums, and those that the host sends. */
#ifndef WIRE_H
#define WIRE_H

#include <berth/flow.h>

/* Room for the largest packet: the header of IPv6, and 65,535 bytes. */
#define WIRE_ROOM (40 + 65535)

enum { WIRE_ICMP4 = 1, WIRE_ICMP6 = 58 };

/* What the IP header says. transport and end are offsets; behind end may be padding. */
struct wire_header {
	struct berth_address source, destination;
	size_t transport, end;
	uint8_t version, protocol;
};

/* Number of two bytes in network order. */
static inline uint16_t wire_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void wire_put16(uint8_t *p, size_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/*
 * Reads the IP header of size hostile bytes. False: it is cut short, contradicts itself, its checksum is wrong, or
 * it is a fragment. Extension headers of IPv6 are not skipped: protocol is the first of them.
 */
bool wire_read(const uint8_t *packet, size_t size, struct wire_header *out_header);

/* True where the checksum of the UDP datagram or ICMP message is right, or UDP over IPv4 has none (RFC 768). */
bool wire_is_intact(const uint8_t *packet, const struct wire_header *h);

/*
 * Makes a datagram from flow's local end to its remote one. size <= 65,507 where the addresses are those of IPv4, else
 * 65,527. Returns how many bytes of out, which has WIRE_ROOM, it takes.
 */
size_t wire_udp(uint8_t *out, const struct berth_flow *flow, const void *payload, size_t size);

/* Makes an ICMP message of the addresses' family; as above. info: the second word of its header. */
size_t wire_icmp(uint8_t *out, const struct berth_flow *flow, uint8_t type, uint8_t code,
		 const uint8_t info[4], const void *body, size_t size);

#endif
