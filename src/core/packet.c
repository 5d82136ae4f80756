/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads packets, from the IP header to the ports.
 *
 * Invariant: what is read lies below end, which never grows; each header is asked for with has() before its first
 * byte is read.
 */
#include "include/berth/packet.h"

#include <string.h>

#define EXTENSIONS_MOST 16

enum next_header {
	HOP_BY_HOP = 0,
	ICMP4 = 1,
	ROUTING = 43,
	FRAGMENT = 44,
	AUTHENTICATION = 51,
	ICMP6 = 58,
	DESTINATION = 60,
	MOBILITY = 135,
	HOST_IDENTITY = 139,
	SHIM6 = 140,
};

struct reader {
	const uint8_t *data;
	size_t at, end;
	bool inner; /* within an ICMP error: cut short by who sent it, and ours by its source */
	uint8_t protocol;
	struct berth_packet *out;
};

static bool has(const struct reader *rd, size_t size)
{
	return rd->end - rd->at >= size;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* The bytes after the place that has been reached. */
static size_t left(const struct reader *rd)
{
	return rd->end - rd->at;
}

static void set_addresses(struct reader *rd, struct berth_address source,
			  struct berth_address destination)
{
	struct berth_flow *f = &rd->out->flow;

	f->local = rd->inner ? source : destination;
	f->remote = rd->inner ? destination : source;
}

/* The end of the packet as its IP header has it. */
static enum berth_packet_result set_end(struct reader *rd, size_t end)
{
	if (end > rd->end)
		return rd->inner ? BERTH_PACKET_GOOD : BERTH_PACKET_SHORT;
	rd->end = end;
	return BERTH_PACKET_GOOD;
}

/* A fragment's place in its packet, which has 65,535 bytes at most. */
static enum berth_packet_result set_fragment(struct reader *rd, uint32_t id, uint16_t offset,
					     bool more)
{
	struct berth_packet *out = rd->out;

	if (!offset && !more)
		return BERTH_PACKET_GOOD;
	if (offset + left(rd) > 65535)
		return BERTH_PACKET_LENGTH;
	/* An ICMP error is whole, whatever is told of the packet within: nobody shall wait for the rest of it. */
	if (!rd->inner) {
		out->is_fragment = true;
		out->has_more = more;
		out->fragment_id = id;
		out->fragment_offset = offset;
	}
	return offset ? BERTH_PACKET_FRAGMENT : BERTH_PACKET_GOOD;
}

static enum berth_packet_result read_v4(struct reader *rd)
{
	const uint8_t *ip = rd->data + rd->at;
	enum berth_packet_result result;
	size_t header, total;
	uint16_t place;

	if (!has(rd, 20))
		return BERTH_PACKET_SHORT;
	header = (ip[0] & 15u) * 4;
	total = get16(ip + 2);
	if (header < 20)
		return BERTH_PACKET_HEADER;
	if (total < header)
		return BERTH_PACKET_LENGTH;
	result = set_end(rd, rd->at + total);
	if (result)
		return result;
	if (!has(rd, header))
		return BERTH_PACKET_SHORT;
	rd->out->version = 4;
	rd->protocol = ip[9];
	set_addresses(rd, berth_address_v4(ip + 12), berth_address_v4(ip + 16));
	rd->at += header;
	place = get16(ip + 6);
	return set_fragment(rd, get16(ip + 4), (uint16_t)((place & 0x1fff) * 8), place & 0x2000);
}

/* Reads the fragment header that was reached. */
static enum berth_packet_result read_fragment(struct reader *rd)
{
	const uint8_t *header = rd->data + rd->at;
	uint16_t place;

	if (!has(rd, 8))
		return BERTH_PACKET_SHORT;
	place = get16(header + 2);
	rd->protocol = header[0];
	rd->at += 8;
	return set_fragment(rd, get32(header + 4), place & 0xfff8, place & 1);
}

/* Goes past an extension header of a length of its own: in units of 8 bytes, but for authentication of 4. */
static enum berth_packet_result skip_extension(struct reader *rd)
{
	const uint8_t *header = rd->data + rd->at;
	size_t size;

	if (!has(rd, 8))
		return BERTH_PACKET_SHORT;
	size = rd->protocol == AUTHENTICATION ? (header[1] + 2u) * 4 : (header[1] + 1u) * 8;
	if (!has(rd, size))
		return BERTH_PACKET_SHORT;
	rd->protocol = header[0];
	rd->at += size;
	return BERTH_PACKET_GOOD;
}

static bool is_extension(uint8_t protocol)
{
	switch (protocol) {
	case ROUTING:
	case AUTHENTICATION:
	case DESTINATION:
	case MOBILITY:
	case HOST_IDENTITY:
	case SHIM6:
		return true;
	default:
		return false;
	}
}

static enum berth_packet_result read_extensions(struct reader *rd)
{
	enum berth_packet_result result = BERTH_PACKET_GOOD;
	bool fragmented = false;
	int i;

	for (i = 0; i <= EXTENSIONS_MOST && !result; i++) {
		if (rd->protocol == FRAGMENT && !fragmented) {
			fragmented = true;
			result = read_fragment(rd);
		} else if (is_extension(rd->protocol) || (rd->protocol == HOP_BY_HOP && !i)) {
			result = skip_extension(rd);
		} else {
			return rd->protocol == FRAGMENT || rd->protocol == HOP_BY_HOP
				       ? BERTH_PACKET_ORDER
				       : BERTH_PACKET_GOOD;
		}
	}
	return result ? result : BERTH_PACKET_ORDER;
}

static enum berth_packet_result read_v6(struct reader *rd)
{
	const uint8_t *ip = rd->data + rd->at;
	struct berth_address source, destination;
	enum berth_packet_result result;
	size_t length;

	if (!has(rd, 40))
		return BERTH_PACKET_SHORT;
	memcpy(&source, ip + 8, sizeof(source));
	memcpy(&destination, ip + 24, sizeof(destination));
	if (berth_address_is_v4(&source) || berth_address_is_v4(&destination))
		return BERTH_PACKET_ADDRESS;
	length = get16(ip + 4);
	/* A jumbogram (RFC 2675) says 0 here; no socket of this library wants one. */
	if (!length)
		return BERTH_PACKET_LENGTH;
	result = set_end(rd, rd->at + 40 + length);
	if (result)
		return result;
	rd->out->version = 6;
	rd->protocol = ip[6];
	set_addresses(rd, source, destination);
	rd->at += 40;
	return read_extensions(rd);
}

static enum berth_packet_result read_ip(struct reader *rd, uint8_t *out_version)
{
	if (!has(rd, 1))
		return BERTH_PACKET_SHORT;
	*out_version = rd->data[rd->at] >> 4;
	switch (*out_version) {
	case 4:
		return read_v4(rd);
	case 6:
		return read_v6(rd);
	default:
		return BERTH_PACKET_VERSION;
	}
}

static enum berth_packet_result read_tcp(struct reader *rd, const uint8_t *header, size_t *size)
{
	*size = (header[12] >> 4) * 4u;
	rd->out->tcp_flags = header[13];
	return *size < 20 ? BERTH_PACKET_HEADER : BERTH_PACKET_GOOD;
}

/* The first fragment has less than the datagram's length says. */
static enum berth_packet_result read_udp(struct reader *rd, const uint8_t *header, size_t *size)
{
	size_t length = get16(header + 4);

	*size = 8;
	if (length < 8)
		return BERTH_PACKET_LENGTH;
	if (length > left(rd))
		return rd->out->has_more ? BERTH_PACKET_GOOD : BERTH_PACKET_LENGTH;
	rd->end = rd->at + length;
	return BERTH_PACKET_GOOD;
}

/* In place of a length the bytes that the checksum covers: 0, all of them, or 8 and more. RFC 3828 section 3.1. */
static enum berth_packet_result read_udplite(struct reader *rd, const uint8_t *header, size_t *size)
{
	size_t covered = get16(header + 4);

	*size = 8;
	if (covered && covered < 8)
		return BERTH_PACKET_LENGTH;
	return covered > left(rd) && !rd->out->has_more ? BERTH_PACKET_LENGTH : BERTH_PACKET_GOOD;
}

/* The generic header has 16 bytes with long sequence numbers (X), else 12. RFC 4340 section 5.1. */
static enum berth_packet_result read_dccp(const uint8_t *header, size_t *size)
{
	*size = header[4] * 4u;
	return *size < (header[8] & 1 ? 16 : 12) ? BERTH_PACKET_HEADER : BERTH_PACKET_GOOD;
}

/* The least that a protocol's header has; 0: it has no ports. A table of readers would be data to be relocated. */
static size_t least_header(uint8_t protocol)
{
	switch (protocol) {
	case BERTH_TCP:
		return 20;
	case BERTH_UDP:
	case BERTH_UDPLITE:
		return 8;
	case BERTH_SCTP:
	case BERTH_DCCP:
		return 12;
	default:
		return 0;
	}
}

/* How long the header says to be; there are least_header() bytes of it. */
static enum berth_packet_result read_header(struct reader *rd, const uint8_t *header, size_t *size)
{
	switch (rd->protocol) {
	case BERTH_TCP:
		return read_tcp(rd, header, size);
	case BERTH_UDP:
		return read_udp(rd, header, size);
	case BERTH_UDPLITE:
		return read_udplite(rd, header, size);
	case BERTH_DCCP:
		return read_dccp(header, size);
	default:
		*size = least_header(rd->protocol);
		return BERTH_PACKET_GOOD;
	}
}

static enum berth_packet_result read_ports(struct reader *rd)
{
	const uint8_t *header = rd->data + rd->at;
	struct berth_flow *f = &rd->out->flow;

	f->protocol = rd->protocol;
	f->local_port = get16(header + (rd->inner ? 0 : 2));
	f->remote_port = get16(header + (rd->inner ? 2 : 0));
	rd->out->transport = (uint32_t)rd->at;
	return f->local_port ? BERTH_PACKET_GOOD : BERTH_PACKET_PORT;
}

static enum berth_packet_result read_transport(struct reader *rd)
{
	size_t least = least_header(rd->protocol), size = 8;
	enum berth_packet_result result;

	if (!least)
		return BERTH_PACKET_PROTOCOL;
	/* Of the packet within an ICMP error no more than eight bytes need be there. */
	if (!has(rd, rd->inner ? 8 : least))
		return BERTH_PACKET_SHORT;
	if (!rd->inner) {
		result = read_header(rd, rd->data + rd->at, &size);
		if (result)
			return result;
		if (!has(rd, size))
			return BERTH_PACKET_HEADER;
	}
	rd->out->payload = (uint32_t)(rd->at + size);
	rd->out->end = (uint32_t)rd->end;
	return read_ports(rd);
}

/*
 * RFC 792: unreachable, quench, redirect, time exceeded, parameter; RFC 4443: every type below 128, and those that are
 * not known are for the socket as well (section 2.4 a).
 */
static bool is_error_type(uint8_t protocol, uint8_t type)
{
	if (protocol == ICMP6)
		return type < 128;
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* Reads the packet within an ICMP error as far as its sender left it. */
static enum berth_packet_result read_icmp(struct reader *rd, uint8_t version)
{
	const uint8_t *icmp = rd->data + rd->at;
	struct berth_packet *out = rd->out;
	enum berth_packet_result result;
	uint8_t inner_version;

	if (!has(rd, 8))
		return BERTH_PACKET_SHORT;
	if (!is_error_type(rd->protocol, icmp[0]) || out->is_fragment)
		return BERTH_PACKET_PROTOCOL;
	out->is_icmp_error = true;
	out->icmp_type = icmp[0];
	out->icmp_code = icmp[1];
	out->icmp_info = get32(icmp + 4);
	rd->at += 8;
	rd->inner = true;
	result = read_ip(rd, &inner_version);
	if (result)
		return result;
	return inner_version == version ? read_transport(rd) : BERTH_PACKET_VERSION;
}

/* Without ports a fragment still belongs somewhere: to those with its addresses, protocol and number. */
static void set_rest_of_fragment(struct reader *rd)
{
	rd->out->flow.protocol = rd->protocol;
	rd->out->payload = (uint32_t)rd->at;
	rd->out->end = (uint32_t)rd->end;
}

enum berth_packet_result berth_packet_parse(const void *data, size_t size,
					    struct berth_packet *out_packet)
{
	struct berth_packet out = { 0 };
	/* No packet is longer, but what it came in may be. */
	struct reader rd = { .data = data, .end = size < 131072 ? size : 131072, .out = &out };
	enum berth_packet_result result;
	uint8_t version;

	result = read_ip(&rd, &version);
	if (!result) {
		if (rd.protocol == (version == 4 ? ICMP4 : ICMP6))
			result = read_icmp(&rd, version);
		else
			result = read_transport(&rd);
	}
	if (result == BERTH_PACKET_FRAGMENT)
		set_rest_of_fragment(&rd);
	if (result <= BERTH_PACKET_FRAGMENT)
		*out_packet = out;
	return result;
}

const char *berth_packet_text(enum berth_packet_result result)
{
	switch (result) {
#define TEXT(name, text)                                                                           \
	case BERTH_PACKET_##name:                                                                  \
		return text;
		BERTH_PACKET_RESULTS(TEXT)
#undef TEXT
	}
	return "unknown";
}
