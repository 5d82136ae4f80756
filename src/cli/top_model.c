/* SPDX-License-Identifier: BSD-2-Clause */
/* What berth top knows: lanes and how fast they grow, listeners and who they are of, refusals, counters. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/base/auto.h"
#include "src/base/text.h"
#include "src/cli/top.h"
#include "src/kernel/assign.h"
#include "src/kernel/file.h"
#include "src/kernel/netns.h"
#include "src/kernel/runs.h"
#include "src/kernel/sockets.h"
#include "src/preload/launch.h"

/* ---- lanes ---- */

static int set_lanes(struct top_model *m, const struct berth_headroom_sample *now)
{
	double seconds = (double)(now->at_ns - m->sample.at_ns) / 1e9;
	struct top_lane *lane = calloc(now->count + 1, sizeof(*lane));
	const struct berth_headroom_row *old;
	size_t i;

	if (!lane)
		return -ENOMEM;
	for (i = 0; i < now->count; i++) {
		lane[i].row = &now->row[i];
		lane[i].has_rate = m->sample.at_ns;
		old = berth_headroom_same(&m->sample, lane[i].row);
		if (lane[i].has_rate)
			lane[i].rate = berth_headroom_rate(old ? old->h.used : 0,
							   lane[i].row->h.used, seconds);
	}
	free(m->lane);
	m->lane = lane;
	m->lanes = now->count;
	return 0;
}

/* ---- listeners ---- */

/* Asked for one by one: the kernel goes over all connections where it is asked for more than TCP's listeners. */
static const struct berth_socket_ask takers[] = {
	{ .states = 1u << BERTH_STATE_LISTEN,
	  .protocols = 2,
	  .protocol = { IPPROTO_TCP, IPPROTO_MPTCP } },
	{ .states = 1u << BERTH_STATE_CLOSE,
	  .protocols = 2,
	  .protocol = { IPPROTO_UDP, IPPROTO_UDPLITE } },
};
#define TAKERS (sizeof(takers) / sizeof(*takers))

static struct top_listener *find_listener(struct top_model *m, const struct berth_socket *s)
{
	size_t i;

	for (i = 0; i < m->listeners; i++)
		if (m->listener[i].socket.inode == s->inode &&
		    m->listener[i].socket.netns == s->netns)
			return &m->listener[i];
	return NULL;
}

struct gather {
	struct top_model *m;
	struct top_listener *list;
	size_t count, room;
	bool strange; /* one whose holder is not known */
};

static int on_listener(const struct berth_socket *s, const struct berth_task *t, void *arg)
{
	struct gather *g = arg;
	const struct top_listener *old = s->inode ? find_listener(g->m, s) : NULL;
	struct top_listener *l;

	(void)t;
	if (s->flags & BERTH_SOCKET_SUBFLOW)
		return 0;
	if (g->count == g->room) {
		size_t room = g->room ? g->room * 2 : 64;

		l = reallocarray(g->list, room, sizeof(*l));
		if (!l)
			return -ENOMEM;
		g->list = l;
		g->room = room;
	}
	l = &g->list[g->count++];
	memset(l, 0, sizeof(*l));
	if (old)
		*l = *old;
	g->strange = g->strange || (!old && s->inode);
	l->socket = *s;
	return 0;
}

static int on_holder(const struct berth_socket *s, const struct berth_task *t, void *arg)
{
	struct top_listener *l = t && s->inode ? find_listener(arg, s) : NULL;

	if (l && !l->holders++)
		l->task = *t;
	return 0;
}

/* The fullest queue of connections that nobody accepts first, then by port. */
static int by_queue(const void *a, const void *b)
{
	const struct berth_socket *x = &((const struct top_listener *)a)->socket,
				  *y = &((const struct top_listener *)b)->socket;
	uint64_t left = x->state == BERTH_STATE_LISTEN ? (uint64_t)x->rqueue * (y->wqueue + 1ull)
						       : 0,
		 right = y->state == BERTH_STATE_LISTEN ? (uint64_t)y->rqueue * (x->wqueue + 1ull)
							: 0;
	int d = left != right ? (left < right ? 1 : -1) : (int)x->lport - y->lport;

	if (!d)
		d = (int)x->protocol - y->protocol;
	return d ? d : memcmp(x->local, y->local, 16);
}

