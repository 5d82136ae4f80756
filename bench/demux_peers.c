/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables beside which the demultiplexer is measured. They hash with one multiplication for each word and no key, which
 * is the cheapest there is.
 *
 * The list is what small stacks do: one list of all connections, searched from its head, and the one found moved
 * there.
 */
#include <stdlib.h>
#include <string.h>
#ifdef HAVE_GLIB
#include <glib.h>
#endif
#ifdef HAVE_CK
#include <ck_ht.h>
#endif
#ifdef HAVE_URCU
#define RCU_MEMBARRIER
#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu.h>
#include <urcu/rculfhash.h>
#endif

#include "bench/demux.h"

struct node {
	struct connection key;
	uint64_t owner;
	struct node *next;
#ifdef HAVE_URCU
	struct cds_lfht_node link;
#endif
};

static struct node *nodes;

/* One multiplication for each word, and no key. */
static inline uint64_t cheap_hash(const struct connection *c)
{
	uint64_t h = ((uint64_t)c->remote << 32 | c->local) * 0x9e3779b97f4a7c15ull;

	h ^= (h >> 32) ^ ((uint64_t)c->remote_port << 16 | c->local_port);
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	return h * 0x9e3779b97f4a7c15ull >> 16;
}

static bool same(const struct connection *a, const struct connection *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void build_nodes(uint32_t count)
{
	uint32_t i;

	nodes = calloc(count, sizeof(*nodes));
	if (!nodes)
		die("no memory");
	for (i = 0; i < count; i++) {
		nodes[i].key = connection_of(i);
		nodes[i].owner = i;
	}
}

static void end_nodes(void)
{
	free(nodes);
}

static struct node *head;

/* In random order, as connections come. */
static void build_list(uint32_t count)
{
	uint32_t *order = malloc(count * sizeof(*order)), i;

	build_nodes(count);
	head = NULL;
	for (i = 0; order && i < count; i++) {
		uint32_t j = draw(i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (i = 0; order && i < count; i++) {
		nodes[order[i]].next = head;
		head = &nodes[order[i]];
	}
	free(order);
}

static uint64_t ask_list(uint32_t count, uint32_t times)
{
	uint64_t sum = 0;

	for (; times; times--) {
		struct connection c = connection_of(draw(count));
		struct node **at = &head, *n;

		while (!same(&(*at)->key, &c))
			at = &(*at)->next;
		n = *at;
		*at = n->next;
		n->next = head;
		head = n;
		sum += n->owner;
	}
	return sum;
}

#ifdef HAVE_GLIB
static GHashTable *glib;

static guint glib_hash(gconstpointer key)
{
	return (guint)cheap_hash(key);
}

static gboolean glib_same(gconstpointer a, gconstpointer b)
{
	return same(a, b);
}

static void build_glib(uint32_t count)
{
	uint32_t i;

	build_nodes(count);
	glib = g_hash_table_new(glib_hash, glib_same);
	for (i = 0; i < count; i++)
		g_hash_table_insert(glib, &nodes[i].key, &nodes[i]);
}

static uint64_t ask_glib(uint32_t count, uint32_t times)
{
	uint64_t sum = 0;

	for (; times; times--) {
		struct connection c = connection_of(draw(count));

		sum += ((struct node *)g_hash_table_lookup(glib, &c))->owner;
	}
	return sum;
}

static void end_glib(void)
{
	g_hash_table_destroy(glib);
	end_nodes();
}
#endif

#ifdef HAVE_CK
static ck_ht_t ck;

static void *ck_get(size_t size)
{
	return malloc(size);
}

static void ck_put(void *memory, size_t size, bool deferred)
{
	(void)size;
	(void)deferred;
	free(memory);
}

static void ck_hash(struct ck_ht_hash *out, const void *key, size_t size, uint64_t seed)
{
	(void)size;
	(void)seed;
	out->value = cheap_hash(key);
}

static void build_ck(uint32_t count)
{
	static struct ck_malloc memory = { .malloc = ck_get, .free = ck_put };
	uint32_t i;

	build_nodes(count);
	if (!ck_ht_init(&ck, CK_HT_MODE_BYTESTRING, ck_hash, &memory, 64, 1))
		die("no table of Concurrency Kit");
	for (i = 0; i < count; i++) {
		ck_ht_entry_t e;
		ck_ht_hash_t h;

		ck_ht_hash(&h, &ck, &nodes[i].key, sizeof(nodes[i].key));
		ck_ht_entry_set(&e, h, &nodes[i].key, sizeof(nodes[i].key), &nodes[i]);
		if (!ck_ht_put_spmc(&ck, h, &e))
			die("a connection could not be added");
	}
}

static uint64_t ask_ck(uint32_t count, uint32_t times)
{
	uint64_t sum = 0;

	for (; times; times--) {
		struct connection c = connection_of(draw(count));
		ck_ht_entry_t e;
		ck_ht_hash_t h;

		ck_ht_hash(&h, &ck, &c, sizeof(c));
		ck_ht_entry_key_set(&e, &c, sizeof(c));
		if (!ck_ht_get_spmc(&ck, h, &e))
			die("a wrong answer of Concurrency Kit");
		sum += ((struct node *)ck_ht_entry_value(&e))->owner;
	}
	return sum;
}

static void end_ck(void)
{
	ck_ht_destroy(&ck);
	end_nodes();
}
#endif

#ifdef HAVE_URCU
static struct cds_lfht *lfht;

static int lfht_same(struct cds_lfht_node *n, const void *key)
{
	return same(&caa_container_of(n, struct node, link)->key, key);
}

static void build_urcu(uint32_t count)
{
	uint32_t i;

	build_nodes(count);
	lfht = cds_lfht_new(1 << 20, 1, 0, 0, NULL);
	rcu_read_lock();
	for (i = 0; i < count; i++)
		cds_lfht_add(lfht, cheap_hash(&nodes[i].key), &nodes[i].link);
	rcu_read_unlock();
}

static uint64_t ask_urcu(uint32_t count, uint32_t times)
{
	uint64_t sum = 0;

	for (; times; times--) {
		struct connection c = connection_of(draw(count));
		struct cds_lfht_iter at;

		rcu_read_lock();
		cds_lfht_lookup(lfht, cheap_hash(&c), lfht_same, &c, &at);
		sum += caa_container_of(cds_lfht_iter_get_node(&at), struct node, link)->owner;
		rcu_read_unlock();
	}
	return sum;
}

static void end_urcu(void)
{
	/* Its nodes go first, or it is not given back; the program ends soon. */
	end_nodes();
}
#endif

const struct rival peers[] = {
	{ "list, found one to the front", build_list, ask_list, end_nodes, true, NULL },
#ifdef HAVE_GLIB
	{ "glib GHashTable", build_glib, ask_glib, end_glib, false, NULL },
#endif
#ifdef HAVE_CK
	{ "Concurrency Kit ck_ht", build_ck, ask_ck, end_ck, false, NULL },
#endif
#ifdef HAVE_URCU
	{ "liburcu rculfhash", build_urcu, ask_urcu, end_urcu, false, NULL },
#endif
	{ 0 },
};
