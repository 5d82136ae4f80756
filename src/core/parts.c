/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port space in parts, each with a lock.
 *
 * Invariants: part i has the ports whose group of 64 is i modulo the number of parts. The limits of an owner in the
 * parts add up to its quota, each at least what the owner has there. Who holds more than one lock took them in
 * ascending order.
 */
#include "include/berth/parts.h"

#include <string.h>

#include "src/core/space.h"

#define SPINS 100
#define PARTS_MOST 64
#define PART_SHIFT 48 /* of a socket's number; a space uses the bits below */

struct part {
	struct berth_space *space;
	uint32_t locked;
} __attribute__((aligned(64)));

struct berth_parts {
	struct part part[PARTS_MOST];
	struct berth_space_memory memory;
	void *block; /* what the allocator gave */
	uint32_t parts;
	uint32_t *quota; /* of each owner; 0: none */
	uint16_t owners;
	void (*wait)(void *context);
	void *wait_context;
};

static void lock(struct berth_parts *p, uint32_t i)
{
	uint32_t spins = 0;

	while (__atomic_exchange_n(&p->part[i].locked, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&p->part[i].locked, __ATOMIC_RELAXED)) {
#if defined(__x86_64__) || defined(__i386__)
			__builtin_ia32_pause();
#endif
			if (++spins % SPINS == 0 && p->wait)
				p->wait(p->wait_context);
		}
}

static void unlock(struct berth_parts *p, uint32_t i)
{
	__atomic_store_n(&p->part[i].locked, 0, __ATOMIC_RELEASE);
}

static void lock_all(struct berth_parts *p)
{
	uint32_t i;

	for (i = 0; i < p->parts; i++)
		lock(p, i);
}

static void unlock_all(struct berth_parts *p)
{
	uint32_t i;

	for (i = p->parts; i--;)
		unlock(p, i);
}

#define BLOCK (sizeof(struct berth_parts) + 64)

int berth_parts_new(const struct berth_parts_config *config,
		    const struct berth_space_memory *memory, struct berth_parts **out_parts)
{
	struct berth_space_config c = config->space;
	struct berth_parts *p;
	void *block;
	uint32_t i;
	int error = 0;

	if (!config->parts || config->parts > PARTS_MOST || (config->parts & (config->parts - 1)))
		return BERTH_SPACE_E_INVALID;
	block = memory->get(memory->context, BLOCK);
	if (!block)
		return BERTH_SPACE_E_MEMORY;
	p = (struct berth_parts *)(((uintptr_t)block + 63) & ~(uintptr_t)63);
	memset(p, 0, sizeof(*p));
	p->block = block;
	p->memory = *memory;
	p->parts = config->parts;
	p->owners = c.owners ? c.owners : 1;
	p->wait = config->wait;
	p->wait_context = config->wait_context;
	p->quota = memory->get(memory->context, p->owners * sizeof(*p->quota));
	if (!p->quota)
		error = BERTH_SPACE_E_MEMORY;
	else
		memset(p->quota, 0, p->owners * sizeof(*p->quota));
	c.parts = config->parts;
	for (i = 0; i < p->parts && !error; i++) {
		c.part = (uint16_t)i;
		error = berth_space_new(&c, memory, &p->part[i].space);
	}
	if (error) {
		berth_parts_free(p);
		return error;
	}
	*out_parts = p;
	return 0;
}

void berth_parts_free(struct berth_parts *p)
{
	struct berth_space_memory memory;
	uint32_t i;

	if (!p)
		return;
	memory = p->memory;
	for (i = 0; i < p->parts; i++)
		berth_space_free(p->part[i].space);
	if (p->quota)
		memory.put(memory.context, p->quota, p->owners * sizeof(*p->quota));
	memory.put(memory.context, p->block, BLOCK);
}

size_t berth_parts_bytes(struct berth_parts *p)
{
	size_t bytes = BLOCK + p->owners * sizeof(*p->quota);
	uint32_t i;

	for (i = 0; i < p->parts; i++) {
		lock(p, i);
		bytes += berth_space_bytes(p->part[i].space);
		unlock(p, i);
	}
	return bytes;
}

static uint32_t portion(const struct berth_parts *p, uint32_t n)
{
	return n ? (n + p->parts - 1) / p->parts + 64 : 0;
}

/* Another room (NULL: as it is) or range (0: as it is) for all parts, or for none. All locks are held. */
static int change_tables(struct berth_parts *p, const struct berth_space_room *room, uint16_t first,
			 uint16_t last)
{
	struct berth_space_tables t[PARTS_MOST];
	uint32_t i, got;
	int error = 0;

	for (got = 0; got < p->parts && !error; got += !error) {
		struct berth_space *sp = p->part[got].space;

		error = berth_space_tables_get(sp, room ? room : &sp->room,
					       room ? sp->config.first : first,
					       room ? sp->config.last : last, &t[got]);
	}
	for (i = 0; i < got; i++)
		if (error)
			berth_space_tables_put(p->part[i].space, &t[i]);
		else
			berth_space_tables_use(p->part[i].space, &t[i]);
	return error;
}

