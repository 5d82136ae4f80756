/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two buffers for each stream: one is filled by its thread while the caller works on the other.
 *
 * Invariant, under the lock: a half belongs to its thread while used is 0, else to the caller.
 */
#include "src/kernel/readahead.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define READ 65536u
#define HALF (256u * 1024)

struct lane {
	struct pipe *pipe;
	const struct berth_stream *stream;
	pthread_t thread;
	int error;
	struct {
		char bytes[HALF];
		size_t used;
	} half[2];
	int next; /* half to be emptied */
	bool ended;
};

struct pipe {
	pthread_mutex_t lock;
	pthread_cond_t change;
	struct lane lane[BERTH_STREAMS_MAX];
	int lanes;
	bool stop;
};

/* Fills a half as far as it goes; false at the end. */
static bool fill(struct lane *l, char *to, size_t *out_used)
{
	size_t used = 0;
	ssize_t n = 1;

	while (n > 0 && HALF - used >= READ) {
		n = read(l->stream->fd, to + used, READ);
		used += n > 0 ? (size_t)n : 0;
		if (n < 0 && errno == EAGAIN)
			n = 1;
	}
	if (n < 0)
		l->error = -errno;
	*out_used = used;
	return n > 0;
}

static void *read_lane(void *arg)
{
	struct lane *l = arg;
	struct pipe *p = l->pipe;
	size_t used = 0;
	bool more = true;
	int i;

	for (i = 0; more; i = !i) {
		pthread_mutex_lock(&p->lock);
		while (l->half[i].used && !p->stop)
			pthread_cond_wait(&p->change, &p->lock);
		more = !p->stop;
		pthread_mutex_unlock(&p->lock);
		more = more && fill(l, l->half[i].bytes, &used);
		pthread_mutex_lock(&p->lock);
		l->half[i].used = p->stop ? 0 : used;
		l->ended = !more;
		pthread_cond_broadcast(&p->change);
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

/* A lane with something to empty; NULL at the end of all. Waits; the caller has the lock. */
static struct lane *next_lane(struct pipe *p)
{
	bool ended;
	int i;

	for (;;) {
		ended = true;
		for (i = 0; i < p->lanes; i++) {
			if (p->lane[i].half[p->lane[i].next].used)
				return &p->lane[i];
			ended = ended && p->lane[i].ended;
		}
		if (ended)
			return NULL;
		pthread_cond_wait(&p->change, &p->lock);
	}
}

static int drain(struct pipe *p)
{
	struct lane *l;
	int result = 0;

	pthread_mutex_lock(&p->lock);
	while (!result && (l = next_lane(p))) {
		pthread_mutex_unlock(&p->lock);
		result = l->stream->fn(l->half[l->next].bytes, l->half[l->next].used,
				       l->stream->arg);
		pthread_mutex_lock(&p->lock);
		l->half[l->next].used = 0;
		l->next = !l->next;
		p->stop = result;
		pthread_cond_broadcast(&p->change);
	}
	pthread_mutex_unlock(&p->lock);
	return result;
}

static int start(struct pipe *p, const struct berth_stream *stream)
{
	struct lane *l = &p->lane[p->lanes];
	int err;

	l->pipe = p;
	l->stream = stream;
	err = -pthread_create(&l->thread, NULL, read_lane, l);
	p->lanes += !err;
	return err;
}

/* Lets the threads end, also those that wait for a half to be emptied. */
static int join(struct pipe *p, int result)
{
	int i;

	pthread_mutex_lock(&p->lock);
	p->stop = p->stop || result;
	pthread_cond_broadcast(&p->change);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->lanes; i++) {
		pthread_join(p->lane[i].thread, NULL);
		result = result ? result : p->lane[i].error;
	}
	return result;
}

int berth_readahead(const struct berth_stream *streams, int count)
{
	struct pipe *p = calloc(1, sizeof(*p));
	int result = 0, i;

	assert(count >= 1 && count <= BERTH_STREAMS_MAX);
	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->change, NULL);
	for (i = 0; i < count && !result; i++)
		result = start(p, &streams[i]);
	if (!result)
		result = drain(p);
	result = join(p, result);
	pthread_cond_destroy(&p->change);
	pthread_mutex_destroy(&p->lock);
	free(p);
	return result;
}
