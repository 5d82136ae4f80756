/* SPDX-License-Identifier: BSD-2-Clause */
/* Port ranges and the text form of a set of ports. */
#ifndef BERTH_CORE_RANGE_H
#define BERTH_CORE_RANGE_H

#include <stddef.h>
#include <stdint.h>

#include "portset.h"

/* Both ends belong to it; never empty. */
struct berth_range {
	uint16_t first, last;
};

/* How many ports: 1..65536. */
static inline uint32_t berth_range_len(struct berth_range r)
{
	return (uint32_t)r.last - r.first + 1;
}

/* Puts every port of the range into the set. */
void berth_portset_add_range(struct berth_portset *s, struct berth_range r);

/* Takes every port of the range out of the set. */
void berth_portset_remove_range(struct berth_portset *s, struct berth_range r);

/* What is wrong with a text, and where. */
struct berth_range_error {
	size_t at;        /* index of the character, at most the text's length */
	const char *what; /* constant text: "number expected", "range ends below its start", ... */
};

/*
 * Reads a set: items separated by commas, each "PORT" or "FIRST-LAST", with "!" in front to take ports
 * out again; items work from left to right, so "1024-32767,!5432,61000-65535". A text that begins with
 * "!" takes away from the full set 1-65535; one of nothing but spaces is the empty set. Spaces around
 * items are allowed, elsewhere not. Port 0 is "none" and refused. s is overwritten.
 * Returns 0, or -EINVAL with out_error set (s is then undefined). An empty result is no error here.
 */
int berth_portset_parse(const char *text, struct berth_portset *s,
			struct berth_range_error *out_error);

/*
 * Writes the set as ranges in ascending order, "-" between the ends, "," between the items; "" for the
 * empty set; what berth_portset_parse() reads back, but for port 0. Returns the length that the whole text
 * has (without the NUL), as snprintf does; at most size bytes are written, NUL included.
 */
size_t berth_portset_format(const struct berth_portset *s, char *buf, size_t size);

#endif
