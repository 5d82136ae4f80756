// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Assigns a source port, and a source address where a pool is given, to each connecting socket of a cgroup.
 *
 * Hooks: cgroup/connect4, connect6, bind4, bind6, sock_release.
 * Oldest kernel: 6.1 (bpf_loop, bpf_set_retval, bpf_get_retval in cgroup programs). In doubt: open, the
 * kernel chooses, counted as a fallback; a pool that is really used up fails closed unless
 * --when-exhausted kernel. Without these hooks berth falls back to the preload shim.
 *
 * The kernel's socket table is the truth. A lane (src/core/lane.h) only says what to try next, so that the
 * first try is nearly always right:
 *   1. take a candidate from the lane, or a random one while the destination has no lane;
 *   2. look its tuple up: a clash after the bind would reach the program and could not be undone;
 *   3. set SO_REUSEADDR, so that destinations share the port, and bind; busy: park it, next candidate.
 * A lane is built on the first collision. Until then tuples are claimed for a few milliseconds, so that
 * two CPUs do not pick the same one between look-up and hashing; in a lane, taking is the claim.
 *
 * Locks: one bpf_spin_lock a lane, never two at once, no helper called under it.
 */
#include "addr.bpf.h"
#include "attempt.bpf.h"
#include "bucket.bpf.h"
#include "lanes.bpf.h"
#include "maps.bpf.h"
#include "source.bpf.h"
#include "tuple.bpf.h"

#define TRIES_MAX (1u << 17) /* more than a pool has ports: a bound for the verifier, not for us */
#define UNROUTED_TRIES 64    /* while the source address is not known */
#define UNROUTED_STRIDE 997  /* apart, since ports in use lie together */
#define CLAIMS_MET 4 /* tuples claimed by others, one after the other: the destination is busy */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Binds the socket to the pool's address (or the wildcard) and port; 0 or a negative errno. */
__attribute__((noinline)) int bind_to(struct bpf_sock_addr *ctx, const struct attempt *a,
				      uint32_t port)
{
	if (!a)
		return -EINVAL;
	if (a->is_v6) {
		struct {
			uint16_t family, port_be;
			uint32_t flow, addr[4], scope_id;
		} v6 = { .family = AF_INET6, .port_be = bpf_htons((uint16_t)port) };

		if (!a->any)
			for (int i = 0; i < 4; i++)
				v6.addr[i] = ((const uint32_t *)a->key.src)[i];
		v6.scope_id = a->scope_id;
		return bpf_bind(ctx, (void *)&v6, sizeof(v6));
	} else {
		struct {
			uint16_t family, port_be;
			uint32_t addr;
			uint64_t zero;
		} v4 = { .family = AF_INET, .port_be = bpf_htons((uint16_t)port) };

		if (!a->any)
			v4.addr = *(const uint32_t *)&a->key.src[12];
		return bpf_bind(ctx, (void *)&v4, sizeof(v4));
	}
}

