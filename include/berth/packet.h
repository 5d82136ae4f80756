/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parser of packets: from the IP header to the ports, which is what berth_demux_find() wants to know.
 *
 * Input is hostile: whatever the bytes are, the answer is a result, and no byte behind the end is read. Read are IPv4
 * (RFC 791), IPv6 with extension headers and fragments (RFC 8200), TCP (RFC 9293), UDP (RFC 768), UDP-Lite
 * (RFC 3828), SCTP (RFC 9260), DCCP (RFC 4340) and the packet within an ICMP error (RFC 792, RFC 4443).
 * Checksums are not verified, fragments not put together, options not read.
 *
 * Threads: every function is pure, an "any thread" one: it may run at any time.
 */
#ifndef BERTH_PACKET_H
#define BERTH_PACKET_H

#include "flow.h"

#ifdef __cplusplus
extern "C" {
#endif

/* name, what it means. */
#define BERTH_PACKET_RESULTS(X)                                                                    \
	X(GOOD, "good")                                                                            \
	X(FRAGMENT, "not the first fragment: there are no ports in it")                            \
	X(SHORT, "the packet ends before its headers do")                                          \
	X(VERSION, "neither IPv4 nor IPv6")                                                        \
	X(HEADER, "a header is shorter than it can be, or longer than the packet")                 \
	X(LENGTH, "a length contradicts the packet or its other lengths")                          \
	X(ADDRESS, "a v4-mapped address in a packet of IPv6")                                      \
	X(ORDER, "an extension header in a place where it may not be, or too many")                \
	X(PROTOCOL, "a protocol without ports")                                                    \
	X(PORT, "port 0 as the receiver's port")

enum berth_packet_result {
#define BERTH_PACKET_RESULT(name, text) BERTH_PACKET_##name,
	BERTH_PACKET_RESULTS(BERTH_PACKET_RESULT)
#undef BERTH_PACKET_RESULT
};

/* What a packet says. Offsets count from the first byte of the packet given. */
struct berth_packet {
	/*
	 * Whose it is; device is 0, for the caller to set. Of an ICMP error: the flow of the socket that sent the
	 * packet within.
	 */
	struct berth_flow flow;
	uint32_t transport; /* where the header with the ports begins */
	uint32_t payload;   /* where what follows it begins; of an ICMP error where the ports end */
	uint32_t end;       /* where the packet ends; behind it may be padding */
	uint32_t icmp_info; /* second word of the ICMP header, as the MTU is there */
	uint32_t fragment_id;
	uint16_t fragment_offset; /* in bytes */
	uint8_t version;          /* of IP: 4 or 6 */
	uint8_t tcp_flags;
	uint8_t icmp_type, icmp_code;
	bool is_icmp_error;
	bool is_fragment; /* first or other, but not one that is the whole packet; not of the packet in an ICMP error */
	bool has_more; /* fragments follow */
};

/*
 * Reads a packet of size bytes that begins with its IP header. *out_packet is set for BERTH_PACKET_GOOD, for
 * BERTH_PACKET_FRAGMENT (but ports and transport are 0), else untouched. FRAGMENT with is_icmp_error: the packet within
 * the error was a later fragment. Any thread; pure.
 */
BERTH_API enum berth_packet_result berth_packet_parse(const void *data, size_t size,
						      struct berth_packet *out_packet);

/* What a result means, in English; constant text. Any thread; pure. */
BERTH_API const char *berth_packet_text(enum berth_packet_result result);

#ifdef __cplusplus
}
#endif
#endif
