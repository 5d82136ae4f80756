/* SPDX-License-Identifier: BSD-2-Clause */
/* The writer's side of the table of socket pairs of IPv4: adding, changing, removing, growing. */
#include "cells.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define FIRST_BUCKETS 8u
#define EARLY_BUCKETS 1024u /* doubled up to here, by a quarter from here on */

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* How many pairs so many buckets may have: five cells, of which 52 in a hundred are taken. */
static uint32_t room_in(uint32_t buckets)
{
	return (uint32_t)((uint64_t)buckets * 13 / 5);
}

static bool is_free(const struct berth_cell *c)
{
	return c->stamp & BERTH_CELLS_FREE;
}

static uint32_t next_bucket(const struct berth_cells_view *v, uint32_t bucket)
{
	return bucket + 1 == v->buckets ? 0 : bucket + 1;
}

static void mark_bucket(struct berth_cells_view *v, uint32_t bucket, bool over)
{
	uint64_t *hints = &v->bucket[bucket].hints;

	store(hints, over ? *hints | BERTH_CELLS_OVER : *hints & ~BERTH_CELLS_OVER);
}

static void pass_bucket(struct berth_cells_view *v, uint32_t bucket)
{
	if (v->past[bucket] == 255)
		return;
	if (!v->past[bucket]++)
		mark_bucket(v, bucket, true);
}

/* A count that reached its end stays until the table grows. */
static void unpass_bucket(struct berth_cells_view *v, uint32_t bucket)
{
	if (v->past[bucket] != 255 && !--v->past[bucket])
		mark_bucket(v, bucket, false);
}

/* A cell of the writer's view. */
struct spot {
	struct berth_bucket *bucket;
	uint32_t cell;
};

static struct berth_cell *cell_at(struct spot at)
{
	return &at.bucket->cell[at.cell];
}

static void set_tag(struct spot at, uint32_t tag)
{
	uint64_t *hints = &at.bucket->hints;

	store(hints, (*hints & ~(0xffull << 8 * at.cell)) | (uint64_t)tag << 8 * at.cell);
}

/* Gives the cell the next number of its state. */
static void stamp(struct berth_cell *c, uint64_t state)
{
	store(&c->stamp, state | ((c->stamp + BERTH_CELLS_FREE) & BERTH_CELLS_STATE));
}

/* Readers take the pair for there with the last store. */
static void fill(struct spot at, uint32_t hash, const struct berth_pair_key *key,
		 struct berth_pair_value value)
{
	struct berth_cell *c = cell_at(at);

	assert(!value.device || value.device == BERTH_PAIR_MANY);
	store(&c->address, berth_cells_address(key));
	store(&c->owner, value.owner);
	stamp(c, berth_cells_state(key) | (value.device ? BERTH_CELLS_MANY : 0));
	set_tag(at, berth_cells_tag(hash));
}

static void empty(struct spot at)
{
	struct berth_cell *c = cell_at(at);

	stamp(c, c->stamp & ~BERTH_CELLS_STATE);
	set_tag(at, 0);
}

/* The first free cell from the home of its hash on; there is one. */
static struct spot take(struct berth_cells_view *v, uint32_t hash)
{
	uint32_t bucket = berth_pair_home(hash, v->buckets), i;

	for (;; bucket = next_bucket(v, bucket)) {
		struct berth_bucket *b = &v->bucket[bucket];

		for (i = 0; i < BERTH_CELLS_BUCKET; i++)
			if (is_free(&b->cell[i]))
				return (struct spot){ b, i };
		pass_bucket(v, bucket);
	}
}

/* Empties the cell of a pair with this hash. */
static void give_up(struct berth_cells_view *v, uint32_t hash, struct spot at)
{
	uint32_t bucket;

	empty(at);
	for (bucket = berth_pair_home(hash, v->buckets); &v->bucket[bucket] != at.bucket;
	     bucket = next_bucket(v, bucket))
		unpass_bucket(v, bucket);
}

/* True where the cell has this pair. */
static bool has(const struct berth_cell *c, const struct berth_pair_key *key)
{
	struct berth_pair_value unused;

	return berth_cells_read(c, berth_cells_state(key), berth_cells_address(key), &unused) ==
	       BERTH_PAIR_SAME;
}

/* The cell of a pair, which is there. */
static struct spot spot_of(struct berth_cells_view *v, uint32_t hash,
			   const struct berth_pair_key *key)
{
	uint32_t bucket = berth_pair_home(hash, v->buckets), i;

	for (;; bucket = next_bucket(v, bucket)) {
		struct berth_bucket *b = &v->bucket[bucket];

		for (i = 0; i < BERTH_CELLS_BUCKET; i++)
			if (has(&b->cell[i], key))
				return (struct spot){ b, i };
		assert(berth_cells_over(b));
	}
}

static struct berth_cells_view *make_view(const struct berth_demux_memory *m, uint32_t buckets)
{
	size_t size = sizeof(struct berth_cells_view) + buckets * (sizeof(struct berth_bucket) + 1);
	struct berth_cells_view *v = m->get(m->context, size, 128);
	uint32_t i, k;

