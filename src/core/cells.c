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

/* How many pairs so many buckets may have. */
static uint32_t room_in(uint32_t buckets)
{
	return (uint32_t)((uint64_t)buckets * BERTH_CELLS_BUCKET * 7 / 10);
}

static bool is_free(const struct berth_cell *c)
{
	return c->word[BERTH_CELLS_STAMP] & BERTH_CELLS_FREE;
}

static uint32_t next_bucket(const struct berth_cells_view *v, uint32_t bucket)
{
	return bucket + 1 == v->buckets ? 0 : bucket + 1;
}

static void mark_bucket(struct berth_cells_view *v, uint32_t bucket, bool over)
{
	uint64_t *word = &berth_cells_bucket(v, bucket)->word[BERTH_CELLS_DEVICE];

	store(word, over ? *word | BERTH_CELLS_OVER : *word & ~BERTH_CELLS_OVER);
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

/* Readers take the pair for there with the last store. */
static void fill(struct berth_cell *c, uint64_t state, uint64_t address, uint64_t hash_device,
		 uint64_t owner)
{
	uint64_t stamp = c->word[BERTH_CELLS_STAMP], over = c->word[BERTH_CELLS_DEVICE];

	store(&c->word[BERTH_CELLS_ADDRESS], address);
	store(&c->word[BERTH_CELLS_DEVICE], hash_device | (over & BERTH_CELLS_OVER));
	store(&c->word[BERTH_CELLS_OWNER], owner);
	store(&c->word[BERTH_CELLS_STAMP],
	      state | ((stamp + BERTH_CELLS_FREE) & BERTH_CELLS_STATE));
}

static void empty(struct berth_cell *c)
{
	uint64_t stamp = c->word[BERTH_CELLS_STAMP];

	store(&c->word[BERTH_CELLS_STAMP],
	      (stamp & ~BERTH_CELLS_STATE) | ((stamp + BERTH_CELLS_FREE) & BERTH_CELLS_STATE));
}

/* The first free cell from the home of its hash on; there is one. */
static struct berth_cell *take(struct berth_cells_view *v, uint32_t hash)
{
	uint32_t bucket = berth_pair_home(hash, v->buckets), i;

	for (;; bucket = next_bucket(v, bucket)) {
		struct berth_cell *c = berth_cells_bucket(v, bucket);

		for (i = 0; i < BERTH_CELLS_BUCKET; i++)
			if (is_free(&c[i]))
				return &c[i];
		pass_bucket(v, bucket);
	}
}

/* Empties the cell of a pair with this hash. */
static void give_up(struct berth_cells_view *v, uint32_t hash, struct berth_cell *c)
{
	uint32_t last = (uint32_t)((size_t)(c - v->cell) / BERTH_CELLS_BUCKET), bucket;

	empty(c);
	for (bucket = berth_pair_home(hash, v->buckets); bucket != last;
	     bucket = next_bucket(v, bucket))
		unpass_bucket(v, bucket);
}

/* The cell of a pair, NULL where it is not there. */
static struct berth_cell *cell_of(const struct berth_cells_view *v, uint32_t hash,
				  const struct berth_pair_key *key)
{
	uint64_t state = berth_cells_state(key), address = berth_cells_address(key);
	uint32_t bucket = berth_pair_home(hash, v->buckets), left, i;

	for (left = v->buckets; left; left--, bucket = next_bucket(v, bucket)) {
		struct berth_cell *c = berth_cells_bucket(v, bucket);

		for (i = 0; i < BERTH_CELLS_BUCKET; i++)
			if (berth_cells_match(&c[i], state, address))
				return &c[i];
		if (!(c->word[BERTH_CELLS_DEVICE] & BERTH_CELLS_OVER))
			break;
	}
	return NULL;
}

static struct berth_cells_view *make_view(const struct berth_demux_memory *m, uint32_t buckets)
{
	size_t cells = (size_t)buckets * BERTH_CELLS_BUCKET, i;
	size_t size = sizeof(struct berth_cells_view) + cells * sizeof(struct berth_cell) + buckets;
	struct berth_cells_view *v = m->get(m->context, size, 128);

	if (!v)
		return NULL;
	memset(v, 0, size);
	v->buckets = buckets;
	v->cell = (struct berth_cell *)(v + 1);
	v->past = (uint8_t *)(v->cell + cells);
	v->size = size;
	for (i = 0; i < cells; i++)
		v->cell[i].word[BERTH_CELLS_STAMP] = BERTH_CELLS_FREE;
	return v;
}

static void copy_cell(struct berth_cells_view *v, const struct berth_cell *c)
{
	uint64_t hash_device = c->word[BERTH_CELLS_DEVICE] & ~BERTH_CELLS_OVER;

	fill(take(v, (uint32_t)(hash_device >> 32)),
	     c->word[BERTH_CELLS_STAMP] & ~BERTH_CELLS_STATE, c->word[BERTH_CELLS_ADDRESS],
	     hash_device, c->word[BERTH_CELLS_OWNER]);
}

/* Makes a view of so many buckets out of the one that there is, and retires that. */
static int grow(struct berth_cells *t, const struct berth_demux_memory *m, uint32_t buckets)
{
	struct berth_cells_view *old = t->view, *v = make_view(m, buckets);
	size_t i;

	if (!v)
		return -ENOMEM;
	for (i = 0; old && i < (size_t)old->buckets * BERTH_CELLS_BUCKET; i++)
		if (!is_free(&old->cell[i]))
			copy_cell(v, &old->cell[i]);
	__atomic_store_n(&t->view, v, __ATOMIC_RELEASE);
	if (old)
		berth_pair_retire(m, old, old->size);
	return 0;
}

int berth_cells_reserve(struct berth_cells *t, const struct berth_demux_memory *m, uint32_t count)
{
	uint32_t buckets = t->view ? t->view->buckets : 0;
	uint32_t need = (uint32_t)(((uint64_t)count * 10 + 27) / 28);

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

static void fill_with(struct berth_cell *c, uint32_t hash, const struct berth_pair_key *key,
		      struct berth_pair_value value)
{
	fill(c, berth_cells_state(key), berth_cells_address(key),
	     (uint64_t)hash << 32 | value.device, value.owner);
}

int berth_cells_add(struct berth_cells *t, const struct berth_demux_memory *m, uint32_t hash,
		    const struct berth_pair_key *key, struct berth_pair_value value)
{
	int err = make_room(t, m);

	if (err)
		return err;
	fill_with(take(t->view, hash), hash, key, value);
	t->count++;
	return 0;
}

int berth_cells_change(struct berth_cells *t, const struct berth_demux_memory *m, uint32_t hash,
		       const struct berth_pair_key *key, struct berth_pair_value value)
{
	struct berth_cell *old = cell_of(t->view, hash, key);

	(void)m;
	assert(old);
	/* Three of ten cells are free at least. */
	fill_with(take(t->view, hash), hash, key, value);
	__atomic_store_n(&t->changes, t->changes + 1, __ATOMIC_RELEASE);
	give_up(t->view, hash, old);
	return 0;
}

void berth_cells_remove(struct berth_cells *t, uint32_t hash, const struct berth_pair_key *key)
{
	struct berth_cell *c = cell_of(t->view, hash, key);

	assert(c);
	give_up(t->view, hash, c);
	t->count--;
}

void berth_cells_each(const struct berth_cells *t,
		      void (*visit)(void *context, struct berth_pair_value value), void *context)
{
	size_t i, cells = t->view ? (size_t)t->view->buckets * BERTH_CELLS_BUCKET : 0;

	for (i = 0; i < cells; i++) {
		const struct berth_cell *c = &t->view->cell[i];
		uint32_t device = (uint32_t)c->word[BERTH_CELLS_DEVICE];

		if (!is_free(c))
			visit(context,
			      (struct berth_pair_value){ device & ~(uint32_t)BERTH_CELLS_OVER,
							 c->word[BERTH_CELLS_OWNER] });
	}
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