static void share(struct bpf_sock_addr *ctx)
{
	int one = 1;

	bpf_setsockopt(ctx, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
}

/* Where the policy's search begins for this connection; advances its counter once. */
__attribute__((noinline)) int policy_begin(struct attempt *a)
{
	enum berth_policy policy = config.policy;
	uint32_t step, offset = 0, *counter, value = 0, at;

	if (!a)
		return 0;
	a->started = 1;
	if (!berth_policy_scans(policy))
		return 0;
	if (policy == BERTH_POLICY_HASH || policy == BERTH_POLICY_DOUBLE_HASH) {
		uint64_t f[2] = { config.key[0], config.key[1] },
			 g[2] = { config.key[2], config.key[3] };

		if (config.rekey_ns) {
			berth_siphash_period(f, a->want.now_ns / config.rekey_ns);
			berth_siphash_period(g, a->want.now_ns / config.rekey_ns);
		}
		offset = (uint32_t)berth_siphash(f, (const uint64_t *)&a->key, sizeof(a->key) / 8);
		if (policy == BERTH_POLICY_DOUBLE_HASH)
			a->counter_at = (uint32_t)berth_siphash(g, (const uint64_t *)&a->key,
								sizeof(a->key) / 8) &
					(config.counters - 1);
	}
	if (berth_policy_counts(policy)) {
		step = berth_policy_step(policy, bpf_get_prandom_u32());
		at = a->counter_at;
		counter = bpf_map_lookup_elem(&counters, &at);
		if (counter)
			value = __sync_fetch_and_add(counter, step);
		if (policy == BERTH_POLICY_RANDOM_INCREMENT)
			value += step;
	}
	a->want.start =
		berth_policy_start(policy, pool.count ? pool.count : 1, value, offset, a->want.rnd);
	return 0;
}

/* Adds what the loop of the RFC would have counted on its way from the start to the port. */
__attribute__((noinline)) int policy_end(const struct attempt *a)
{
	uint32_t passed, *counter, at;

	if (!a || !a->started || !berth_policy_counts(config.policy))
		return 0;
	passed = berth_policy_passed(&pool, a->want.start, a->port);
	at = a->counter_at;
	counter = bpf_map_lookup_elem(&counters, &at);
	if (counter && passed)
		__sync_fetch_and_add(counter, passed);
	return 0;
}

/*
 * The next candidate without a lane: the policy's first choice, later the ones that follow it, or that lie a
 * stride further on; a pool whose size the stride divides is walked in part only.
 */
static int walk(struct attempt *a)
{
	uint32_t n = pool.count, index;

	if (!n || a->walked >= n)
		return TAKE_EXHAUSTED;
	index = berth_policy_scans(config.policy) ? a->want.start : berth_below(a->want.rnd, n);
	index += a->walked++ * a->stride;
	return berth_portset_kth(&pool, index % n);
}

/* True where connecting from the port would reach, or for all that is known could reach, the socket itself. */
static bool is_self(const struct attempt *a, uint32_t port)
{
	return port == a->dport && (is_zero(a->key.src) || same(a->key.src, a->key.dst));
}

/* Has the address in use nothing left: the next one, or the end. */
static int source_exhausted(struct attempt *a)
{
	if (a->entry >= BERTH_POOL_MAX)
		return STEP_END;
	a->tried[(a->entry >> 6) & 3] |= 1ULL << (a->entry & 63);
	a->entry = BERTH_NO_ENTRY;
	a->walked = 0;
	a->collided = 0;
	return STEP_AGAIN;
}

static bool is_wide(const struct attempt *a)
{
	return a->entry < BERTH_POOL_MAX && entries[a->entry].prefix_len < 128;
}

/* True where probes collide, or where the choice needs a memory. Before that a lane would cost more than it gives. */
static bool needs_lane(const struct attempt *a)
{
	return a->collided || a->walked >= CLAIMS_MET || a->alone ||
	       config.policy == BERTH_POLICY_LONGEST_IDLE;
}

/* Finds the next candidate: source address, then port. STEP_TRY: a->candidate is to be tried. */
__attribute__((noinline)) int candidate_next(struct attempt *a, uint32_t i)
{
	int port = TAKE_NO_LANE;

	if (!a)
		return STEP_END;
	if (a->entry == BERTH_NO_ENTRY && !a->fixed && config.entries) {
		if (a->to_itself)
			set_v4(a->key.dst, bpf_htonl(LOOPBACK4));
		if (!source_pick(a, (uint32_t)(a->want.rnd >> 7) + i))
			return STEP_END;
	}
	if (a->to_itself && !is_zero(a->key.src))
		__builtin_memcpy(a->key.dst, a->key.src, 16);
	if (!a->started)
		policy_begin(a);
	a->in_lane = 1;
	if (!is_wide(a)) {
		port = lane_take(&a->key, &a->want, &a->from);
		if (port == TAKE_NO_LANE && needs_lane(a)) {
			if (!lane_build(&a->key))
				port = lane_take(&a->key, &a->want, &a->from);
			else
				count(BERTH_VERDICT_LANES_MISSING);
		}
	}
	if (port == TAKE_NO_LANE) {
		a->in_lane = 0;
		port = walk(a);
	}
	if (port < 0 && !a->in_lane && !a->collided && !is_wide(a)) {
		/* All claimed, or resting without a lane: only a lane can tell which of them goes first. */
		a->collided = 1;
		a->walked = 0;
		return STEP_AGAIN;
	}
	if (port < 0)
		return source_exhausted(a);
	a->candidate = port;
	return STEP_TRY;
}

/* What stands against the candidate: a claim of another CPU, or the kernel's own table. */
static int candidate_judge(struct bpf_sock_addr *ctx, struct attempt *a)
{
	int verdict;

	if (is_self(a, a->candidate) || port_is_kept(a->candidate))
		return TUPLE_BUSY;
	if (a->alone)
		return TUPLE_USABLE;
	if (!a->in_lane && !a->collided && !tuple_claim(&a->key, a->candidate, a->want.now_ns))
		return TUPLE_BUSY;
	/* Given back before the lane was built. */
	if (a->in_lane && a->from == BERTH_FROM_IDLE && config.rest_ns &&
	    tuple_is_claimed(&a->key, a->candidate, a->want.now_ns))
		return TUPLE_YOUNG;
	count(BERTH_VERDICT_PROBED);
	verdict = tuple_judge(ctx, &a->key, a->candidate, a->want.now_ns);
	a->collided |= verdict != TUPLE_USABLE;
	/* One that has not rested goes where none is left that has. */
	if (verdict == TUPLE_YOUNG && (a->in_lane ? a->from == BERTH_FROM_REST : a->walked > 1))
		return TUPLE_USABLE;
	return verdict;
}

/* Tries the candidate. STEP_END: a->port is bound, or nothing is left. */
__attribute__((noinline)) int candidate_try(struct bpf_sock_addr *ctx, struct attempt *a)
{
	int verdict, err;

	if (!a)
		return STEP_END;
	verdict = candidate_judge(ctx, a);
	if (verdict == TUPLE_USABLE) {
		if (!a->alone)
			share(ctx);
		err = bind_to(ctx, a, a->candidate);
		if (!err) {
			a->port = a->candidate;
			return STEP_END;
		}
		if (err == -EADDRNOTAVAIL) {
			count(BERTH_VERDICT_UNREACHABLE);
			if (a->in_lane)
				lane_park(&a->key, a->candidate);
			return source_exhausted(a);
		}
	}
	count(BERTH_VERDICT_BUSY);
	/* An own socket, from before the lane was built, leaves the port "used" until it is closed. */
	if (a->in_lane && verdict == TUPLE_YOUNG)
		lane_drop(&a->key, a->candidate);
	else if (a->in_lane && verdict != TUPLE_OWN)
		lane_park(&a->key, a->candidate);
	if (is_wide(a))
		a->entry = BERTH_NO_ENTRY;
	return STEP_AGAIN;
}

/* One candidate; 1 ends the loop. */
static long try_one(uint32_t i, struct drive *d)
{
	int step = candidate_next(&d->a, i);

	if (step == STEP_TRY)
		step = candidate_try(d->ctx, &d->a);
	return step == STEP_END;
}

/*
 * The source address is not known yet, so no tuple can be looked up: a port of which no user is connected to the
 * destination is free whatever the route says.
 */
__attribute__((noinline)) int unrouted_try(struct bpf_sock_addr *ctx, struct attempt *a)
{
	struct walk w = {};
	int port;

	if (!a)
		return STEP_END;
	if (!a->started)
		policy_begin(a);
	a->stride = berth_policy_scans(config.policy) ? 1 : UNROUTED_STRIDE;
	port = walk(a);
	a->stride = 1;
	if (port < 0)
		return STEP_END;
	if (is_self(a, port) || port_is_kept(port) || !tuple_claim(&a->key, port, a->want.now_ns))
		return STEP_AGAIN;
	count(BERTH_VERDICT_PROBED);
	__builtin_memcpy(w.dst, a->key.dst, 16);
	w.dport = a->dport;
	w.port = port;
	w.protocol = a->key.protocol;
	w.socket = kernel_address(ctx->sk);
	port_walk(&w);
	if (w.met)
		__builtin_memcpy(a->met_src, w.met_src, 16);
	else
		share(ctx);
	if (w.met || bind_to(ctx, a, port)) {
		count(BERTH_VERDICT_BUSY);
		return STEP_AGAIN;
	}
	a->port = port;
	return STEP_END;
}

static long try_unrouted(uint32_t i, struct drive *d)
{
	return unrouted_try(d->ctx, &d->a) == STEP_END;
}

static void route_key(struct berth_route_key *r, const struct berth_lane_key *key,
		      struct bpf_sock *sk)
{
	r->netns = key->netns;
	__builtin_memcpy(r->dst, key->dst, 16);
	r->device = sk->bound_dev_if;
	r->mark = sk->mark;
}

/* Fills in the source that the route gave to an earlier connection; false where there was none. */
static bool route_known(struct attempt *a, struct bpf_sock *sk)
{
	struct berth_route_key r = {};
	struct berth_assigned *s;
	struct berth_route *route;

	route_key(&r, &a->key, sk);
	route = bpf_map_lookup_elem(&routes, &r);
	if (!route)
		return false;
	if (is_zero(route->src)) {
		uint64_t pending = route->pending;

		/* Its socket is still there and on the way to the same destination: what did it get? */
		s = bpf_map_lookup_elem(&assigned, &pending);
		if (!s || !same(s->lane.dst, a->key.dst))
			return false;
		source_of(pending, a->key.dst, route->src);
		if (is_zero(route->src))
			return false;
	}
	__builtin_memcpy(a->key.src, route->src, 16);
	return true;
}

/* Notes a socket whose source the route is about to give; the next connection or its close reads it. */
static void route_pending(const struct berth_lane_key *key, struct bpf_sock *sk)
{
	struct berth_route route = { .pending = (uint64_t)(long)sk };
	struct berth_route_key r = {};

	route_key(&r, key, sk);
	bpf_map_update_elem(&routes, &r, &route, BPF_ANY);
}

/* At the close of a socket: what the route gave it, where berth did not know or knew otherwise. */
static void route_learn(struct berth_lane_key *key, struct bpf_sock *sk)
{
	struct berth_route route = {};
	struct berth_route_key r = {};

	source_of((uint64_t)(long)sk, key->dst, route.src);
	if (is_zero(route.src) || same(route.src, key->src))
		return;
	route_key(&r, key, sk);
	bpf_map_update_elem(&routes, &r, &route, BPF_ANY);
	if (is_zero(key->src))
		__builtin_memcpy(key->src, route.src, 16);
}

static void choose(struct drive *d, struct bpf_sock *sk)
{
	d->a.any = !config.entries && !d->a.fixed;
	if (d->a.any && d->a.key.protocol != IPPROTO_TCP) {
		/*
		 * Nothing tells which source the route will give a datagram socket, and the kernel accepts
		 * the same tuple twice: so each port goes to one socket alone, and the bind proves it.
		 */
		__builtin_memset(d->a.key.dst, 0, 16);
		d->a.key.dport = 0;
		d->a.alone = 1;
	} else if (d->a.any && !route_known(&d->a, sk)) {
		bpf_loop(UNROUTED_TRIES, try_unrouted, d, 0);
		if (d->a.port)
			return;
		/* Crowded. Sockets that go there tell the source that this one will most likely have. */
		__builtin_memcpy(d->a.key.src, d->a.met_src, 16);
		d->a.walked = 0;
	}
	bpf_loop(TRIES_MAX, try_one, d, 0);
}

/* The errno is the one that connect() has when the kernel finds no port itself. */
static int exhausted(uint32_t protocol)
{
	count(BERTH_VERDICT_EXHAUSTED);
	if (config.exhausted_to_kernel) {
		count(BERTH_VERDICT_FALLBACK);
		return 1;
	}
	count(BERTH_VERDICT_REFUSED);
	bpf_set_retval(protocol == IPPROTO_TCP ? -EADDRNOTAVAIL : -EAGAIN);
	return 0;
}

/* 32 random bits. The kernel's generator alone is linear: what leaves the host goes through a keyed function. */
__attribute__((noinline)) uint32_t random_bits(uint64_t now_ns)
{
	uint64_t key[2] = { config.key[0], config.key[1] },
		 word[2] = { now_ns, bpf_get_prandom_u32() };

	return (uint32_t)berth_siphash(key, word, 2);
}

/* Remembers what to give back when the socket is closed; false where there is no memory for it. */
__attribute__((noinline)) int remember(struct bpf_sock_addr *ctx, const struct attempt *a,
				       uint32_t bound)
{
	struct berth_assigned s = {};
	uint64_t socket = (uint64_t)(long)ctx->sk;

	if (!a)
		return 0;
	s.lane = a->key;
	s.entry = a->entry;
	s.port = a->port | bound;
	return !bpf_map_update_elem(&assigned, &socket, &s, BPF_ANY);
}

static int assign(struct bpf_sock_addr *ctx, struct drive *d, struct bpf_sock *sk)
{
	/* What a run within this one refused is refused. */
	if (bpf_get_retval())
		return 1;
	d->ctx = ctx;
	d->a.dport = d->a.key.dport;
	d->a.entry = BERTH_NO_ENTRY;
	d->a.stride = 1;
	d->a.fixed = !is_zero(d->a.key.src);
	/* 0.0.0.0 means the socket's own address, where it has none the loopback's: ip_route_connect(). */
	d->a.to_itself = is_v4_any(d->a.key.dst);
	if (d->a.to_itself)
		set_v4(d->a.key.dst, bpf_htonl(LOOPBACK4));
	d->a.key.pool = config.pool_id;
	d->a.key.netns = bpf_get_netns_cookie(ctx);
	d->a.want.policy = config.policy;
	d->a.want.rest_ns = config.rest_ns;
	d->a.want.now_ns = bpf_ktime_get_coarse_ns();
	d->a.want.rnd = random_bits(d->a.want.now_ns);
	choose(d, sk);
	if (!d->a.port)
		return exhausted(d->a.key.protocol);
	policy_end(&d->a);
	count(BERTH_VERDICT_ASSIGNED);
	if (remember(ctx, &d->a, 0)) {
		if (d->a.any && !d->a.alone && is_zero(d->a.key.src))
			route_pending(&d->a.key, sk);
		load_add(&d->a.key, d->a.entry, 1);
		return 1;
	}
	/* Nothing will tell of the close: the lane finds out by itself. */
	lane_park(&d->a.key, d->a.port);
	return 1;
}

/* Protocols that have ports which berth assigns. */
static bool concerns(struct bpf_sock_addr *ctx)
{
	return (ctx->protocol == IPPROTO_TCP && ctx->type == SOCK_STREAM) ||
	       (ctx->protocol == IPPROTO_UDP && ctx->type == SOCK_DGRAM);
}

/* True where another socket than this one is connected from the same endpoint to the same destination. */
static bool is_doubled(struct bpf_sock_addr *ctx, struct berth_lane_key *key, struct bpf_sock *sk)
{
	if (key->protocol != IPPROTO_UDP || is_zero(key->src))
		return false;
	/* Connected there already: it would find itself. */
	if (bpf_ntohs(sk->dst_port) == key->dport &&
	    (is_mapped(key->dst) ? sk->dst_ip4 == *(uint32_t *)&key->dst[12]
				 : is_same_v6(sk, key->dst)))
		return false;
	return tuple_judge(ctx, key, sk->src_port, 0) != TUPLE_USABLE;
}

/*
 * A socket with a port: its program's choice, or one that berth assigned at bind() or an earlier connect(). The
 * latter may go on to another destination; the kernel would not see that a datagram pair is doubled by it.
 */
static int leave_alone(struct bpf_sock_addr *ctx, struct berth_lane_key *key, struct bpf_sock *sk)
{
	uint64_t socket = (uint64_t)(long)sk;
	struct berth_assigned *s = bpf_map_lookup_elem(&assigned, &socket);

	if (!s) {
		count(BERTH_VERDICT_LEFT_ALONE);
		return 1;
	}
	/* A datagram socket that does not share its port has all pairs of it. */
	if (key->protocol == IPPROTO_UDP && (s->port & BERTH_PORT_BOUND || is_zero(s->lane.dst)))
		return 1;
	if (s->port & BERTH_PORT_BOUND) {
		/* Its port was its own so far, so the tuple is free. From now on destinations share the port. */
		tuple_claim(key, sk->src_port, bpf_ktime_get_coarse_ns());
		port_unkeep(sk->src_port);
		s->port = sk->src_port;
		share(ctx);
		return 1;
	}
	if (!is_doubled(ctx, key, sk))
		return 1;
	count(BERTH_VERDICT_REFUSED);
	bpf_set_retval(-EADDRNOTAVAIL);
	return 0;
}

SEC("cgroup/connect4")
int berth_connect4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct drive d = {};

	if (!sk || !concerns(ctx))
		return 1;
	set_v4(d.a.key.dst, ctx->user_ip4);
	if (sk->src_ip4)
		set_v4(d.a.key.src, sk->src_ip4);
	d.a.key.dport = bpf_ntohs((uint16_t)ctx->user_port);
	d.a.key.protocol = (uint8_t)ctx->protocol;
	d.a.is_v4 = 1;
	return sk->src_port ? leave_alone(ctx, &d.a.key, sk) : assign(ctx, &d, sk);
}

