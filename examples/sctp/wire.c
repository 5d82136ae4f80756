/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads SCTP's common header and the addresses of INIT, and writes what the stack above does not. */
#include "wire.h"

#include <usrsctp.h>

enum { HEADER = 12, INIT_SIZE = 20, IPV4_PARAMETER = 5, IPV6_PARAMETER = 6 };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, size_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* Chunks and parameters begin at multiples of four. */
static size_t padded(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

void wire_seal(uint8_t *packet, size_t size)
{
	uint32_t sum;

	memset(packet + 8, 0, 4);
	sum = usrsctp_crc32c(packet, size);
	memcpy(packet + 8, &sum, 4);
}

static bool is_intact(uint8_t *packet, size_t size)
{
	uint32_t sum;

	memcpy(&sum, packet + 8, 4);
	wire_seal(packet, size);
	if (!memcmp(packet + 8, &sum, 4))
		return true;
	memcpy(packet + 8, &sum, 4);
	return false;
}

static void add_address(struct wire_packet *p, const struct berth_address *address)
{
	unsigned i;

	for (i = 0; i < p->address_count; i++) {
		if (!memcmp(p->addresses + i, address, sizeof(*address)))
			return;
	}
	if (p->address_count < WIRE_ADDRESSES)
		p->addresses[p->address_count++] = *address;
}

/* The parameters of an INIT; false where one is longer than what is left, or less than one is left. */
static bool read_parameters(const uint8_t *at, size_t size, struct wire_packet *p)
{
	while (size >= 4) {
		size_t length = get16(at + 2);
		struct berth_address address;

		if (length < 4 || length > size)
			return false;
		if (get16(at) == IPV4_PARAMETER && length == 8) {
			address = berth_address_v4(at + 4);
			add_address(p, &address);
		} else if (get16(at) == IPV6_PARAMETER && length == 20) {
			memcpy(&address, at + 4, 16);
			add_address(p, &address);
		}
		length = padded(length);
		at += length;
		size -= length < size ? length : size;
	}
	return !size;
}

bool wire_read(uint8_t *packet, size_t size, struct wire_packet *out_packet)
{
	const uint8_t *chunk = packet + HEADER;
	struct wire_packet p = { 0 };
	size_t length;

	if (size < HEADER + 4 || size % 4 || !is_intact(packet, size))
		return false;
	p.source_port = get16(packet);
	p.destination_port = get16(packet + 2);
	memcpy(&p.tag, packet + 4, 4);
	p.type = chunk[0];
	length = get16(chunk + 2);
	if (!p.source_port || !p.destination_port || length < 4 || length > size - HEADER)
		return false;
	/* An INIT has the tag 0, and nothing else has (section 8.5). */
	if ((p.type == WIRE_INIT) != !p.tag)
		return false;
	if (p.type == WIRE_INIT || p.type == WIRE_INIT_ACK) {
		if (length < INIT_SIZE || padded(length) != size - HEADER)
			return false;
		memcpy(&p.initiate_tag, chunk + 4, 4);
		if (!p.initiate_tag || !read_parameters(chunk + INIT_SIZE, length - INIT_SIZE, &p))
			return false;
	}
	*out_packet = p;
	return true;
}

bool wire_wants_answer(const uint8_t *packet, size_t size)
{
	const unsigned answered = 1u << WIRE_DATA | 1u << WIRE_INIT | 1u << WIRE_HEARTBEAT |
				  1u << WIRE_SHUTDOWN | 1u << WIRE_SHUTDOWN_ACK |
				  1u << WIRE_COOKIE_ECHO;
	size_t at = HEADER;

	while (at + 4 <= size && get16(packet + at + 2) >= 4) {
		if (packet[at] < 32 && answered >> packet[at] & 1)
			return true;
		at += padded(get16(packet + at + 2));
	}
	return false;
}

size_t wire_list(uint8_t *packet, size_t size, const struct berth_address *addresses,
		 unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		bool is_v4 = berth_address_is_v4(addresses + i);
		size_t length = is_v4 ? 4 : 16;

		put16(packet + size, is_v4 ? IPV4_PARAMETER : IPV6_PARAMETER);
		put16(packet + size + 2, 4 + length);
		memcpy(packet + size + 4, addresses[i].byte + 16 - length, length);
		size += 4 + length;
	}
	/* The padding of what was the last parameter counts now. */
	put16(packet + HEADER + 2, size - HEADER);
	return size;
}

size_t wire_refuse(const struct wire_packet *packet, uint8_t out[16])
{
	const unsigned ignored = 1u << WIRE_ABORT | 1u << WIRE_ERROR | 1u << WIRE_COOKIE_ACK |
				 1u << WIRE_SHUTDOWN_COMPLETE;
	bool is_init = packet->type == WIRE_INIT;

	if (packet->type < 32 && ignored >> packet->type & 1)
		return 0;
	put16(out, packet->destination_port);
	put16(out + 2, packet->source_port);
	memcpy(out + 4, is_init ? &packet->initiate_tag : &packet->tag, 4);
	out[12] = packet->type == WIRE_SHUTDOWN_ACK ? WIRE_SHUTDOWN_COMPLETE : WIRE_ABORT;
	/* The T bit: the tag is the receiver's word for us, not its own. */
	out[13] = !is_init;
	put16(out + 14, 4);
	wire_seal(out, 16);
	return 16;
}