static int look_at_listeners(struct top_model *m, struct berth_why *why)
{
	struct berth_sockets_query q = { .source = BERTH_SOCKETS_DIAG,
					 .all_namespaces = m->query.all_namespaces,
					 .no_holders = true };
	struct gather g = { .m = m };
	size_t i;
	int err = 0;

	for (i = 0; i < TAKERS && !err; i++) {
		q.ask = takers[i];
		err = berth_sockets_read(&q, on_listener, &g, NULL, why);
	}

	if (err) {
		free(g.list);
		return err;
	}
	free(m->listener);
	m->listener = g.list;
	m->listeners = g.count;
	/* Who holds what is asked only when something new is there: that walks over every descriptor of the host. */
	if (g.strange) {
		for (i = 0; i < m->listeners; i++)
			m->listener[i].holders = 0;
		q.ask = (struct berth_socket_ask){ .states = takers[0].states | takers[1].states };
		q.source = BERTH_SOCKETS_ANY;
		q.no_holders = false;
		err = berth_sockets_read(&q, on_holder, m, NULL, why);
	}
	if (m->listeners)
		qsort(m->listener, m->listeners, sizeof(*m->listener), by_queue);
	return err;
}

/* ---- counters ---- */

/* A counter of /proc/net/snmp by its name: a line of names, then one of numbers. */
static uint64_t snmp(const char *text, const char *name)
{
	const char *names = strstr(text, "Tcp: "),
		   *numbers = names ? strstr(names + 5, "Tcp: ") : NULL;
	size_t n = strlen(name);

	while (numbers) {
		names += strcspn(names, " \n");
		numbers += strcspn(numbers, " \n");
		if (*names != ' ' || *numbers != ' ')
			break;
		names++;
		numbers++;
		if (!strncmp(names, name, n) && (names[n] == ' ' || names[n] == '\n'))
			return strtoull(numbers, NULL, 10);
	}
	return 0;
}

/* Growth a second; none where the count fell because a run ended. */
static double per_second(uint64_t before, uint64_t now, double seconds)
{
	return seconds > 0 && now > before ? (double)(now - before) / seconds : 0;
}

static void push_refusal(struct top_model *m, const struct berth_refusal *r, uint64_t times)
{
	struct top_refusal *first = m->refusal;
	size_t i, last = m->refusals < TOP_REFUSALS ? m->refusals : TOP_REFUSALS - 1;

	m->refusals_seen += times;
	for (i = 0; i < m->refusals && i < 8; i++)
		if (first[i].r.pid == r->pid && first[i].r.call == r->call &&
		    first[i].r.error == r->error && first[i].r.port == r->port &&
		    !memcmp(first[i].r.addr, r->addr, 16))
			break;
	if (i < m->refusals && i < 8) {
		times += first[i].times;
		last = i;
	} else if (m->refusals < TOP_REFUSALS) {
		m->refusals++;
	}
	memmove(first + 1, first, last * sizeof(*first));
	*first = (struct top_refusal){ *r, times };
}

static int add_run(const struct berth_run *run, bool alive, void *arg)
{
	struct top_rates *r = arg;
	uint64_t v[BERTH_VERDICT_COUNT];
	uint32_t id = run->map_ids[BERTH_SHARED_MAP_COUNT];

	if (!alive ||
	    (run->shm[0] ? berth_preload_read(run->shm, v) : !id || berth_assign_read_id(id, v)))
		return 0;
	r->runs++;
	r->assigned += v[BERTH_VERDICT_ASSIGNED];
	r->refused += v[BERTH_VERDICT_REFUSED];
	return 0;
}

static uint64_t boot_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void look_at_counters(struct top_model *m, double seconds)
{
	struct top_rates now = { 0 }, *old = &m->rates;
	berth_auto_free char *text = NULL;

	berth_runs_each(add_run, &now);
	if (!berth_file_read("/proc/thread-self/net/snmp", &text)) {
		now.opened = snmp(text, "ActiveOpens");
		now.accepted = snmp(text, "PassiveOpens");
	}
	now.opened_s = per_second(old->opened, now.opened, seconds);
	now.accepted_s = per_second(old->accepted, now.accepted, seconds);
	now.assigned_s = per_second(old->assigned, now.assigned, seconds);
	now.refused_s = per_second(old->refused, now.refused, seconds);
	/* Where calls cannot be traced, what berth itself refused is all that is known. */
	if (!m->tracing && seconds > 0 && now.refused > old->refused) {
		struct berth_refusal r = { .at_ns = boot_ns(),
					   .comm = "berth run",
					   .error = EADDRNOTAVAIL };

		push_refusal(m, &r, now.refused - old->refused);
	}
	*old = now;
}

static void on_refusal(const struct berth_refusal *r, void *arg)
{
	struct top_model *m = arg;

	if (m->query.all_namespaces || r->netns == m->netns)
		push_refusal(m, r, 1);
}

void top_model_take_refusals(struct top_model *m)
{
	if (m->tracing)
		m->refusals_lost = berth_refusals_read(m->tracing, on_refusal, m);
}

const char *top_refusal_word(const struct berth_refusal *r)
{
	bool connects = r->call == BERTH_REFUSED_CONNECT;

	switch (r->error) {
	case EADDRINUSE:
		return connects ? "pair is in use" : "port is held";
	case EADDRNOTAVAIL:
		return connects ? "no port is left" : "not our address";
	case EAGAIN:
		return "no port is left";
	case EACCES:
		return "not permitted";
	}
	return "refused";
}

