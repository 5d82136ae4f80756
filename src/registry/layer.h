/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One list of services, sorted by port and by name: the built-in one is a constant, others are built from files.
 *
 * Workload: the built-in list has about 11,600 rows and as many words; each look-up is a binary search.
 * Invariants: rows ascend by (port, protocol) without repetition; words ascend by the text that they mean,
 * case ignored (RFC 6335 section 5.1), then by row. Limits: 2^24 rows, 255 aliases a row.
 */
#ifndef BERTH_REGISTRY_LAYER_H
#define BERTH_REGISTRY_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/core/range.h"

/* Transport protocols in the order of their rows, with the number that IP has for them. */
#define BERTH_TRANSPORTS(X)                                                                        \
	X(TCP, "tcp", 6)                                                                           \
	X(UDP, "udp", 17)                                                                          \
	X(SCTP, "sctp", 132)                                                                       \
	X(DCCP, "dccp", 33)                                                                        \
	X(UDPLITE, "udplite", 136)
#define BERTH_TRANSPORT_ENUM(id, name, number) BERTH_TRANSPORT_##id,
enum berth_transport { BERTH_TRANSPORTS(BERTH_TRANSPORT_ENUM) BERTH_TRANSPORT_COUNT };
#undef BERTH_TRANSPORT_ENUM

/* "tcp", ... */
const char *berth_transport_name(enum berth_transport transport);

/* The protocol of this name (len bytes), or -1. */
int berth_transport_find(const char *name, size_t len);

/*
 * text: where the row's strings begin, one after the other, each with its NUL: name, description ("" for
 * none), aliases, and an empty one at the end.
 */
struct berth_services_row {
	uint16_t port;
	uint16_t transport;
	uint32_t text;
};

struct berth_services_layer {
	const struct berth_services_row *rows;
	const uint32_t *words; /* row << 8 | n: n = 0 the row's name, else its n-th alias */
	const char *text;
	const uint32_t *lines; /* of the file, for each row; NULL for the built-in list */
	uint32_t row_count, word_count;
};

/* The built-in list, made at build time by tools/services.py. */
extern const struct berth_services_layer berth_services_builtin;

/* The first row that is not below (port, transport); row_count where there is none. O(log n). */
uint32_t berth_services_layer_from(const struct berth_services_layer *l, uint32_t port,
				   unsigned transport);

/* The first of the words that mean this name, case ignored; *out_count is how many follow it. O(log n). */
uint32_t berth_services_layer_named(const struct berth_services_layer *l, const char *name,
				    uint32_t *out_count);

/* What word number n means. Borrowed. */
const char *berth_services_layer_word(const struct berth_services_layer *l, uint32_t n);

/* The string behind this one in a row's text. */
const char *berth_services_after(const char *string);

#define BERTH_SERVICE_WORDS 64 /* aliases that one line of a file may have */

/* Collects rows in any order. */
struct berth_services_builder;

/* NULL where there is no memory. */
struct berth_services_builder *berth_services_builder_new(void);
void berth_services_builder_free(struct berth_services_builder *b);

/*
 * Adds a service at each port of the range. aliases: alias_count strings. Where a port of a protocol is
 * added again, what came first has the name, and later names become aliases.
 * Returns 0; -ENOMEM; -E2BIG: a million rows.
 */
int berth_services_builder_add(struct berth_services_builder *b, struct berth_range ports,
			       enum berth_transport transport, const char *name,
			       const char *description, char *const *aliases, size_t alias_count,
			       uint32_t line);

/* Makes a layer of what was added; the builder is empty afterwards. Returns 0 or -ENOMEM. */
int berth_services_builder_finish(struct berth_services_builder *b,
				  struct berth_services_layer *out_layer);

/* Frees a layer that a builder made. */
void berth_services_layer_fini(struct berth_services_layer *l);

#endif
