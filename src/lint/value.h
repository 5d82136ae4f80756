/* SPDX-License-Identifier: BSD-2-Clause */
/* What the values of settings say: ports, ranges of them, addresses, options of a command line. */
#ifndef BERTH_LINT_VALUE_H
#define BERTH_LINT_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/core/range.h"

/* Protocols as bits. */
enum { BERTH_LINT_TCP = 1, BERTH_LINT_UDP = 2, BERTH_LINT_BOTH = 3 };

struct berth_lint_address {
	enum { BERTH_LINT_ANY, BERTH_LINT_V4, BERTH_LINT_V6, BERTH_LINT_NAME } kind;
	uint8_t bytes[16]; /* of the address, or a hash of the name */
};

/* True where a socket at one keeps a socket at the other away. */
bool berth_lint_address_meets(const struct berth_lint_address *a,
			      const struct berth_lint_address *b);

/* Reads an address or a host's name (len bytes); "", "*", "0.0.0.0" and "::" are any. */
void berth_lint_address_read(const char *text, size_t len, struct berth_lint_address *out_address);

/* One entry of a value: ports at an address. */
struct berth_lint_ports {
	struct berth_range ports; /* undefined where floating */
	bool floating;            /* 0: what that means is the setting's affair */
	uint8_t protocols;        /* that the value itself names; 0: none */
	struct berth_lint_address address;
	bool has_address; /* the value names it, even where it is any */
};

/* The port that a name has; 0 where it has none. */
typedef uint16_t (*berth_lint_named)(void *arg, const char *name, uint8_t protocols);

/*
 * Reads one entry of "[PROTO:][ADDR:]PORT[-PORT]" in the forms that files have: port alone, ADDR:PORT,
 * [ADDR]:PORT, :::PORT, ADDR@PORT, FAMILY@ADDR:PORT, *:PORT, SCHEME://ADDR:PORT/..., a service's name. *text goes to the
 * next entry, behind a comma. usual: the port of an address that stands alone; 0: it has none.
 * Returns 1 with an entry; 0 where it has none (a path, a variable, an address without port); -EINVAL with *out_what,
 * a constant text.
 */
int berth_lint_read_endpoint(const char **text, uint16_t usual, berth_lint_named named, void *arg,
			     struct berth_lint_ports *out_ports, const char **out_what);

/*
 * Reads two ports with "-", ":", "," or blanks between them, or one. Returns 1, 0 (no port in it: a variable or a
 * word) or -EINVAL with *out_what.
 */
int berth_lint_read_span(const char *text, struct berth_lint_ports *out_ports,
			 const char **out_what);

/* Reads the next item of "a,b-c" or "a b-c"; *text goes on. Returns as above, 0 at the end. */
int berth_lint_read_item(const char **text, struct berth_lint_ports *out_ports,
			 const char **out_what);

/*
 * Reads what Docker publishes: "[ADDR:]HOST[-HOST]:CONTAINER[/PROTO]"; a container's port alone floats. Returns as
 * berth_lint_read_span().
 */
int berth_lint_read_mapping(const char *text, struct berth_lint_ports *out_ports,
			    const char **out_what);

/*
 * Finds an option in a command line: one of names ("--port|-p|port="): behind it, behind "=", or, for "-p" and names
 * that end with "=", joined to it. Writes its value to buf; false where it is not there.
 */
bool berth_lint_find_option(const char *line, const char *names, char *buf, size_t size);

#endif
