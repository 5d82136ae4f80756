/* SPDX-License-Identifier: BSD-2-Clause */
/* Chooses source address and port for one socket and makes the program's call with them. */
#include "src/preload/assign.h"

#include <netinet/in.h>

#include "src/core/hash.h"
#include "src/preload/addr.h"
#include "src/preload/note.h"
#include "src/preload/share.h"
#include "src/preload/sys.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

#define STATELESS 2u     /* candidates that are chosen before a lane is built */
#define PREFIX_TRIES 64u /* addresses of a prefix that are tried for one socket */
#define SWEEP_SHARE                                                                                \
	10u /* a pause after a sweep of parked ports is so many times as long as the sweep */
#define TAKE_TRIES 8u /* TIME_WAITs refused in a row, then only one of TAKE_TRIES is tried */
#define COMPARED 16u  /* pool addresses whose headroom is compared */

enum outcome {
	DONE,  /* the call was made, its result stands */
	BUSY,  /* somebody else holds the port */
	RESTS, /* it is in TIME_WAIT, too short a time */
	DEAF,  /* the kernel refuses the source address */
	BLIND, /* the kernel could not be asked */
	EMPTY, /* no candidate is left */
};

/* The search for one socket from one source address. */
struct search {
	struct berth_ask *ask;
	struct berth_tuple tuple; /* with the source that the route yields */
	uint8_t bind_addr[16];    /* what the socket is bound to: zeros where the route decides */
	uint64_t id;
	uint64_t now_ns;
	uint64_t claim;
	long result;
	struct berth_preload_slot *slot;
	uint32_t tries, scan, take_tries;
	uint16_t never;
	bool wide;     /* random addresses of a prefix: no lane */
	bool laneless; /* no memory for a lane */
	bool set_addr; /* the address is berth's choice */
	bool from_lane;
	bool parked_used;
	bool blind;    /* the kernel could not be asked about one candidate */
	bool searched; /* a source could reach the destination */
	enum berth_lane_from from;
};

/* The result of a call that leaves the connection alive, or on its way. */
static bool alive(long result)
{
	return result >= 0 || errno == EINPROGRESS || errno == EINTR || errno == EALREADY;
}

static uint32_t *counter_of(uint64_t g)
{
	const struct berth_assign_config *c = &berth_share->config;
	uint32_t mask = c->policy == BERTH_POLICY_DOUBLE_HASH && c->counters ? c->counters - 1 : 0;

	return &berth_share->policy_counter[g & mask & (BERTH_PRELOAD_COUNTERS - 1)];
}

/* F and G of RFC 6056: of source address, destination endpoint and protocol. */
static uint64_t hash_tuple(const struct search *s, const uint64_t half[2])
{
	uint64_t word[5], key[2] = { half[0], half[1] };

	if (berth_share->config.rekey_ns)
		berth_siphash_period(key, s->now_ns / berth_share->config.rekey_ns);
	memcpy(word, s->tuple.src, 16);
	memcpy(word + 2, s->tuple.dst, 16);
	word[4] = (uint64_t)s->tuple.dport << 8 | s->tuple.protocol;
	return berth_siphash(key, word, 5);
}

static void fill_want(const struct search *s, struct berth_lane_want *want, uint32_t **out_counter)
{
	const struct berth_assign_config *c = &berth_share->config;
	enum berth_policy policy = c->policy;
	uint32_t offset = 0, value = 0;

	*out_counter = NULL;
	*want = (struct berth_lane_want){ .policy = policy,
					  .rnd = berth_share_random(),
					  .now_ns = s->now_ns,
					  .rest_ns = c->rest_ns };
	if (!berth_policy_scans(policy))
		return;
	if (policy == BERTH_POLICY_HASH || policy == BERTH_POLICY_DOUBLE_HASH)
		offset = (uint32_t)hash_tuple(s, &c->key[0]);
	if (policy == BERTH_POLICY_RANDOM_INCREMENT) {
		value = __atomic_add_fetch(counter_of(0), berth_policy_step(policy, want->rnd),
					   __ATOMIC_RELAXED);
	} else if (berth_policy_counts(policy)) {
		*out_counter = counter_of(hash_tuple(s, &c->key[2]));
		value = __atomic_load_n(*out_counter, __ATOMIC_RELAXED);
	}
	want->start = berth_policy_start(policy, berth_share->pool.count, value, offset, want->rnd);
}

