/* SPDX-License-Identifier: BSD-2-Clause */
/* A captured frame, as far as the choice of a source port can be read from it. */
#ifndef BERTH_SIM_FRAME_H
#define BERTH_SIM_FRAME_H

#include <stddef.h>

#include "src/core/bits.h"

/* How a frame begins; numbers of its own, the caller translates the capture's. LOOP: four bytes of a family. */
enum berth_frame_link {
	BERTH_FRAME_ETHERNET,
	BERTH_FRAME_IP,
	BERTH_FRAME_COOKED,
	BERTH_FRAME_COOKED2,
	BERTH_FRAME_LOOP,
	BERTH_FRAME_PPP,
	BERTH_FRAME_LINKS
};

/* Who sent what to whom. IPv4 addresses are mapped: ::ffff:a.b.c.d. */
struct berth_frame {
	uint8_t source[16], destination[16];
	uint16_t source_port, destination_port;
	uint8_t protocol; /* 6 or 17 */
	bool client;      /* by its ports the sender is: true of each SYN */
	uint32_t
		id; /* what is another one in another attempt: a SYN's sequence number, a DNS query's id; else 0 */
};

/*
 * True where the frame may show a client's choice of a port: a TCP SYN without ACK (RFC 9293), or a UDP datagram,
 * whose sender is taken for the client where the other port is lower or below 1024; whether it is the first of its
 * flow, flows.h knows. VLAN tags (802.1Q, 802.1ad, 0x9100), MPLS labels, PPPoE and IPv6 extension headers are passed
 * over; a fragment other than the first shows nothing. Reads len bytes at most. Not by berth_packet_parse(): that one refuses a packet whose end the capture has cut off, as most captures do.
 */
bool berth_frame_read(enum berth_frame_link link, const uint8_t *bytes, size_t len,
		      struct berth_frame *out);

#endif
