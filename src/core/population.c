/* SPDX-License-Identifier: BSD-2-Clause */
/* How sockets and buckets change when a socket is bound, listens, connects or goes. */
#include "src/core/population.h"

#include <errno.h>
#include <string.h>

#include "src/core/match.h"
#include "src/core/rules.h"

struct berth_bucket *berth_population_bucket(const struct berth_population *sp, uint16_t port)
{
	uint32_t i;

	if (sp->index) {
		i = sp->index->bucket[port];
		return i ? &sp->bucket[i - 1] : NULL;
	}
	for (i = 0; i < sp->buckets; i++)
		if (sp->bucket[i].port == port)
			return &sp->bucket[i];
	return NULL;
}

static struct berth_bucket2 *find2(const struct berth_population *sp, uint16_t port,
				   const struct berth_ip *local)
{
	uint32_t i;

	for (i = 0; i < sp->buckets2; i++)
		if (sp->bucket2[i].port == port && berth_ip_equal(&sp->bucket2[i].local, local))
			return &sp->bucket2[i];
	return NULL;
}

static struct berth_bucket *get(struct berth_population *sp, uint16_t port, int8_t state)
{
	struct berth_bucket *b = berth_population_bucket(sp, port);

	if (b || sp->buckets == sp->room)
		return b;
	b = &sp->bucket[sp->buckets++];
	*b = (struct berth_bucket){ .port = port, .reuse = state, .reuseport = state };
	if (sp->index)
		sp->index->bucket[port] = sp->buckets;
	return b;
}

static struct berth_bucket2 *get2(struct berth_population *sp, uint16_t port,
				  const struct berth_ip *local, int8_t state)
{
	struct berth_bucket2 *b = find2(sp, port, local);

	if (b || sp->buckets2 == sp->room)
		return b;
	b = &sp->bucket2[sp->buckets2++];
	*b = (struct berth_bucket2){
		.port = port, .local = *local, .reuse = state, .reuseport = state
	};
	return b;
}

static bool has_buckets(const struct berth_sock *sk)
{
	return sk->proto == BERTH_PROTO_TCP;
}

static void mark(struct berth_bucket *b, struct berth_bucket2 *b2, const struct berth_sock *sk)
{
	if (!sk->reuse || sk->state == BERTH_SOCK_LISTEN)
		b->reuse = 0;
	if (!sk->reuseport) {
		b->reuseport = 0;
	} else if (!berth_bucket_lets_in(b, sk)) {
		b->reuseport = 2;
		b->fast_uid = sk->uid;
		b->fast_local = sk->local;
		b->fast_v6only = sk->v6only;
		b->fast_family = sk->family;
	}
	if (!b2)
		return;
	b2->reuse = b->reuse;
	b2->reuseport = b->reuseport;
}

/* Gives a UDP socket its places in the chains of its port: in front, and for IPv6 groups behind. */
static void chain(struct berth_population *sp, struct berth_sock *sk)
{
	bool behind = sk->reuseport && sk->family == BERTH_IPV6;

	sp->clock++;
	sk->order = sk->order2 = behind ? -sp->clock : sp->clock;
}

static int add(struct berth_population *sp, const struct berth_sock *sk)
{
	int at = (int)sp->socks;

	if (sp->socks == sp->room)
		return -ENOSPC;
	sp->sock[sp->socks++] = *sk;
	chain(sp, &sp->sock[at]);
	return at;
}

int berth_population_bind(struct berth_population *sp, const struct berth_sock *sk)
{
	struct berth_bucket2 *b2;
	struct berth_bucket *b;

	if (has_buckets(sk)) {
		b = get(sp, sk->port, 0);
		b2 = get2(sp, sk->port, &sk->local, 0);
		if (!b || !b2)
			return -ENOSPC;
		mark(b, b2, sk);
	}
	return add(sp, sk);
}

int berth_population_connect(struct berth_population *sp, const struct berth_sock *sk)
{
	if (has_buckets(sk) && (!get(sp, sk->port, -1) || !get2(sp, sk->port, &sk->local, -1)))
		return -ENOSPC;
	return add(sp, sk);
}