/* Counts the candidates that the loop of the RFC would have passed over, and the one it took. */
static void advance(uint32_t *counter, uint32_t start, uint16_t port)
{
	uint32_t passed = counter ? berth_policy_passed(&berth_share->pool, start, port) : 0;

	if (counter)
		__atomic_fetch_add(counter,
				   passed + berth_policy_step(berth_share->config.policy, 0),
				   __ATOMIC_RELAXED);
}

/*
 * Ports whose release nobody saw count as used for ever: park all but `keep`, so that the sweep
 * asks the kernel.
 */
static void park_used(struct berth_lane *lane, int32_t keep)
{
	uint32_t w, pass, before = lane->parked.count;
	uint64_t used;

	for (w = 0; w < BERTH_PORTSET_LEAVES; w++) {
		used = lane->used[w];
		if (keep >= 0 && (uint32_t)keep >> 6 == w)
			used &= ~(1ULL << (keep & 63));
		for (pass = 0; pass < 64 && used; pass++, used &= used - 1)
			berth_lane_park(lane, w << 6 | berth_ctz64(used));
	}
	lane->sweep_left += lane->parked.count - before;
}

/*
 * Nothing is left: no new sweep for a while. What the last one cost is what this search took, so
 * that programs that go on although the pool is exhausted spend a tenth of their time on sweeps.
 */
static void pause_sweeps(const struct search *s, struct berth_lane *lane)
{
	uint64_t end_ns = sys_now_ns(), until_ns = end_ns + (end_ns - s->now_ns) * SWEEP_SHARE;

	if (until_ns > s->slot->park_ns)
		s->slot->park_ns = until_ns;
	lane->sweep_left = 0;
	lane->sweep_ns = s->slot->park_ns;
}

/*
 * The next candidate of the lane into tuple.sport. EMPTY; BLIND where the lane cannot be locked;
 * or DONE.
 */
static enum outcome pick_in_lane(struct search *s)
{
	struct berth_lane_want want;
	struct berth_lane *lane;
	uint32_t *counter;
	uint64_t lock;
	int32_t port;

	fill_want(s, &want, &counter);
	lane = berth_share_lock(s->slot, s->id, s->never, &lock);
	if (!lane)
		return BLIND;
	port = berth_lane_take(lane, &berth_share->pool, &want, &s->from);
	if (!s->parked_used && s->now_ns >= s->slot->park_ns &&
	    (port < 0 || s->from == BERTH_FROM_PARKED)) {
		s->parked_used = true;
		park_used(lane, port);
		if (port < 0)
			port = berth_lane_take(lane, &berth_share->pool, &want, &s->from);
	}
	if (port < 0)
		pause_sweeps(s, lane);
	if (port >= 0 && !berth_portset_has(&berth_share->pool, (uint32_t)port)) {
		s->slot->ready = 0;
		port = -1;
	}
	berth_share_unlock(s->slot, lock);
	if (port < 0)
		return EMPTY;
	if (s->from == BERTH_FROM_IDLE)
		advance(counter, want.start, (uint16_t)port);
	s->tuple.sport = (uint16_t)port;
	s->from_lane = true;
	return DONE;
}

/*
 * A candidate without a lane: by the policy, and where no lane is to be had one port of the pool
 * after the other.
 */
static enum outcome pick_without_lane(struct search *s)
{
	const struct berth_portset *pool = &berth_share->pool;
	struct berth_lane_want want;
	uint32_t *counter, index;

	s->from_lane = false;
	s->from = BERTH_FROM_IDLE;
	if (s->laneless && !s->wide) {
		if (!s->scan)
			s->scan = 1 + berth_below(berth_share_random(), pool->count);
		index = s->scan++ - 1;
		s->tuple.sport = (uint16_t)berth_portset_kth(pool, index % pool->count);
		return DONE;
	}
	fill_want(s, &want, &counter);
	index = berth_policy_scans(want.policy) ? want.start : berth_below(want.rnd, pool->count);
	s->tuple.sport = (uint16_t)berth_portset_kth(pool, index);
	advance(counter, index, s->tuple.sport);
	return DONE;
}

