/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses as 16 bytes, IPv4 as ::ffff:a.b.c.d, all zeros for "any" of both families; and back. */
#ifndef BERTH_PRELOAD_ADDR_H
#define BERTH_PRELOAD_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

static inline bool addr_is_any(const uint8_t a[16])
{
	static const uint8_t any[16];

	return !memcmp(a, any, 16);
}

static inline bool addr_is_v4(const uint8_t a[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(a, mapped, 12);
}

static inline bool addr_is_loopback(const uint8_t a[16])
{
	static const uint8_t one[16] = { [15] = 1 };

	return addr_is_v4(a) ? a[12] == 127 : !memcmp(a, one, 16);
}

static inline bool addr_is_link_local(const uint8_t a[16])
{
	return addr_is_v4(a) ? a[12] == 169 && a[13] == 254 : a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
}

static inline void addr_from_v4(uint32_t be, uint8_t out[16])
{
	memset(out, 0, 16);
	if (!be)
		return;
	out[10] = out[11] = 0xff;
	memcpy(out + 12, &be, 4);
}

/* Reads AF_INET and AF_INET6; false for anything else or one that is cut short. */
static inline bool addr_read(const void *sockaddr, socklen_t len, uint8_t out[16],
			     uint16_t *out_port, uint32_t *out_scope)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6 = { 0 };
	sa_family_t family;

	if (!sockaddr || len < sizeof(v4))
		return false;
	memcpy(&family, sockaddr, sizeof(family));
	if (family == AF_INET) {
		memcpy(&v4, sockaddr, sizeof(v4));
		addr_from_v4(v4.sin_addr.s_addr, out);
		*out_port = ntohs(v4.sin_port);
		*out_scope = 0;
		return true;
	}
	if (family != AF_INET6 || len < offsetof(struct sockaddr_in6, sin6_scope_id))
		return false;
	memcpy(&v6, sockaddr, len < sizeof(v6) ? len : sizeof(v6));
	memcpy(out, &v6.sin6_addr, 16);
	if (addr_is_v4(out))
		addr_from_v4(v6.sin6_addr.s6_addr32[3], out);
	*out_port = ntohs(v6.sin6_port);
	*out_scope = addr_is_link_local(out) ? v6.sin6_scope_id : 0;
	return true;
}

/* Fills a sockaddr for a socket of the given family; returns its length. */
static inline socklen_t addr_write(bool v6_socket, const uint8_t addr[16], uint16_t port,
				   uint32_t scope, struct sockaddr_storage *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (!v6_socket) {
		memcpy(&v4.sin_addr, addr + 12, 4);
		memcpy(out, &v4, sizeof(v4));
		return sizeof(v4);
	}
	memcpy(&v6.sin6_addr, addr, 16);
	v6.sin6_scope_id = addr_is_link_local(addr) ? scope : 0;
	memcpy(out, &v6, sizeof(v6));
	return sizeof(v6);
}

#endif