SEC("cgroup/connect6")
int berth_connect6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct drive d = {};
	uint32_t *dst = (uint32_t *)d.a.key.dst, *src = (uint32_t *)d.a.key.src;

	if (!sk || !concerns(ctx))
		return 1;
	dst[0] = ctx->user_ip6[0];
	dst[1] = ctx->user_ip6[1];
	dst[2] = ctx->user_ip6[2];
	dst[3] = ctx->user_ip6[3];
	if (is_zero(d.a.key.dst))
		dst[3] = bpf_htonl(1);
	src[0] = sk->src_ip6[0];
	src[1] = sk->src_ip6[1];
	src[2] = sk->src_ip6[2];
	src[3] = sk->src_ip6[3];
	d.a.key.dport = bpf_ntohs((uint16_t)ctx->user_port);
	d.a.key.protocol = (uint8_t)ctx->protocol;
	d.a.is_v6 = 1;
	d.a.is_v4 = is_mapped(d.a.key.dst);
	return sk->src_port ? leave_alone(ctx, &d.a.key, sk) : assign(ctx, &d, sk);
}

/* Gives the socket's port back. Nested runs share what is remembered: whoever takes it out does it. */
static int give_back(uint64_t socket, struct bpf_sock *closing)
{
	struct berth_assigned *known = bpf_map_lookup_elem(&assigned, &socket), s;

	if (!known)
		return 0;
	s = *known;
	if (bpf_map_delete_elem(&assigned, &socket))
		return 0;
	if (closing && !is_zero(s.lane.dst) && s.lane.protocol == IPPROTO_TCP && !config.entries)
		route_learn(&s.lane, closing);
	if (s.port & BERTH_PORT_BOUND)
		port_unkeep(s.port);
	count(BERTH_VERDICT_RELEASED);
	load_add(&s.lane, s.entry, -1);
	if (lane_drop(&s.lane, s.port & (BERTH_PORTS - 1)) != TAKE_NO_LANE)
		return 0;
	/* No lane keeps the rest: the claim does, or, where the order counts, a lane does from now on. */
	if (config.policy == BERTH_POLICY_LONGEST_IDLE && !is_zero(s.lane.src) &&
	    !lane_build(&s.lane))
		lane_drop(&s.lane, s.port & (BERTH_PORTS - 1));
	else
		tuple_rest(&s.lane, s.port & (BERTH_PORTS - 1), bpf_ktime_get_coarse_ns());
	return 0;
}