static uint32_t limit_of(const struct search *s)
{
	return s->wide ? PREFIX_TRIES : 2 * berth_share->pool.count + 2 * STATELESS;
}

static enum outcome pick(struct search *s)
{
	bool wants_lane =
		s->tries >= STATELESS || berth_share->config.policy == BERTH_POLICY_LONGEST_IDLE;
	enum outcome o;

	if (s->tries++ >= limit_of(s))
		return EMPTY;
	if (!s->slot && wants_lane && !s->wide && !s->laneless) {
		s->slot = berth_share_get(s->id, s->now_ns);
		if (!s->slot) {
			s->laneless = true;
			berth_share_count(BERTH_VERDICT_LANES_MISSING);
		}
	}
	if (s->slot) {
		s->slot->used_ns = s->now_ns;
		o = pick_in_lane(s);
		if (o != BLIND)
			return o;
		s->slot = NULL;
		s->laneless = true;
		berth_share_count(BERTH_VERDICT_LANES_MISSING);
	}
	return pick_without_lane(s);
}

/* Gives a candidate that came to nothing back to its lane. */
static void give_back(struct search *s, enum outcome o)
{
	struct berth_lane *lane;
	uint64_t lock;

	if (!s->from_lane)
		return;
	lane = berth_share_lock(s->slot, s->id, s->never, &lock);
	if (!lane)
		return;
	if (o == BUSY)
		berth_lane_park(lane, s->tuple.sport);
	else
		berth_lane_drop(lane, s->tuple.sport, s->now_ns, berth_share->config.rest_ns);
	berth_share_unlock(s->slot, lock);
}

static void note(struct search *s, uint16_t port, uint16_t flags)
{
	struct berth_note n = { .lane = s->id,
				.port = port,
				.flags = flags | (s->set_addr ? BERTH_NOTE_ADDRESS : 0) };

	berth_note_set(s->ask->fd, &n);
}

static bool narrow(struct search *s, uint16_t port)
{
	return !sys_set_int(s->ask->fd, SOL_IP, IP_LOCAL_PORT_RANGE,
			    (int)(port | (uint32_t)port << 16));
}

/* Binds the program's socket to the search's address and the port; 0: the address alone. */
static int bind_socket(struct search *s, uint16_t port)
{
	struct sockaddr_storage addr;
	socklen_t len = addr_write(s->ask->v6, s->bind_addr, port, s->tuple.device, &addr);

	return sys_bind(s->ask->fd, &addr, len);
}

/* Binds the program's TCP socket to the address, and to no port. */
static int bind_address(struct search *s)
{
	int err = sys_set_int(s->ask->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);

	return err < 0 ? err : bind_socket(s, 0);
}

/*
 * Takes the tuple out of its TIME_WAIT, if the kernel lets us. A trial costs four times a look,
 * and a peer without timestamps has it refused each time.
 */
static bool take_time_wait(struct search *s)
{
	if (s->take_tries >= TAKE_TRIES && s->tries % TAKE_TRIES)
		return false;
	if (berth_probe_try(&s->tuple) != BERTH_HELD_FREE) {
		s->take_tries++;
		return false;
	}
	s->take_tries = 0;
	return true;
}

/* What the kernel says of the candidate: DONE where it may be used. */
static enum outcome look_up(struct search *s)
{
	uint32_t age_ms = 0;
	enum berth_held held = berth_probe_tuple(&s->tuple, &age_ms);

	if (held == BERTH_HELD_TIME_WAIT) {
		if (s->from == BERTH_FROM_IDLE && age_ms < berth_share->config.rest_ns / 1000000u)
			return RESTS;
		return take_time_wait(s) ? DONE : BUSY;
	}
	if (held == BERTH_HELD_UNKNOWN && s->tuple.protocol == IPPROTO_TCP)
		held = berth_probe_try(&s->tuple);
	return held == BERTH_HELD_FREE ? DONE : held == BERTH_HELD_BUSY ? BUSY : BLIND;
}

