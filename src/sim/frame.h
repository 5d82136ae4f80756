/* SPDX-License-Identifier: BSD-2-Clause */
/* A captured frame, as far as the choice of a source port can be read from it. */
#ifndef BERTH_SIM_FRAME_H
#define BERTH_SIM_FRAME_H

#include <stddef.h>

#include "src/core/bits.h"

/* How a frame begins; numbers of its own, the caller translates the capture's. */
enum berth_frame_link {
	BERTH_FRAME_ETHERNET,
	BERTH_FRAME_IP,
	BERTH_FRAME_COOKED,
	BERTH_FRAME_COOKED2
};

/* Who opened what. IPv4 addresses are mapped: ::ffff:a.b.c.d. */
struct berth_frame {
	uint8_t source[16], destination[16];
	uint16_t source_port, destination_port;
	uint8_t protocol; /* 6 or 17 */
};

/*
 * True where the frame shows a client's choice of a port: a TCP SYN without ACK (RFC 9293), or a UDP datagram to
 * a lower port or one below 1024 (there is no better sign of who is the client). VLAN tags (802.1Q, 802.1ad) and
 * IPv6 extension headers are passed over; a fragment other than the first shows nothing. Reads len bytes at most.
 * Not by berth_packet_parse(): that one refuses a packet whose end the capture has cut off, as most captures do.
 */
bool berth_frame_read(enum berth_frame_link link, const uint8_t *bytes, size_t len,
		      struct berth_frame *out);

#endif
