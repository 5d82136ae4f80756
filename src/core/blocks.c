/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port blocks, laid out by a plan or taken as they are needed.
 *
 * Invariants: a block is in the free list of its address; or somebody's, and then in the list of that subscriber if it
 * has room, the one that was given a port back last in front. A port of a block is free, taken or resting: bit set in `free`, in `taken`, or in neither and on
 * the wheel. `left` of a block counts its free ports.
 */
#include "include/berth/blocks.h"

#include <string.h>

#include "src/core/bits.h"
#include "src/core/wheel.h"

#define NONE UINT32_MAX

int berth_plan_init(struct berth_plan *plan, uint32_t subscribers, uint32_t addresses,
		    uint16_t first, uint16_t last)
{
	uint32_t sharing, ports = (uint32_t)last - first + 1;

	if (!subscribers || !addresses || !first || first > last)
		return BERTH_SPACE_E_INVALID;
	sharing = (subscribers - 1) / addresses + 1;
	if (sharing > ports)
		return BERTH_SPACE_E_INVALID;
	*plan = (struct berth_plan){
		subscribers, addresses, first, last, ports / sharing, sharing
	};
	return 0;
}

int berth_plan_block(const struct berth_plan *plan, uint32_t subscriber,
		     struct berth_block *out_block)
{
	uint32_t first;

	if (subscriber >= plan->subscribers)
		return BERTH_SPACE_E_INVALID;
	first = plan->first + subscriber % plan->sharing * plan->each;
	*out_block = (struct berth_block){ subscriber / plan->sharing, (uint16_t)first,
					   (uint16_t)(first + plan->each - 1) };
	return 0;
}

int64_t berth_plan_subscriber(const struct berth_plan *plan, uint32_t address, uint16_t port)
{
	uint64_t subscriber;
	uint32_t at;

	if (address >= plan->addresses || port < plan->first || port > plan->last)
		return -1;
	at = (uint32_t)(port - plan->first) / plan->each;
	subscriber = (uint64_t)address * plan->sharing + at;
	return at < plan->sharing && subscriber < plan->subscribers ? (int64_t)subscriber : -1;
}

bool berth_plan_over(const struct berth_plan *plan, uint16_t *out_first, uint16_t *out_last)
{
	uint32_t first = plan->first + plan->sharing * plan->each;

	if (first > plan->last)
		return false;
	*out_first = (uint16_t)first;
	*out_last = plan->last;
	return true;
}

struct block {
	uint32_t next, prev; /* of its subscriber; next: of the free ones of its address */
	uint32_t subscriber; /* NONE: free */
	uint32_t left, resting;
};

struct subscriber {
	uint32_t block; /* the first that has room; NONE */
	uint32_t blocks, ports;
	uint32_t address; /* NONE: none yet */
};

struct berth_blocks {
	struct berth_blocks_config config;
	struct berth_space_memory memory;
	size_t bytes;
	uint32_t each;  /* blocks of an address */
	uint32_t words; /* of 64 ports in a block */
	struct block *block;
	struct subscriber *subscriber;
	uint32_t *free_block; /* of each address: the first free one */
	uint32_t address;     /* the next one that a subscriber gets */
	uint64_t *free, *taken;
	struct berth_wheel_node *node; /* of each port */
	struct berth_wheel wheel;
	uint32_t resting;
	berth_blocks_log log;
	void *context;
};

struct need {
	void **memory;
	size_t size;
};

#define NEEDS 6

static void needs_of(struct berth_blocks *b, struct need *need)
{
	const struct berth_blocks_config *c = &b->config;
	size_t blocks = (size_t)b->each * c->addresses, words = blocks * b->words;
	const struct need list[NEEDS] = {
		{ (void **)&b->block, blocks * sizeof(*b->block) },
		{ (void **)&b->subscriber, c->subscribers * sizeof(*b->subscriber) },
		{ (void **)&b->free_block, c->addresses * sizeof(*b->free_block) },
		{ (void **)&b->free, words * 8 },
		{ (void **)&b->taken, words * 8 },
		{ (void **)&b->node, c->hold_ms ? words * 64 * sizeof(*b->node) : 0 },
	};

	memcpy(need, list, sizeof(list));
}

static bool is_sound(const struct berth_blocks_config *c)
{
	return c->subscribers && c->subscribers <= 1u << 20 && c->addresses &&
	       c->addresses <= 1u << 12 && c->first && c->first <= c->last && c->size >= 64 &&
	       c->size <= 4096 && !(c->size & (c->size - 1)) && c->hold_ms < INT32_MAX &&
	       (uint32_t)c->last - c->first + 1 >= c->size;
}

