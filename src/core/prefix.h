/* SPDX-License-Identifier: BSD-2-Clause */
/* The text form of addresses and prefixes, IPv4 and IPv6, without the C library's resolver. */
#ifndef BERTH_CORE_PREFIX_H
#define BERTH_CORE_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An address is 16 bytes in network order, IPv4 as ::ffff:a.b.c.d; bits beyond len are 0. */
struct berth_prefix {
	uint8_t addr[16];
	uint8_t len; /* of the 128 bits: an IPv4 /24 is 120 */
	bool is_v4;  /* as it was written */
};

/*
 * Reads "ADDRESS" or "ADDRESS/LENGTH" of n bytes; an address alone is a prefix of full length. IPv4 is four
 * decimal numbers without leading zeros (RFC 6943 section 3.1.1, the strict form), IPv6 is RFC 4291
 * section 2.2 without a zone. An address with bits beyond its length is refused: one of both is a mistake.
 * Returns 0, or -EINVAL with the index of the character in out_at and a constant sentence in out_what.
 */
int berth_prefix_parse(const char *text, size_t n, struct berth_prefix *out_prefix, size_t *out_at,
		       const char **out_what);

/* True where every address of b is one of a. */
bool berth_prefix_covers(const struct berth_prefix *a, const struct berth_prefix *b);

#endif
