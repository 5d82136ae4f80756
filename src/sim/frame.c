/* SPDX-License-Identifier: BSD-2-Clause */
/* Headers from the link up to the ports. */
#include "src/sim/frame.h"

#include <string.h>

#define TCP 6u
#define UDP 17u
#define DNS 53u
#define EXTENSIONS_MAX 8u
#define TAGS_MAX 8u

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static bool read_ports(const uint8_t *at, size_t len, struct berth_frame *out)
{
	if (len < (out->protocol == TCP ? 14u : 8u))
		return false;
	out->source_port = (uint16_t)get16(at);
	out->destination_port = (uint16_t)get16(at + 2);
	if (!out->source_port || !out->destination_port)
		return false;
	out->id = 0;
	out->client = true;
	if (out->protocol == TCP) {
		out->id = get16(at + 4) << 16 | get16(at + 6);
		return (at[13] & 0x12) == 0x02;
	}
	if (out->destination_port == DNS && len >= 10)
		out->id = get16(at + 8);
	out->client = out->destination_port < out->source_port || out->destination_port < 1024;
	return true;
}

static bool read_ip4(const uint8_t *at, size_t len, struct berth_frame *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	size_t head;

	if (len < 20 || at[0] >> 4 != 4)
		return false;
	head = (at[0] & 15u) * 4;
	/* Offset of the fragment: the ports are in the first. */
	if (head < 20 || head > len || get16(at + 6) & 0x1fff || (at[9] != TCP && at[9] != UDP))
		return false;
	memcpy(out->source, mapped, 12);
	memcpy(out->source + 12, at + 12, 4);
	memcpy(out->destination, mapped, 12);
	memcpy(out->destination + 12, at + 16, 4);
	out->protocol = at[9];
	return read_ports(at + head, len - head, out);
}

static bool read_ip6(const uint8_t *at, size_t len, struct berth_frame *out)
{
	size_t head = 40, size;
	uint32_t next, i;

	if (len < 40 || at[0] >> 4 != 6)
		return false;
	memcpy(out->source, at + 8, 16);
	memcpy(out->destination, at + 24, 16);
	next = at[6];
	/* Hop-by-hop, routing, destination options, and the fragment's header (RFC 8200). */
	for (i = 0; i < EXTENSIONS_MAX && (next == 0 || next == 43 || next == 60 || next == 44);
	     i++) {
		if (len - head < 8)
			return false;
		if (next == 44 && get16(at + head + 2) & 0xfff8)
			return false;
		size = next == 44 ? 8 : (at[head + 1] + 1u) * 8;
		next = at[head];
		if (len - head < size)
			return false;
		head += size;
	}
	if (next != TCP && next != UDP)
		return false;
	out->protocol = (uint8_t)next;
	return read_ports(at + head, len - head, out);
}

static bool is_tag(uint32_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

/* PPP's protocol (RFC 1661), of one byte or two, behind address and control or without; *head is moved behind it. */
static uint32_t read_ppp(const uint8_t *bytes, size_t len, size_t *head)
{
	uint32_t protocol;
	size_t at = *head;

	at += len >= at + 2 && get16(bytes + at) == 0xff03 ? 2 : 0;
	if (len < at + 2)
		return 0;
	protocol = bytes[at] & 1 ? bytes[at] : get16(bytes + at);
	*head = at + (bytes[at] & 1 ? 1 : 2);
	return protocol == 0x21 ? 0x0800 : protocol == 0x57 ? 0x86dd : 0;
}

/* What lies behind the labels tells itself by its first four bits. */
static uint32_t read_mpls(const uint8_t *bytes, size_t len, size_t *head)
{
	uint32_t i;

	for (i = 0; i < TAGS_MAX && len >= *head + 5; i++) {
		bool bottom = bytes[*head + 2] & 1;

		*head += 4;
		if (bottom)
			return bytes[*head] >> 4 == 4 ? 0x0800 : 0x86dd;
	}
	return 0;
}

bool berth_frame_read(enum berth_frame_link link, const uint8_t *bytes, size_t len,
		      struct berth_frame *out)
{
	static const uint8_t heads[BERTH_FRAME_LINKS] = { 14, 0, 16, 20, 4, 0 };
	size_t head = heads[link];
	uint32_t type = 0, i;

	if (len < head + 1)
		return false;
	if (link == BERTH_FRAME_PPP)
		type = read_ppp(bytes, len, &head);
	else if (link == BERTH_FRAME_IP || link == BERTH_FRAME_LOOP)
		type = bytes[head] >> 4 == 4 ? 0x0800 : 0x86dd;
	else
		type = get16(link == BERTH_FRAME_COOKED2 ? bytes : bytes + head - 2);
	for (i = 0; i < TAGS_MAX && is_tag(type) && len >= head + 4; i++) {
		type = get16(bytes + head + 2);
		head += 4;
	}
	if (type == 0x8847 || type == 0x8848) {
		type = read_mpls(bytes, len, &head);
	} else if (type == 0x8864 && len >= head + 8) {
		head += 6;
		type = read_ppp(bytes, len, &head);
	}
	if (type == 0x0800)
		return read_ip4(bytes + head, len - head, out);
	return type == 0x86dd && read_ip6(bytes + head, len - head, out);
}