int berth_parts_make_room(struct berth_parts *p, const struct berth_space_room *room)
{
	struct berth_space_room each = { portion(p, room->sockets), portion(p, room->destinations),
					 portion(p, room->shares) };
	int error;

	/* Each thread may be connected to every destination. */
	if (room->destinations)
		each.destinations = room->destinations;
	lock_all(p);
	error = change_tables(p, &each, 0, 0);
	unlock_all(p);
	return error;
}

int berth_parts_set_range(struct berth_parts *p, uint16_t first, uint16_t last)
{
	int error;

	lock_all(p);
	error = change_tables(p, NULL, first, last);
	unlock_all(p);
	return error;
}

/* An address has the same number in all parts: all have it, or none. */
int berth_parts_add_local(struct berth_parts *p, const struct berth_address *address,
			  uint16_t *out_local)
{
	struct berth_space_local *l[PARTS_MOST];
	uint32_t i, got;
	int error = 0;

	lock_all(p);
	for (got = 0; got < p->parts && !error; got += !error)
		error = berth_space_local_new(p->part[got].space, address, &l[got]);
	for (i = 0; i < got; i++)
		if (error)
			berth_space_local_free(p->part[i].space, l[i]);
		else
			*out_local = berth_space_local_use(p->part[i].space, l[i]);
	unlock_all(p);
	return error;
}

int berth_parts_withhold(struct berth_parts *p, uint16_t first, uint16_t last, bool withhold)
{
	int error = 0;
	uint32_t i;

	lock_all(p);
	for (i = 0; i < p->parts && !error; i++)
		error = berth_space_withhold_room(p->part[i].space, first, last);
	for (i = 0; i < p->parts && !error; i++)
		error = berth_space_withhold(p->part[i].space, first, last, withhold);
	unlock_all(p);
	return error;
}

void berth_parts_rekey(struct berth_parts *p, const uint64_t key[4])
{
	uint32_t i;

	lock_all(p);
	for (i = 0; i < p->parts; i++)
		berth_space_rekey(p->part[i].space, key);
	unlock_all(p);
}

/*
 * Deals out the quota of an owner: to each part what the owner has there and an equal part of what is left; the rest
 * of that goes to part `first`. All locks are held. Returns how many more the owner may have.
 */
static uint32_t deal(struct berth_parts *p, uint16_t owner, uint32_t first)
{
	uint32_t used = 0, left, i;

	for (i = 0; i < p->parts; i++)
		used += berth_space_owned(p->part[i].space, owner);
	left = p->quota[owner] > used ? p->quota[owner] - used : 0;
	for (i = 0; i < p->parts; i++) {
		uint32_t more = left / p->parts + (i == first ? left % p->parts : 0);

		berth_space_set_limit(p->part[i].space, owner,
				      berth_space_owned(p->part[i].space, owner) + more);
	}
	return left;
}

int berth_parts_set_owner(struct berth_parts *p, uint16_t owner, uint32_t quota, unsigned rights)
{
	uint32_t i;

	if (owner >= p->owners)
		return BERTH_SPACE_E_INVALID;
	lock_all(p);
	p->quota[owner] = quota;
	for (i = 0; i < p->parts; i++)
		berth_space_set_owner(p->part[i].space, owner, 0, rights);
	if (quota)
		deal(p, owner, 0);
	unlock_all(p);
	return 0;
}

uint32_t berth_parts_owned(struct berth_parts *p, uint16_t owner)
{
	uint32_t i, n = 0;

	for (i = 0; i < p->parts; i++) {
		lock(p, i);
		n += berth_space_owned(p->part[i].space, owner);
		unlock(p, i);
	}
	return n;
}

/* An operation that some part can do. */
struct wish {
	const struct berth_space_bind *bind; /* NULL: connect */
	const struct berth_space_connect *connect;
	const uint16_t *locals;
	unsigned count;
	uint16_t owner;
};

static int try(struct berth_parts *p, uint32_t i, const struct wish *w,
	       berth_space_socket *out_socket)
{
	int error;

	if (!w->bind)
		error = berth_space_connect(p->part[i].space, w->connect, out_socket);
	else if (w->count == 1)
		error = berth_space_bind(p->part[i].space, w->bind, out_socket);
	else
		error = berth_space_bind_many(p->part[i].space, w->bind, w->locals, w->count,
					      out_socket);
	if (!error)
		*out_socket |= (uint64_t)i << PART_SHIFT;
	return error;
}

