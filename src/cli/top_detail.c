/* SPDX-License-Identifier: BSD-2-Clause */
/* Who holds the sockets of a row: processes, their user, unit, and why they run. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/text.h"
#include "src/cli/ports.h"
#include "src/cli/top.h"
#include "src/kernel/procfd.h"

#define HOLDERS_MAX 256 /* that are told apart */

struct holding {
	struct berth_task task;
	unsigned long sockets;
};

struct tally {
	struct holding holding[HOLDERS_MAX];
	size_t count;
	unsigned long unowned, beyond;
	const struct berth_headroom_row *lane; /* NULL: any socket that is asked for */
	const struct top_listener *listener;
};

static bool is_meant(const struct tally *t, const struct berth_socket *s)
{
	if (t->lane)
		return s->netns == t->lane->netns &&
		       (t->lane->wide || (!memcmp(s->local, t->lane->src, 16) &&
					  !memcmp(s->peer, t->lane->dst, 16)));
	return s->netns == t->listener->socket.netns && s->inode == t->listener->socket.inode;
}

static int on_row(const struct berth_socket *s, const struct berth_task *task, void *arg)
{
	struct tally *t = arg;
	size_t i = 0;

	if (!is_meant(t, s))
		return 0;
	if (!task) {
		t->unowned++;
		return 0;
	}
	while (i < t->count && t->holding[i].task.pid != task->pid)
		i++;
	if (i == HOLDERS_MAX) {
		t->beyond++;
		return 0;
	}
	if (i == t->count)
		t->holding[t->count++] = (struct holding){ .task = *task };
	t->holding[i].sockets++;
	return 0;
}

static int by_sockets(const void *a, const void *b)
{
	const struct holding *x = a, *y = b;

	return x->sockets != y->sockets ? (x->sockets < y->sockets ? 1 : -1)
					: (int)x->task.pid - (int)y->task.pid;
}

static void safe(FILE *out, const char *label, const char *text)
{
	fprintf(out, "%s", label);
	berth_text_print_safe(out, text, strlen(text));
	fputc('\n', out);
}

static void put_holder(FILE *out, struct berth_holders *holders, const struct holding *g)
{
	const struct berth_holder *h = berth_holders_get(holders, &g->task);

	if (!h)
		return;
	fputc('\n', out);
	berth_text_print_safe(out, h->program, strlen(h->program));
	fprintf(out, "  pid %u", h->pid);
	if (g->sockets)
		fprintf(out, ", %lu socket%s", g->sockets, g->sockets == 1 ? "" : "s");
	fputc('\n', out);
	safe(out, "  user       ", h->user);
	if (*h->exe)
		safe(out, "  file       ", h->exe);
	if (*h->unit)
		safe(out, "  unit       ", h->unit);
	if (*h->container)
		safe(out, "  container  ", h->container);
	if (*h->cgroup)
		safe(out, "  cgroup     ", h->cgroup);
	fputs("  why        ", out);
	ports_ancestry_text(out, h);
}

static void put_tally(FILE *out, struct tally *t)
{
	struct berth_holders *holders = berth_holders_new();
	size_t i;

	qsort(t->holding, t->count, sizeof(*t->holding), by_sockets);
	for (i = 0; holders && i < t->count; i++)
		put_holder(out, holders, &t->holding[i]);
	if (t->unowned)
		fprintf(out,
			"\n%lu socket%s without a holder that can be seen (TIME_WAIT, closing, other users')\n",
			t->unowned, t->unowned == 1 ? "" : "s");
	if (t->beyond)
		fprintf(out, "\n%lu sockets of further processes\n", t->beyond);
	if (!t->count && !t->unowned)
		fputs("\nnobody any more\n", out);
	berth_holders_free(holders);
}

static void put_sockets(FILE *out, const struct top_model *m, struct berth_sockets_query *q,
			struct tally *t)
{
	struct berth_why why;

	q->all_namespaces = m->query.all_namespaces;
	if (berth_sockets_read(q, on_row, t, NULL, &why))
		fprintf(out, "\n%s\n", why.text);
	else
		put_tally(out, t);
}

static void put_lane(FILE *out, const struct top_model *m, const struct berth_headroom_row *row)
{
	struct berth_sockets_query q = { .ask = { .protocols = 1, .protocol = { row->protocol } } };
	struct tally *t = calloc(1, sizeof(*t));
	char name[LANE_TEXT], share[LANE_TEXT], choice[LANE_TEXT];
	const struct berth_headroom *h = &row->h;

	fprintf(out,
		"%s %s\n%s: %u of %u used, %u free, %u in TIME_WAIT (%u reusable); chosen by %s\n",
		lane_protocol(row), lane_name(row, name), lane_share(h, share), h->used,
		h->capacity, berth_headroom_free(h), h->time_wait, h->reusable,
		lane_choice(row, choice));
	if (!t)
		return;
	t->lane = row;
	if (!row->wide) {
		memcpy(q.ask.peer, row->dst, 16);
		q.ask.peer_len = 128;
		q.ask.pport = row->dport;
	}
	put_sockets(out, m, &q, t);
	free(t);
}

static void put_listener(FILE *out, const struct top_model *m, const struct top_listener *l)
{
	struct berth_sockets_query q = { .ask = { .states = 1u << l->socket.state, .lports = 1 } };
	struct tally *t = calloc(1, sizeof(*t));
	char endpoint[LANE_TEXT];

	q.ask.lport[0].first = q.ask.lport[0].last = l->socket.lport;
	fprintf(out, "%s %s\n", berth_socket_protocol_name(&l->socket),
		lane_endpoint(l->socket.local, l->socket.lport, endpoint));
	if (!t)
		return;
	t->listener = l;
	put_sockets(out, m, &q, t);
	free(t);
}

static void put_refusal(FILE *out, const struct berth_refusal *r)
{
	struct berth_holders *holders = berth_holders_new();
	struct holding g = { .sockets = 0 };
	char endpoint[LANE_TEXT];

	fprintf(out, "%s() %s: %s (%s)\n", r->call == BERTH_REFUSED_BIND ? "bind" : "connect",
		lane_endpoint(r->addr, r->port, endpoint), top_refusal_word(r),
		strerrorname_np((int)r->error));
	if (holders && r->pid && !berth_procfd_task(r->pid, &g.task)) {
		put_holder(out, holders, &g);
	} else if (r->pid) {
		fputc('\n', out);
		berth_text_print_safe(out, r->comm, strnlen(r->comm, sizeof(r->comm)));
		fprintf(out, "  pid %u, user %u: it has ended\n", r->pid, r->uid);
	}
	berth_holders_free(holders);
}

char *top_detail(const struct top_model *m, const struct top_view *v)
{
	long i = top_frame_selected(m, v);
	char *text = NULL;
	size_t size = 0;
	FILE *out = i < 0 ? NULL : open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (v->pane == TOP_LANES)
		put_lane(out, m, m->lane[i].row);
	else if (v->pane == TOP_LISTENERS)
		put_listener(out, m, &m->listener[i]);
	else
		put_refusal(out, &m->refusal[i].r);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}
