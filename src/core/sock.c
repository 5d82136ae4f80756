/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds of addresses. */
#include "src/core/sock.h"

#include <string.h>

const struct berth_ip berth_ip_any4 = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff } };
const struct berth_ip berth_ip_any6 = { { 0 } };

bool berth_ip_equal(const struct berth_ip *a, const struct berth_ip *b)
{
	return !memcmp(a->byte, b->byte, 16);
}

bool berth_ip_is_mapped(const struct berth_ip *ip)
{
	return !memcmp(ip->byte, berth_ip_any4.byte, 12);
}

bool berth_ip_is_any(const struct berth_ip *ip)
{
	return berth_ip_equal(ip, &berth_ip_any4) || berth_ip_equal(ip, &berth_ip_any6);
}

bool berth_ip_is_loopback(const struct berth_ip *ip)
{
	static const struct berth_ip one = { { [15] = 1 } };

	return berth_ip_is_mapped(ip) ? ip->byte[12] == 127 : berth_ip_equal(ip, &one);
}

bool berth_ip_is_link_local6(const struct berth_ip *ip)
{
	return ip->byte[0] == 0xfe && (ip->byte[1] & 0xc0) == 0x80;
}

bool berth_ip_is_multicast(const struct berth_ip *ip)
{
	return berth_ip_is_mapped(ip) ? (ip->byte[12] & 0xf0) == 0xe0 : ip->byte[0] == 0xff;
}

bool berth_ip_in_prefix(const struct berth_ip *ip, const struct berth_ip *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(ip->byte, prefix->byte, whole))
		return false;
	return !rest || !((ip->byte[whole] ^ prefix->byte[whole]) >> (8 - rest));
}
