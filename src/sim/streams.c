/* SPDX-License-Identifier: BSD-2-Clause */
/* The bounded table of streams. */
#include "src/sim/streams.h"

#include <stddef.h>
#include <string.h>

#define NONE UINT32_MAX
#define CHUNK_PORTS 60u
/* What streams are told apart by; it has no padding. */
#define KEY_SIZE (offsetof(struct berth_stream, all) + sizeof(bool))

_Static_assert(KEY_SIZE == 36, "the key of a stream has no padding");

struct chunk {
	uint32_t next, used;
	uint16_t port[CHUNK_PORTS];
};

struct berth_streams {
	uint32_t streams, chunks, buckets;
	uint32_t used_streams, used_chunks; /* never used yet: from here on */
	uint32_t free_stream, free_chunk;   /* given back */
	uint32_t newest, oldest;
	uint64_t evicted, evicted_ports;
	struct berth_stream *stream;
	struct chunk *chunk;
	uint32_t *bucket;
};

static uint32_t buckets_for(uint32_t streams)
{
	uint32_t n = 16;

	while (n < streams)
		n *= 2;
	return n;
}

size_t berth_streams_size(uint32_t streams, uint32_t chunks)
{
	return sizeof(struct berth_streams) + streams * sizeof(struct berth_stream) +
	       chunks * sizeof(struct chunk) + buckets_for(streams) * sizeof(uint32_t);
}

struct berth_streams *berth_streams_init(void *memory, uint32_t streams, uint32_t chunks)
{
	struct berth_streams *t = memory;

	memset(t, 0, sizeof(*t));
	t->streams = streams;
	t->chunks = chunks;
	t->buckets = buckets_for(streams);
	t->stream = (struct berth_stream *)(t + 1);
	t->chunk = (struct chunk *)(t->stream + streams);
	t->bucket = (uint32_t *)(t->chunk + chunks);
	memset(t->bucket, 0xff, t->buckets * sizeof(*t->bucket));
	t->free_stream = t->free_chunk = t->newest = t->oldest = NONE;
	return t;
}

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint32_t *bucket_of(const struct berth_streams *t, const struct berth_stream *key)
{
	uint64_t word[4], h = (uint64_t)key->destination_port << 8 | key->protocol;
	int i;

	memcpy(word, key->source, sizeof(word));
	for (i = 0; i < 4; i++)
		h = mix(h + word[i] + 0x9e3779b97f4a7c15ULL);
	return &t->bucket[h & (t->buckets - 1)];
}

/* ---- order of use ---- */

static void unlink_stream(struct berth_streams *t, uint32_t at)
{
	struct berth_stream *s = &t->stream[at];

	if (s->newer == NONE)
		t->newest = s->older;
	else
		t->stream[s->newer].older = s->older;
	if (s->older == NONE)
		t->oldest = s->newer;
	else
		t->stream[s->older].newer = s->newer;
}

static void link_newest(struct berth_streams *t, uint32_t at)
{
	struct berth_stream *s = &t->stream[at];

	s->newer = NONE;
	s->older = t->newest;
	if (t->newest != NONE)
		t->stream[t->newest].newer = at;
	t->newest = at;
	if (t->oldest == NONE)
		t->oldest = at;
}

/* ---- room ---- */

static void evict_oldest(struct berth_streams *t)
{
	uint32_t at = t->oldest, *link;
	struct berth_stream *s = &t->stream[at];

	for (link = bucket_of(t, s); *link != at; link = &t->stream[*link].next)
		continue;
	*link = s->next;
	unlink_stream(t, at);
	if (s->first_chunk != NONE) {
		t->chunk[s->last_chunk].next = t->free_chunk;
		t->free_chunk = s->first_chunk;
	}
	t->evicted++;
	t->evicted_ports += s->seen;
	s->seen = 0;
	s->next = t->free_stream;
	t->free_stream = at;
}

