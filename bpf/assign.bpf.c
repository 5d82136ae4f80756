// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Assigns a source port, and a source address where a pool is given, to each connecting socket of a cgroup.
 *
 * Hooks: cgroup/connect4, connect6, sock_release; sockops where the route decides the source address.
 * Oldest kernel: 6.1 (bpf_loop, bpf_set_retval, socket storage in cgroup programs). In doubt: open, the
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
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>

#include "../abi/assign.h"
#include "../src/core/hash.h"

#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define SOL_SOCKET 1
#define SO_REUSEADDR 2
#define EEXIST 17
#define EINVAL 22
#define EADDRNOTAVAIL 99
#define TCP_FIN_WAIT2 5

#define CLAIM_MS 8	    /* how long a claim holds: far longer than from look-up to hashing */
#define TRIES_MAX (1u << 17) /* more than a pool has ports: a bound for the verifier, not for us */
#define UNSHARED_TRIES 8    /* while the source address is not known */
#define BOUND_TRIES 64	    /* ports that bind() looks at before the kernel chooses */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct berth_assign_config config;
const volatile struct berth_pool_entry entries[BERTH_POOL_MAX];
/* Written before the load only, but not read-only: what the verifier knew of it would vary with each pool. */
struct berth_portset pool;

/* Shared by all runs of a host: names of maps are found by src/kernel/assign.c. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BERTH_LANES_MAX);
	__type(key, struct berth_lane_key);
	__type(value, struct berth_lane_slot);
} lanes SEC(".maps");

struct slab {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BERTH_SLAB_LANES);
	__type(key, uint32_t);
	__uint(value_size, sizeof(struct berth_lane));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, BERTH_SLABS_MAX);
	__type(key, uint32_t);
	__array(values, struct slab);
} slabs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, BERTH_LANES_MAX);
	__type(value, uint32_t);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct berth_assigned);
} assigned SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct berth_shared);
} shared SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BERTH_ROUTES_MAX);
	__type(key, struct berth_route_key);
	__type(value, struct berth_address);
} routes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BERTH_LOADS_MAX);
	__type(key, struct berth_lane_key);
	__type(value, struct berth_load);
} loads SEC(".maps");

/* Of this run alone. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct berth_egress_key);
	__type(value, uint32_t);
} egress SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, uint32_t);
} counters SEC(".maps");

struct verdicts {
	uint64_t n[BERTH_VERDICT_COUNT];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct verdicts);
} verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

static const struct berth_load no_load;

/* One connect() on its way to a port. Holds no pointer, so that functions verified on their own take it. */
struct attempt {
	struct berth_lane_key key; /* src all zero: not known yet */
	uint8_t bind_addr[16];     /* of bind() */
	struct berth_lane_want want;
	uint64_t tried[BERTH_POOL_MAX / 64]; /* pool addresses that have nothing left */
	uint32_t entry;  /* pool address in use, or BERTH_NO_ENTRY */
	uint32_t scope_id;
	uint32_t walked; /* candidates passed without a lane */
	uint32_t counter_at;
	uint32_t candidate; /* port to try now */
	uint32_t from;      /* enum berth_lane_from of the candidate */
	uint32_t port;      /* the outcome; 0: exhausted */
	uint8_t is_v6;   /* the socket's family */
	uint8_t is_v4;   /* the destination's family */
	uint8_t fixed;   /* the program bound the address itself */
	uint8_t any;     /* the route decides the address: bind the wildcard */
	uint8_t started; /* the policy has been asked where to begin */
	uint8_t in_lane; /* the candidate came from a lane */
	uint8_t alone;   /* the port is to have no other user: its lane is that of the whole namespace */
	uint8_t pad;
	uint16_t dport;  /* the destination's port */
	uint16_t pad2;
};

struct drive {
	struct bpf_sock_addr *ctx;
	struct attempt a;
};

enum { TUPLE_USABLE, TUPLE_BUSY, TUPLE_YOUNG, TUPLE_OWN };
enum { TAKE_EXHAUSTED = -1, TAKE_NO_LANE = -2 };
enum { STEP_AGAIN, STEP_TRY, STEP_END };

static void count(enum berth_verdict verdict)
{
	uint32_t zero = 0;
	struct verdicts *v = bpf_map_lookup_elem(&verdicts, &zero);

	if (v)
		v->n[verdict]++;
}

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

static bool is_loopback(const uint8_t a[16])
{
	const uint32_t *w = (const uint32_t *)a;

	return (is_mapped(a) && a[12] == 127) || (!w[0] && !w[1] && !w[2] && w[3] == bpf_htonl(1));
}

