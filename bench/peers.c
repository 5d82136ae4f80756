/* SPDX-License-Identifier: BSD-2-Clause */
/* Re-creations of other allocators, by the descriptions of what they do; none of their code is here. */
#include "peers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static uint32_t below(uint64_t rnd, uint32_t n)
{
	return (uint32_t)(((rnd >> 32) * n) >> 32);
}

static uint64_t again(uint64_t x)
{
	x ^= x << 13;
	x ^= x >> 7;
	return x ^ x << 17;
}

/* The loops of RFC 6056 over an array of truth values: the least that a look-up can cost. */
static bool used[BENCH_PORTS];

static void loop_fill(const bool *taken)
{
	memcpy(used, taken, sizeof(used));
}

static int32_t loop1_take(uint64_t rnd)
{
	uint32_t i, at = below(rnd, BENCH_PORTS);

	for (i = 0; i < BENCH_PORTS; i++) {
		if (!used[at]) {
			used[at] = true;
			return (int32_t)(BENCH_FIRST + at);
		}
		at = at == BENCH_PORTS - 1 ? 0 : at + 1;
	}
	return -1;
}

static int32_t loop2_take(uint64_t rnd)
{
	uint32_t i, at;

	for (i = 0; i < BENCH_PORTS; i++, rnd = again(rnd)) {
		at = below(rnd, BENCH_PORTS);
		if (!used[at]) {
			used[at] = true;
			return (int32_t)(BENCH_FIRST + at);
		}
	}
	return -1;
}

static void loop_drop(uint32_t port)
{
	used[port - BENCH_FIRST] = false;
}

/* lwIP: one counter, and for each candidate the whole list of sockets. */
static struct pcb {
	struct pcb *next;
	uint16_t port;
} pcb[BENCH_PORTS], *pcbs, *spare;
static uint16_t last_port;

static void list_push(uint32_t port)
{
	struct pcb *p = spare;

	spare = p->next;
	p->port = (uint16_t)port;
	p->next = pcbs;
	pcbs = p;
}

static void list_fill(const bool *taken)
{
	pcbs = spare = NULL;
	for (uint32_t i = 0; i < BENCH_PORTS; i++) {
		pcb[i].next = spare;
		spare = &pcb[i];
	}
	for (uint32_t i = 0; i < BENCH_PORTS; i++)
		if (taken[i])
			list_push(BENCH_FIRST + i);
	last_port = BENCH_FIRST;
}

static int32_t list_take(uint64_t rnd)
{
	struct pcb *p;

	(void)rnd;
	for (uint32_t i = 0; i < BENCH_PORTS; i++) {
		last_port = last_port >= BENCH_FIRST + BENCH_PORTS - 1 ? BENCH_FIRST
								       : (uint16_t)(last_port + 1);
		for (p = pcbs; p && p->port != last_port; p = p->next)
			;
		if (!p) {
			list_push(last_port);
			return last_port;
		}
	}
	return -1;
}

static void list_drop(uint32_t port)
{
	struct pcb **link = &pcbs, *p;

	while ((*link)->port != port)
		link = &(*link)->next;
	p = *link;
	*link = p->next;
	p->next = spare;
	spare = p;
}