/* ---- looks ---- */

int top_model_look(struct top_model *m, struct berth_why *why)
{
	struct berth_headroom_sample now;
	int err = berth_headroom_read(m->reader, &now, why);
	double seconds = 0;

	if (err)
		return err;
	if (m->sample.at_ns)
		seconds = (double)(now.at_ns - m->sample.at_ns) / 1e9;
	err = set_lanes(m, &now);
	if (err) {
		berth_headroom_sample_fini(&now);
		return berth_why(why, err, "no memory");
	}
	berth_headroom_sample_fini(&m->sample);
	m->sample = now;
	look_at_counters(m, seconds);
	top_model_take_refusals(m);
	return look_at_listeners(m, why);
}

int top_model_open(struct top_model *m, const struct berth_headroom_query *query,
		   struct berth_why *why)
{
	*m = (struct top_model){ .query = *query, .netns = berth_netns_own() };
	berth_refusals_open(&m->tracing, &m->why_not);
	return berth_headroom_open(query, &m->reader, why);
}

void top_model_close(struct top_model *m)
{
	free(m->lane);
	free(m->listener);
	berth_headroom_sample_fini(&m->sample);
	berth_headroom_close(m->reader);
	berth_refusals_close(m->tracing);
}

/* ---- JSON ---- */

static void json_listener(FILE *out, const struct top_listener *l)
{
	const struct berth_socket *s = &l->socket;
	char buf[LANE_TEXT];

	fprintf(out, "{\"netns\":%u,\"protocol\":\"%s\",\"address\":\"%s\",\"port\":%u", s->netns,
		berth_socket_protocol_name(s), lane_endpoint(s->local, 0, buf), s->lport);
	if (s->state == BERTH_STATE_LISTEN)
		fprintf(out, ",\"queue\":%u,\"backlog\":%u", s->rqueue, s->wqueue);
	if (l->holders) {
		fprintf(out, ",\"pid\":%u,\"program\":", l->task.pid);
		berth_text_print_json(out, l->task.comm,
				      strnlen(l->task.comm, sizeof(l->task.comm)));
	}
	fputc('}', out);
}

static void json_refusal(FILE *out, const struct top_refusal *f, double boot)
{
	const struct berth_refusal *r = &f->r;
	char buf[LANE_TEXT];

	fprintf(out,
		"{\"time\":%.3f,\"times\":%llu,\"call\":\"%s\",\"error\":\"%s\",\"why\":\"%s\"",
		boot + (double)r->at_ns / 1e9, (unsigned long long)f->times,
		r->call == BERTH_REFUSED_BIND ? "bind" : "connect", strerrorname_np((int)r->error),
		top_refusal_word(r));
	if (r->pid)
		fprintf(out, ",\"netns\":%u,\"address\":\"%s\",\"port\":%u,\"pid\":%u,\"uid\":%u",
			r->netns, lane_endpoint(r->addr, 0, buf), r->port, r->pid, r->uid);
	fputs(",\"program\":", out);
	berth_text_print_json(out, r->comm, strnlen(r->comm, sizeof(r->comm)));
	fputc('}', out);
}

void top_model_json(FILE *out, const struct top_model *m)
{
	const struct top_rates *r = &m->rates;
	struct timespec now;
	size_t i;

	clock_gettime(CLOCK_REALTIME, &now);
	fprintf(out, "{\"time\":%lld,\"lanes\":[", (long long)now.tv_sec);
	for (i = 0; i < m->lanes; i++) {
		fputs(i ? "," : "", out);
		lane_json(out, m->lane[i].row, 0, m->lane[i].has_rate ? &m->lane[i].rate : NULL);
	}
	fputs("],\"listeners\":[", out);
	for (i = 0; i < m->listeners; i++) {
		fputs(i ? "," : "", out);
		json_listener(out, &m->listener[i]);
	}
	fprintf(out, "],\"traced\":%s,\"refusals_seen\":%llu,\"refusals\":[",
		m->tracing ? "true" : "false",
		(unsigned long long)(m->refusals_seen + m->refusals_lost));
	for (i = 0; i < m->refusals; i++) {
		fputs(i ? "," : "", out);
		json_refusal(out, &m->refusal[i],
			     (double)now.tv_sec + (double)now.tv_nsec / 1e9 -
				     (double)boot_ns() / 1e9);
	}
	fprintf(out,
		"],\"runs\":%u,\"opened\":%.6g,\"accepted\":%.6g,\"assigned\":%.6g,\"refused\":%.6g}\n",
		r->runs, r->opened_s, r->accepted_s, r->assigned_s, r->refused_s);
	fflush(out);
}