static bool is_link_local(const uint8_t a[16])
{
	return a[0] == 0xfe && (a[1] & 0xc0) == 0x80;
}

/*
 * ---- lanes: each function looks its lane up, locks it, and leaves nothing held ----
 * A lane that was reclaimed before the lock was had has another slot: it is none then.
 */

static struct berth_lane_slot *lane_find(const struct berth_lane_key *key, struct berth_lane **out_lane,
					 uint32_t *out_slot)
{
	struct berth_lane_slot *s = bpf_map_lookup_elem(&lanes, key);
	uint32_t slab, at;
	void *inner;

	if (!s)
		return 0;
	*out_slot = s->slot;
	slab = *out_slot / BERTH_SLAB_LANES;
	at = *out_slot % BERTH_SLAB_LANES;
	inner = bpf_map_lookup_elem(&slabs, &slab);
	if (!inner)
		return 0;
	*out_lane = bpf_map_lookup_elem(inner, &at);
	return *out_lane ? s : 0;
}

/* The port to try, TAKE_EXHAUSTED or TAKE_NO_LANE. out_from: enum berth_lane_from. */
__attribute__((noinline)) int lane_take(const struct berth_lane_key *key, const struct berth_lane_want *want,
					uint32_t *out_from)
{
	enum berth_lane_from from = BERTH_FROM_IDLE;
	struct berth_lane *lane = 0;
	struct berth_lane_slot *s;
	struct berth_lane_want w;
	uint32_t slot = 0, now_s;
	int port = TAKE_NO_LANE;

	if (!key || !want || !out_from)
		return TAKE_NO_LANE;
	s = lane_find(key, &lane, &slot);
	if (!s || !lane)
		return TAKE_NO_LANE;
	w = *want;
	now_s = (uint32_t)(w.now_ns / 1000000000);
	bpf_spin_lock(&s->lock);
	if (s->slot == slot) {
		s->used_s = now_s;
		port = berth_lane_take(lane, &pool, &w, &from);
		port = port < 0 ? TAKE_EXHAUSTED : port;
	}
	bpf_spin_unlock(&s->lock);
	*out_from = from;
	return port;
}

__attribute__((noinline)) int lane_drop(const struct berth_lane_key *key, uint32_t port)
{
	struct berth_lane *lane = 0;
	struct berth_lane_slot *s;
	uint64_t now = bpf_ktime_get_ns(), rest = config.rest_ns;
	uint32_t slot = 0;

	if (!key)
		return 0;
	s = lane_find(key, &lane, &slot);
	if (!s || !lane)
		return 0;
	bpf_spin_lock(&s->lock);
	if (s->slot == slot)
		berth_lane_drop(lane, port, now, rest);
	bpf_spin_unlock(&s->lock);
	return 0;
}

__attribute__((noinline)) int lane_park(const struct berth_lane_key *key, uint32_t port)
{
	struct berth_lane *lane = 0;
	struct berth_lane_slot *s;
	uint32_t slot = 0;

	if (!key)
		return 0;
	s = lane_find(key, &lane, &slot);
	if (!s || !lane)
		return 0;
	bpf_spin_lock(&s->lock);
	if (s->slot == slot)
		berth_lane_park(lane, port);
	bpf_spin_unlock(&s->lock);
	return 0;
}

