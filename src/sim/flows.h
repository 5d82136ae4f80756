/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which packet of a capture is the first of its flow, and so shows that a port was chosen.
 *
 * A SYN that is sent again has the sequence number of the first one. A datagram belongs to the flow that was there
 * within 120 s in either direction, as a NAT has it (RFC 4787 REQ-5); but a query of another id to port 53 was asked
 * anew, and counts once a second and flow: a resolver that keeps its port is found, a stub that asks for A and AAAA
 * by one socket is not counted twice.
 *
 * The table is of a fixed size; where eight flows share a set, the one that was quiet longest is forgotten, and
 * counted where it might have come again.
 */
#ifndef BERTH_SIM_FLOWS_H
#define BERTH_SIM_FLOWS_H

#include <stddef.h>

#include "src/sim/frame.h"

#define BERTH_FLOWS_IDLE_MS 120000u
#define BERTH_FLOWS_QUERY_MS 1000u

struct berth_flows;

/* Bytes that a table of so many flows needs, a power of two and at least 8; memory needs no initial value. */
size_t berth_flows_size(uint32_t flows);

/* Makes the table, empty, in memory of that size, aligned as malloc() does. */
struct berth_flows *berth_flows_init(void *memory, uint32_t flows);

/* True where the packet opens a flow, and its sender is the client. now_ms: the packet's own time, which may wrap. */
bool berth_flows_opens(struct berth_flows *t, const struct berth_frame *frame, uint32_t now_ms);

/*
 * True where the packet opens a socket: of UDP one may speak with many, and its port was chosen once. Of TCP, and of
 * queries to port 53, whose sender would do better to take another port for each: as each flow.
 */
bool berth_flows_opens_socket(struct berth_flows *t, const struct berth_frame *frame,
			      uint32_t now_ms);

/* How many flows were forgotten within the time in which they might have come again. */
uint64_t berth_flows_lost(const struct berth_flows *t);

#endif