int berth_population_inherit(struct berth_population *sp, const struct berth_sock *sk)
{
	if (!get(sp, sk->port, 0) || !get2(sp, sk->port, &sk->local, 0))
		return -ENOSPC;
	return add(sp, sk);
}

void berth_population_listen(struct berth_population *sp, uint32_t at)
{
	struct berth_sock *sk = &sp->sock[at];
	struct berth_bucket2 *b2 = find2(sp, sk->port, &sk->local);
	struct berth_bucket *b = berth_population_bucket(sp, sk->port);

	sk->state = BERTH_SOCK_LISTEN;
	if (b && b2)
		mark(b, b2, sk);
}

/* Drops the address bucket where nobody is left in it, else opens it where connect() chose for all. */
static void settle2(struct berth_population *sp, uint16_t port, const struct berth_ip *local)
{
	struct berth_bucket2 *b = find2(sp, port, local);
	bool open = true, empty = true;
	uint32_t i;

	if (!b)
		return;
	for (i = 0; i < sp->socks; i++) {
		const struct berth_sock *s = &sp->sock[i];

		if (!has_buckets(s) || s->port != port || !berth_ip_equal(&s->local, local))
			continue;
		empty = false;
		open &= s->by_connect;
	}
	if (empty)
		*b = sp->bucket2[--sp->buckets2];
	else if (open)
		b->reuse = b->reuseport = -1;
}

/* The same for the bucket of the port: it looks at the address buckets, not at sockets. */
static void settle(struct berth_population *sp, uint16_t port)
{
	struct berth_bucket *b = berth_population_bucket(sp, port);
	bool open = true, empty = true;
	uint32_t i;

	if (!b)
		return;
	for (i = 0; i < sp->buckets2; i++) {
		if (sp->bucket2[i].port != port)
			continue;
		empty = false;
		open &= sp->bucket2[i].reuse == -1 && sp->bucket2[i].reuseport == -1;
	}
	if (empty)
		*b = sp->bucket[--sp->buckets];
	else if (open)
		b->reuse = b->reuseport = -1;
}

int berth_population_move(struct berth_population *sp, uint32_t at, const struct berth_ip *local)
{
	struct berth_sock *sk = &sp->sock[at];
	struct berth_ip was = sk->local;

	if (berth_ip_equal(&was, local))
		return 0;
	sk->local = *local;
	if (!has_buckets(sk)) {
		sk->order2 = ++sp->clock;
		return 0;
	}
	settle2(sp, sk->port, &was);
	return get2(sp, sk->port, local, sk->by_connect ? -1 : 0) ? 0 : -ENOSPC;
}

void berth_population_leave(struct berth_population *sp, uint32_t at)
{
	struct berth_sock sk = sp->sock[at];

	sp->socks--;
	memmove(&sp->sock[at], &sp->sock[at + 1], (sp->socks - at) * sizeof(sp->sock[0]));
	if (!has_buckets(&sk) || !sk.port)
		return;
	settle2(sp, sk.port, &sk.local);
	settle(sp, sk.port);
}

/* Counting: how many have a port, then where each port begins. */
static void fill_index(struct berth_population *sp)
{
	uint32_t i;

	memset(sp->index, 0, sizeof(*sp->index));
	for (i = 0; i < sp->socks; i++)
		sp->index->from[sp->sock[i].port + 1]++;
	for (i = 0; i < BERTH_PORTS; i++)
		sp->index->from[i + 1] += sp->index->from[i];
}

int berth_population_guess(struct berth_population *sp, struct berth_population_index *index)
{
	struct berth_bucket *b;
	uint32_t i;

	sp->index = index;
	sp->buckets = sp->buckets2 = 0;
	if (index)
		fill_index(sp);
	for (i = 0; i < sp->socks; i++) {
		const struct berth_sock *sk = &sp->sock[i];

		if (!has_buckets(sk) || !sk->port)
			continue;
		b = get(sp, sk->port, sk->by_connect ? -1 : 0);
		if (!b)
			return -ENOSPC;
		if (!sk->by_connect)
			mark(b, NULL, sk);
	}
	return 0;
}
