/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processes of one run share: lanes, claims, counters, routes. */
#include "src/preload/share.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "src/core/hash.h"
#include "src/preload/sys.h"

#define PLACES 8u              /* places that one lane may have */
#define LOCK_WAIT_NS 20000000u /* then go on without the lane */
#define LOCK_LEASE_MS 1000u
#define CLAIM_LEASE_MS 2000u
#define ROUTE_NS 1000000000u
#define RANGE_NS 1000000000u

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

struct berth_preload_file *berth_share;

static bool is_ours(const struct berth_preload_file *f, uint64_t size)
{
	return __atomic_load_n(&f->magic, __ATOMIC_ACQUIRE) == BERTH_PRELOAD_MAGIC &&
	       f->abi == BERTH_PRELOAD_ABI && f->size == size && f->lanes == BERTH_PRELOAD_LANES &&
	       f->pool.count && f->config.policy < BERTH_POLICY_COUNT &&
	       f->config.entries <= BERTH_POOL_MAX;
}

void berth_share_open(void)
{
	const char *path = getenv(BERTH_PRELOAD_ENV);
	struct stat st;
	void *map;
	int fd;

	if (!path)
		return;
	fd = (int)BERTH_SYS(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) &&
	    (size_t)st.st_size >= sizeof(struct berth_preload_file)) {
		map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map != MAP_FAILED && is_ours(map, (uint64_t)st.st_size))
			berth_share = map;
		else if (map != MAP_FAILED)
			munmap(map, (size_t)st.st_size);
	}
	sys_close(fd);
}

void berth_share_count(enum berth_verdict verdict)
{
	__atomic_fetch_add(&berth_share->verdict[verdict].n, 1, __ATOMIC_RELAXED);
}

uint32_t berth_share_random(void)
{
	uint64_t draw = __atomic_fetch_add(&berth_share->draws, 1, __ATOMIC_RELAXED);

	return (uint32_t)(berth_siphash(&berth_share->config.key[2], &draw, 1) >> 16);
}

uint64_t berth_share_id(const struct berth_lane_key *key, uint32_t device)
{
	uint64_t word[7];

	memcpy(word, key, sizeof(*key));
	word[6] = device;
	return berth_siphash(berth_share->config.key, word, 7) | 1;
}

static struct berth_lane *lane_of(const struct berth_preload_slot *slot)
{
	size_t i = (size_t)(slot - berth_share->slot);

	return (void *)((char *)berth_share + berth_share->lanes_at + i * BERTH_PRELOAD_LANE_BYTES);
}

static struct berth_preload_slot *place(uint64_t id, uint32_t i)
{
	return &berth_share->slot[((id >> 8) + i) & (BERTH_PRELOAD_LANES - 1)];
}

struct berth_preload_slot *berth_share_find(uint64_t id)
{
	uint32_t i;

	for (i = 0; i < PLACES; i++)
		if (__atomic_load_n(&place(id, i)->id, __ATOMIC_ACQUIRE) == id)
			return place(id, i);
	return NULL;
}

static void relax(uint32_t turn)
{
	if (turn & 63)
		__asm__ volatile("" ::: "memory");
	else
		sched_yield();
}

