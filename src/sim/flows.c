/* SPDX-License-Identifier: BSD-2-Clause */
/* The bounded table of flows: sets of eight, by a hash of both ends. */
#include "src/sim/flows.h"

#include <string.h>

#define SET 8u
#define TCP 6u
#define DNS 53u

struct flow {
	uint64_t key; /* of both ends, in the direction of who was seen first; 0: empty */
	uint32_t id, last_ms, counted_ms;
};

struct berth_flows {
	uint32_t sets;
	uint64_t lost;
	struct flow flow[];
};

size_t berth_flows_size(uint32_t flows)
{
	return sizeof(struct berth_flows) + flows * sizeof(struct flow);
}

struct berth_flows *berth_flows_init(void *memory, uint32_t flows)
{
	struct berth_flows *t = memory;

	memset(t, 0, berth_flows_size(flows));
	t->sets = flows / SET;
	return t;
}

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t end_of(const uint8_t address[16], uint16_t port)
{
	uint64_t word[2];

	memcpy(word, address, sizeof(word));
	return mix(mix(word[0] + 0x9e3779b97f4a7c15ULL) + word[1] + port);
}

/* The ends in their order, so that both directions come to one set; *out_back: there and back. */
static uint64_t key_of(const struct berth_frame *frame, uint64_t *out_back)
{
	uint64_t from = end_of(frame->source, frame->source_port);
	uint64_t to = end_of(frame->destination, frame->destination_port);
	uint64_t both = mix((from < to ? mix(from) + to : mix(to) + from) + frame->protocol) | 2;

	*out_back = from < to ? both | 1 : both & ~1ULL;
	return *out_back ^ 1;
}

/* The flow of either key, else the one of the set to be forgotten. */
static struct flow *find(struct berth_flows *t, uint64_t key, uint64_t back, uint32_t now_ms)
{
	struct flow *set = &t->flow[(key >> 2 & (t->sets - 1)) * SET], *quiet = set;
	uint32_t i;

	for (i = 0; i < SET; i++) {
		if (set[i].key == key || set[i].key == back)
			return &set[i];
		if (!set[i].key ||
		    (quiet->key && now_ms - set[i].last_ms > now_ms - quiet->last_ms))
			quiet = &set[i];
	}
	return quiet;
}

static bool open_flow(struct flow *f, uint64_t key, const struct berth_frame *frame,
		      uint32_t now_ms)
{
	*f = (struct flow){ key, frame->id, now_ms, now_ms };
	return frame->client;
}

bool berth_flows_opens(struct berth_flows *t, const struct berth_frame *frame, uint32_t now_ms)
{
	uint64_t back, key = key_of(frame, &back);
	struct flow *f = find(t, key, back, now_ms);
	uint32_t quiet_ms = now_ms - f->last_ms;

	/* Packets of several interfaces may not be in order: a little before is now. */
	quiet_ms = quiet_ms > UINT32_MAX / 2 ? 0 : quiet_ms;
	if (f->key != key && f->key != back) {
		t->lost += f->key && quiet_ms < BERTH_FLOWS_IDLE_MS;
		return open_flow(f, key, frame, now_ms);
	}
	/* Where both ends sent a SYN, each has a number of its own. */
	if (quiet_ms >= BERTH_FLOWS_IDLE_MS ||
	    (frame->protocol == TCP && (f->key != key || f->id != frame->id)))
		return open_flow(f, key, frame, now_ms);
	f->last_ms = now_ms;
	if (f->key != key || f->id == frame->id || now_ms - f->counted_ms < BERTH_FLOWS_QUERY_MS)
		return false;
	return open_flow(f, key, frame, now_ms);
}

bool berth_flows_opens_socket(struct berth_flows *t, const struct berth_frame *frame,
			      uint32_t now_ms)
{
	struct berth_frame socket = *frame;

	if (frame->protocol == TCP || frame->destination_port == DNS)
		return true;
	memset(socket.destination, 0, sizeof(socket.destination));
	socket.destination_port = 0;
	socket.id = 0;
	return berth_flows_opens(t, &socket, now_ms);
}

uint64_t berth_flows_lost(const struct berth_flows *t)
{
	return t->lost;
}
