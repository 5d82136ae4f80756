/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes a sorted list of services out of rows that come in any order. */
#include "src/registry/layer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/base/auto.h"

#define ROWS_MAX 1000000u
#define ALIASES_MAX 255u

/* A row as it came; order is its place in the file. */
struct entry {
	uint32_t key, order, line, text;
};

struct berth_services_builder {
	struct entry *entries;
	uint32_t count, room;
	char *text;
	size_t text_len, text_room;
};

struct berth_services_builder *berth_services_builder_new(void)
{
	return calloc(1, sizeof(struct berth_services_builder));
}

void berth_services_builder_free(struct berth_services_builder *b)
{
	if (!b)
		return;
	free(b->entries);
	free(b->text);
	free(b);
}

/* Makes room for more bytes of text behind what is there. */
static bool reserve_text(struct berth_services_builder *b, size_t more)
{
	size_t room = b->text_room ? b->text_room : 4096;
	char *text;

	while (room < b->text_len + more)
		room *= 2;
	if (room == b->text_room)
		return true;
	text = room <= UINT32_MAX ? realloc(b->text, room) : NULL;
	if (!text)
		return false;
	b->text = text;
	b->text_room = room;
	return true;
}

/* Puts a string behind the text; reserve_text() made room. */
static void put_string(struct berth_services_builder *b, const char *string)
{
	size_t size = strlen(string) + 1;

	memcpy(b->text + b->text_len, string, size);
	b->text_len += size;
}

static bool reserve_entries(struct berth_services_builder *b, uint32_t more)
{
	uint32_t room = b->room ? b->room : 512;
	struct entry *entries;

	while (room < b->count + more)
		room *= 2;
	if (room == b->room)
		return true;
	entries = realloc(b->entries, room * sizeof(*entries));
	if (!entries)
		return false;
	b->entries = entries;
	b->room = room;
	return true;
}