/* True where the lock is ours; out_torn: its owner was killed over the lane. */
static bool take_lock(struct berth_preload_slot *slot, uint64_t *out_lock, bool *out_torn)
{
	uint64_t start_ns = sys_now_ns(), now_ns = start_ns;
	uint32_t me = sys_tid(), turn;

	*out_torn = false;
	for (turn = 1; now_ns - start_ns < LOCK_WAIT_NS; turn++) {
		uint32_t now_ms = (uint32_t)(now_ns / 1000000u);
		uint64_t mine = (uint64_t)now_ms << 32 | me, seen = 0;

		if (__atomic_compare_exchange_n(&slot->lock, &seen, mine, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return *out_lock = mine, true;
		if ((int32_t)(now_ms - (uint32_t)(seen >> 32)) > (int32_t)LOCK_LEASE_MS) {
			if (__atomic_compare_exchange_n(&slot->lock, &seen, mine, false,
							__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
				return *out_lock = mine, *out_torn = true;
		} else if ((uint32_t)seen == me) {
			return false;
		}
		relax(turn);
		if (!(turn & 63))
			now_ns = sys_now_ns();
	}
	return false;
}

void berth_share_unlock(struct berth_preload_slot *slot, uint64_t lock)
{
	__atomic_compare_exchange_n(&slot->lock, &lock, 0, false, __ATOMIC_RELEASE,
				    __ATOMIC_RELAXED);
}

/* Gives the place of the lane used longest ago to id. */
static struct berth_preload_slot *evict(uint64_t id)
{
	struct berth_preload_slot *old = place(id, 0);
	uint64_t lock;
	bool torn;
	uint32_t i;

	for (i = 1; i < PLACES; i++)
		if (place(id, i)->used_ns < old->used_ns)
			old = place(id, i);
	if (!take_lock(old, &lock, &torn))
		return NULL;
	old->ready = 0;
	__atomic_store_n(&old->id, id, __ATOMIC_RELEASE);
	berth_share_unlock(old, lock);
	return old;
}

struct berth_preload_slot *berth_share_get(uint64_t id, uint64_t now_ns)
{
	struct berth_preload_slot *slot = berth_share_find(id);
	uint64_t none;
	uint32_t i;

	for (i = 0; !slot && i < PLACES; i++) {
		none = 0;
		if (__atomic_compare_exchange_n(&place(id, i)->id, &none, id, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED) ||
		    none == id)
			slot = place(id, i);
	}
	if (!slot)
		slot = evict(id);
	if (!slot)
		return NULL;
	slot->used_ns = now_ns;
	if (!__atomic_load_n(&slot->populated, __ATOMIC_ACQUIRE)) {
		if (BERTH_SYS(SYS_madvise, lane_of(slot), BERTH_PRELOAD_LANE_BYTES,
			      MADV_POPULATE_WRITE) < 0)
			return NULL;
		__atomic_store_n(&slot->populated, 1, __ATOMIC_RELEASE);
	}
	return slot;
}

struct berth_lane *berth_share_lock(struct berth_preload_slot *slot, uint64_t id, uint16_t never,
				    uint64_t *out_lock)
{
	struct berth_lane *lane = lane_of(slot);
	uint64_t lock;
	bool torn;

	if (!__atomic_load_n(&slot->populated, __ATOMIC_ACQUIRE) || !take_lock(slot, &lock, &torn))
		return NULL;
	if (slot->id != id) {
		berth_share_unlock(slot, lock);
		return NULL;
	}
	if (torn || !slot->ready) {
		berth_lane_init(lane, &berth_share->pool);
		if (never)
			berth_portset_remove(&lane->idle, never);
		slot->park_ns = 0;
		slot->ready = 1;
		berth_share_count(BERTH_VERDICT_LANES);
	}
	*out_lock = lock;
	return lane;
}

uint32_t berth_share_headroom(uint64_t id)
{
	struct berth_preload_slot *slot = berth_share_find(id);
	const struct berth_lane *lane;

	if (!slot || !slot->ready)
		return berth_share->pool.count;
	lane = lane_of(slot);
	return lane->idle.count + berth_lane_resting(lane);
}

void berth_share_drop(uint64_t id, uint16_t port)
{
	struct berth_preload_slot *slot = berth_share_find(id);
	struct berth_lane *lane;
	uint64_t lock;

	if (!slot || !slot->ready || !berth_portset_has(&berth_share->pool, port))
		return;
	lane = berth_share_lock(slot, id, 0, &lock);
	if (!lane)
		return;
	berth_lane_drop(lane, port, sys_now_ns(), berth_share->config.rest_ns);
	berth_share_unlock(slot, lock);
}

static uint64_t *claim_of(uint64_t id, uint16_t port, uint32_t *out_name)
{
	uint64_t x = (id ^ port) * 0x9e3779b97f4a7c15ULL;

	x ^= x >> 29;
	*out_name = (uint32_t)x;
	return &berth_share->claim[(x >> 40) & (BERTH_CLAIMS - 1)];
}

bool berth_share_is_withheld(uint16_t port)
{
	return __atomic_load_n(&berth_share->withheld[port >> 6], __ATOMIC_RELAXED) >> (port & 63) &
	       1;
}

bool berth_share_claim(uint64_t id, uint16_t port, uint64_t *out_claim)
{
	uint32_t name, now_ms = (uint32_t)(sys_now_ns() / 1000000u);
	uint64_t *word = claim_of(id, port, &name), seen = __atomic_load_n(word, __ATOMIC_RELAXED);

	*out_claim = (uint64_t)name << 32 | now_ms;
	if (!*out_claim)
		*out_claim = 1;
	if (seen && (int32_t)(now_ms - (uint32_t)seen) < (int32_t)CLAIM_LEASE_MS)
		return false;
	return __atomic_compare_exchange_n(word, &seen, *out_claim, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

void berth_share_unclaim(uint64_t id, uint16_t port, uint64_t claim)
{
	uint32_t name;
	uint64_t *word = claim_of(id, port, &name);

	__atomic_compare_exchange_n(word, &claim, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

static struct berth_preload_route *route_of(const struct berth_preload_route *r)
{
	uint64_t word[6];

	word[0] = r->netns;
	memcpy(&word[1], r->dst, 16);
	memcpy(&word[3], r->asked, 16);
	word[5] = (uint64_t)r->device << 32 | r->mark;
	return &berth_share->route[berth_siphash(berth_share->config.key, word, 6) &
				   (BERTH_PRELOAD_ROUTES - 1)];
}

bool berth_share_route_get(struct berth_preload_route *route, uint64_t now_ns)
{
	struct berth_preload_route *r = route_of(route), copy;
	uint64_t seq = __atomic_load_n(&r->seq, __ATOMIC_ACQUIRE);

	copy = *r;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if ((seq & 1) || __atomic_load_n(&r->seq, __ATOMIC_RELAXED) != seq ||
	    copy.until_ns <= now_ns || copy.netns != route->netns || copy.device != route->device ||
	    copy.mark != route->mark || memcmp(copy.dst, route->dst, 16) ||
	    memcmp(copy.asked, route->asked, 16))
		return false;
	*route = copy;
	return true;
}

/* A writer killed half-way leaves seq odd: that place stays unused, and only that costs. */
void berth_share_route_put(const struct berth_preload_route *route, uint64_t now_ns)
{
	struct berth_preload_route *r = route_of(route);
	uint64_t seq = __atomic_load_n(&r->seq, __ATOMIC_RELAXED);

	if ((seq & 1) || !__atomic_compare_exchange_n(&r->seq, &seq, seq + 1, false,
						      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy((char *)r + sizeof(r->seq), (const char *)route + sizeof(r->seq),
	       sizeof(*r) - sizeof(r->seq));
	r->until_ns = now_ns + ROUTE_NS;
	__atomic_store_n(&r->seq, seq + 2, __ATOMIC_RELEASE);
}

/* Somebody may change the sysctl while we run: one process a second reads it again. */
static void refresh_range(uint64_t now_ns)
{
	uint64_t next = __atomic_load_n(&berth_share->range_next_ns, __ATOMIC_RELAXED);
	char text[32];
	char *end;
	unsigned long first, last;
	long n;
	int fd;

	if (now_ns < next ||
	    !__atomic_compare_exchange_n(&berth_share->range_next_ns, &next, now_ns + RANGE_NS,
					 false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return;
	fd = (int)BERTH_SYS(SYS_openat, AT_FDCWD, "/proc/sys/net/ipv4/ip_local_port_range",
			    O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = BERTH_SYS(SYS_read, fd, text, sizeof(text) - 1);
	sys_close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	first = strtoul(text, &end, 10);
	last = strtoul(end, NULL, 10);
	if (first && first <= last && last < BERTH_PORTS)
		__atomic_store_n(&berth_share->range, (uint32_t)(first | last << 16),
				 __ATOMIC_RELAXED);
}

bool berth_share_in_range(uint16_t port, uint64_t now_ns)
{
	uint32_t range;

	if (!berth_share->range_option)
		return false;
	refresh_range(now_ns);
	range = __atomic_load_n(&berth_share->range, __ATOMIC_RELAXED);
	return port >= (range & 0xffff) && port <= range >> 16;
}
