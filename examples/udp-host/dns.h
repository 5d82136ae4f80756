/* SPDX-License-Identifier: BSD-2-Clause */
/* A name server with one name, host.test: the addresses that it is given (RFC 1035, 3596). */
#ifndef DNS_H
#define DNS_H

#include <berth/flow.h>

/* No answer is longer: what a datagram may have without EDNS. */
#define DNS_ROOM 512

/*
 * Answers size hostile bytes; out has DNS_ROOM. Returns the length of the answer, or 0: none, for it is no query.
 */
size_t dns_answer(const uint8_t *query, size_t size, const struct berth_address *addresses,
		  unsigned count, uint8_t *out);

#endif
