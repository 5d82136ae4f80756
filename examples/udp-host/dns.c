/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers queries for host.test; refuses every other name. */
#include "dns.h"
#include "wire.h"

#include <strings.h>

#define HEADER 12
#define SECONDS 60

enum code { FINE = 0, FORM_ERROR = 1, NOT_IMPLEMENTED = 4, REFUSED = 5 };
enum type { TYPE_A = 1, TYPE_AAAA = 28, TYPE_ANY = 255 };

static const char name[] = "\4host\4test";

/* Where the name that begins behind the header ends; 0: it does not, or is no plain name of at most 255 bytes. */
static size_t end_of_name(const uint8_t *query, size_t size)
{
	size_t at = HEADER;

	while (at < size && query[at]) {
		if (query[at] > 63)
			return 0;
		at += query[at] + 1u;
	}
	return at < size && at - HEADER < 255 ? at + 1 : 0;
}

/* A record for the question's name; returns where it ends. */
static size_t put_record(uint8_t *out, size_t at, const struct berth_address *a)
{
	size_t size = berth_address_is_v4(a) ? 4 : 16;

	wire_put16(out + at, 0xc000 | HEADER);
	wire_put16(out + at + 2, size == 4 ? TYPE_A : TYPE_AAAA);
	wire_put16(out + at + 4, 1);
	wire_put16(out + at + 6, 0);
	wire_put16(out + at + 8, SECONDS);
	wire_put16(out + at + 10, size);
	memcpy(out + at + 12, a->byte + 16 - size, size);
	return at + 12 + size;
}

/* The header: the query's number, and of its flags whether recursion is desired. */
static size_t finish(uint8_t *out, const uint8_t *query, enum code code, unsigned answers,
		     size_t end)
{
	memset(out, 0, HEADER);
	memcpy(out, query, 2);
	/* An answer, with authority. */
	out[2] = (uint8_t)(0x84 | (query[2] & 0x79));
	out[3] = (uint8_t)code;
	out[5] = end > HEADER;
	wire_put16(out + 6, answers);
	return end;
}

size_t dns_answer(const uint8_t *query, size_t size, const struct berth_address *addresses,
		  unsigned count, uint8_t *out)
{
	size_t end, at;
	unsigned i, answers = 0;
	uint16_t type;

	if (size < HEADER || query[2] & 0x80)
		return 0;
	if (query[2] & 0x78)
		return finish(out, query, NOT_IMPLEMENTED, 0, HEADER);
	end = end_of_name(query, size);
	if (!end || size - end < 4 || wire_get16(query + 4) != 1)
		return finish(out, query, FORM_ERROR, 0, HEADER);
	type = wire_get16(query + end);
	at = end + 4;
	memcpy(out, query, at);
	if (end - HEADER != sizeof(name) || wire_get16(query + end + 2) != 1 ||
	    strncasecmp((const char *)query + HEADER, name, sizeof(name)))
		return finish(out, query, REFUSED, 0, at);
	for (i = 0; i < count; i++) {
		bool is_v4 = berth_address_is_v4(addresses + i);

		if (type == TYPE_ANY || type == (is_v4 ? TYPE_A : TYPE_AAAA)) {
			at = put_record(out, at, addresses + i);
			answers++;
		}
	}
	return finish(out, query, FINE, answers, at);
}
