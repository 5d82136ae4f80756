/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Addresses of 16 bytes, IPv4 as ::ffff:a.b.c.d. */
#ifndef BERTH_BPF_ADDR_H
#define BERTH_BPF_ADDR_H

#include "maps.bpf.h"

#define LOOPBACK4 0x7f000001u

static bool is_zero(const uint8_t a[16])
{
	const uint64_t *w = (const uint64_t *)a;

	return !(w[0] | w[1]);
}

static bool same(const uint8_t a[16], const uint8_t b[16])
{
	const uint64_t *v = (const uint64_t *)a, *w = (const uint64_t *)b;

	return v[0] == w[0] && v[1] == w[1];
}

static void set_v4(uint8_t a[16], uint32_t be)
{
	uint32_t *w = (uint32_t *)a;

	w[0] = w[1] = 0;
	w[2] = bpf_htonl(0xffff);
	w[3] = be;
}

static bool is_mapped(const uint8_t a[16])
{
	const uint32_t *w = (const uint32_t *)a;

	return !w[0] && !w[1] && w[2] == bpf_htonl(0xffff);
}

/* 0.0.0.0 */
static bool is_v4_any(const uint8_t a[16])
{
	return is_mapped(a) && !((const uint32_t *)a)[3];
}

static bool is_loopback(const uint8_t a[16])
{
	const uint32_t *w = (const uint32_t *)a;

	return (is_mapped(a) && a[12] == 127) || (!w[0] && !w[1] && !w[2] && w[3] == bpf_htonl(1));
}

static bool is_link_local(const uint8_t a[16])
{
	return a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
}

/* True where the socket is connected to the IPv6 address. */
static bool is_same_v6(const struct bpf_sock *sk, const uint8_t a[16])
{
	const uint32_t *w = (const uint32_t *)a;

	return sk->dst_ip6[0] == w[0] && sk->dst_ip6[1] == w[1] && sk->dst_ip6[2] == w[2] &&
	       sk->dst_ip6[3] == w[3];
}

#endif