/* True where another part may do what one refused. */
static bool is_local(int error)
{
	return error == BERTH_SPACE_E_ROOM || error == BERTH_SPACE_E_QUOTA ||
	       error == BERTH_SPACE_E_RANGE || error == BERTH_SPACE_E_BOUND ||
	       error == BERTH_SPACE_E_PAIRS || error == BERTH_SPACE_E_WAIT ||
	       error == BERTH_SPACE_E_LUCK;
}

/* Which of two reasons says more: waiting helps, then what would be there with another destination. */
static int weightier(int a, int b)
{
	static const int order[] = { BERTH_SPACE_E_RANGE, BERTH_SPACE_E_BOUND, BERTH_SPACE_E_PAIRS,
				     BERTH_SPACE_E_LUCK,  BERTH_SPACE_E_WAIT,  BERTH_SPACE_E_ROOM,
				     BERTH_SPACE_E_QUOTA };
	unsigned i, x = 0, y = 0;

	for (i = 0; i < sizeof(order) / sizeof(*order); i++) {
		x = a == order[i] ? i : x;
		y = b == order[i] ? i : y;
	}
	return x > y ? a : b;
}

/* With all locks held: what is refused now is refused by all at one moment. */
static int try_all(struct berth_parts *p, uint32_t home, const struct wish *w,
		   berth_space_socket *out_socket)
{
	int error = BERTH_SPACE_E_RANGE, one;
	uint32_t k, i, limit;
	bool quota = w->owner < p->owners && p->quota[w->owner];

	for (k = 0; k < p->parts; k++) {
		i = (home + k) & (p->parts - 1);
		/* All that is left of the quota in the part that is asked. */
		if (quota) {
			limit = deal(p, w->owner, i);
			berth_space_set_limit(p->part[i].space, w->owner,
					      berth_space_owned(p->part[i].space, w->owner) +
						      limit);
		}
		one = try(p, i, w, out_socket);
		if (!one) {
			error = 0;
			break;
		}
		error = weightier(error, one);
	}
	if (quota)
		deal(p, w->owner, home & (p->parts - 1));
	return error;
}

static int any_part(struct berth_parts *p, uint32_t home, const struct wish *w,
		    berth_space_socket *out_socket)
{
	uint32_t k, i;
	int error = 0;

	for (k = 0; k < p->parts; k++) {
		i = (home + k) & (p->parts - 1);
		lock(p, i);
		error = try(p, i, w, out_socket);
		unlock(p, i);
		if (!is_local(error))
			return error;
	}
	lock_all(p);
	error = try_all(p, home, w, out_socket);
	unlock_all(p);
	return error;
}

/* A port that is named has one part; a quota that is used up there may be left elsewhere. */
static int one_part(struct berth_parts *p, uint32_t i, const struct wish *w,
		    berth_space_socket *out_socket)
{
	int error;

	lock(p, i);
	error = try(p, i, w, out_socket);
	unlock(p, i);
	if (error != BERTH_SPACE_E_QUOTA)
		return error;
	lock_all(p);
	if (p->quota[w->owner])
		berth_space_set_limit(p->part[i].space, w->owner,
				      berth_space_owned(p->part[i].space, w->owner) +
					      deal(p, w->owner, i));
	error = try(p, i, w, out_socket);
	if (p->quota[w->owner])
		deal(p, w->owner, i);
	unlock_all(p);
	return error;
}

int berth_parts_bind_many(struct berth_parts *p, unsigned home, const struct berth_space_bind *want,
			  const uint16_t *locals, unsigned count, berth_space_socket *out_socket)
{
	struct wish w = { want, NULL, locals, count, want->owner };

	if (want->port)
		return one_part(p, (want->port >> 6) & (p->parts - 1), &w, out_socket);
	return any_part(p, home, &w, out_socket);
}

int berth_parts_bind(struct berth_parts *p, unsigned home, const struct berth_space_bind *want,
		     berth_space_socket *out_socket)
{
	return berth_parts_bind_many(p, home, want, &want->local, 1, out_socket);
}

int berth_parts_connect(struct berth_parts *p, unsigned home,
			const struct berth_space_connect *want, berth_space_socket *out_socket)
{
	struct wish w = { NULL, want, NULL, 1, want->owner };

	return any_part(p, home, &w, out_socket);
}

static uint32_t part_of(const struct berth_parts *p, berth_space_socket socket)
{
	return (uint32_t)(socket >> PART_SHIFT) & (p->parts - 1);
}

/* The socket's number in its part; 0, which is none, where there is no such part. */
static berth_space_socket inner(const struct berth_parts *p, berth_space_socket socket)
{
	return socket >> PART_SHIFT < p->parts ? socket & ((1ULL << PART_SHIFT) - 1) : 0;
}

