/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes drive blocks of ports, of any configuration, and a list of what is taken and what rests; and a plan of RFC
 * 7422, whose blocks and subscribers must be each other's inverse.
 */
#include <string.h>

#include "fuzz.h"
#include "include/berth/blocks.h"

#define ADDRESSES 3u
#define SUBSCRIBERS 6u

enum state { FREE, TAKEN, RESTS };

static uint8_t state[ADDRESSES][65536];
static uint32_t until[ADDRESSES][65536];
static int64_t owner[ADDRESSES][65536]; /* of the block that begins there; -1: nobody */
static uint32_t taken[SUBSCRIBERS], had[SUBSCRIBERS];
static struct berth_blocks_config config;
static struct berth_blocks *blocks;
static uint32_t now_ms;
static const uint8_t *bytes;
static size_t left;

static uint32_t below(uint32_t n)
{
	uint32_t x = left ? left--, *bytes++ : 0;

	if (n > 256)
		x = x << 8 | (left ? left--, *bytes++ : 0);
	return x % n;
}

static void *get(void *context, size_t size)
{
	(void)context;
	return malloc(size);
}

static void put(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

static uint16_t begin_of(uint32_t port)
{
	return (uint16_t)(port - (port - config.first) % config.size);
}

static void log_block(void *context, uint32_t s, const struct berth_block *b, bool got)
{
	int64_t *o = &owner[b->address][b->first];

	(void)context;
	REQUIRE(s < config.subscribers && b->address < config.addresses);
	REQUIRE(b->first >= config.first && b->last <= config.last);
	REQUIRE(b->last - b->first + 1 == config.size && begin_of(b->first) == b->first);
	REQUIRE(*o == (got ? -1 : (int64_t)s));
	*o = got ? (int64_t)s : -1;
	had[s] += got ? 1 : UINT32_MAX;
}

static void take(void)
{
	uint32_t s = below(SUBSCRIBERS), a, before = s < config.subscribers ? had[s] : 0;
	uint16_t port;
	int error = berth_blocks_take(blocks, s, below(65536) * 0x9e3779b97f4a7c15ULL, &a, &port);

	if (s >= config.subscribers) {
		REQUIRE(error == BERTH_SPACE_E_INVALID);
		return;
	}
	if (error) {
		bool limit = config.most_ports && taken[s] >= config.most_ports;

		limit |= config.most_blocks && had[s] >= config.most_blocks;
		REQUIRE(error == BERTH_SPACE_E_BOUND || error == BERTH_SPACE_E_WAIT ||
			(error == BERTH_SPACE_E_QUOTA && limit));
		return;
	}
	REQUIRE(a < config.addresses && port >= config.first && port <= config.last);
	REQUIRE(state[a][port] == FREE && owner[a][begin_of(port)] == (int64_t)s);
	REQUIRE(had[s] - before <= 1);
	state[a][port] = TAKEN;
	taken[s]++;
	REQUIRE(!config.most_ports || taken[s] <= config.most_ports);
	REQUIRE(!config.most_blocks || had[s] <= config.most_blocks);
}

static void drop(void)
{
	uint32_t a = below(ADDRESSES), port = config.first + below(256), k;
	int64_t s;
	int error;

	for (k = 0; k < 256 && (port > 65535 || state[a][port & 65535] != TAKEN); k++)
		port = port >= config.last ? config.first : port + 1;
	s = owner[a][begin_of(port)];
	error = berth_blocks_drop(blocks, a, (uint16_t)port, now_ms);
	REQUIRE(!error == (state[a][port] == TAKEN));
	if (error)
		return;
	state[a][port] = config.hold_ms ? RESTS : FREE;
	until[a][port] = now_ms + config.hold_ms;
	taken[s]--;
}

static void pass_time(void)
{
	uint32_t a, p, n = 0;

	now_ms += below(256);
	for (a = 0; a < config.addresses; a++)
		for (p = config.first; p <= config.last; p++)
			if (state[a][p] == RESTS && (int32_t)(until[a][p] - now_ms) <= 0) {
				state[a][p] = FREE;
				n++;
			}
	REQUIRE(berth_blocks_advance(blocks, now_ms, 0) == n);
}

/* Somebody has a block where any of its ports is taken or rests, and only there. */
static void audit(void)
{
	uint32_t a, p, n, s, blocks_of, ports_of;

	for (a = 0; a < config.addresses; a++)
		for (p = config.first, n = 0; p <= config.last; p++) {
			n += state[a][p] != FREE;
			REQUIRE(berth_blocks_subscriber(blocks, a, (uint16_t)p) ==
				owner[a][begin_of(p)]);
			if ((p - config.first) % config.size != config.size - 1u)
				continue;
			REQUIRE((owner[a][begin_of(p)] >= 0) == (n > 0));
			n = 0;
		}
	for (s = 0; s < config.subscribers; s++) {
		REQUIRE(!berth_blocks_count(blocks, s, &blocks_of, &ports_of));
		REQUIRE(blocks_of == had[s] && ports_of == taken[s]);
	}
}

static void play(void)
{
	static const struct berth_space_memory memory = { get, put, NULL };

	config = (struct berth_blocks_config){ .subscribers = below(SUBSCRIBERS + 1),
					       .addresses = below(ADDRESSES + 1),
					       .first = (uint16_t)below(65536),
					       .last = (uint16_t)below(65536),
					       .size = (uint16_t)(below(8) ? 64u << below(8)
									   : below(65536)),
					       .most_blocks = (uint16_t)below(4),
					       .most_ports = below(200),
					       .hold_ms = below(2) * 500,
					       .one_address = below(2) };
	config.now_ms = now_ms = UINT32_MAX - below(4096);
	if (berth_blocks_new(&config, &memory, &blocks))
		return;
	memset(state, 0, sizeof(state));
	memset(owner, 0xff, sizeof(owner));
	memset(taken, 0, sizeof(taken));
	memset(had, 0, sizeof(had));
	berth_blocks_set_log(blocks, log_block, NULL);
	while (left) {
		uint32_t what = below(16);

		if (what < 9)
			take();
		else if (what < 15)
			drop();
		else
			pass_time();
	}
	audit();
	berth_blocks_free(blocks);
}

static void plan(void)
{
	uint32_t subscribers = below(65536), addresses = below(300), first = below(65536), s;
	struct berth_plan p;
	struct berth_block b;

	if (berth_plan_init(&p, subscribers, addresses, (uint16_t)first, (uint16_t)below(65536)))
		return;
	for (s = 0; s < subscribers; s += 1 + s / 16) {
		REQUIRE(!berth_plan_block(&p, s, &b));
		REQUIRE(b.address < addresses && b.first >= first && b.first <= b.last);
		REQUIRE(berth_plan_subscriber(&p, b.address, b.first) == (int64_t)s);
		REQUIRE(berth_plan_subscriber(&p, b.address, b.last) == (int64_t)s);
	}
	REQUIRE(berth_plan_block(&p, subscribers, &b) == BERTH_SPACE_E_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bytes = data;
	left = size;
	if (below(4))
		play();
	else
		plan();
	return 0;
}
