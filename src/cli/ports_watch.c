/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --watch: all rows, then what came and went, from look to look.
 *
 * Every row is remembered (160 bytes), so that one that went can be shown. A connection that comes and goes between two
 * looks is seen in TIME_WAIT, or not at all.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/cli/cli.h"
#include "src/cli/ports.h"
#include "src/kernel/keyset.h"

struct seen {
	struct berth_observed row;
	uint64_t key;
	uint32_t look; /* the last one that found it */
};

struct watch {
	struct ports_query *q;
	struct ports_out *out;
	struct ports_table *table;
	struct berth_keyset keys; /* -> index in seen */
	struct seen *seen;
	size_t count, room;
	uint32_t look;
};

/* Who the row is: what changes while it stays the same row (queues, timers) is left out. */
static uint64_t key_of(const struct berth_socket *s, const struct berth_task *t)
{
	struct {
		uint8_t local[16], peer[16];
		uint64_t inode;
		uint32_t netns, pid;
		uint16_t protocol, lport, pport, state;
	} id;
	uint64_t w[sizeof(id) / 8], h = 0x9e3779b97f4a7c15u;
	size_t i;

	memset(&id, 0, sizeof(id));
	memcpy(id.local, s->local, 16);
	memcpy(id.peer, s->peer, 16);
	id.inode = s->inode;
	id.netns = s->netns;
	id.pid = t ? t->pid : 0;
	id.protocol = s->protocol;
	id.lport = s->lport;
	id.pport = s->pport;
	id.state = s->state;
	memcpy(w, &id, sizeof(w));
	for (i = 0; i < sizeof(id) / 8; i++) {
		h = (h ^ w[i]) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	return h ? h : 1;
}

static void print_event(struct watch *w, const struct ports_row *row, const char *event, char sign)
{
	struct ports_out *out = w->out;
	size_t n;

	if (!w->q->json) {
		ports_table_row(w->table, row, sign);
		return;
	}
	ports_json_row(out, row);
	out->used -= 2;
	n = (size_t)snprintf(out->buf + out->used, 64, ",\"event\":\"%s\"}\n", event);
	out->used += n;
}

static int remember(struct watch *w, uint64_t key, const struct berth_socket *s,
		    const struct berth_task *t)
{
	struct seen *more;

	if (w->count == w->room) {
		size_t room = w->room ? w->room * 2 : 256;

		more = reallocarray(w->seen, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		w->seen = more;
		w->room = room;
	}
	more = &w->seen[w->count];
	memset(more, 0, sizeof(*more));
	more->row.socket = *s;
	if (t)
		more->row.task = *t;
	more->key = key;
	more->look = w->look;
	return berth_keyset_add(&w->keys, key, (uint32_t)w->count++) < 0 ? -ENOMEM : 0;
}

static int on_row(const struct berth_socket *s, const struct berth_task *t, void *arg)
{
	struct watch *w = arg;
	struct ports_row row = { s, t, w->q->names, w->q->details };
	uint64_t key = key_of(s, t);
	uint32_t *at = berth_keyset_find(&w->keys, key);

	if (at) {
		w->seen[*at].look = w->look;
		return 0;
	}
	if (!ports_filter_has(w->q->filter, &row))
		return 0;
	print_event(w, &row, w->look > 1 ? "opened" : "present", w->look > 1 ? '+' : ' ');
	return remember(w, key, s, t);
}

/* Shows what this look did not find, and forgets it. */
static int sweep(struct watch *w)
{
	size_t i, kept = 0;
	int err = 0;

	berth_keyset_clear(&w->keys);
	for (i = 0; i < w->count && !err; i++) {
		struct seen *e = &w->seen[i];

		if (e->look == w->look) {
			err = berth_keyset_add(&w->keys, e->key, (uint32_t)kept) < 0 ? -ENOMEM : 0;
			if (kept != i)
				w->seen[kept] = *e;
			kept++;
		} else {
			struct ports_row row = { &e->row.socket,
						 e->row.task.pid ? &e->row.task : NULL, w->q->names,
						 w->q->details };

			print_event(w, &row, "closed", '-');
		}
	}
	w->count = kept;
	return err;
}

static bool wait_for_signal(double seconds)
{
	struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	return sigtimedwait(&set, NULL, &t) > 0;
}

int ports_watch(struct ports_query *q, struct ports_out *out)
{
	struct watch w = { .q = q, .out = out };
	struct berth_sockets_told told;
	struct berth_why why;
	sigset_t set;
	int result = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	w.table = ports_table_new(q->columns, true, &why);
	if (!w.table)
		return berth_complain("ports", &why, BERTH_EXIT_FAILURE);
	do {
		w.look++;
		result = berth_sockets_read(&q->sockets, on_row, &w, &told, &why);
		if (!result)
			result = sweep(&w);
		ports_table_flush(w.table);
		ports_out_flush(out);
	} while (!result && !out->failed && !ferror(stdout) && !wait_for_signal(q->every_s));
	ports_table_free(w.table);
	free(w.seen);
	berth_keyset_free(&w.keys);
	if (result)
		return berth_complain("ports", &why, BERTH_EXIT_FAILURE);
	return BERTH_EXIT_OK;
}