static uint32_t take_chunk(struct berth_streams *t)
{
	uint32_t at;

	/* The stream that wants it is the newest, and so the last to go. */
	while (t->free_chunk == NONE && t->used_chunks == t->chunks && t->oldest != t->newest)
		evict_oldest(t);
	if (t->free_chunk == NONE && t->used_chunks == t->chunks)
		return NONE;
	at = t->free_chunk;
	if (at == NONE)
		at = t->used_chunks++;
	else
		t->free_chunk = t->chunk[at].next;
	t->chunk[at].next = NONE;
	t->chunk[at].used = 0;
	return at;
}

static uint32_t new_stream(struct berth_streams *t, const struct berth_stream *key)
{
	uint32_t at, *bucket = bucket_of(t, key);

	if (t->free_stream == NONE && t->used_streams == t->streams)
		evict_oldest(t);
	at = t->free_stream;
	if (at == NONE)
		at = t->used_streams++;
	else
		t->free_stream = t->stream[at].next;
	t->stream[at] = *key;
	t->stream[at].first_chunk = t->stream[at].last_chunk = NONE;
	t->stream[at].next = *bucket;
	*bucket = at;
	link_newest(t, at);
	return at;
}

/* The stream of that key, now the newest; *out_new where it was made. */
static struct berth_stream *find_stream(struct berth_streams *t, const struct berth_stream *key,
					bool *out_new)
{
	uint32_t at = *bucket_of(t, key);

	while (at != NONE && memcmp(&t->stream[at], key, KEY_SIZE) != 0)
		at = t->stream[at].next;
	*out_new = at == NONE;
	if (*out_new)
		return &t->stream[new_stream(t, key)];
	unlink_stream(t, at);
	link_newest(t, at);
	return &t->stream[at];
}

static void keep_port(struct berth_streams *t, struct berth_stream *s, uint16_t port)
{
	uint32_t at = s->last_chunk;

	s->seen++;
	if (s->kept == BERTH_JUDGE_MAX)
		return;
	if (at == NONE || t->chunk[at].used == CHUNK_PORTS) {
		at = take_chunk(t);
		if (at == NONE)
			return;
		if (s->first_chunk == NONE)
			s->first_chunk = at;
		else
			t->chunk[s->last_chunk].next = at;
		s->last_chunk = at;
	}
	t->chunk[at].port[t->chunk[at].used++] = port;
	s->kept++;
}

void berth_streams_add(struct berth_streams *t, const struct berth_frame *frame, bool new_socket)
{
	struct berth_stream key, *s;
	bool new_one, is_new;

	memset(&key, 0, sizeof(key));
	memcpy(key.source, frame->source, 16);
	key.protocol = frame->protocol;
	memcpy(key.destination, frame->destination, 16);
	key.destination_port = frame->destination_port;
	s = find_stream(t, &key, &new_one);
	keep_port(t, s, frame->source_port);
	memset(key.destination, 0, 16);
	key.destination_port = 0;
	key.all = true;
	s = find_stream(t, &key, &is_new);
	s->destinations += new_one;
	if (new_socket)
		keep_port(t, s, frame->source_port);
}

uint64_t berth_streams_evicted(const struct berth_streams *t, uint64_t *out_ports)
{
	*out_ports = t->evicted_ports;
	return t->evicted;
}

uint32_t berth_streams_count(const struct berth_streams *t)
{
	return t->used_streams;
}

const struct berth_stream *berth_streams_get(const struct berth_streams *t, uint32_t number)
{
	return number < t->used_streams && t->stream[number].seen ? &t->stream[number] : NULL;
}

size_t berth_streams_ports(const struct berth_streams *t, const struct berth_stream *s,
			   uint16_t *out)
{
	uint32_t at;
	size_t n = 0;

	for (at = s->first_chunk; at != NONE; at = at == s->last_chunk ? NONE : t->chunk[at].next) {
		memcpy(out + n, t->chunk[at].port, t->chunk[at].used * sizeof(*out));
		n += t->chunk[at].used;
	}
	return n;
}
