/* SPDX-License-Identifier: BSD-2-Clause */
/* --count-by: in the kernel where it can, by rows where the field or a filter needs the holder. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/auto.h"
#include "src/base/text.h"
#include "src/cli/cli.h"
#include "src/cli/ports.h"

/* One value of the field. The text lies behind the entry. */
struct entry {
	uint64_t sockets;
	struct entry *next; /* of the same slot */
	uint32_t hash, len;
	enum ports_kind kind;
	char text[];
};

struct tally {
	const struct ports_field *field;
	struct ports_query *q;
	struct entry **slot;
	size_t room, count;
	uint64_t rows, unowned;
	enum berth_count_by by;
};

static uint32_t hash(const char *text, size_t n)
{
	uint32_t h = 2166136261u;

	while (n--)
		h = (h ^ (uint8_t)*text++) * 16777619u;
	return h;
}

static int grow(struct tally *t)
{
	size_t room = t->room ? t->room * 2 : 1024, i;
	struct entry **slot = calloc(room, sizeof(struct entry *)), *e, *next;

	if (!slot)
		return -ENOMEM;
	for (i = 0; i < t->room; i++)
		for (e = t->slot[i]; e; e = next) {
			next = e->next;
			e->next = slot[e->hash & (room - 1)];
			slot[e->hash & (room - 1)] = e;
		}
	free(t->slot);
	t->slot = slot;
	t->room = room;
	return 0;
}

static int add(struct tally *t, struct ports_value *v, uint64_t sockets)
{
	size_t n;
	const char *text = ports_value_text(v, &n);
	uint32_t h = hash(text, n);
	struct entry *e;

	if (t->count >= t->room && grow(t))
		return -ENOMEM;
	for (e = t->slot[h & (t->room - 1)]; e; e = e->next)
		if (e->hash == h && e->len == n && e->kind == v->kind && !memcmp(e->text, text, n))
			break;
	if (!e) {
		e = malloc(sizeof(*e) + n + 1);
		if (!e)
			return -ENOMEM;
		*e = (struct entry){ 0, t->slot[h & (t->room - 1)], h, (uint32_t)n, v->kind };
		memcpy(e->text, text, n);
		e->text[n] = '\0';
		t->slot[h & (t->room - 1)] = e;
		t->count++;
	}
	e->sockets += sockets;
	return 0;
}

static int on_row(const struct berth_socket *s, const struct berth_task *task, void *arg)
{
	struct tally *t = arg;
	struct ports_row row = { s, task, t->q->names, t->q->details };
	struct ports_value v = { PORTS_NONE };

	if (!ports_filter_has(t->q->filter, &row))
		return 0;
	t->rows++;
	t->unowned += !task && s->inode;
	t->field->get(&row, &v);
	return add(t, &v, 1);
}

/* A key of the kernel as the socket that it was made of, as far as the field looks at it. */
static int on_key(const struct berth_count_key *key, uint64_t sockets, void *arg)
{
	struct tally *t = arg;
	struct berth_socket s = { .family = key->family };
	struct ports_row row = { &s, NULL, t->q->names, true };
	struct ports_value v = { PORTS_NONE };

	memcpy(s.local, key->addr, 16);
	memcpy(s.peer, key->addr, 16);
	s.lport = s.pport = key->port;
	s.state = (uint8_t)key->number;
	s.protocol = (uint16_t)key->number;
	s.netns = key->number;
	if (t->by == BERTH_COUNT_BY_PROTOCOL && key->number == BERTH_COUNT_RAW) {
		s.flags = BERTH_SOCKET_RAW;
		s.protocol = 0;
	}
	t->rows += sockets;
	t->field->get(&row, &v);
	return add(t, &v, sockets);
}

/* ---- what comes out ---- */

static int by_count(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	if ((*x)->sockets != (*y)->sockets)
		return (*x)->sockets < (*y)->sockets ? 1 : -1;
	return strcmp((*x)->text, (*y)->text);
}

static struct entry **sorted(const struct tally *t)
{
	struct entry **list = calloc(t->count ? t->count : 1, sizeof(struct entry *)), *e;
	size_t i, n = 0;

	for (i = 0; list && i < t->room; i++)
		for (e = t->slot[i]; e; e = e->next)
			list[n++] = e;
	if (list)
		qsort(list, n, sizeof(struct entry *), by_count);
	return list;
}

static void print_json(const struct tally *t, const struct entry *e)
{
	printf("{\"%s\":", t->field->name);
	if (e->kind == PORTS_NONE)
		fputs("null", stdout);
	else if (e->kind == PORTS_NUMBER)
		fputs(e->text, stdout);
	else if (e->kind == PORTS_YES)
		fputs(e->text[0] == 'y' ? "true" : "false", stdout);
	else
		berth_text_print_json(stdout, e->text, e->len);
	printf(",\"sockets\":%llu}\n", (unsigned long long)e->sockets);
}

static void print_text(const struct entry *e)
{
	printf("%10llu  ", (unsigned long long)e->sockets);
	if (e->kind == PORTS_NONE)
		putchar('-');
	else
		berth_text_print_safe(stdout, e->text, e->len);
	putchar('\n');
}

static void print(const struct tally *t)
{
	struct entry **list = sorted(t);
	size_t i;

	if (!t->q->json && t->count)
		printf("%10s  %s\n", "SOCKETS", t->field->name);
	for (i = 0; list && i < t->count; i++) {
		if (t->q->json)
			print_json(t, list[i]);
		else
			print_text(list[i]);
	}
	free(list);
}

static void free_tally(struct tally *t)
{
	struct entry *e, *next;
	size_t i;

	for (i = 0; i < t->room; i++)
		for (e = t->slot[i]; e; e = next) {
			next = e->next;
			free(e);
		}
	free(t->slot);
}

int ports_count(struct ports_query *q, struct ports_out *out)
{
	struct tally t = { .q = q, .field = ports_field_to_count(q->count_by) };
	struct berth_sockets_told told = { 0 };
	struct berth_why why;
	int result;

	(void)out;
	if (!t.field) {
		ports_field_refuse("--count-by", q->count_by, strlen(q->count_by), &why);
		return berth_complain("ports", &why, BERTH_EXIT_FAILURE);
	}
	t.by = t.field->count_by;
	if (t.field->detail) {
		q->details = true;
		q->sockets.ask.brief = 0;
	}
	if (t.by && ports_filter_is_asked_whole(q->filter)) {
		result = berth_sockets_count(&q->sockets, t.by, on_key, &t, &told, &why);
	} else {
		q->sockets.no_holders =
			t.field->of == PORTS_OF_SOCKET && !ports_filter_needs_holders(q->filter);
		result = berth_sockets_read(&q->sockets, on_row, &t, &told, &why);
	}
	if (!result)
		print(&t);
	if (!result && (t.field->of != PORTS_OF_SOCKET))
		ports_say_hidden(&told, t.unowned);
	free_tally(&t);
	if (result)
		return berth_complain("ports", &why, BERTH_EXIT_FAILURE);
	if (!t.rows)
		ports_filter_say_meant(q->filter);
	return t.rows ? BERTH_EXIT_OK : BERTH_EXIT_FINDINGS;
}
