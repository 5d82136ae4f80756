/* SPDX-License-Identifier: BSD-2-Clause */
/* Default ports of URL schemes: what a URL means that names no port. */
#ifndef BERTH_REGISTRY_SCHEMES_H
#define BERTH_REGISTRY_SCHEMES_H

#include <stddef.h>
#include <stdint.h>

#include "src/registry/layer.h"

struct berth_scheme {
	const char *
		name; /* as RFC 3986 section 3.1 has it, in lower case, without ":"; NULL ends the table */
	uint16_t port;
	unsigned transports; /* 1 << BERTH_TRANSPORT_..., or of several */
	const char *source;  /* who says so */
};

/* By name. */
extern const struct berth_scheme berth_schemes[];

/* The scheme of len bytes, case ignored; NULL where it is not known. O(log n). */
const struct berth_scheme *berth_scheme_find(const char *name, size_t len);

/* The scheme that was probably meant; NULL where none is near. */
const char *berth_scheme_near(const char *name);

#endif
