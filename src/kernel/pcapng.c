/* SPDX-License-Identifier: BSD-2-Clause */
/* Sections, interfaces and packets of pcapng. */
#include "src/kernel/pcapng.h"

#include <string.h>

#define SECTION 0x0a0d0d0au
#define INTERFACE 1u
#define OLD_PACKET 2u
#define SIMPLE_PACKET 3u
#define PACKET 6u
#define MAGIC 0x1a2b3c4du
#define END 4u /* of each block: its length again */
#define TSRESOL 9u
#define TSOFFSET 14u

static uint32_t get32(const struct berth_pcapng *s, const uint8_t *at)
{
	uint32_t x;

	memcpy(&x, at, sizeof(x));
	return s->order == 2 ? __builtin_bswap32(x) : x;
}

static uint16_t get16(const struct berth_pcapng *s, const uint8_t *at)
{
	uint16_t x;

	memcpy(&x, at, sizeof(x));
	return s->order == 2 ? __builtin_bswap16(x) : x;
}

/* The section's order is told by its third word, its type reads the same in both. */
static int order_of(const uint8_t *head)
{
	uint32_t magic;

	memcpy(&magic, head + 8, sizeof(magic));
	return magic == MAGIC ? 1 : magic == __builtin_bswap32(MAGIC) ? 2 : 0;
}

const char *berth_pcapng_length(const struct berth_pcapng *s, const uint8_t *head,
				uint32_t *out_len)
{
	struct berth_pcapng own = { .order = s->order };
	uint32_t len;

	if (get32(&own, head) == SECTION)
		own.order = order_of(head);
	if (!own.order)
		return "it does not begin as a section of pcapng does";
	len = get32(&own, head + 4);
	if (len < BERTH_PCAPNG_HEAD || len % 4)
		return "a block has a length that no block has";
	if (len > BERTH_PCAPNG_BLOCK)
		return "a block is longer than 16 MB";
	*out_len = len;
	return NULL;
}

static double power(double base, unsigned n)
{
	double x = 1;

	while (n--)
		x /= base;
	return x;
}

/* Options stand behind each other, each padded to four bytes; one that does not fit ends them. */
static void read_options(const struct berth_pcapng *s, const uint8_t *at, const uint8_t *end,
			 struct berth_pcapng_interface *out)
{
	while (end - at >= 4) {
		uint16_t code = get16(s, at), len = get16(s, at + 2);

		at += 4;
		if (!code || end - at < len)
			return;
		if (code == TSRESOL && len == 1) {
			out->tick_s = power(at[0] & 128 ? 2 : 10, at[0] & 127);
		} else if (code == TSOFFSET && len == 8) {
			int64_t seconds;

			memcpy(&seconds, at, sizeof(seconds));
			if (s->order == 2)
				seconds = (int64_t)__builtin_bswap64((uint64_t)seconds);
			out->offset_s = (double)seconds;
		}
		at += (len + 3u) & ~3u;
		if (at > end)
			return;
	}
}

static const char *begin_section(struct berth_pcapng *s, const uint8_t *block, uint32_t len)
{
	s->order = order_of(block);
	s->interfaces = 0;
	if (len < 28)
		return "a section is too short";
	return get16(s, block + 12) == 1 ? NULL : "a section is of another version than 1";
}

static const char *add_interface(struct berth_pcapng *s, const uint8_t *block, uint32_t len)
{
	struct berth_pcapng_interface *i;

	if (len < 20)
		return "the description of an interface is too short";
	if (s->interfaces == BERTH_PCAPNG_INTERFACES)
		return "a section has more than 4,096 interfaces";
	i = &s->interface[s->interfaces++];
	*i = (struct berth_pcapng_interface){ get16(s, block + 8), get32(s, block + 12), 1e-6, 0 };
	read_options(s, block + 16, block + len - END, i);
	return NULL;
}

/* head bytes stand before the packet; captured: how many of it. */
static const char *give(const struct berth_pcapng *s, const uint8_t *block, uint32_t len,
			uint32_t number, uint32_t head, uint32_t captured,
			struct berth_pcapng_packet *out)
{
	if (number >= s->interfaces)
		return "a packet is of an interface that was not described";
	if (captured > len - head - END)
		return "a packet is longer than its block";
	out->bytes = block + head;
	out->len = captured;
	out->link = s->interface[number].link;
	return NULL;
}

static const char *read_packet(const struct berth_pcapng *s, const uint8_t *block, uint32_t len,
			       bool old, struct berth_pcapng_packet *out)
{
	uint32_t number;
	uint64_t ticks;
	const char *wrong;

	if (len < 28 + END)
		return "a packet's block is too short";
	number = old ? get16(s, block + 8) : get32(s, block + 8);
	wrong = give(s, block, len, number, 28, get32(s, block + 20), out);
	if (wrong)
		return wrong;
	ticks = (uint64_t)get32(s, block + 12) << 32 | get32(s, block + 16);
	out->time_s = (double)ticks * s->interface[number].tick_s + s->interface[number].offset_s;
	return NULL;
}

/* It says how long the packet was, and has as much of it as the first interface keeps. */
static const char *read_simple(const struct berth_pcapng *s, const uint8_t *block, uint32_t len,
			       struct berth_pcapng_packet *out)
{
	uint32_t captured;

	if (len < 12 + END)
		return "a packet's block is too short";
	captured = get32(s, block + 8);
	if (s->interfaces && s->interface[0].snap && s->interface[0].snap < captured)
		captured = s->interface[0].snap;
	return give(s, block, len, 0, 12, captured, out);
}

const char *berth_pcapng_block(struct berth_pcapng *s, const uint8_t *block, uint32_t len,
			       struct berth_pcapng_packet *out)
{
	memset(out, 0, sizeof(*out));
	switch (get32(s, block)) {
	case SECTION:
		return begin_section(s, block, len);
	case INTERFACE:
		return add_interface(s, block, len);
	case PACKET:
		return read_packet(s, block, len, false, out);
	case OLD_PACKET:
		return read_packet(s, block, len, true, out);
	case SIMPLE_PACKET:
		return read_simple(s, block, len, out);
	default:
		return NULL;
	}
}