/* gVisor: algorithm 1, a mutex, and a look-up in two maps for each candidate. */
#define SLOTS 65536u
static struct {
	uint32_t key;
	bool there;
} outer[SLOTS], inner[SLOTS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static uint32_t slot_of(uint32_t key)
{
	return key * 2654435761u >> 16;
}

/* Open addressing; a slot that was used once stays a stop for its key only, since keys are few. */
static bool map_has(uint32_t port)
{
	uint32_t at = slot_of(port);

	while (outer[at].key && outer[at].key != port)
		at = (at + 1) % SLOTS;
	if (!outer[at].there)
		return false;
	for (at = slot_of(port * 31); inner[at].key && inner[at].key != port;)
		at = (at + 1) % SLOTS;
	return inner[at].there;
}

static void map_set(uint32_t port, bool there)
{
	uint32_t at = slot_of(port);

	while (outer[at].key && outer[at].key != port)
		at = (at + 1) % SLOTS;
	outer[at].key = port;
	outer[at].there = there;
	for (at = slot_of(port * 31); inner[at].key && inner[at].key != port;)
		at = (at + 1) % SLOTS;
	inner[at].key = port;
	inner[at].there = there;
}

static void map_fill(const bool *taken)
{
	memset(outer, 0, sizeof(outer));
	memset(inner, 0, sizeof(inner));
	for (uint32_t i = 0; i < BENCH_PORTS; i++)
		if (taken[i])
			map_set(BENCH_FIRST + i, true);
}

static int32_t map_take(uint64_t rnd)
{
	uint32_t i, at = below(rnd, BENCH_PORTS);
	int32_t port = -1;

	pthread_mutex_lock(&mutex);
	for (i = 0; i < BENCH_PORTS && port < 0; i++) {
		uint32_t p = BENCH_FIRST + (at + i) % BENCH_PORTS;

		if (!map_has(p)) {
			map_set(p, true);
			port = (int32_t)p;
		}
	}
	pthread_mutex_unlock(&mutex);
	return port;
}

static void map_drop(uint32_t port)
{
	pthread_mutex_lock(&mutex);
	map_set(port, false);
	pthread_mutex_unlock(&mutex);
}

/* HAProxy: a ring of free ports with two counters that threads move by compare and swap. */
static uint16_t ring[32768];
static _Atomic uint32_t ring_get, ring_put;

static void ring_fill(const bool *taken)
{
	ring_get = 0;
	ring_put = 0;
	for (uint32_t i = 0; i < BENCH_PORTS; i++)
		if (!taken[i])
			ring[ring_put++] = (uint16_t)(BENCH_FIRST + i);
}

static int32_t ring_take(uint64_t rnd)
{
	uint32_t get = atomic_load(&ring_get);
	uint16_t port;

	(void)rnd;
	do {
		if (get == atomic_load(&ring_put))
			return -1;
		port = ring[get % 32768];
	} while (!atomic_compare_exchange_weak(&ring_get, &get, get + 1));
	return port;
}

static void ring_drop(uint32_t port)
{
	uint32_t put = atomic_fetch_add(&ring_put, 1);

	ring[put % 32768] = (uint16_t)port;
}

/* mTCP: a queue of free ports for each core, without a lock. */
static struct {
	uint16_t next[65536];
	uint16_t head, tail;
} queue;

static void queue_drop(uint32_t port)
{
	if (queue.head)
		queue.next[queue.tail] = (uint16_t)port;
	else
		queue.head = (uint16_t)port;
	queue.next[port] = 0;
	queue.tail = (uint16_t)port;
}

static void queue_fill(const bool *taken)
{
	queue.head = queue.tail = 0;
	for (uint32_t i = 0; i < BENCH_PORTS; i++)
		if (!taken[i])
			queue_drop(BENCH_FIRST + i);
}

static int32_t queue_take(uint64_t rnd)
{
	uint16_t port = queue.head;

	(void)rnd;
	queue.head = port ? queue.next[port] : 0;
	return port ? port : -1;
}

const struct peer peers[] = {
	{ "loop 1", "RFC 6056", "algorithm 1, an array", loop_fill, loop1_take, loop_drop, true },
	{ "loop 2", "RFC 6056", "algorithm 2, an array", loop_fill, loop2_take, loop_drop, true },
	{ "list", "lwIP", "sequential, a list of sockets", list_fill, list_take, list_drop, true },
	{ "maps", "gVisor", "algorithm 1, maps, a mutex", map_fill, map_take, map_drop, true },
	{ "ring", "HAProxy", "first in first out, lock-free", ring_fill, ring_take, ring_drop,
	  false },
	{ "queue", "mTCP", "first in first out, one thread", queue_fill, queue_take, queue_drop,
	  false },
};
const uint32_t peer_count = sizeof(peers) / sizeof(*peers);