/* All blocks free, the lowest of each address first. */
static void lay_out(struct berth_blocks *b)
{
	uint32_t i, blocks = b->each * b->config.addresses;

	for (i = 0; i < b->config.addresses; i++)
		b->free_block[i] = NONE;
	for (i = blocks; i--;) {
		b->block[i] =
			(struct block){ b->free_block[i / b->each], NONE, NONE, b->config.size, 0 };
		b->free_block[i / b->each] = i;
	}
	memset(b->free, 0xff, (size_t)blocks * b->words * 8);
	memset(b->taken, 0, (size_t)blocks * b->words * 8);
	for (i = 0; i < b->config.subscribers; i++)
		b->subscriber[i] = (struct subscriber){ NONE, 0, 0, NONE };
	for (i = 0; b->node && i < blocks * b->config.size; i++)
		b->node[i].prev = BERTH_WHEEL_OUT;
}

int berth_blocks_new(const struct berth_blocks_config *config,
		     const struct berth_space_memory *memory, struct berth_blocks **out_blocks)
{
	struct berth_blocks *b;
	struct need need[NEEDS];
	bool all = true;
	int i;

	if (!is_sound(config))
		return BERTH_SPACE_E_INVALID;
	b = memory->get(memory->context, sizeof(*b));
	if (!b)
		return BERTH_SPACE_E_MEMORY;
	memset(b, 0, sizeof(*b));
	b->config = *config;
	b->memory = *memory;
	b->bytes = sizeof(*b);
	b->each = ((uint32_t)config->last - config->first + 1) / config->size;
	b->words = config->size / 64;
	needs_of(b, need);
	for (i = 0; i < NEEDS; i++) {
		if (!need[i].size)
			continue;
		*need[i].memory = memory->get(memory->context, need[i].size);
		all &= *need[i].memory != NULL;
		b->bytes += *need[i].memory ? need[i].size : 0;
	}
	if (!all) {
		berth_blocks_free(b);
		return BERTH_SPACE_E_MEMORY;
	}
	lay_out(b);
	berth_wheel_init(&b->wheel, config->now_ms);
	*out_blocks = b;
	return 0;
}

void berth_blocks_free(struct berth_blocks *b)
{
	struct need need[NEEDS];
	int i;

	if (!b)
		return;
	needs_of(b, need);
	for (i = 0; i < NEEDS; i++)
		if (*need[i].memory)
			b->memory.put(b->memory.context, *need[i].memory, need[i].size);
	b->memory.put(b->memory.context, b, sizeof(*b));
}

size_t berth_blocks_bytes(const struct berth_blocks *b)
{
	return b->bytes;
}

void berth_blocks_set_log(struct berth_blocks *b, berth_blocks_log log, void *context)
{
	b->log = log;
	b->context = context;
}

static void tell(const struct berth_blocks *b, uint32_t subscriber, uint32_t i, bool got)
{
	uint32_t first = b->config.first + i % b->each * b->config.size;
	struct berth_block block = { i / b->each, (uint16_t)first,
				     (uint16_t)(first + b->config.size - 1) };

	if (b->log)
		b->log(b->context, subscriber, &block, got);
}

/* Out of the list of its subscriber. */
static void cut(struct berth_blocks *b, uint32_t i)
{
	struct block *x = &b->block[i];

	if (x->next != NONE)
		b->block[x->next].prev = x->prev;
	if (x->prev != NONE)
		b->block[x->prev].next = x->next;
	else
		b->subscriber[x->subscriber].block = x->next;
}

/* In front of those of its subscriber. */
static void push(struct berth_blocks *b, uint32_t i)
{
	struct block *x = &b->block[i];
	struct subscriber *s = &b->subscriber[x->subscriber];

	x->prev = NONE;
	x->next = s->block;
	if (s->block != NONE)
		b->block[s->block].prev = i;
	s->block = i;
}

/* A free block for a subscriber; NONE. Addresses are gone through in turn. */
static uint32_t new_block(struct berth_blocks *b, uint32_t subscriber)
{
	struct subscriber *s = &b->subscriber[subscriber];
	uint32_t a, k, i = NONE;

	if (s->address != NONE)
		i = b->free_block[s->address];
	for (k = 0;
	     i == NONE && !(b->config.one_address && s->address != NONE) && k < b->config.addresses;
	     k++) {
		a = b->address++ % b->config.addresses;
		i = b->free_block[a];
	}
	if (i == NONE)
		return i;
	b->free_block[i / b->each] = b->block[i].next;
	if (s->address == NONE)
		s->address = i / b->each;
	s->blocks++;
	b->block[i].subscriber = subscriber;
	push(b, i);
	tell(b, subscriber, i, true);
	return i;
}

/* A block of the subscriber that has room, or a new one; or an error. */
static int64_t block_with_room(struct berth_blocks *b, uint32_t subscriber)
{
	struct subscriber *s = &b->subscriber[subscriber];
	uint32_t i = s->block;

	if (i != NONE && b->block[i].left)
		return i;
	if (b->config.most_blocks && s->blocks >= b->config.most_blocks)
		return BERTH_SPACE_E_QUOTA;
	i = new_block(b, subscriber);
	if (i != NONE)
		return i;
	return b->resting ? BERTH_SPACE_E_WAIT : BERTH_SPACE_E_BOUND;
}