SEC("cgroup/sock_release")
int berth_release(struct bpf_sock *sk)
{
	give_back((uint64_t)(long)sk, sk);
	return 1;
}

/* ---- bind() with port 0 ---- */

/* True where the program asked for the address only; also where this kernel does not tell. */
static bool wants_no_port(struct bpf_sock *sk)
{
	struct inet_sock *inet = (struct inet_sock *)(long)kernel_address(sk);
	unsigned long flags;

	if (!config.no_port_bit || !bpf_core_field_exists(inet->inet_flags))
		return true;
	flags = BPF_CORE_READ(inet, inet_flags);
	return (flags >> (config.no_port_bit & 63)) & 1;
}

/*
 * One candidate for bind(): nobody has it, but for sockets in TIME_WAIT that give way to any destination.
 * Returns STEP_END to end the loop.
 */
__attribute__((noinline)) int bound_try(struct bpf_sock_addr *ctx, struct attempt *a)
{
	struct walk w = {};
	int port;

	if (!a)
		return STEP_END;
	port = lane_take(&a->key, &a->want, &a->from);
	if (port == TAKE_NO_LANE && !lane_build(&a->key))
		port = lane_take(&a->key, &a->want, &a->from);
	if (port < 0)
		return STEP_END;
	count(BERTH_VERDICT_PROBED);
	if (!port_is_kept(port)) {
		port_keep(port);
		w.port = port;
		w.protocol = a->key.protocol;
		w.socket = kernel_address(ctx->sk);
		port_walk(&w);
		if (!w.taken) {
			if (w.waits)
				share(ctx);
			a->port = port;
			return STEP_END;
		}
		port_unkeep(port);
	}
	count(BERTH_VERDICT_BUSY);
	lane_park(&a->key, port);
	return STEP_AGAIN;
}

