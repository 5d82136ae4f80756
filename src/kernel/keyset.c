/* SPDX-License-Identifier: BSD-2-Clause */
/* Open addressing with linear probing, three quarters full at most. */
#include "src/kernel/keyset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 64u
#define ROOM_KEPT 65536u /* a larger table is given back by clear */

/* Multiplicative: the upper half is mixed by all bits of the key. */
static size_t place(const struct berth_keyset *s, uint64_t key)
{
	size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (s->room - 1);

	while (s->key[at] && s->key[at] != key)
		at = (at + 1) & (s->room - 1);
	return at;
}

static int grow(struct berth_keyset *s)
{
	struct berth_keyset more = { .room = s->room ? s->room * 2 : ROOM_MIN };
	size_t i, at;

	more.key = calloc(more.room, sizeof(*more.key));
	more.value = calloc(more.room, sizeof(*more.value));
	if (!more.key || !more.value) {
		berth_keyset_free(&more);
		return -ENOMEM;
	}
	for (i = 0; i < s->room; i++) {
		if (!s->key[i])
			continue;
		at = place(&more, s->key[i]);
		more.key[at] = s->key[i];
		more.value[at] = s->value[i];
	}
	more.count = s->count;
	berth_keyset_free(s);
	*s = more;
	return 0;
}

int berth_keyset_add(struct berth_keyset *s, uint64_t key, uint32_t value)
{
	size_t at;

	if (s->count >= s->room / 4 * 3 && grow(s))
		return -ENOMEM;
	at = place(s, key);
	if (s->key[at])
		return 0;
	s->key[at] = key;
	s->value[at] = value;
	s->count++;
	return 1;
}

uint32_t *berth_keyset_find(const struct berth_keyset *s, uint64_t key)
{
	size_t at;

	if (!s->count)
		return NULL;
	at = place(s, key);
	return s->key[at] ? &s->value[at] : NULL;
}

void berth_keyset_clear(struct berth_keyset *s)
{
	if (s->room > ROOM_KEPT)
		berth_keyset_free(s);
	else if (s->count)
		memset(s->key, 0, s->room * sizeof(*s->key));
	s->count = 0;
}

void berth_keyset_free(struct berth_keyset *s)
{
	free(s->key);
	free(s->value);
	*s = (struct berth_keyset){ 0 };
}