	if (!v)
		return NULL;
	memset(v, 0, size);
	v->buckets = buckets;
	v->past = (uint8_t *)&v->bucket[buckets];
	v->size = size;
	for (i = 0; i < buckets; i++)
		for (k = 0; k < BERTH_CELLS_BUCKET; k++)
			v->bucket[i].cell[k].stamp = BERTH_CELLS_FREE;
	return v;
}

static struct berth_pair_value value_of(const struct berth_cell *c)
{
	return (struct berth_pair_value){ c->stamp & BERTH_CELLS_MANY ? BERTH_PAIR_MANY : 0,
					  c->owner };
}

static void copy_cell(const struct berth_cells *t, struct berth_cells_view *v,
		      const struct berth_cell *c)
{
	struct berth_pair_key key = {
		.protocol = c->stamp & 0xff,
		.ports = (uint32_t)(c->stamp >> 32),
		.address = { (uint32_t)c->address, (uint32_t)(c->address >> 32) },
	};
	uint32_t hash = berth_pair_hash(t->place_key, 1, &key);

	fill(take(v, hash), hash, &key, value_of(c));
}

/* The number of cells, and one of them by its number. */
static size_t cells_in(const struct berth_cells_view *v)
{
	return v ? (size_t)v->buckets * BERTH_CELLS_BUCKET : 0;
}

static const struct berth_cell *cell_number(const struct berth_cells_view *v, size_t i)
{
	return &v->bucket[i / BERTH_CELLS_BUCKET].cell[i % BERTH_CELLS_BUCKET];
}

/* Makes a view of so many buckets out of the one that there is, and retires that. */
static int grow(struct berth_cells *t, const struct berth_demux_memory *m, uint32_t buckets)
{
	struct berth_cells_view *old = t->view, *v = make_view(m, buckets);
	size_t i;

	if (!v)
		return -ENOMEM;
	for (i = 0; i < cells_in(old); i++)
		if (!is_free(cell_number(old, i)))
			copy_cell(t, v, cell_number(old, i));
	__atomic_store_n(&t->view, v, __ATOMIC_RELEASE);
	if (old)
		berth_pair_retire(m, old, old->size);
	return 0;
}

int berth_cells_reserve(struct berth_cells *t, const struct berth_demux_memory *m, uint32_t count)
{
	uint32_t buckets = t->view ? t->view->buckets : 0;
	uint32_t need = (uint32_t)(((uint64_t)count * 5 + 12) / 13);

	if (count > BERTH_PAIR_MOST)
		return -EOVERFLOW;
	if (need <= buckets)
		return 0;
	return grow(t, m, need < FIRST_BUCKETS ? FIRST_BUCKETS : need);
}

/* As reserve for one more pair, with room for those to come. */
static int make_room(struct berth_cells *t, const struct berth_demux_memory *m)
{
	uint32_t buckets = t->view ? t->view->buckets : 0;

	if (t->count < room_in(buckets))
		return 0;
	if (t->count >= BERTH_PAIR_MOST)
		return -EOVERFLOW;
	if (!buckets)
		return grow(t, m, FIRST_BUCKETS);
	return grow(t, m, buckets < EARLY_BUCKETS ? buckets * 2 : buckets + buckets / 4);
}

int berth_cells_add(struct berth_cells *t, const struct berth_demux_memory *m, uint32_t hash,
		    const struct berth_pair_key *key, struct berth_pair_value value)
{
	int err = make_room(t, m);

	if (err)
		return err;
	fill(take(t->view, hash), hash, key, value);
	t->count++;
	return 0;
}

int berth_cells_change(struct berth_cells *t, const struct berth_demux_memory *m, uint32_t hash,
		       const struct berth_pair_key *key, struct berth_pair_value value)
{
	struct spot old = spot_of(t->view, hash, key);

	(void)m;
	/* Nearly half of the cells are free. */
	fill(take(t->view, hash), hash, key, value);
	__atomic_store_n(&t->changes, t->changes + 1, __ATOMIC_RELEASE);
	give_up(t->view, hash, old);
	return 0;
}

void berth_cells_remove(struct berth_cells *t, uint32_t hash, const struct berth_pair_key *key)
{
	give_up(t->view, hash, spot_of(t->view, hash, key));
	t->count--;
}

void berth_cells_each(const struct berth_cells *t,
		      void (*visit)(void *context, struct berth_pair_value value), void *context)
{
	size_t i;

	for (i = 0; i < cells_in(t->view); i++)
		if (!is_free(cell_number(t->view, i)))
			visit(context, value_of(cell_number(t->view, i)));
}

uint64_t berth_cells_bytes(const struct berth_cells *t)
{
	return t->view ? t->view->size : 0;
}

void berth_cells_fini(struct berth_cells *t, const struct berth_demux_memory *m)
{
	if (t->view)
		m->put(m->context, t->view, t->view->size);
	t->view = NULL;
}