/*
 * Binds the socket to the candidate and makes the call; it cannot be undone, so look_up() comes
 * first.
 */
static enum outcome go_bound(struct search *s)
{
	int err;

	sys_set_int(s->ask->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	err = bind_socket(s, s->tuple.sport);
	if (err == -EADDRNOTAVAIL || err == -EINVAL)
		return DEAF;
	if (err < 0)
		return BUSY;
	note(s, s->tuple.sport, BERTH_NOTE_BOUND);
	s->result = s->ask->go(s->ask);
	if (s->result < 0 && errno == EADDRNOTAVAIL) {
		berth_share_count(BERTH_VERDICT_BUSY);
		berth_share_count(BERTH_VERDICT_REFUSED);
		return DONE;
	}
	berth_share_count(BERTH_VERDICT_ASSIGNED);
	return DONE;
}

/* Lets the kernel choose among one port. BUSY leaves the socket unbound. */
static enum outcome go_narrowed(struct search *s)
{
	sys_set_int(s->ask->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (s->set_addr && bind_address(s) < 0)
		return DEAF;
	if (!narrow(s, s->tuple.sport))
		return BLIND;
	note(s, s->tuple.sport, 0);
	s->result = s->ask->go(s->ask);
	if (!alive(s->result)) {
		note(s, 0, 0);
		if (errno == EADDRNOTAVAIL)
			return BUSY;
		sys_set_int(s->ask->fd, SOL_IP, IP_LOCAL_PORT_RANGE, 0);
		berth_share_drop(s->id, s->tuple.sport);
		berth_share_count(BERTH_VERDICT_RELEASED);
	}
	berth_share_count(BERTH_VERDICT_ASSIGNED);
	return DONE;
}

static enum outcome try_narrowed(struct search *s)
{
	enum outcome o;

	/*
	 * A parked port is most likely held: ask first. The others are most likely free: connect
	 * first.
	 */
	if (s->from != BERTH_FROM_PARKED) {
		o = go_narrowed(s);
		if (o != BUSY)
			return o;
	}
	o = look_up(s);
	if (o != DONE)
		return o == BLIND ? BUSY : o;
	o = go_narrowed(s);
	if (o != BUSY || s->from != BERTH_FROM_PARKED)
		return o;
	/*
	 * A socket bound by hand keeps the kernel's choice off the port, not ours: the last
	 * resort.
	 */
	return go_bound(s);
}

static enum outcome try_bound(struct search *s)
{
	enum outcome o = look_up(s);

	/* Unasked, when it must be: out of a lane, which knows at least of the run's own tuples. */
	if (o == BLIND && s->blind && !berth_share->config.exhausted_to_kernel)
		o = DONE;
	return o == DONE ? go_bound(s) : o;
}

static enum outcome try_bind_only(struct search *s)
{
	s->ask->tuple.sport = s->tuple.sport;
	note(s, s->tuple.sport, BERTH_NOTE_BOUND);
	s->result = s->ask->go(s->ask);
	if (s->result < 0) {
		note(s, 0, 0);
		if (errno == EADDRINUSE || errno == EACCES)
			return BUSY;
		berth_share_drop(s->id, s->tuple.sport);
		return DONE;
	}
	berth_share_count(BERTH_VERDICT_BOUND);
	return DONE;
}

static enum outcome try_candidate(struct search *s)
{
	enum outcome o;

