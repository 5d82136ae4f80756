/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Headroom of lanes: what each namespace lets be chosen, and the sums of its sockets made into rows.
 *
 * For each namespace: the range and the reserved ports, the pools of the runs that are in it, and the ports that
 * somebody listens on or has bound decide the class of each port; then a walk counts. Memory grows with the lanes
 * (88 bytes each), not with the sockets.
 */
#include "src/kernel/headroom.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "src/base/auto.h"
#include "src/core/range.h"
#include "src/kernel/diag.h"
#include "src/kernel/file.h"
#include "src/kernel/keyset.h"
#include "src/kernel/netns.h"
#include "src/kernel/proctext.h"
#include "src/kernel/runs.h"

#define BOUND_FOR_NS 5000000000ull

static const uint16_t ip_protocol[BERTH_CLASS_PROTOCOLS] = { IPPROTO_TCP, IPPROTO_UDP };

/* The ports of a run, or of several that have the same. */
struct pool {
	char *text;
	struct berth_portset ports;
};

/* A run in progress. */
struct run {
	struct pool *pool;
	uint32_t netns, pid;
};

struct berth_headroom_reader {
	struct berth_headroom_query query;
	struct berth_headroom_bpf *bpf; /* NULL: sock_diag */
	struct berth_headroom_ports ports;
	struct pool **pool; /* of every run that was ever seen */
	size_t pools;
	struct run *run; /* of this look */
	size_t runs;
	uint8_t bound[65536]; /* ports of sockets that are bound and do nothing more */
	uint64_t bound_at_ns; /* when these were found; 0: never */

	/* The namespace at hand. */
	uint32_t inode;
	struct berth_range range;
	struct berth_portset ephemeral;           /* without reserved ports */
	const struct run *bit[BERTH_CLASS_POOLS]; /* one of those that draw on the pool */
	uint32_t bits;
	bool stamps;               /* tcp_timestamps */
	unsigned tw_reuse;         /* tcp_tw_reuse */
	size_t first_row;          /* of the namespace, in sample */
	struct berth_keyset lanes; /* digest of a row -> its index */
	struct berth_headroom_sample *sample;
	size_t room;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- who chooses what ---- */

static unsigned long read_number(const char *path, unsigned long otherwise)
{
	berth_auto_free char *text = NULL;

	return berth_file_read(path, &text) ? otherwise : strtoul(text, NULL, 10);
}

static int read_namespace(struct berth_headroom_reader *r, struct berth_headroom_netns *ns,
			  struct berth_why *why)
{
	berth_auto_free char *range = NULL, *reserved = NULL;
	static struct berth_portset out; /* 10 KB; one thread reads */
	struct berth_range_error error;
	uint32_t p;
	int err = berth_file_read("/proc/sys/net/ipv4/ip_local_port_range", &range);

	if (!err)
		err = berth_local_range_parse(range, &r->range);
	if (err)
		return berth_why(why, err,
				 "ip_local_port_range: /proc does not tell it (%s); mount /proc",
				 strerror(-err));
	memset(&r->ephemeral, 0, sizeof(r->ephemeral));
	berth_portset_add_range(&r->ephemeral, r->range);
	if (!berth_file_read("/proc/sys/net/ipv4/ip_local_reserved_ports", &reserved)) {
		reserved[strcspn(reserved, "\n")] = '\0';
		if (!berth_portset_parse(reserved, &out, &error))
			for (p = r->range.first; p <= r->range.last; p++)
				if (berth_portset_has(&out, p))
					berth_portset_remove(&r->ephemeral, p);
	}
	r->stamps = read_number("/proc/sys/net/ipv4/tcp_timestamps", 1) != 0;
	r->tw_reuse = (unsigned)read_number("/proc/sys/net/ipv4/tcp_tw_reuse", 2);
	ns->netns = r->inode;
	ns->first = r->range.first;
	ns->last = r->range.last;
	ns->reserved = berth_range_len(r->range) - r->ephemeral.count;
	return 0;
}

static struct pool *pool_of(struct berth_headroom_reader *r, const char *text)
{
	struct berth_range_error error;
	struct pool *p, **more;
	size_t i;