/* Builds the lane where there is none yet; 0, or negative where no memory was at hand. */
__attribute__((noinline)) int lane_build(const struct berth_lane_key *key)
{
	struct berth_lane_slot fresh = {};
	struct berth_shared *all;
	struct berth_lane *lane;
	uint32_t slot = 0, slab, at, zero = 0, *event;
	void *inner;
	long err;

	if (!key)
		return -1;
	if (bpf_map_pop_elem(&slots, &slot))
		return -1;
	slab = slot / BERTH_SLAB_LANES;
	at = slot % BERTH_SLAB_LANES;
	inner = bpf_map_lookup_elem(&slabs, &slab);
	if (!inner)
		return -1;
	lane = bpf_map_lookup_elem(inner, &at);
	if (!lane)
		return -1;
	berth_lane_init(lane, &pool);
	fresh.slot = slot;
	fresh.used_s = (uint32_t)(bpf_ktime_get_ns() / 1000000000);
	err = bpf_map_update_elem(&lanes, key, &fresh, BPF_NOEXIST);
	if (err) {
		bpf_map_push_elem(&slots, &slot, 0);
		return err == -EEXIST ? 0 : (int)err;
	}
	count(BERTH_VERDICT_LANES);
	all = bpf_map_lookup_elem(&shared, &zero);
	if (all)
		__sync_fetch_and_add(&all->lanes, 1);
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (event) {
		*event = slot;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

/* ---- the kernel's socket table ---- */

struct inet_timewait_sock {
	unsigned char tw_substate;
} __attribute__((preserve_access_index));

struct tcp_timewait_sock {
	struct inet_timewait_sock tw_sk;
	int tw_ts_recent_stamp;
} __attribute__((preserve_access_index));

static int judge_tcp(struct bpf_sock *sk, uint64_t now_ns)
{
	struct tcp_timewait_sock *tw;
	int stamp;

	if (sk->state != BPF_TCP_TIME_WAIT)
		return TUPLE_BUSY;
	tw = bpf_skc_to_tcp_timewait_sock(sk);
	if (!tw || tw->tw_sk.tw_substate == TCP_FIN_WAIT2)
		return TUPLE_BUSY;
	stamp = tw->tw_ts_recent_stamp;
	/* A bound socket may take a TIME_WAIT tuple with timestamps: tcp_twsk_unique(), twp == NULL. */
	if (!stamp)
		return TUPLE_BUSY;
	return now_ns - (uint64_t)(uint32_t)stamp * 1000000000ULL < config.rest_ns ? TUPLE_YOUNG
										    : TUPLE_USABLE;
}

/* True where berth assigned the port of the socket, which will give it back when it is closed. */
static bool is_own(struct bpf_sock *sk)
{
	struct berth_assigned *s = bpf_sk_storage_get(&assigned, sk, 0, 0);

	return s && s->port;
}

/* What the kernel knows of the tuple (key, port). */
__attribute__((noinline)) int tuple_judge(struct bpf_sock_addr *ctx, const struct berth_lane_key *key,
					  uint32_t port, uint64_t now_ns)
{
	struct bpf_sock_tuple t = {};
	struct bpf_sock *sk;
	uint32_t size, i;
	int verdict;

	if (!key)
		return TUPLE_BUSY;
	if (is_mapped(key->dst)) {
		t.ipv4.saddr = *(const uint32_t *)&key->dst[12];
		t.ipv4.daddr = *(const uint32_t *)&key->src[12];
		t.ipv4.sport = bpf_htons(key->dport);
		t.ipv4.dport = bpf_htons((uint16_t)port);
		size = sizeof(t.ipv4);
	} else {
		for (i = 0; i < 4; i++) {
			t.ipv6.saddr[i] = ((const uint32_t *)key->dst)[i];
			t.ipv6.daddr[i] = ((const uint32_t *)key->src)[i];
		}
		t.ipv6.sport = bpf_htons(key->dport);
		t.ipv6.dport = bpf_htons((uint16_t)port);
		size = sizeof(t.ipv6);
	}
	if (key->protocol == IPPROTO_TCP) {
		sk = bpf_skc_lookup_tcp(ctx, &t, size, BPF_F_CURRENT_NETNS, 0);
		if (!sk)
			return TUPLE_USABLE;
		verdict = judge_tcp(sk, now_ns);
		if (verdict == TUPLE_BUSY && is_own(sk))
			verdict = TUPLE_OWN;
		bpf_sk_release(sk);
		return verdict;
	}
	sk = bpf_sk_lookup_udp(ctx, &t, size, BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return TUPLE_USABLE;
	verdict = is_own(sk) ? TUPLE_OWN : TUPLE_BUSY;
	bpf_sk_release(sk);
	return verdict;
}

/* Adds to the users of a port: by 1 for a connection. False, with nothing added, where bind() has it alone. */
static bool user_add(uint32_t port)
{
	uint32_t zero = 0, *users;
	struct berth_shared *all = bpf_map_lookup_elem(&shared, &zero);

	if (!all)
		return true;
	users = &all->users[port & (BERTH_PORTS - 1)];
	if (__sync_fetch_and_add(users, 1) < BERTH_USER_BOUND)
		return true;
	__sync_fetch_and_add(users, -1);
	return false;
}

/* Makes bind() the only user of a port; false where it has others. */
static bool user_add_bound(uint32_t port)
{
	uint32_t zero = 0;
	struct berth_shared *all = bpf_map_lookup_elem(&shared, &zero);

	return all && !__sync_val_compare_and_swap(&all->users[port & (BERTH_PORTS - 1)], 0, BERTH_USER_BOUND);
}

/* Takes a user away: port as in struct berth_assigned. */
static void user_remove(uint32_t port)
{
	uint32_t zero = 0;
	struct berth_shared *all = bpf_map_lookup_elem(&shared, &zero);

	if (all)
		__sync_fetch_and_add(&all->users[port & (BERTH_PORTS - 1)],
				     port & BERTH_PORT_BOUND ? -BERTH_USER_BOUND : -1u);
}

/* True where nobody else claimed the tuple in the last few milliseconds; it is claimed then. */
__attribute__((noinline)) int tuple_claim(const struct berth_lane_key *key, uint32_t port, uint64_t now_ns)
{
	uint32_t zero = 0, now_ms = (uint32_t)(now_ns >> 20), at, old;
	struct berth_shared *c = bpf_map_lookup_elem(&shared, &zero);
	const uint64_t *w = (const uint64_t *)key;
	uint64_t h;

	if (!c || !key)
		return 1;
	h = (w[0] ^ w[1]) * 0x9e3779b97f4a7c15ULL ^ (w[2] ^ w[3]) * 0xc2b2ae3d27d4eb4fULL ^ w[4] ^ w[5];
	h = (h ^ port) * 0x9e3779b97f4a7c15ULL;
	at = (uint32_t)(h >> 48) & (BERTH_CLAIMS - 1);
	old = c->claim_ms[at];
	if (old && now_ms - old < CLAIM_MS)
		return 0;
	return __sync_val_compare_and_swap(&c->claim_ms[at], old, now_ms ? now_ms : 1) == old;
}

/* Binds the socket to the pool's address (or the wildcard) and port; 0 or a negative errno. */
__attribute__((noinline)) int bind_to(struct bpf_sock_addr *ctx, const struct attempt *a, uint32_t port)
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

/* ---- the source address ---- */

static bool entry_fits(const volatile struct berth_pool_entry *e, const struct berth_lane_key *key, bool is_v4,
		       uint32_t device)
{
	if (e->is_v4 != is_v4)
		return false;
	if (e->scope == BERTH_SCOPE_LOOPBACK && !is_loopback(key->dst))
		return false;
	if (!is_v4 && (e->scope == BERTH_SCOPE_LINK) != is_link_local(key->dst))
		return false;
	return !device || !e->device || e->device == device;
}

struct search {
	struct attempt *a;
	const struct berth_load *load;
	uint32_t first, device, best, score;
};

static long weigh_entry(uint32_t i, struct search *s)
{
	uint32_t n = config.entries, at, score, bits;
	const volatile struct berth_pool_entry *e;

	at = s->first + i;
	at -= at >= n ? n : 0;
	if (at >= BERTH_POOL_MAX)
		return 1;
	if ((s->a->tried[(at >> 6) & 3] >> (at & 63)) & 1)
		return 0;
	e = &entries[at];
	if (!entry_fits(e, &s->a->key, s->a->is_v4, s->device))
		return 0;
	bits = 128 - e->prefix_len;
	score = (s->load ? s->load->used[at] : 0) >> (bits > 31 ? 31 : bits);
	if (score < s->score) {
		s->best = at;
		s->score = score;
	}
	return 0;
}

/* Fills a->key.src from the address of the pool with most headroom; false where none is left. */
__attribute__((noinline)) int source_pick(struct attempt *a, uint32_t rnd)
{
	struct search s = { .a = a, .best = BERTH_NO_ENTRY, .score = ~0u };
	struct berth_egress_key dst = { .prefix_len = 128 };
	struct berth_lane_key key;
	uint64_t r0, r1;
	uint32_t i;

	if (!a)
		return 0;
	key = a->key;
	if (config.by_device) {
		uint32_t *device;

		__builtin_memcpy(dst.dst, a->key.dst, 16);
		device = bpf_map_lookup_elem(&egress, &dst);
		s.device = device ? *device : 0;
	}
	__builtin_memset(key.src, 0, 16);
	if (config.entries > 1) {
		s.load = bpf_map_lookup_elem(&loads, &key);
		s.first = berth_below(rnd, config.entries);
	}
	bpf_loop(config.entries, weigh_entry, &s, 0);
	if (s.best >= BERTH_POOL_MAX)
		return false;
	a->entry = s.best;
	r0 = ((uint64_t)bpf_get_prandom_u32() << 32) | bpf_get_prandom_u32();
	r1 = ((uint64_t)bpf_get_prandom_u32() << 32) | bpf_get_prandom_u32();
	for (i = 0; i < 16; i++) {
		uint32_t net = entries[s.best & (BERTH_POOL_MAX - 1)].prefix_len, low = 8 * i;
		uint8_t mask = net >= low + 8 ? 0 : net <= low ? 0xff : (uint8_t)(0xff >> (net - low));

		a->key.src[i] = entries[s.best & (BERTH_POOL_MAX - 1)].addr[i] |
				((uint8_t)((i < 8 ? r0 : r1) >> (8 * (i & 7))) & mask);
	}
	a->scope_id = entries[s.best & (BERTH_POOL_MAX - 1)].scope == BERTH_SCOPE_LINK ?
			      entries[s.best & (BERTH_POOL_MAX - 1)].device : 0;
	return true;
}

/* Counts sockets held from the pool address in use toward the destination. */
__attribute__((noinline)) int load_add(const struct berth_lane_key *lane, uint32_t entry, int by)
{
	struct berth_lane_key key;
	struct berth_load *load;

	if (!lane || config.entries < 2 || entry >= BERTH_POOL_MAX)
		return 0;
	key = *lane;
	__builtin_memset(key.src, 0, 16);
	load = bpf_map_lookup_elem(&loads, &key);
	if (!load && by > 0) {
		bpf_map_update_elem(&loads, &key, &no_load, BPF_NOEXIST);
		load = bpf_map_lookup_elem(&loads, &key);
	}
	if (load && (by > 0 || load->used[entry]))
		__sync_fetch_and_add(&load->used[entry], by);
	return 0;
}

/* ---- the choice ---- */

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
		uint64_t f[2] = { config.key[0], config.key[1] }, g[2] = { config.key[2], config.key[3] };

		offset = (uint32_t)berth_siphash(f, (const uint64_t *)&a->key, sizeof(a->key) / 8);
		if (policy == BERTH_POLICY_DOUBLE_HASH)
			a->counter_at = (uint32_t)berth_siphash(g, (const uint64_t *)&a->key,
								sizeof(a->key) / 8) & (config.counters - 1);
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
	a->want.start = berth_policy_start(policy, pool.count ? pool.count : 1, value, offset, a->want.rnd);
	return 0;
}

/* Adds what the loop of the RFC would have counted on its way from the start to the port. */
__attribute__((noinline)) int policy_end(const struct attempt *a)
{
	uint32_t passed, *counter, at;

	if (!a || !berth_policy_counts(config.policy))
		return 0;
	passed = berth_policy_passed(&pool, a->want.start, a->port);
	at = a->counter_at;
	counter = bpf_map_lookup_elem(&counters, &at);
	if (counter && passed)
		__sync_fetch_and_add(counter, passed);
	return 0;
}

/* The next candidate without a lane: the policy's first choice, later the ones that follow it. */
static int walk(struct attempt *a)
{
	uint32_t n = pool.count, index;

	if (!n || a->walked >= n)
		return TAKE_EXHAUSTED;
	index = berth_policy_scans(config.policy) ? a->want.start : berth_below(a->want.rnd, n);
	index += a->walked++;
	return berth_portset_kth(&pool, index % n);
}

/* True where connecting from the port would reach the socket itself. */
static bool is_self(const struct attempt *a, uint32_t port)
{
	return port == a->dport && (a->any || same(a->key.src, a->key.dst));
}

/* Has the address in use nothing left: the next one, or the end. */
static int source_exhausted(struct attempt *a)
{
	if (a->entry >= BERTH_POOL_MAX)
		return STEP_END;
	a->tried[(a->entry >> 6) & 3] |= 1ULL << (a->entry & 63);
	a->entry = BERTH_NO_ENTRY;
	a->walked = 0;
	return STEP_AGAIN;
}

static bool is_wide(const struct attempt *a)
{
	return a->entry < BERTH_POOL_MAX && entries[a->entry].prefix_len < 128;
}

/* Finds the next candidate: source address, then port. STEP_TRY: a->candidate is to be tried. */
__attribute__((noinline)) int candidate_next(struct attempt *a, uint32_t i)
{
	int port = TAKE_NO_LANE;

	if (!a)
		return STEP_END;
	if (a->entry == BERTH_NO_ENTRY && !a->fixed && config.entries &&
	    !source_pick(a, (uint32_t)(a->want.rnd >> 7) + i))
		return STEP_END;
	if (!a->started)
		policy_begin(a);
	a->in_lane = 1;
	if (!is_wide(a)) {
		port = lane_take(&a->key, &a->want, &a->from);
		/* The first probe collided, or the policy needs a memory: from here on with a lane. */
		if (port == TAKE_NO_LANE && (a->walked == 1 || a->alone || config.policy == BERTH_POLICY_LONGEST_IDLE)) {
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
	if (port < 0)
		return source_exhausted(a);
	a->candidate = port;
	return STEP_TRY;
}

/* What stands against the candidate: a claim of another CPU, or the kernel's own table. */
static int candidate_judge(struct bpf_sock_addr *ctx, struct attempt *a)
{
	int verdict;

	if (is_self(a, a->candidate))
		return TUPLE_BUSY;
	if (a->alone)
		return TUPLE_USABLE;
	if (!a->in_lane && !tuple_claim(&a->key, a->candidate, a->want.now_ns))
		return TUPLE_BUSY;
	count(BERTH_VERDICT_PROBED);
	verdict = tuple_judge(ctx, &a->key, a->candidate, a->want.now_ns);
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
	if (verdict == TUPLE_USABLE && !a->alone && !user_add(a->candidate))
		verdict = TUPLE_BUSY;
	if (verdict == TUPLE_USABLE) {
		if (!a->alone)
			share(ctx);
		err = bind_to(ctx, a, a->candidate);
		if (!err) {
			a->port = a->candidate;
			return STEP_END;
		}
		if (!a->alone)
			user_remove(a->candidate);
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
 * The source address is not known yet, so tuples cannot be looked up: a port that binds without
 * SO_REUSEADDR has no other user at all, so its tuple is free whatever the route says.
 */
__attribute__((noinline)) int unshared_try(struct bpf_sock_addr *ctx, struct attempt *a, uint32_t i)
{
	uint32_t n = pool.count;
	int port;

	if (!n || !a)
		return STEP_END;
	port = berth_portset_kth(&pool, berth_below(i ? bpf_get_prandom_u32() : a->want.rnd, n));
	if (port < 0 || is_self(a, port) || !tuple_claim(&a->key, port, a->want.now_ns))
		return STEP_AGAIN;
	count(BERTH_VERDICT_PROBED);
	if (!user_add(port))
		return STEP_AGAIN;
	if (bind_to(ctx, a, port)) {
		user_remove(port);
		count(BERTH_VERDICT_BUSY);
		return STEP_AGAIN;
	}
	a->port = port;
	share(ctx);
	return STEP_END;
}

static long try_unshared(uint32_t i, struct drive *d)
{
	return unshared_try(d->ctx, &d->a, i) == STEP_END;
}

static void route_key(struct berth_route_key *r, const struct berth_lane_key *key, struct bpf_sock *sk)
{
	r->netns = key->netns;
	__builtin_memcpy(r->dst, key->dst, 16);
	r->device = sk->bound_dev_if;
	r->mark = sk->mark;
}

static void choose(struct drive *d, struct bpf_sock *sk)
{
	struct berth_route_key r = {};
	uint8_t *src;

	d->a.any = !config.entries && !d->a.fixed;
	if (d->a.any && d->a.key.protocol != IPPROTO_TCP) {
		/*
		 * Nothing tells which source the route will give a datagram socket, and the kernel accepts
		 * the same tuple twice: so each port goes to one socket alone, and the bind proves it.
		 */
		__builtin_memset(d->a.key.dst, 0, 16);
		d->a.key.dport = 0;
		d->a.alone = 1;
	} else if (d->a.any) {
		route_key(&r, &d->a.key, sk);
		src = bpf_map_lookup_elem(&routes, &r);
		if (src) {
			__builtin_memcpy(d->a.key.src, src, 16);
		} else {
			bpf_loop(UNSHARED_TRIES, try_unshared, d, 0);
			/* Every port has a user somewhere: share one; the route is known from then on. */
			if (d->a.port)
				return;
		}
	}
	bpf_loop(TRIES_MAX, try_one, d, 0);
}

static int exhausted(void)
{
	count(BERTH_VERDICT_EXHAUSTED);
	if (config.exhausted_to_kernel) {
		count(BERTH_VERDICT_FALLBACK);
		return 1;
	}
	count(BERTH_VERDICT_REFUSED);
	bpf_set_retval(-EADDRNOTAVAIL);
	return 0;
}

/* 32 random bits. The kernel's generator alone is linear: what leaves the host goes through a keyed function. */
__attribute__((noinline)) uint32_t random_bits(uint64_t now_ns)
{
	uint64_t key[2] = { config.key[0], config.key[1] }, word[2] = { now_ns, bpf_get_prandom_u32() };

	return (uint32_t)berth_siphash(key, word, 2);
}

static int assign(struct bpf_sock_addr *ctx, struct drive *d, struct bpf_sock *sk)
{
	struct berth_assigned *s;

	d->ctx = ctx;
	d->a.dport = d->a.key.dport;
	d->a.entry = BERTH_NO_ENTRY;
	d->a.fixed = !is_zero(d->a.key.src);
	d->a.key.pool = config.pool_id;
	d->a.key.netns = bpf_get_netns_cookie(ctx);
	d->a.want.policy = config.policy;
	d->a.want.rest_ns = config.rest_ns;
	d->a.want.now_ns = bpf_ktime_get_ns();
	d->a.want.rnd = random_bits(d->a.want.now_ns);
	choose(d, sk);
	if (!d->a.port)
		return exhausted();
	policy_end(&d->a);
	s = bpf_sk_storage_get(&assigned, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	count(BERTH_VERDICT_ASSIGNED);
	if (!s) {
		/* Nothing will tell of the close: the lane finds out by itself. */
		if (!d->a.alone)
			user_remove(d->a.port);
		lane_park(&d->a.key, d->a.port);
		return 1;
	}
	s->lane = d->a.key;
	s->entry = d->a.entry;
	s->port = d->a.port;
	load_add(&d->a.key, d->a.entry, 1);
	return 1;
}

/* Protocols that have ports which berth assigns. */
static bool concerns(struct bpf_sock_addr *ctx)
{
	return (ctx->protocol == IPPROTO_TCP && ctx->type == SOCK_STREAM) ||
	       (ctx->protocol == IPPROTO_UDP && ctx->type == SOCK_DGRAM);
}

/* A socket with a port: its program's choice, or one that berth assigned at bind() or an earlier connect(). */
static int leave_alone(struct bpf_sock *sk)
{
	if (!is_own(sk))
		count(BERTH_VERDICT_LEFT_ALONE);
	return 1;
}

SEC("cgroup/connect4")
int berth_connect4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct drive d = {};

	if (!sk || !concerns(ctx))
		return 1;
	if (sk->src_port)
		return leave_alone(sk);
	/* 0.0.0.0 as a destination means this host. */
	set_v4(d.a.key.dst, ctx->user_ip4 ? ctx->user_ip4 : bpf_htonl(0x7f000001));
	if (sk->src_ip4)
		set_v4(d.a.key.src, sk->src_ip4);
	d.a.key.dport = bpf_ntohs((uint16_t)ctx->user_port);
	d.a.key.protocol = (uint8_t)ctx->protocol;
	d.a.is_v4 = 1;
	return assign(ctx, &d, sk);
}

SEC("cgroup/connect6")
int berth_connect6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct drive d = {};
	uint32_t *dst = (uint32_t *)d.a.key.dst, *src = (uint32_t *)d.a.key.src;

	if (!sk || !concerns(ctx))
		return 1;
	if (sk->src_port)
		return leave_alone(sk);
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
	return assign(ctx, &d, sk);
}

/* Gives the socket's port back, once; nested runs share the storage, and whoever is first does it. */
static void give_back(struct berth_assigned *s)
{
	uint32_t port = __sync_lock_test_and_set(&s->port, 0);
	struct berth_lane_key key;

	if (!port)
		return;
	key = s->lane;
	if (key.protocol == IPPROTO_TCP)
		user_remove(port);
	lane_drop(&key, port & (BERTH_PORTS - 1));
	load_add(&key, s->entry, -1);
	count(BERTH_VERDICT_RELEASED);
}

SEC("cgroup/sock_release")
int berth_release(struct bpf_sock *sk)
{
	struct berth_assigned *s = bpf_sk_storage_get(&assigned, sk, 0, 0);

	if (s)
		give_back(s);
	return 1;
}

/* ---- bind() with an address and port 0 ---- */

struct inet_sock {
	unsigned long inet_flags;
} __attribute__((preserve_access_index));

struct inet_connection_sock {
	struct inet_sock icsk_inet;
} __attribute__((preserve_access_index));

struct tcp_sock {
	struct inet_connection_sock inet_conn;
} __attribute__((preserve_access_index));

/* True where the program asked for the address only; also where this kernel does not tell. */
static bool wants_no_port(struct bpf_sock *sk)
{
	struct tcp_sock *tp = config.no_port_bit ? bpf_skc_to_tcp_sock(sk) : 0;

	if (!tp || !bpf_core_field_exists(tp->inet_conn.icsk_inet.inet_flags))
		return true;
	return (tp->inet_conn.icsk_inet.inet_flags >> (config.no_port_bit & 63)) & 1;
}

/* One candidate for bind(): alone on its port, and no listener there. Returns 1 to end the loop. */
__attribute__((noinline)) int bound_try(struct bpf_sock_addr *ctx, struct attempt *a)
{
	struct berth_lane_key key;
	int port;

	if (!a)
		return STEP_END;
	port = lane_take(&a->key, &a->want, &a->from);
	if (port == TAKE_NO_LANE && !lane_build(&a->key))
		port = lane_take(&a->key, &a->want, &a->from);
	if (port < 0)
		return STEP_END;
	count(BERTH_VERDICT_PROBED);
	if (user_add_bound(port)) {
		/* The tuple of a connection from the address to itself: only a listener can be found. */
		key = a->key;
		__builtin_memcpy(key.src, a->bind_addr, 16);
		__builtin_memcpy(key.dst, a->bind_addr, 16);
		if (tuple_judge(ctx, &key, port, a->want.now_ns) == TUPLE_USABLE) {
			a->port = port;
			return STEP_END;
		}
		user_remove(port | BERTH_PORT_BOUND);
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
static int assign_bound(struct bpf_sock_addr *ctx, struct drive *d, struct bpf_sock *sk)
{
	struct berth_assigned *s;

	if (is_zero(d->a.bind_addr) || wants_no_port(sk))
		return 1;
	s = bpf_sk_storage_get(&assigned, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!s)
		return 1;
	give_back(s); /* of a bind() that failed */
	d->ctx = ctx;
	d->a.key.protocol = IPPROTO_TCP;
	d->a.key.pool = config.pool_id;
	d->a.key.netns = bpf_get_netns_cookie(ctx);
	d->a.want.policy = BERTH_POLICY_UNIFORM;
	d->a.want.rest_ns = config.rest_ns;
	d->a.want.now_ns = bpf_ktime_get_ns();
	d->a.want.rnd = random_bits(d->a.want.now_ns);
	bpf_loop(BOUND_TRIES, try_bound, d, 0);
	if (!d->a.port) {
		count(BERTH_VERDICT_FALLBACK);
		return 1;
	}
	s->lane = d->a.key;
	s->entry = BERTH_NO_ENTRY;
	s->port = d->a.port | BERTH_PORT_BOUND;
	share(ctx);
	ctx->user_port = bpf_htons((uint16_t)d->a.port);
	count(BERTH_VERDICT_BOUND);
	return 1;
}

SEC("cgroup/bind4")
int berth_bind4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct drive d = {};

	if (!sk || ctx->user_port || ctx->protocol != IPPROTO_TCP || ctx->type != SOCK_STREAM)
		return 1;
	if (ctx->user_ip4)
		set_v4(d.a.bind_addr, ctx->user_ip4);
	return assign_bound(ctx, &d, sk);
}

SEC("cgroup/bind6")
int berth_bind6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct drive d = {};
	uint32_t *addr = (uint32_t *)d.a.bind_addr;

	if (!sk || ctx->user_port || ctx->protocol != IPPROTO_TCP || ctx->type != SOCK_STREAM)
		return 1;
	addr[0] = ctx->user_ip6[0];
	addr[1] = ctx->user_ip6[1];
	addr[2] = ctx->user_ip6[2];
	addr[3] = ctx->user_ip6[3];
	return assign_bound(ctx, &d, sk);
}

/* Learns which source address the route gives toward a destination, where the route decides. */
SEC("sockops")
int berth_learn(struct bpf_sock_ops *ctx)
{
	struct berth_route_key r = {};
	struct berth_assigned *s;
	struct bpf_sock *sk;
	uint8_t src[16] = {}, *known;

	if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB)
		return 1;
	sk = ctx->sk;
	if (!sk)
		return 1;
	if (ctx->family == AF_INET) {
		set_v4(src, ctx->local_ip4);
		set_v4(r.dst, ctx->remote_ip4);
	} else {
		uint32_t *d = (uint32_t *)r.dst, *l = (uint32_t *)src;

		d[0] = ctx->remote_ip6[0];
		d[1] = ctx->remote_ip6[1];
		d[2] = ctx->remote_ip6[2];
		d[3] = ctx->remote_ip6[3];
		if (is_mapped(r.dst)) {
			set_v4(src, ctx->local_ip4);
		} else {
			l[0] = ctx->local_ip6[0];
			l[1] = ctx->local_ip6[1];
			l[2] = ctx->local_ip6[2];
			l[3] = ctx->local_ip6[3];
		}
	}
	s = bpf_sk_storage_get(&assigned, sk, 0, 0);
	if (s && is_zero(s->lane.src))
		__builtin_memcpy(s->lane.src, src, 16);
	r.netns = bpf_get_netns_cookie(ctx);
	r.device = sk->bound_dev_if;
	r.mark = sk->mark;
	known = bpf_map_lookup_elem(&routes, &r);
	if (!known || !same(known, src))
		bpf_map_update_elem(&routes, &r, src, 0);
	return 1;
}
