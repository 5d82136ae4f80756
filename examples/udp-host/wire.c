/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads and writes the headers of IP, UDP and ICMP (RFC 791, 8200, 768, 792, 4443). */
#include "wire.h"

#define HOPS 64

/* Adds up 16-bit words, the last one filled up with a zero (RFC 1071). */
static uint64_t add(uint64_t sum, const uint8_t *data, size_t size)
{
	size_t i;

	for (i = 0; i + 1 < size; i += 2)
		sum += wire_get16(data + i);
	return size % 2 ? sum + (uint64_t)(data[size - 1] << 8) : sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/*
 * The pseudo-header of either family: the prefix of a v4-mapped address adds 0xffff, which is nothing in this
 * arithmetic. ICMP of IPv4 has none.
 */
static uint64_t pseudo(const struct berth_address *a, const struct berth_address *b,
		       uint8_t protocol, size_t size)
{
	if (protocol == WIRE_ICMP4)
		return 0;
	return add(add(protocol + size, a->byte, 16), b->byte, 16);
}

static bool read_v4(const uint8_t *ip, size_t size, struct wire_header *h)
{
	size_t total;

	if (size < 20)
		return false;
	h->transport = (ip[0] & 15u) * 4;
	total = wire_get16(ip + 2);
	if (h->transport < 20 || total < h->transport || total > size)
		return false;
	if (wire_get16(ip + 6) & 0x3fff || fold(add(0, ip, h->transport)))
		return false;
	h->end = total;
	h->protocol = ip[9];
	h->source = berth_address_v4(ip + 12);
	h->destination = berth_address_v4(ip + 16);
	return true;
}

static bool read_v6(const uint8_t *ip, size_t size, struct wire_header *h)
{
	if (size < 40 || wire_get16(ip + 4) > size - 40)
		return false;
	h->transport = 40;
	h->end = 40u + wire_get16(ip + 4);
	h->protocol = ip[6];
	memcpy(&h->source, ip + 8, 16);
	memcpy(&h->destination, ip + 24, 16);
	return !berth_address_is_v4(&h->source) && !berth_address_is_v4(&h->destination);
}

bool wire_read(const uint8_t *packet, size_t size, struct wire_header *out_header)
{
	struct wire_header h = { .version = size ? packet[0] >> 4 : 0 };

	if (!(h.version == 4 && read_v4(packet, size, &h)) &&
	    !(h.version == 6 && read_v6(packet, size, &h)))
		return false;
	*out_header = h;
	return true;
}

bool wire_is_intact(const uint8_t *packet, const struct wire_header *h)
{
	const uint8_t *data = packet + h->transport;
	size_t size = h->end - h->transport;

	if (size < 8)
		return false;
	if (h->protocol == BERTH_UDP) {
		/* The length of the datagram may leave padding behind it. */
		if (wire_get16(data + 4) < 8 || wire_get16(data + 4) > size)
			return false;
		size = wire_get16(data + 4);
		/* Over IPv6 every datagram has a checksum (RFC 8200 section 8.1). */
		if (!wire_get16(data + 6))
			return h->version == 4;
	}
	return !fold(add(pseudo(&h->source, &h->destination, h->protocol, size), data, size));
}

/* The header in front of size bytes; returns its length. */
static size_t put_ip(uint8_t *ip, const struct berth_flow *flow, uint8_t protocol, size_t size)
{
	if (!berth_address_is_v4(&flow->local)) {
		memset(ip, 0, 40);
		ip[0] = 6 << 4;
		wire_put16(ip + 4, size);
		ip[6] = protocol;
		ip[7] = HOPS;
		memcpy(ip + 8, &flow->local, 16);
		memcpy(ip + 24, &flow->remote, 16);
		return 40;
	}
	memset(ip, 0, 20);
	ip[0] = 4 << 4 | 5;
	wire_put16(ip + 2, 20 + size);
	/* Never a fragment, so it needs no number (RFC 6864). */
	ip[6] = 0x40;
	ip[8] = HOPS;
	ip[9] = protocol;
	memcpy(ip + 12, flow->local.byte + 12, 4);
	memcpy(ip + 16, flow->remote.byte + 12, 4);
	wire_put16(ip + 10, fold(add(0, ip, 20)));
	return 20;
}

size_t wire_udp(uint8_t *out, const struct berth_flow *flow, const void *payload, size_t size)
{
	size_t header = put_ip(out, flow, BERTH_UDP, 8 + size);
	uint8_t *udp = out + header;
	uint16_t sum;

	wire_put16(udp, flow->local_port);
	wire_put16(udp + 2, flow->remote_port);
	wire_put16(udp + 4, 8 + size);
	wire_put16(udp + 6, 0);
	memcpy(udp + 8, payload, size);
	sum = fold(add(pseudo(&flow->local, &flow->remote, BERTH_UDP, 8 + size), udp, 8 + size));
	wire_put16(udp + 6, sum ? sum : 0xffff);
	return header + 8 + size;
}

size_t wire_icmp(uint8_t *out, const struct berth_flow *flow, uint8_t type, uint8_t code,
		 const uint8_t info[4], const void *body, size_t size)
{
	uint8_t protocol = berth_address_is_v4(&flow->local) ? WIRE_ICMP4 : WIRE_ICMP6;
	size_t header = put_ip(out, flow, protocol, 8 + size);
	uint8_t *icmp = out + header;

	icmp[0] = type;
	icmp[1] = code;
	wire_put16(icmp + 2, 0);
	memcpy(icmp + 4, info, 4);
	memcpy(icmp + 8, body, size);
	wire_put16(icmp + 2, fold(add(pseudo(&flow->local, &flow->remote, protocol, 8 + size), icmp,
				      8 + size)));
	return header + 8 + size;
}