	if (s->tuple.sport == s->never || berth_share_is_withheld(s->tuple.sport) ||
	    !berth_share_claim(s->id, s->tuple.sport, &s->claim))
		return BUSY;
	if (s->ask->bind_only)
		o = try_bind_only(s);
	else if (s->tuple.protocol == IPPROTO_TCP && !s->ask->foreign &&
		 berth_share_in_range(s->tuple.sport, s->now_ns))
		o = try_narrowed(s);
	else
		o = try_bound(s);
	berth_share_unclaim(s->id, s->tuple.sport, s->claim);
	return o;
}

static uint64_t name_lane(const struct search *s)
{
	struct berth_lane_key key = { .netns = s->tuple.netns,
				      .pool = berth_share->config.pool_id,
				      .dport = s->tuple.dport,
				      .protocol = s->tuple.protocol };

	memcpy(key.src, s->tuple.src, 16);
	memcpy(key.dst, s->tuple.dst, 16);
	return berth_share_id(&key, s->tuple.device);
}

/* Puts random bits behind the prefix. */
static void random_address(uint8_t addr[16], uint32_t prefix_len)
{
	uint32_t i, rnd = 0;

	for (i = prefix_len; i < 128; i++) {
		if (i == prefix_len || !(i & 31))
			rnd = berth_share_random();
		addr[i >> 3] &= (uint8_t) ~(0x80u >> (i & 7));
		addr[i >> 3] |= (uint8_t)((rnd & 1) << (7 - (i & 7)));
		rnd >>= 1;
	}
}

/*
 * Settles source and destination as the kernel will see them. Negative: this source cannot reach
 * it.
 */
static int settle_tuple(struct search *s, const struct berth_pool_entry *entry)
{
	struct berth_preload_route route = { .netns = s->tuple.netns,
					     .device = s->tuple.device,
					     .mark = s->ask->mark };

	memcpy(s->tuple.src, s->bind_addr, 16);
	if (s->ask->bind_only)
		return 0;
	if (addr_is_any(s->tuple.dst)) {
		if (!addr_is_any(s->bind_addr))
			memcpy(s->tuple.dst, s->bind_addr, 16);
		else if (s->ask->v6)
			s->tuple.dst[15] = 1;
		else
			addr_from_v4(htonl(INADDR_LOOPBACK), s->tuple.dst);
	}
	memcpy(route.dst, s->tuple.dst, 16);
	memcpy(route.asked, s->bind_addr, 16);
	if (berth_probe_route(&route, s->now_ns) < 0)
		return 0;
	if (route.error)
		return route.error;
	if (entry && berth_share->config.by_device && entry->device && route.out_device &&
	    entry->device != route.out_device)
		return -ENETUNREACH;
	memcpy(s->tuple.src, route.src, 16);
	return 0;
}

/* Tries candidates from one source until one is taken or none is left. */
static enum outcome search_ports(struct search *s)
{
	enum outcome o;

	if (addr_is_any(s->tuple.src) || !memcmp(s->tuple.src, s->tuple.dst, 16))
		s->never = s->tuple.dport;
	s->searched = true;
	s->id = name_lane(s);
	s->slot = s->wide ? NULL : berth_share_find(s->id);
	while ((o = pick(s)) != EMPTY) {
		o = try_candidate(s);
		if (o == DONE)
			return o;
		give_back(s, o);
		if (o == BLIND && !s->blind) {
			s->blind = true;
			s->tries = STATELESS;
			continue;
		}
		if (o == BLIND)
			return o;
		berth_share_count(o == DEAF ? BERTH_VERDICT_UNREACHABLE : BERTH_VERDICT_BUSY);
		if (o == DEAF)
			return o;
		if (s->wide)
			return BUSY;
	}
	return EMPTY;
}

static bool entry_fits(const struct berth_ask *ask, const struct berth_pool_entry *e)
{
	const uint8_t *dst = ask->tuple.dst;
	bool v4 = addr_is_any(dst) ? !ask->v6 : addr_is_v4(dst);

	if (!!e->is_v4 != v4)
		return false;
	if (e->scope == BERTH_SCOPE_LOOPBACK)
		return addr_is_any(dst) || addr_is_loopback(dst);
	return e->scope != BERTH_SCOPE_LINK || addr_is_link_local(dst);
}

static enum outcome search_entry(struct search *s, const struct berth_pool_entry *e)
{
	struct berth_ask *ask = s->ask;
	enum outcome o = EMPTY;
	uint32_t tries;
	bool wide = e->prefix_len < 128;