int berth_services_builder_add(struct berth_services_builder *b, struct berth_range ports,
			       enum berth_transport transport, const char *name,
			       const char *description, char *const *aliases, size_t alias_count,
			       uint32_t line)
{
	size_t size = strlen(name) + strlen(description) + 3, i;
	uint32_t port, text = (uint32_t)b->text_len;

	for (i = 0; i < alias_count; i++)
		size += strlen(aliases[i]) + 1;
	if (berth_range_len(ports) > ROWS_MAX - b->count)
		return -E2BIG;
	if (!reserve_entries(b, berth_range_len(ports)) || !reserve_text(b, size))
		return -ENOMEM;
	put_string(b, name);
	put_string(b, description);
	for (i = 0; i < alias_count; i++)
		put_string(b, aliases[i]);
	put_string(b, "");
	for (port = ports.first; port <= ports.last; port++, b->count++)
		b->entries[b->count] =
			(struct entry){ port << 3 | transport, b->count, line, text };
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* True where the record at text, whose strings end at end, has this word already. */
static bool has_word(const struct berth_services_builder *b, uint32_t text, const char *word)
{
	const char *at = b->text + text, *end = b->text + b->text_len;
	bool is_description = false;
	unsigned n;

	for (n = 0; at < end; n++, at = berth_services_after(at)) {
		is_description = n == 1;
		if (!is_description && !strcasecmp(at, word))
			return true;
	}
	return false;
}

/* Puts the words of a record behind the one that begins at text, where it has them not. */
static void put_words(struct berth_services_builder *b, uint32_t text, uint32_t from,
		      unsigned *aliases)
{
	const char *at = b->text + from, *next = berth_services_after(at);

	for (; *at; at = berth_services_after(at)) {
		if (*aliases < ALIASES_MAX && !has_word(b, text, at)) {
			put_string(b, at);
			++*aliases;
		}
		/* From the name over the description to the aliases. */
		if (next) {
			at = next;
			next = NULL;
		}
	}
}

static size_t record_size(const char *record)
{
	const char *at = berth_services_after(berth_services_after(record));

	while (*at)
		at = berth_services_after(at);
	return (size_t)(at + 1 - record);
}

/*
 * One record for n entries of one port: the first one's name, the first description that is there, and
 * every other word as an alias. Returns 0 or -ENOMEM.
 */
static int merge(struct berth_services_builder *b, struct entry *e, uint32_t n)
{
	uint32_t text = (uint32_t)b->text_len, i, from = e->text;
	const char *description = "";
	unsigned aliases = 0;
	size_t size = 1;

	for (i = 0; i < n; i++)
		size += record_size(b->text + e[i].text);
	/* The description may come from any of them: all sizes together are enough for it. */
	if (!reserve_text(b, size))
		return -ENOMEM;
	for (i = n; i-- > 0;)
		if (*berth_services_after(b->text + e[i].text))
			description = berth_services_after(b->text + e[i].text);
	put_string(b, b->text + from);
	put_string(b, description);
	for (i = 0; i < n; i++)
		put_words(b, text, e[i].text, &aliases);
	put_string(b, "");
	e->text = text;
	return 0;
}

/* Brings entries of one port and protocol together; the first of them stays. */
static int join_equal(struct berth_services_builder *b)
{
	uint32_t at, kept = 0, n;

	if (b->count)
		qsort(b->entries, b->count, sizeof(*b->entries), by_key);
	for (at = 0; at < b->count; at += n) {
		for (n = 1; at + n < b->count; n++)
			if (b->entries[at + n].key != b->entries[at].key)
				break;
		if (n > 1 && merge(b, b->entries + at, n))
			return -ENOMEM;
		b->entries[kept++] = b->entries[at];
	}
	b->count = kept;
	return 0;
}

static int by_word(const void *a, const void *b, void *arg)
{
	const struct berth_services_layer *l = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	struct berth_services_layer one = { l->rows, &x, l->text, NULL, 0, 1 }, two = one;
	int order;

	two.words = &y;
	order = strcasecmp(berth_services_layer_word(&one, 0), berth_services_layer_word(&two, 0));
	return order ? order : x < y ? -1 : x > y;
}

/* How many words a record has, 256 at most. */
static uint32_t count_words(const char *record)
{
	const char *at = berth_services_after(berth_services_after(record));
	uint32_t n = 1;

	for (; *at && n <= ALIASES_MAX; at = berth_services_after(at))
		n++;
	return n;
}

/* The index of names for rows that are there. Returns 0 or -ENOMEM. */
static int index_words(struct berth_services_layer *l)
{
	uint32_t row, n, count = 0, *words;

	for (row = 0; row < l->row_count; row++)
		count += count_words(l->text + l->rows[row].text);
	words = malloc((count + 1) * sizeof(*words));
	if (!words)
		return -ENOMEM;
	for (row = 0; row < l->row_count; row++)
		for (n = 0; n < count_words(l->text + l->rows[row].text); n++)
			words[l->word_count++] = row << 8 | n;
	l->words = words;
	qsort_r(words, l->word_count, sizeof(*words), by_word, l);
	return 0;
}

int berth_services_builder_finish(struct berth_services_builder *b,
				  struct berth_services_layer *out_layer)
{
	struct berth_services_row *rows = NULL;
	struct berth_services_layer l = { 0 };
	uint32_t *lines = NULL, i;

	if (join_equal(b))
		return -ENOMEM;
	l.rows = rows = calloc(b->count + 1, sizeof(*rows));
	l.lines = lines = calloc(b->count + 1, sizeof(*lines));
	l.text = b->text;
	l.row_count = b->count;
	for (i = 0; rows && lines && i < b->count; i++) {
		const struct entry *e = &b->entries[i];

		rows[i] =
			(struct berth_services_row){ (uint16_t)(e->key >> 3), e->key & 7, e->text };
		lines[i] = e->line;
	}
	if (!rows || !lines || index_words(&l)) {
		free(rows);
		free(lines);
		return -ENOMEM;
	}
	b->text = NULL;
	b->text_len = b->text_room = b->count = 0;
	*out_layer = l;
	return 0;
}

void berth_services_layer_fini(struct berth_services_layer *l)
{
	free((void *)l->rows);
	free((void *)l->lines);
	free((void *)l->words);
	free((void *)l->text);
	memset(l, 0, sizeof(*l));
}
