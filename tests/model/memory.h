/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory for tests of the demultiplexer: counted, refused on demand, retired memory kept until it is collected. */
#ifndef BERTH_TESTS_MODEL_MEMORY_H
#define BERTH_TESTS_MODEL_MEMORY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "include/berth/demux.h"

struct memory {
	size_t bytes;    /* given out and not put back, retired memory included */
	size_t retired;  /* of these, retired */
	long calls_left; /* get() fails once it is 0; below 0: never */
	unsigned asked;  /* calls of get() */
	struct retired *list;
};

/* Stands in the first bytes of retired memory, as a struct rcu_head would. */
struct retired {
	struct retired *next;
	size_t size;
};

static void *memory_get(void *context, size_t size, size_t align)
{
	struct memory *m = context;
	void *p;

	m->asked++;
	if (!m->calls_left)
		return NULL;
	if (m->calls_left > 0)
		m->calls_left--;
	p = aligned_alloc(align, (size + align - 1) / align * align);
	if (!p)
		abort();
	memset(p, 0xa5, size);
	m->bytes += size;
	return p;
}

static void memory_put(void *context, void *p, size_t size)
{
	struct memory *m = context;

	memset(p, 0x5a, size);
	m->bytes -= size;
	free(p);
}

static void memory_retire(void *context, void *p, size_t size)
{
	struct memory *m = context;
	struct retired *r = p;

	_Static_assert(sizeof(*r) <= BERTH_DEMUX_RETIRED_HEAD, "the head has room");
	r->next = m->list;
	r->size = size;
	m->list = r;
	m->retired += size;
}

/* Puts back what was retired: no look-up runs. */
static void memory_collect(struct memory *m)
{
	while (m->list) {
		struct retired *r = m->list;

		m->list = r->next;
		m->retired -= r->size;
		memory_put(m, r, r->size);
	}
}

static struct berth_demux_memory memory_calls(struct memory *m)
{
	*m = (struct memory){ .calls_left = -1 };
	return (struct berth_demux_memory){ memory_get, memory_put, memory_retire, m };
}

#endif
