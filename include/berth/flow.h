/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an arriving packet says of its socket: protocol, addresses, ports, interface.
 *
 * Addresses are in network order, as they stand in a packet; ports are in host order. IPv4 has one form only:
 * v4-mapped, ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).
 */
#ifndef BERTH_FLOW_H
#define BERTH_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Marks what the shared library exports. */
#define BERTH_API __attribute__((visibility("default")))

/* IANA's numbers of the protocols that have ports; the tables take any other number as well. */
enum berth_protocol {
	BERTH_TCP = 6,
	BERTH_UDP = 17,
	BERTH_DCCP = 33,
	BERTH_SCTP = 132,
	BERTH_UDPLITE = 136,
};

/* An address of IPv6, or of IPv4 in v4-mapped form. All zero is "any". */
struct berth_address {
	uint8_t byte[16];
};

/* A packet as its receiver sees it: local is the packet's destination, remote its source. */
struct berth_flow {
	struct berth_address local, remote;
	uint16_t local_port, remote_port;
	uint32_t device; /* index of the interface it came in by */
	uint8_t protocol;
	uint8_t unused[3]; /* zero */
};

/* The v4-mapped form of the four bytes of an IPv4 address. Any thread; pure. */
static inline struct berth_address berth_address_v4(const uint8_t byte[4])
{
	struct berth_address a = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0 } };

	memcpy(a.byte + 12, byte, 4);
	return a;
}

/* True where the address is an IPv4 one: ::ffff:0:0/96. Any thread; pure. */
static inline bool berth_address_is_v4(const struct berth_address *a)
{
	static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return !memcmp(a->byte, prefix, sizeof(prefix));
}

#ifdef __cplusplus
}
#endif
#endif