/* What a function of a space says of a socket, with the lock of its part held. */
#define OF_SOCKET(p, socket, call)                                                                 \
	do {                                                                                       \
		uint32_t part_ = part_of(p, socket);                                               \
		struct berth_space *space = (p)->part[part_].space;                                \
		int result_;                                                                       \
                                                                                                   \
		lock(p, part_);                                                                    \
		result_ = (call);                                                                  \
		unlock(p, part_);                                                                  \
		return result_;                                                                    \
	} while (0)

int berth_parts_listen(struct berth_parts *p, berth_space_socket socket)
{
	OF_SOCKET(p, socket, berth_space_listen(space, inner(p, socket)));
}

int berth_parts_connect_bound(struct berth_parts *p, berth_space_socket socket,
			      const struct berth_space_connect *want)
{
	OF_SOCKET(p, socket, berth_space_connect_bound(space, inner(p, socket), want));
}

int berth_parts_release(struct berth_parts *p, berth_space_socket socket, uint32_t now_ms,
			bool rest)
{
	OF_SOCKET(p, socket, berth_space_release(space, inner(p, socket), now_ms, rest));
}

int berth_parts_touch(struct berth_parts *p, berth_space_socket socket, uint32_t now_ms)
{
	OF_SOCKET(p, socket, berth_space_touch(space, inner(p, socket), now_ms));
}

int berth_parts_get(struct berth_parts *p, berth_space_socket socket,
		    struct berth_space_info *out_info)
{
	OF_SOCKET(p, socket, berth_space_get(space, inner(p, socket), out_info));
}

int berth_parts_accept(struct berth_parts *p, berth_space_socket listener,
		       const struct berth_space_connect *want, berth_space_socket *out_socket)
{
	uint32_t i = part_of(p, listener);
	struct berth_space_info info;
	uint16_t owner = 0;
	int error;

	lock(p, i);
	error = berth_space_accept(p->part[i].space, inner(p, listener), want, out_socket);
	unlock(p, i);
	if (error == BERTH_SPACE_E_QUOTA) {
		lock_all(p);
		if (!berth_space_get(p->part[i].space, inner(p, listener), &info))
			owner = info.owner;
		if (p->quota[owner])
			berth_space_set_limit(p->part[i].space, owner,
					      berth_space_owned(p->part[i].space, owner) +
						      deal(p, owner, i));
		error = berth_space_accept(p->part[i].space, inner(p, listener), want, out_socket);
		if (p->quota[owner])
			deal(p, owner, i);
		unlock_all(p);
	}
	if (!error)
		*out_socket |= (uint64_t)i << PART_SHIFT;
	return error;
}

berth_space_socket berth_parts_find(struct berth_parts *p, uint16_t local, uint16_t port,
				    const struct berth_address *remote, uint16_t remote_port)
{
	uint32_t i = (port >> 6) & (p->parts - 1);
	berth_space_socket socket;

	lock(p, i);
	socket = berth_space_find(p->part[i].space, local, port, remote, remote_port);
	unlock(p, i);
	return socket ? socket | (uint64_t)i << PART_SHIFT : 0;
}

/* The caller's function and the part whose sockets it is told of. */
struct idle_call {
	berth_space_idle idle;
	void *context;
	uint64_t part;
};

static void call_idle(void *context, berth_space_socket socket)
{
	const struct idle_call *c = context;

	c->idle(c->context, socket | c->part << PART_SHIFT);
}

uint32_t berth_parts_advance(struct berth_parts *p, uint32_t now_ms, uint32_t limit,
			     berth_space_idle idle, void *context)
{
	struct idle_call c = { .idle = idle, .context = context };
	uint32_t i, n = 0;

	for (i = 0; i < p->parts; i++) {
		c.part = i;
		lock(p, i);
		n += berth_space_advance(p->part[i].space, now_ms, limit, idle ? call_idle : NULL,
					 &c);
		unlock(p, i);
	}
	return n;
}

int berth_parts_count(struct berth_parts *p, uint16_t local, struct berth_space_counts *out_counts)
{
	struct berth_space_counts sum = { 0 }, one;
	int error = 0;
	uint32_t i;

	for (i = 0; i < p->parts && !error; i++) {
		lock(p, i);
		error = berth_space_count(p->part[i].space, local, &one);
		unlock(p, i);
		if (error)
			return error;
		sum.sockets += one.sockets;
		sum.resting += one.resting;
		sum.destinations += one.destinations;
		sum.crowded += one.crowded;
		sum.free += one.free;
		sum.open += one.open;
	}
	*out_counts = sum;
	return 0;
}