static long try_bound(uint32_t i, struct drive *d)
{
	return bound_try(d->ctx, &d->a) == STEP_END;
}

/*
 * A port for bind(): the destination is not known, so the port is to have no other user. A wrong guess
 * would reach the program, with no second chance: in doubt the kernel chooses, out of the ephemeral range.
 */
static int assign_bound(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct drive d = {};

	if (!sk || ctx->user_port || !concerns(ctx) || wants_no_port(sk))
		return 1;
	give_back((uint64_t)(long)sk, 0); /* of a bind() that failed */
	d.ctx = ctx;
	d.a.key.protocol = (uint8_t)ctx->protocol;
	d.a.key.pool = config.pool_id;
	d.a.key.netns = bpf_get_netns_cookie(ctx);
	d.a.entry = BERTH_NO_ENTRY;
	d.a.want.policy = BERTH_POLICY_UNIFORM;
	d.a.want.rest_ns = config.rest_ns;
	d.a.want.now_ns = bpf_ktime_get_coarse_ns();
	d.a.want.rnd = random_bits(d.a.want.now_ns);
	bpf_loop(TRIES_MAX, try_bound, &d, 0);
	if (!d.a.port) {
		count(BERTH_VERDICT_FALLBACK);
		return 1;
	}
	if (!remember(ctx, &d.a, BERTH_PORT_BOUND)) {
		port_unkeep(d.a.port);
		lane_park(&d.a.key, d.a.port);
		return 1;
	}
	ctx->user_port = bpf_htons((uint16_t)d.a.port);
	count(BERTH_VERDICT_BOUND);
	return 1;
}

SEC("cgroup/bind4")
int berth_bind4(struct bpf_sock_addr *ctx)
{
	return assign_bound(ctx);
}

SEC("cgroup/bind6")
int berth_bind6(struct bpf_sock_addr *ctx)
{
	return assign_bound(ctx);
}