	for (i = 0; i < r->pools; i++)
		if (!strcmp(r->pool[i]->text, text))
			return r->pool[i];
	more = reallocarray(r->pool, r->pools + 1, sizeof(struct pool *));
	p = more ? calloc(1, sizeof(*p)) : NULL;
	if (more)
		r->pool = more;
	if (p)
		p->text = strdup(text);
	if (!p || !p->text || berth_portset_parse(text, &p->ports, &error)) {
		if (p)
			free(p->text);
		free(p);
		return NULL;
	}
	return more[r->pools++] = p;
}

static int add_run(const struct berth_run *run, bool alive, void *arg)
{
	struct berth_headroom_reader *r = arg;
	struct pool *pool = alive ? pool_of(r, run->ports) : NULL;
	char path[64];
	struct run *more;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)run->pid);
	if (!pool || stat(path, &st))
		return 0;
	more = reallocarray(r->run, r->runs + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	r->run = more;
	more[r->runs++] = (struct run){ pool, (uint32_t)st.st_ino, (uint32_t)run->pid };
	return 0;
}

static int find_runs(struct berth_headroom_reader *r)
{
	r->runs = 0;
	return berth_runs_each(add_run, r);
}

/* Gives the pools of the runs of the namespace a bit each. Beyond the seventh different one they have none. */
static void set_bits(struct berth_headroom_reader *r)
{
	uint32_t i;
	size_t n;

	r->bits = 0;
	for (n = 0; n < r->runs; n++) {
		for (i = 0; i < r->bits && r->bit[i]->pool != r->run[n].pool;)
			i++;
		if (r->run[n].netns == r->inode && i == r->bits && i < BERTH_CLASS_POOLS)
			r->bit[r->bits++] = &r->run[n];
	}
}

static void set_classes(struct berth_headroom_reader *r)
{
	uint32_t port, i;

	for (port = 1; port < BERTH_PORTS; port++) {
		uint8_t c = berth_portset_has(&r->ephemeral, port) ? BERTH_CLASS_KERNEL : 0;

		for (i = 0; i < r->bits; i++)
			if (berth_portset_has(&r->bit[i]->pool->ports, port))
				c |= (uint8_t)(2u << i);
		r->ports.class[BERTH_CLASS_TCP][port] = r->ports.class[BERTH_CLASS_UDP][port] = c;
	}
	memset(r->ports.taken, 0, sizeof(r->ports.taken));
}

/* A port that somebody listens on, or is bound to without a destination: nobody can choose it. */
static int on_holder(const struct berth_socket *s, void *arg)
{
	struct berth_headroom_reader *r = arg;
	int p = s->protocol == IPPROTO_UDP ? BERTH_CLASS_UDP : BERTH_CLASS_TCP;
	uint8_t *c = &r->ports.class[p][s->lport];

	if (*c & BERTH_CLASS_KERNEL)
		r->ports.taken[p][s->lport] = 1;
	*c = 0;
	return 0;
}

static int on_bound(const struct berth_socket *s, void *arg)
{
	struct berth_headroom_reader *r = arg;

	r->bound[s->lport] = 1;
	return on_holder(s, arg);
}

/*
 * Sockets that are bound and do nothing more. The kernel finds them by going over all sockets twice, which costs as much as
 * all the rest: who looks often gets them every few seconds.
 */
static int find_bound(struct berth_headroom_reader *r, struct berth_why *why)
{
	struct berth_socket s = { .protocol = IPPROTO_TCP };
	uint64_t now = now_ns();
	uint32_t port;
	int err;

	if (r->query.all_namespaces || !r->bound_at_ns || now - r->bound_at_ns > BOUND_FOR_NS) {
		memset(r->bound, 0, sizeof(r->bound));
		err = berth_diag_dump(IPPROTO_TCP, 1u << BERTH_STATE_BOUND, on_bound, r, why);
		r->bound_at_ns = err ? 0 : now;
		return err;
	}
	for (port = 1; port < BERTH_PORTS; port++)
		if (r->bound[port]) {
			s.lport = (uint16_t)port;
			on_holder(&s, r);
		}
	return 0;
}

static int find_holders(struct berth_headroom_reader *r, struct berth_why *why)
{
	int err = 0;

	if (!r->query.no_tcp) {
		err = berth_diag_dump(IPPROTO_TCP, 1u << BERTH_STATE_LISTEN, on_holder, r, why);
		if (!err)
			err = find_bound(r, why);
	}
	if (!err && !r->query.no_udp)
		err = berth_diag_dump(IPPROTO_UDP, 1u << BERTH_STATE_CLOSE, on_holder, r, why);
	return err;
}

/* ---- rows ---- */

