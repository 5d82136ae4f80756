/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether two sockets of one port are in each other's way. */
#include "src/core/match.h"

#include <string.h>

/*
 * The IPv4 half of a socket's address. An IPv6 socket on one IPv6 address has 127.0.0.6 there
 * (LOOPBACK4_IPV6), and IPv4 sockets are compared with that where it is not V6ONLY.
 */
static uint32_t half4(const struct berth_sock *s)
{
	const uint8_t *b = s->local.byte;

	if (berth_ip_is_mapped(&s->local))
		return (uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 | b[15];
	return berth_ip_is_any(&s->local) ? 0 : 0x7f000006;
}

static bool equal4(const struct berth_sock *a, const struct berth_sock *b, bool wild_a, bool wild_b)
{
	uint32_t x = half4(a), y = half4(b);

	return !b->v6only && (x == y || (wild_a && !x) || (wild_b && !y));
}

bool berth_match_local(const struct berth_sock *a, const struct berth_sock *b, bool wild_a,
		       bool wild_b)
{
	bool mapped_a = berth_ip_is_mapped(&a->local), mapped_b = berth_ip_is_mapped(&b->local);
	bool any_a = berth_ip_equal(&a->local, &berth_ip_any6);
	bool any_b = berth_ip_equal(&b->local, &berth_ip_any6);

	if (a->family == BERTH_IPV4 || (mapped_a && mapped_b))
		return equal4(a, b, wild_a, wild_b);
	if (any_a && any_b)
		return true;
	if (any_b && wild_b && !(b->v6only && mapped_a))
		return true;
	if (any_a && wild_a && !(a->v6only && mapped_b))
		return true;
	return berth_ip_equal(&a->local, &b->local);
}

bool berth_match_device(const struct berth_sock *a, const struct berth_sock *b)
{
	return !a->device || !b->device || a->device == b->device;
}

bool berth_match_is_specific(const struct berth_sock *a)
{
	return !berth_ip_is_any(&a->local);
}

bool berth_match_shares_port(const struct berth_sock *sk, const struct berth_sock *other)
{
	return sk->reuseport && other->reuseport && sk->uid == other->uid;
}

/* The part of the options: inet_bind_conflict. */
static bool options_conflict(const struct berth_sock *sk, const struct berth_sock *other,
			     enum berth_strictness strict)
{
	/* A connection in TIME_WAIT belongs to nobody, so the user does not count. */
	bool group = sk->reuseport && other->reuseport &&
		     (other->state == BERTH_SOCK_TIME_WAIT || sk->uid == other->uid);

	if (!berth_match_device(sk, other))
		return false;
	if (sk->reuse && other->reuse && other->state != BERTH_SOCK_LISTEN)
		return strict == BERTH_STRICT_NONE || (strict == BERTH_STRICT_RELAX && group);
	return strict != BERTH_STRICT_SHARE || !group;
}

/* Whether TCP on one address looks at other at all: the same address, or a wildcard that covers it. */
static bool specific_meets(const struct berth_sock *sk, const struct berth_sock *other)
{
	bool mapped = berth_ip_is_mapped(&sk->local);

	if (other->v6only && mapped)
		return false;
	if (berth_ip_equal(&other->local, &berth_ip_any6))
		return true;
	if (berth_ip_equal(&other->local, &berth_ip_any4))
		return mapped;
	return berth_ip_equal(&other->local, &sk->local);
}

bool berth_match_tcp_conflict(const struct berth_sock *sk, const struct berth_sock *other,
			      enum berth_strictness strict)
{
	if (!options_conflict(sk, other, strict))
		return false;
	return berth_match_is_specific(sk) ? specific_meets(sk, other)
					   : berth_match_local(sk, other, true, true);
}

bool berth_match_udp_meets(const struct berth_sock *sk, const struct berth_sock *other)
{
	return !(sk->reuse && other->reuse) && berth_match_device(sk, other) &&
	       berth_match_local(sk, other, true, true);
}

bool berth_match_tuple(const struct berth_sock *other, const struct berth_sock *wanted)
{
	return (other->state == BERTH_SOCK_CONNECTED || other->state == BERTH_SOCK_TIME_WAIT) &&
	       other->port == wanted->port && other->peer_port == wanted->peer_port &&
	       (!other->device || other->device == wanted->device) &&
	       berth_ip_equal(&other->local, &wanted->local) &&
	       berth_ip_equal(&other->peer, &wanted->peer);
}