	for (tries = 0; tries < (wide ? PREFIX_TRIES : 1); tries++) {
		*s = (struct search){ .ask = ask,
				      .tuple = ask->tuple,
				      .now_ns = sys_now_ns(),
				      .wide = wide,
				      .set_addr = true,
				      .searched = s->searched };
		memcpy(s->bind_addr, e->addr, 16);
		if (wide)
			random_address(s->bind_addr, e->prefix_len);
		if (settle_tuple(s, e) < 0) {
			berth_share_count(BERTH_VERDICT_UNREACHABLE);
			o = DEAF;
			continue;
		}
		o = search_ports(s);
		if (o == DONE || o == BLIND)
			return o;
	}
	return o;
}

/* The address with most headroom toward this destination, out of some beginning at a random one. */
static uint32_t best_entry(const struct berth_ask *ask)
{
	const struct berth_assign_config *c = &berth_share->config;
	uint32_t first = berth_below(berth_share_random(), c->entries), best = first, most = 0, i;

	for (i = 0; i < c->entries && i < COMPARED; i++) {
		uint32_t at = (first + i) % c->entries, room;
		struct search s = { .tuple = ask->tuple };

		if (!entry_fits(ask, &berth_share->entry[at]))
			continue;
		memcpy(s.tuple.src, berth_share->entry[at].addr, 16);
		room = berth_share->entry[at].prefix_len < 128
			       ? BERTH_PORTS
			       : berth_share_headroom(name_lane(&s));
		if (room > most) {
			best = at;
			most = room;
		}
	}
	return best;
}

static enum outcome search_pool(struct search *s)
{
	const struct berth_assign_config *c = &berth_share->config;
	struct berth_ask *ask = s->ask;
	uint32_t best = best_entry(ask), i;
	enum outcome o;

	for (i = 0; i < c->entries; i++) {
		const struct berth_pool_entry *e = &berth_share->entry[(best + i) % c->entries];

		if (!entry_fits(ask, e))
			continue;
		o = search_entry(s, e);
		if (o == DONE || o == BLIND)
			return o;
	}
	return EMPTY;
}

/* False where no source at all reaches the destination: the kernel is to say why. */
static bool has_route(struct berth_ask *ask)
{
	struct search s = { .ask = ask, .tuple = ask->tuple, .now_ns = sys_now_ns() };

	return settle_tuple(&s, NULL) >= 0;
}

/* Leaves the socket as the program made it, and the choice to the kernel. */
static long leave_to_kernel(struct search *s)
{
	static const struct berth_note by_kernel = { .flags = BERTH_NOTE_KERNEL };
	struct berth_ask *ask = s->ask;

	if (!ask->bind_only && ask->tuple.protocol == IPPROTO_TCP) {
		sys_set_int(ask->fd, SOL_IP, IP_LOCAL_PORT_RANGE, 0);
		memset(s->bind_addr, 0, 16);
		if (s->set_addr)
			bind_address(s);
	}
	berth_share_count(BERTH_VERDICT_FALLBACK);
	berth_note_set(ask->fd, &by_kernel);
	ask->tuple.sport = 0;
	return ask->go(ask);
}

static long refuse(struct search *s)
{
	if (!s->ask->bind_only && s->tuple.protocol == IPPROTO_TCP)
		sys_set_int(s->ask->fd, SOL_IP, IP_LOCAL_PORT_RANGE, 0);
	berth_share_count(BERTH_VERDICT_REFUSED);
	errno = s->ask->bind_only                  ? EADDRINUSE
		: s->tuple.protocol == IPPROTO_UDP ? EAGAIN
						   : EADDRNOTAVAIL;
	return -1;
}

long berth_assign(struct berth_ask *ask)
{
	struct search s = { .ask = ask, .tuple = ask->tuple, .now_ns = sys_now_ns() };
	int saved = errno;
	enum outcome o;

	if (!ask->bind_only && addr_is_any(ask->tuple.src) && berth_share->config.entries) {
		o = search_pool(&s);
	} else {
		memcpy(s.bind_addr, ask->tuple.src, 16);
		if (settle_tuple(&s, NULL) < 0)
			return ask->go(ask);
		o = search_ports(&s);
	}
	if (o == DONE) {
		if (s.result >= 0)
			errno = saved;
		return s.result;
	}
	if (o == BLIND || o == DEAF)
		return leave_to_kernel(&s);
	if (!s.searched && !has_route(ask))
		return ask->go(ask);
	berth_share_count(BERTH_VERDICT_EXHAUSTED);
	if (berth_share->config.exhausted_to_kernel)
		return leave_to_kernel(&s);
	return refuse(&s);
}