/* Number of a free port of a block that has one: the first from a random place on. */
static uint32_t pick(const struct berth_blocks *b, uint32_t i, uint64_t rnd)
{
	const uint64_t *word = &b->free[(size_t)i * b->words];
	uint32_t from = (uint32_t)(((rnd >> 32) * b->config.size) >> 32), w = from / 64, k;
	uint64_t bits = word[w] & (~0ULL << (from % 64));

	for (k = 0; !bits && k <= b->words; k++) {
		w = (w + 1) % b->words;
		bits = word[w];
	}
	return w * 64 + berth_ctz64(bits);
}

int berth_blocks_take(struct berth_blocks *b, uint32_t subscriber, uint64_t rnd,
		      uint32_t *out_address, uint16_t *out_port)
{
	struct subscriber *s;
	uint32_t i, at;
	int64_t found;

	if (subscriber >= b->config.subscribers)
		return BERTH_SPACE_E_INVALID;
	s = &b->subscriber[subscriber];
	if (b->config.most_ports && s->ports >= b->config.most_ports)
		return BERTH_SPACE_E_QUOTA;
	found = block_with_room(b, subscriber);
	if (found < 0)
		return (int)found;
	i = (uint32_t)found;
	at = pick(b, i, rnd);
	b->free[(size_t)i * b->words + at / 64] &= ~(1ULL << (at % 64));
	b->taken[(size_t)i * b->words + at / 64] |= 1ULL << (at % 64);
	s->ports++;
	*out_address = i / b->each;
	*out_port = (uint16_t)(b->config.first + i % b->each * b->config.size + at);
	if (!--b->block[i].left)
		cut(b, i);
	return 0;
}

/* The block and the place of a port in all; false where there is none. */
static bool place(const struct berth_blocks *b, uint32_t address, uint16_t port, uint32_t *out_i,
		  uint32_t *out_at)
{
	uint32_t at = (uint32_t)port - b->config.first;

	if (address >= b->config.addresses || port < b->config.first ||
	    at >= b->each * b->config.size)
		return false;
	*out_i = address * b->each + at / b->config.size;
	*out_at = at % b->config.size;
	return true;
}

/* A port is free again: its block comes to the front, or goes back where nobody uses it. */
static void port_free(struct berth_blocks *b, uint32_t i, uint32_t at)
{
	struct block *x = &b->block[i];
	struct subscriber *s = &b->subscriber[x->subscriber];
	uint32_t owner = x->subscriber;

	b->free[(size_t)i * b->words + at / 64] |= 1ULL << (at % 64);
	if (x->left++)
		cut(b, i);
	if (x->left < b->config.size) {
		push(b, i);
		return;
	}
	x->subscriber = NONE;
	x->next = b->free_block[i / b->each];
	b->free_block[i / b->each] = i;
	if (!--s->blocks)
		s->address = NONE;
	tell(b, owner, i, false);
}

static struct berth_wheel_nodes nodes(const struct berth_blocks *b)
{
	return (struct berth_wheel_nodes){ b->node, sizeof(*b->node) };
}

int berth_blocks_drop(struct berth_blocks *b, uint32_t address, uint16_t port, uint32_t now_ms)
{
	uint32_t i, at;
	uint64_t *taken, bit;

	if (!place(b, address, port, &i, &at))
		return BERTH_SPACE_E_INVALID;
	taken = &b->taken[(size_t)i * b->words + at / 64];
	bit = 1ULL << (at % 64);
	if (!(*taken & bit))
		return BERTH_SPACE_E_INVALID;
	*taken &= ~bit;
	b->subscriber[b->block[i].subscriber].ports--;
	if (!b->config.hold_ms) {
		port_free(b, i, at);
		return 0;
	}
	b->resting++;
	berth_wheel_add_after(&b->wheel, nodes(b), i * b->config.size + at, now_ms,
			      b->config.hold_ms);
	return 0;
}

uint32_t berth_blocks_advance(struct berth_blocks *b, uint32_t now_ms, uint32_t limit)
{
	uint32_t done = 0;
	int64_t n;

	if (!b->node)
		return 0;
	while ((!limit || done < limit) &&
	       (n = berth_wheel_pop(&b->wheel, nodes(b), now_ms)) >= 0) {
		b->resting--;
		port_free(b, (uint32_t)n / b->config.size, (uint32_t)n % b->config.size);
		done++;
	}
	return done;
}

int64_t berth_blocks_subscriber(const struct berth_blocks *b, uint32_t address, uint16_t port)
{
	uint32_t i, at;

	if (!place(b, address, port, &i, &at) || b->block[i].subscriber == NONE)
		return -1;
	return b->block[i].subscriber;
}

int berth_blocks_count(const struct berth_blocks *b, uint32_t subscriber, uint32_t *out_blocks,
		       uint32_t *out_ports)
{
	if (subscriber >= b->config.subscribers)
		return BERTH_SPACE_E_INVALID;
	*out_blocks = b->subscriber[subscriber].blocks;
	*out_ports = b->subscriber[subscriber].ports;
	return 0;
}
