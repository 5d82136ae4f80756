/* SPDX-License-Identifier: BSD-2-Clause */
/* Orders areas and members into the arrays of slots that the kernel program looks them up in. */
#include "src/kernel/grantjob.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What differs between the two tables. */
struct kind {
	size_t size;
	bool (*is_free)(const void *slot);
	uint32_t (*hash)(const void *entry);
};

static bool area_is_free(const void *slot)
{
	return !((const struct berth_grant_area *)slot)->key.prefix_len;
}

static uint32_t hash_area(const void *entry)
{
	const struct berth_grant_prefix *key = &((const struct berth_grant_area *)entry)->key;
	uint64_t word[2];

	memcpy(word, key->addr, sizeof(word));
	return berth_grant_area_hash(ntohl(key->class_be), key->prefix_len - 32, word[0], word[1]);
}

static bool member_is_free(const void *slot)
{
	return !((const struct berth_grant_member *)slot)->rights;
}

static uint32_t hash_member(const void *entry)
{
	const struct berth_grant_member *m = entry;

	return berth_grant_member_hash(m->set, m->kind, m->id);
}

static const struct kind area_kind = { sizeof(struct berth_grant_area), area_is_free, hash_area };
static const struct kind member_kind = { sizeof(struct berth_grant_member), member_is_free,
					 hash_member };

/* Puts an entry into the table; false where a look-up would not come as far as the next free slot. */
static bool place(const struct kind *k, char *table, uint32_t slots, const char *entry)
{
	uint32_t at = k->hash(entry), i;

	for (i = 0; i < BERTH_GRANT_PROBES && i < slots; i++, at++) {
		char *slot = table + (at & (slots - 1)) * k->size;

		if (!k->is_free(slot))
			continue;
		memcpy(slot, entry, k->size);
		return true;
	}
	return false;
}

/* Makes the table: a quarter full at most, and larger until each entry has its place. */
static int make(const struct kind *k, const struct list *l, void **out_table, uint32_t *out_slots)
{
	uint32_t slots = 1, i;
	char *table;

	while (slots < 4 * l->count)
		slots *= 2;
	for (; slots <= 16 * BERTH_GRANT_ENTRIES; slots *= 2) {
		table = calloc(slots, k->size);
		for (i = 0; table && i < l->count; i++)
			if (!place(k, table, slots, (const char *)l->data + i * k->size))
				break;
		if (!table)
			return -ENOMEM;
		if (i == l->count) {
			*out_table = table;
			*out_slots = slots;
			return 0;
		}
		free(table);
	}
	return -E2BIG;
}

/* Takes the prefixes of the trie's classes out of the list, into the tables. */
static int part_trie(struct job *j)
{
	struct berth_grant_area *area = j->prefixes.data;
	uint32_t i, n = 0;

	j->t->prefixes = calloc(j->prefixes.count + 1u, sizeof(*area));
	if (!j->t->prefixes)
		return -ENOMEM;
	for (i = 0; i < j->prefixes.count; i++) {
		if (j->t->classes[ntohl(area[i].key.class_be)].flags & BERTH_GRANT_CLASS_TRIE)
			j->t->prefixes[j->t->prefix_count++] = area[i];
		else
			area[n++] = area[i];
	}
	j->prefixes.count = n;
	return 0;
}

int berth_grant_slots_make(struct job *j)
{
	void *areas = NULL, *members = NULL;
	int err = part_trie(j);

	if (!err)
		err = make(&area_kind, &j->prefixes, &areas, &j->t->area_slots);
	j->t->areas = areas;
	if (!err)
		err = make(&member_kind, &j->members, &members, &j->t->member_slots);
	j->t->members = members;
	j->t->set_count = j->sets.count;
	return err;
}