static int add_row(struct berth_headroom_reader *r, const struct berth_headroom_row *row)
{
	struct berth_headroom_row *more;

	if (r->sample->count == r->room) {
		size_t room = r->room ? r->room * 2 : 64;

		more = reallocarray(r->sample->row, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		r->sample->row = more;
		r->room = room;
	}
	r->sample->row[r->sample->count++] = *row;
	return 0;
}

/* Names a lane among those of a namespace. */
static int compare_lanes(const struct berth_headroom_row *a, const struct berth_headroom_row *b)
{
	int d = memcmp(a->dst, b->dst, 16);

	if (!d)
		d = memcmp(a->src, b->src, 16);
	if (!d)
		d = (int)a->dport - b->dport;
	if (!d)
		d = (int)a->protocol - b->protocol;
	if (!d)
		d = (int)a->wide - b->wide;
	if (!d && a->pool != b->pool)
		d = !a->pool ? -1 : !b->pool ? 1 : strcmp(a->pool, b->pool);
	return d;
}

static uint64_t digest(const struct berth_headroom_row *row)
{
	uint64_t w[5], h = 0x9e3779b97f4a7c15u;
	size_t i;

	memcpy(w, row->src, 16);
	memcpy(w + 2, row->dst, 16);
	w[4] = (uint64_t)row->dport << 16 | row->protocol;
	h ^= (uint64_t)(uintptr_t)row->pool;
	for (i = 0; i < 5; i++) {
		h = (h ^ w[i]) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	return h ? h : 1;
}

/* The row of a lane, made where it is not there yet. */
static int lane_of(struct berth_headroom_reader *r, const struct berth_headroom_row *lane,
		   struct berth_headroom_row **out_row)
{
	uint64_t key = digest(lane);
	uint32_t *at;
	int err;

	while ((at = berth_keyset_find(&r->lanes, key))) {
		*out_row = &r->sample->row[*at];
		if (!compare_lanes(*out_row, lane))
			return 0;
		key = key + 1 ? key + 1 : 1;
	}
	err = berth_keyset_add(&r->lanes, key, (uint32_t)r->sample->count) < 0 ? -ENOMEM : 0;
	if (!err)
		err = add_row(r, lane);
	if (!err)
		*out_row = &r->sample->row[r->sample->count - 1];
	return err;
}

static bool is_loopback(const uint8_t a[16])
{
	static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff }, v6[16] = { [15] = 1 };

	return (!memcmp(a, v4, 12) && a[12] == 127) || !memcmp(a, v6, 16);
}

/* Whether a pair in TIME_WAIT with timestamps may be taken: tcp_twsk_unique() in net/ipv4/tcp_ipv4.c. */
static bool may_reuse(const struct berth_headroom_reader *r, const struct berth_headroom_row *row)
{
	return row->pool || r->tw_reuse == 1 ||
	       (r->tw_reuse == 2 && (is_loopback(row->src) || is_loopback(row->dst)));
}

static int on_lane(const struct berth_headroom_key *key, const struct berth_headroom_count *n,
		   void *arg)
{
	struct berth_headroom_reader *r = arg;
	struct berth_headroom_row lane = { .netns = r->inode,
					   .protocol = ip_protocol[key->protocol],
					   .dport = key->dport },
				  *row;
	uint32_t i, reusable;
	int err;

	memcpy(lane.src, key->src, 16);
	memcpy(lane.dst, key->dst, 16);
	for (i = 0; i <= r->bits; i++) {
		if (!(key->classes >> i & 1))
			continue;
		lane.pool = i ? r->bit[i - 1]->pool->text : NULL;
		err = lane_of(r, &lane, &row);
		if (err)
			return err;
		reusable = may_reuse(r, row) ? n->stamped : 0;
		row->h.used += n->open + n->waiting + n->stamped - reusable;
		row->h.time_wait += n->waiting + n->stamped;
		row->h.reusable += reusable;
	}
	return 0;
}

/* ---- the walk without BPF ---- */

static bool is_wanted(const struct berth_headroom_ask *ask, const struct berth_socket *s)
{
	uint64_t dst[2];

	memcpy(dst, s->peer, sizeof(dst));
	return !((dst[0] ^ ask->addr[0]) & ask->mask[0]) &&
	       !((dst[1] ^ ask->addr[1]) & ask->mask[1]) && (!ask->port || ask->port == s->pport);
}

static int on_socket(const struct berth_socket *s, void *arg)
{
	struct berth_headroom_reader *r = arg;
	struct berth_headroom_key key = { .dport = s->pport };
	struct berth_headroom_count n = { 0 };

	key.protocol = s->protocol == IPPROTO_UDP ? BERTH_CLASS_UDP : BERTH_CLASS_TCP;
	key.classes = r->ports.class[key.protocol][s->lport];
	if (s->protocol == IPPROTO_UDP) {
		if (key.classes & BERTH_CLASS_KERNEL)
			r->ports.taken[BERTH_CLASS_UDP][s->lport] = 1;
		key.classes &= (uint8_t)~BERTH_CLASS_KERNEL;
	}
	if (!key.classes || !s->pport || !is_wanted(&r->query.ask, s))
		return 0;
	memcpy(key.src, s->local, 16);
	memcpy(key.dst, s->peer, 16);
	if (s->state != BERTH_STATE_TIME_WAIT)
		n.open = 1;
	else if (r->stamps)
		n.stamped = 1;
	else
		n.waiting = 1;
	return on_lane(&key, &n, r);
}

static int walk_diag(struct berth_headroom_reader *r, struct berth_why *why)
{
	uint32_t states = ~(1u << BERTH_STATE_LISTEN | 1u << BERTH_STATE_BOUND);
	int err = 0;

	if (!r->query.no_tcp)
		err = berth_diag_dump(IPPROTO_TCP, states, on_socket, r, why);
	if (!err && !r->query.no_udp)
		err = berth_diag_dump(IPPROTO_UDP, ~0u, on_socket, r, why);
	return err;
}

/* ---- one namespace ---- */

static int add_wide_row(struct berth_headroom_reader *r)
{
	struct berth_headroom_row row = { .netns = r->inode,
					  .protocol = IPPROTO_UDP,
					  .wide = true };
	uint32_t port;

	row.h.capacity = r->ephemeral.count;
	for (port = r->range.first; port <= r->range.last; port++)
		row.h.used += r->ports.taken[BERTH_CLASS_UDP][port];
	return add_row(r, &row);
}

/* What can be chosen is known when all sockets went by: then the lanes get their capacity. */
static void finish_rows(struct berth_headroom_reader *r, struct berth_headroom_netns *ns)
{
	uint32_t pool[BERTH_CLASS_PROTOCOLS][BERTH_CLASS_POOLS] = { 0 }, slow_at, port, i, p;
	size_t n;

	for (port = r->range.first; port <= r->range.last; port++)
		if (r->ports.taken[BERTH_CLASS_TCP][port] &&
		    berth_portset_has(&r->ephemeral, port)) {
			berth_portset_remove(&r->ephemeral, port);
			ns->bound++;
		}
	ns->capacity = r->ephemeral.count;
	slow_at = berth_headroom_slow_at(&r->ephemeral, r->range.first);
	for (p = 0; p < BERTH_CLASS_PROTOCOLS; p++)
		for (port = 1; port < BERTH_PORTS; port++)
			for (i = 0; i < r->bits; i++)
				pool[p][i] += r->ports.class[p][port] >> (i + 1) & 1;
	for (n = r->first_row; n < r->sample->count; n++) {
		struct berth_headroom_row *row = &r->sample->row[n];

		if (row->wide)
			continue;
		row->h.capacity = r->ephemeral.count;
		row->h.slow_at = row->pool ? 0 : slow_at;
		for (i = 0; i < r->bits; i++)
			if (row->pool == r->bit[i]->pool->text) {
				row->h.capacity = pool[row->protocol == IPPROTO_UDP][i];
				row->run = r->bit[i]->pid;
			}
	}
}

static int read_here(struct berth_headroom_reader *r, struct berth_why *why)
{
	struct berth_headroom_sample *s = r->sample;
	struct berth_headroom_netns *ns = reallocarray(s->netns, s->netns_count + 1, sizeof(*ns));
	uint64_t uncounted = 0;
	int err;

	if (!ns)
		return berth_why(why, -ENOMEM, "no memory");
	s->netns = ns;
	ns += s->netns_count;
	memset(ns, 0, sizeof(*ns));
	r->inode = berth_netns_own();
	r->first_row = s->count;
	berth_keyset_clear(&r->lanes);
	err = read_namespace(r, ns, why);
	if (err)
		return err;
	set_bits(r);
	set_classes(r);
	err = find_holders(r, why);
	if (!err)
		err = r->bpf ? berth_headroom_bpf_walk(r->bpf, &r->ports, on_lane, r, &uncounted,
						       why)
			     : walk_diag(r, why);
	/* Before the ports that TCP hides leave the range. */
	if (!err && !r->query.no_udp)
		err = add_wide_row(r);
	if (err)
		return err;
	finish_rows(r, ns);
	s->uncounted += uncounted;
	s->netns_count++;
	return 0;
}

static int read_everywhere(struct berth_headroom_reader *r, struct berth_why *why)
{
	struct berth_netns_list list;
	int err = berth_netns_find(&list, why), back;
	size_t i;

	if (err)
		return err;
	for (i = list.count; !err && i-- > 0;) {
		err = berth_netns_enter(&list.netns[i]);
		if (err)
			berth_why(
				why, err,
				"network namespace %u: the kernel does not let berth in (%s); run as root, or "
				"without --all-namespaces",
				list.netns[i].inode, strerror(-err));
		else
			err = read_here(r, why);
	}
	back = berth_netns_enter(&list.netns[0]);
	berth_netns_free(&list);
	if (!err && back)
		berth_why(why, back, "network namespace: there is no way back (%s)",
			  strerror(-back));
	return err ? err : back;
}

/* ---- samples ---- */

static int by_name(const void *a, const void *b)
{
	const struct berth_headroom_row *x = a, *y = b;

	if (x->netns != y->netns)
		return x->netns < y->netns ? -1 : 1;
	return compare_lanes(x, y);
}

static int by_worst(const void *a, const void *b)
{
	const struct berth_headroom_row *x = *(const struct berth_headroom_row *const *)a,
					*y = *(const struct berth_headroom_row *const *)b;
	int d = berth_headroom_compare(&x->h, &y->h);

	return d ? d : x < y ? -1 : x > y;
}

const struct berth_headroom_row **berth_headroom_worst(const struct berth_headroom_sample *sample)
{
	const struct berth_headroom_row **list =
		calloc(sample->count + 1, sizeof(const struct berth_headroom_row *));
	size_t i;

	for (i = 0; list && i < sample->count; i++)
		list[i] = &sample->row[i];
	if (list)
		qsort(list, sample->count, sizeof(const struct berth_headroom_row *), by_worst);
	return list;
}

const struct berth_headroom_row *berth_headroom_same(const struct berth_headroom_sample *sample,
						     const struct berth_headroom_row *row)
{
	return sample->count ? bsearch(row, sample->row, sample->count, sizeof(*row), by_name)
			     : NULL;
}

int berth_headroom_read(struct berth_headroom_reader *r, struct berth_headroom_sample *out_sample,
			struct berth_why *why)
{
	struct berth_headroom_sample sample = { .source = r->bpf ? BERTH_SOCKETS_BPF
								 : BERTH_SOCKETS_DIAG };
	int err;

	r->sample = &sample;
	r->room = 0;
	why->text[0] = '\0';
	err = find_runs(r);
	if (!err)
		err = r->query.all_namespaces ? read_everywhere(r, why) : read_here(r, why);
	if (err) {
		berth_headroom_sample_fini(&sample);
		return *why->text ? err : berth_why(why, err, "lanes: %s", strerror(-err));
	}
	sample.at_ns = now_ns();
	if (sample.count)
		qsort(sample.row, sample.count, sizeof(*sample.row), by_name);
	*out_sample = sample;
	return 0;
}

void berth_headroom_sample_fini(struct berth_headroom_sample *sample)
{
	free(sample->row);
	free(sample->netns);
	memset(sample, 0, sizeof(*sample));
}

int berth_headroom_open(const struct berth_headroom_query *query,
			struct berth_headroom_reader **out_reader, struct berth_why *why)
{
	struct berth_headroom_reader *r = calloc(1, sizeof(*r));
	const char *forced = getenv("BERTH_SOCKETS");
	int err = 0;

	if (!r)
		return berth_why(why, -ENOMEM, "no memory");
	r->query = *query;
	if (forced && query->source == BERTH_SOCKETS_ANY)
		r->query.source = !strcmp(forced, "bpf")    ? BERTH_SOCKETS_BPF
				  : !strcmp(forced, "diag") ? BERTH_SOCKETS_DIAG
							    : BERTH_SOCKETS_ANY;
	if (r->query.source != BERTH_SOCKETS_DIAG)
		err = berth_headroom_bpf_open(&r->query, &r->bpf, why);
	if (err && r->query.source == BERTH_SOCKETS_BPF) {
		berth_headroom_close(r);
		return err;
	}
	*out_reader = r;
	return 0;
}

void berth_headroom_close(struct berth_headroom_reader *r)
{
	size_t i;

	if (!r)
		return;
	berth_headroom_bpf_close(r->bpf);
	for (i = 0; i < r->pools; i++) {
		free(r->pool[i]->text);
		free(r->pool[i]);
	}
	free(r->pool);
	free(r->run);
	berth_keyset_free(&r->lanes);
	free(r);
}
