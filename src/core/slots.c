/* SPDX-License-Identifier: BSD-2-Clause */
/* The writer's side of the table of socket pairs: adding, changing, removing, growing. */
#include "slots.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define CHUNK_SIZE (BERTH_SLOTS_CHUNK * BERTH_SLOTS_WORDS * sizeof(uint32_t))
#define FILL 7u /* pairs for each bucket at most, on average */
#define FIRST_BUCKETS 4u
#define EARLY_BUCKETS 1024u /* doubled up to here, by a quarter from here on */

static void store_word(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void store_slot(uint64_t *slot, uint64_t value)
{
	__atomic_store_n(slot, value, __ATOMIC_RELEASE);
}

/* Only the writer calls it: nobody else stores. */
static uint64_t own_slot(const uint64_t *slot)
{
	return __atomic_load_n(slot, __ATOMIC_RELAXED);
}

static uint32_t next_bucket(const struct berth_slots_view *v, uint32_t bucket)
{
	return bucket + 1 == v->buckets ? 0 : bucket + 1;
}

static uint32_t *entry_of(const struct berth_slots *p, uint64_t word)
{
	return berth_slots_entry(p->view, (uint32_t)(word & BERTH_SLOTS_INDEX) - 1);
}

/* One more pair went past the bucket; readers go on behind it from now on. */
static void pass_bucket(struct berth_slots_view *v, uint32_t bucket)
{
	uint64_t *slot = berth_slots_bucket(v, bucket);

	if (v->past[bucket] < 255)
		v->past[bucket]++;
	if (!(own_slot(slot) & BERTH_SLOTS_OVER))
		store_slot(slot, own_slot(slot) | BERTH_SLOTS_OVER);
}

/* One that went past it is gone. A count that reached its end stays until the table grows. */
static void unpass_bucket(struct berth_slots_view *v, uint32_t bucket)
{
	uint64_t *slot = berth_slots_bucket(v, bucket);

	if (v->past[bucket] == 255 || --v->past[bucket])
		return;
	store_slot(slot, own_slot(slot) & ~BERTH_SLOTS_OVER);
}

/* Puts hash and entry number into the first empty slot from the hash's home on; there is one. */
static void place(struct berth_slots_view *v, uint32_t hash, uint64_t number)
{
	uint32_t bucket = berth_pair_home(hash, v->buckets), i;

	for (;; bucket = next_bucket(v, bucket)) {
		uint64_t *slot = berth_slots_bucket(v, bucket);

		for (i = 0; i < BERTH_SLOTS_BUCKET; i++) {
			uint64_t word = own_slot(&slot[i]);

			if (word & BERTH_SLOTS_INDEX)
				continue;
			store_slot(&slot[i],
				   (uint64_t)hash << 32 | (word & BERTH_SLOTS_OVER) | number);
			return;
		}
		pass_bucket(v, bucket);
	}
}

static struct berth_slots_view *make_view(const struct berth_demux_memory *m, uint32_t buckets)
{
	/* One entry above the fill: a change takes the new one before it gives the old one back. */
	uint32_t chunks = buckets * FILL / BERTH_SLOTS_CHUNK + 1;
	size_t slots = (size_t)buckets * BERTH_SLOTS_BUCKET * sizeof(uint64_t);
	size_t size =
		sizeof(struct berth_slots_view) + slots + chunks * sizeof(uint32_t *) + buckets;
	struct berth_slots_view *v = m->get(m->context, size, 64);

	if (!v)
		return NULL;
	memset(v, 0, size);
	v->buckets = buckets;
	v->chunks = chunks;
	v->slot = (uint64_t *)(v + 1);
	v->chunk = (uint32_t **)((uint8_t *)v->slot + slots);
	v->past = (uint8_t *)(v->chunk + chunks);
	v->size = size;
	return v;
}

/* Makes a view of so many buckets out of the one that there is, and retires that. */
static int grow(struct berth_slots *p, const struct berth_demux_memory *m, uint32_t buckets)
{
	struct berth_slots_view *old = p->view, *v = make_view(m, buckets);
	size_t i;

	if (!v)
		return -ENOMEM;
	p->bytes += v->size;
	if (old) {
		memcpy(v->chunk, old->chunk, old->chunks * sizeof(*old->chunk));
		for (i = 0; i < (size_t)old->buckets * BERTH_SLOTS_BUCKET; i++) {
			uint64_t word = own_slot(&old->slot[i]);

			if (word & BERTH_SLOTS_INDEX)
				place(v, (uint32_t)(word >> 32), word & BERTH_SLOTS_INDEX);
		}
		p->bytes -= old->size;
	}
	__atomic_store_n(&p->view, v, __ATOMIC_RELEASE);
	if (old)
		berth_pair_retire(m, old, old->size);
	return 0;
}

int berth_slots_reserve(struct berth_slots *p, const struct berth_demux_memory *m, uint32_t count)
{
	uint32_t buckets = p->view ? p->view->buckets : 0;
	uint32_t need = (count + FILL - 1) / FILL;

	if (count > BERTH_PAIR_MOST)
		return -EOVERFLOW;
	if (need <= buckets)
		return 0;
	return grow(p, m, need < FIRST_BUCKETS ? FIRST_BUCKETS : need);
}

/* As reserve for one more pair, with room for those to come. */
static int make_room(struct berth_slots *p, const struct berth_demux_memory *m)
{
	uint32_t buckets = p->view ? p->view->buckets : 0;

	if (p->count < buckets * FILL)
		return 0;
	if (p->count >= BERTH_PAIR_MOST)
		return -EOVERFLOW;
	if (!buckets)
		return grow(p, m, FIRST_BUCKETS);
	return grow(p, m, buckets < EARLY_BUCKETS ? buckets * 2 : buckets + buckets / 4);
}

/* A chunk for the entry that was never used, where it is the first of its chunk. */
static int make_chunk(struct berth_slots *p, const struct berth_demux_memory *m)
{
	uint32_t **place_of = &p->view->chunk[p->fresh >> BERTH_SLOTS_CHUNK_BITS], *chunk, i;

	assert(p->fresh >> BERTH_SLOTS_CHUNK_BITS < p->view->chunks);
	if (*place_of)
		return 0;
	chunk = m->get(m->context, CHUNK_SIZE, 64);
	if (!chunk)
		return -ENOMEM;
	p->bytes += CHUNK_SIZE;
	for (i = 0; i < BERTH_SLOTS_CHUNK; i++)
		chunk[(size_t)i * BERTH_SLOTS_WORDS] = BERTH_SLOTS_FREE;
	__atomic_store_n(place_of, chunk, __ATOMIC_RELEASE);
	return 0;
}

/* Takes a free entry: the one given back longest ago, else a new one. Numbers count from 1. */
static int take_entry(struct berth_slots *p, const struct berth_demux_memory *m,
		      uint32_t *out_number)
{
	int err;

	if (p->free_first) {
		*out_number = p->free_first;
		p->free_first = entry_of(p, p->free_first)[BERTH_SLOTS_LOCAL];
		return 0;
	}
	err = make_chunk(p, m);
	if (err)
		return err;
	*out_number = ++p->fresh;
	return 0;
}

static void fill_entry(const struct berth_slots *p, uint32_t number,
		       const struct berth_pair_key *key, struct berth_pair_value value)
{
	uint32_t *e = entry_of(p, number), i;

	store_word(&e[BERTH_SLOTS_DEVICE], value.device);
	store_word(&e[BERTH_SLOTS_PORTS], key->ports);
	for (i = 0; i < 8; i++)
		store_word(&e[BERTH_SLOTS_LOCAL + i], key->address[i]);
	store_word(&e[BERTH_SLOTS_OWNER], (uint32_t)value.owner);
	store_word(&e[BERTH_SLOTS_OWNER + 1], (uint32_t)(value.owner >> 32));
	store_word(&e[BERTH_SLOTS_STAMP],
		   ((e[BERTH_SLOTS_STAMP] & ~0xffu) + BERTH_SLOTS_FREE) | key->protocol);
}

/* No slot names the entry any more. */
static void drop_entry(struct berth_slots *p, uint32_t number)
{
	uint32_t *e = entry_of(p, number);

	store_word(&e[BERTH_SLOTS_STAMP], (e[BERTH_SLOTS_STAMP] & ~0xffu) + BERTH_SLOTS_FREE);
	store_word(&e[BERTH_SLOTS_LOCAL], 0);
	if (p->free_first)
		store_word(&entry_of(p, p->free_last)[BERTH_SLOTS_LOCAL], number);
	else
		p->free_first = number;
	p->free_last = number;
}

static bool is_pair(const struct berth_slots *p, uint64_t word, const struct berth_pair_key *key)
{
	struct berth_pair_value unused;

	return berth_slots_read(entry_of(p, word), key, &unused) == BERTH_PAIR_SAME;
}

/* The slot of a pair, or NULL; *out_bucket is its bucket. */
static uint64_t *find_slot(const struct berth_slots *p, uint32_t hash,
			   const struct berth_pair_key *key, uint32_t *out_bucket)
{
	struct berth_slots_view *v = p->view;
	uint32_t bucket = berth_pair_home(hash, v->buckets), left;

	for (left = v->buckets; left; left--, bucket = next_bucket(v, bucket)) {
		uint64_t *slot = berth_slots_bucket(v, bucket);
		uint32_t mask = berth_slots_match(slot, hash);

		for (; mask; mask &= mask - 1) {
			uint64_t *s = &slot[berth_ctz64(mask)];

			if ((own_slot(s) & BERTH_SLOTS_INDEX) && is_pair(p, own_slot(s), key)) {
				*out_bucket = bucket;
				return s;
			}
		}
		if (!(own_slot(slot) & BERTH_SLOTS_OVER))
			break;
	}
	return NULL;
}

int berth_slots_add(struct berth_slots *p, const struct berth_demux_memory *m, uint32_t hash,
		    const struct berth_pair_key *key, struct berth_pair_value value)
{
	uint32_t number;
	int err = make_room(p, m);

	if (!err)
		err = take_entry(p, m, &number);
	if (err)
		return err;
	fill_entry(p, number, key, value);
	place(p->view, hash, number);
	p->count++;
	return 0;
}

int berth_slots_change(struct berth_slots *p, const struct berth_demux_memory *m, uint32_t hash,
		       const struct berth_pair_key *key, struct berth_pair_value value)
{
	uint32_t number, bucket;
	uint64_t *slot = find_slot(p, hash, key, &bucket), old;
	int err = take_entry(p, m, &number);

	assert(slot);
	if (err)
		return err;
	fill_entry(p, number, key, value);
	old = own_slot(slot);
	store_slot(slot, (old & ~BERTH_SLOTS_INDEX) | number);
	__atomic_store_n(&p->changes, p->changes + 1, __ATOMIC_RELEASE);
	drop_entry(p, (uint32_t)(old & BERTH_SLOTS_INDEX));
	return 0;
}

void berth_slots_remove(struct berth_slots *p, uint32_t hash, const struct berth_pair_key *key)
{
	uint32_t bucket, b;
	uint64_t *slot = find_slot(p, hash, key, &bucket), old;

	assert(slot);
	old = own_slot(slot);
	store_slot(slot, old & BERTH_SLOTS_OVER);
	for (b = berth_pair_home(hash, p->view->buckets); b != bucket; b = next_bucket(p->view, b))
		unpass_bucket(p->view, b);
	drop_entry(p, (uint32_t)(old & BERTH_SLOTS_INDEX));
	p->count--;
}

void berth_slots_each(const struct berth_slots *p,
		      void (*visit)(void *context, struct berth_pair_value value), void *context)
{
	size_t i, slots = p->view ? (size_t)p->view->buckets * BERTH_SLOTS_BUCKET : 0;
	uint32_t at = BERTH_SLOTS_OWNER;

	for (i = 0; i < slots; i++) {
		uint64_t word = own_slot(&p->view->slot[i]);
		const uint32_t *e;

		if (!(word & BERTH_SLOTS_INDEX))
			continue;
		e = entry_of(p, word);
		visit(context, (struct berth_pair_value){ e[BERTH_SLOTS_DEVICE],
							  (uint64_t)e[at + 1] << 32 | e[at] });
	}
}

void berth_slots_fini(struct berth_slots *p, const struct berth_demux_memory *m)
{
	uint32_t i;

	if (!p->view)
		return;
	for (i = 0; i < p->view->chunks && p->view->chunk[i]; i++)
		m->put(m->context, p->view->chunk[i], CHUNK_SIZE);
	m->put(m->context, p->view, p->view->size);
	p->view = NULL;
}
