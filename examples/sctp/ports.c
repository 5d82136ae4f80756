/* SPDX-License-Identifier: BSD-2-Clause */
/* Listens, connects, accepts, finds and closes by libberth. */
#include "ports.h"

#include "../common/common.h"

#include <errno.h>
#include <stdio.h>

/* Listeners and the encapsulation have the right to system ports; clients need none. */
enum owner { SYSTEM, CLIENTS, OWNERS };

/* In the demultiplexer an association is its id, a listener its number and this. */
#define LISTENER ((uint64_t)1 << 32)

static bool is_same(const struct berth_address *a, const struct berth_address *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static bool is_same_family(const struct berth_address *a, const struct berth_address *b)
{
	return berth_address_is_v4(a) == berth_address_is_v4(b);
}

static struct berth_space *open_space(struct ports *p, struct berth_space_config config,
				      const struct berth_space_room *room)
{
	struct berth_space_memory memory = { memory_get, memory_put, &p->memory };
	struct berth_space *space;
	uint16_t local;
	unsigned i;

	config.addresses = ADDRESSES;
	config.owners = OWNERS;
	fill_random(config.key, sizeof(config.key));
	must(berth_space_new(&config, &memory, &space), "port space");
	for (i = 0; i < p->address_count; i++)
		must(berth_space_add_local(space, p->addresses + i, &local), "address");
	must(berth_space_make_room(space, room), "room");
	must(berth_space_set_owner(space, SYSTEM, 0, BERTH_SPACE_SYSTEM), "owner");
	return space;
}

void ports_open(struct ports *p)
{
	struct berth_demux_memory memory = { .get = memory_get_aligned,
					     .put = memory_put,
					     .context = &p->memory };
	struct berth_space_room one = { .sockets = ADDRESSES },
				room = { .sockets = 4 * ASSOCIATIONS,
					 .destinations = 4 * ASSOCIATIONS,
					 .shares = 4 * ASSOCIATIONS };
	struct berth_space_config sctp = { .protocol = BERTH_SCTP,
					   .first = p->first,
					   .last = p->last },
				  udp = { .protocol = BERTH_UDP };
	uint64_t key[2];

	p->sctp = open_space(p, sctp, &room);
	p->udp = open_space(p, udp, &one);
	fill_random(key, sizeof(key));
	errno = -berth_demux_new(&memory, key, &p->demux);
	if (errno)
		die("demultiplexer");
}

uint16_t ports_take_udp(struct ports *p, uint16_t port, bool (*is_free)(void *context, uint16_t),
			void *context)
{
	struct berth_space_bind want = { .port = port, .owner = SYSTEM };
	uint16_t all[ADDRESSES] = { 0, 1, 2, 3 };
	struct berth_space_info info;
	berth_space_socket socket;

	for (;;) {
		fill_random(&want.rnd, sizeof(want.rnd));
		must(berth_space_bind_many(p->udp, &want, all, p->address_count, &socket),
		     "UDP port");
		must(berth_space_get(p->udp, socket, &info), "UDP port");
		if (is_free(context, info.port))
			return info.port;
		if (port || errno != EADDRINUSE)
			die("UDP port");
		berth_space_release(p->udp, socket, 0, false);
		must(berth_space_withhold(p->udp, info.port, info.port, true), "UDP port");
	}
}

/* Numbers of our addresses that at names; false where one is not ours. */
static bool find_locals(const struct ports *p, const struct endpoint *at, struct listener *l)
{
	unsigned i, k;

	l->port = at->port;
	for (i = 0; i < at->count; i++) {
		for (k = 0; k < p->address_count; k++) {
			if (is_same(p->addresses + k, at->addresses + i))
				break;
		}
		if (k == p->address_count)
			return false;
		l->locals[l->local_count++] = (uint16_t)k;
	}
	return true;
}

static struct berth_demux_socket listener_at(const struct ports *p, const struct listener *l,
					     unsigned i)
{
	return (struct berth_demux_socket){
		.at = { .local = p->addresses[l->locals[i]],
			.local_port = l->port,
			.protocol = BERTH_SCTP },
		.owner = LISTENER | (uint64_t)(l - p->listeners),
	};
}

/* Takes the listener out, of whose addresses the first count are in the demultiplexer. */
static void drop_listener(struct ports *p, struct listener *l, unsigned count)
{
	while (count--) {
		struct berth_demux_socket s = listener_at(p, l, count);

		berth_demux_remove(p->demux, &s);
	}
	berth_space_release(p->sctp, l->space, 0, false);
	memset(l, 0, sizeof(*l));
}

const char *ports_listen(struct ports *p, const struct endpoint *at)
{
	struct berth_space_bind want = { .port = at->port, .owner = SYSTEM };
	struct listener wanted = { 0 }, *l = p->listeners;
	unsigned i;
	int error;

	if (!find_locals(p, at, &wanted))
		return berth_space_error(BERTH_SPACE_E_NOT_LOCAL);
	while (l < p->listeners + LISTENERS && l->space)
		l++;
	if (l == p->listeners + LISTENERS)
		return "there are as many listeners as there may be";
	error = berth_space_bind_many(p->sctp, &want, wanted.locals, wanted.local_count,
				      &wanted.space);
	if (error)
		return berth_space_error(error);
	*l = wanted;
	error = berth_space_listen(p->sctp, l->space);
	if (error) {
		drop_listener(p, l, 0);
		return berth_space_error(error);
	}
	for (i = 0; i < l->local_count; i++) {
		struct berth_demux_socket s = listener_at(p, l, i);

		error = berth_demux_add(p->demux, &s);
		if (error) {
			drop_listener(p, l, i);
			return strerror(-error);
		}
	}
	return NULL;
}

/* A number whose place is free, so that an old number is not soon another one's. */
static struct association *new_association(struct ports *p)
{
	unsigned i;

	for (i = 0; i < ASSOCIATIONS; i++) {
		struct association *a;

		p->last_id = p->last_id == INT32_MAX ? 1 : p->last_id + 1;
		a = p->associations + p->last_id % ASSOCIATIONS;
		if (!a->id) {
			a->id = p->last_id;
			a->born_ms = now_ms();
			return a;
		}
	}
	return NULL;
}

void ports_close(struct ports *p, struct association *a)
{
	while (a->pair_count--) {
		struct pair *pair = a->pairs + a->pair_count;

		berth_demux_remove(p->demux, &pair->at);
		if (pair->space)
			berth_space_release(p->sctp, pair->space, 0, false);
	}
	if (a->held)
		berth_space_release(p->sctp, a->held, 0, false);
	memset(a, 0, sizeof(*a));
}

/* One more pair, which a listener's association must get from the space, too. */
static const char *add_pair(struct ports *p, struct association *a, const struct listener *l,
			    struct pair pair)
{
	struct berth_flow *at = &pair.at.at;
	struct berth_space_connect want = { .local = pair.local,
					    .remote = at->remote,
					    .remote_port = at->remote_port,
					    .now_ms = now_ms() };
	int error;

	at->local = p->addresses[pair.local];
	at->protocol = BERTH_SCTP;
	pair.at.owner = a->id;
	pair.is_known = !l;
	error = l ? berth_space_accept(p->sctp, l->space, &want, &pair.space) : 0;
	if (error)
		return berth_space_error(error);
	error = berth_demux_add(p->demux, &pair.at);
	if (error) {
		if (pair.space)
			berth_space_release(p->sctp, pair.space, 0, false);
		return strerror(-error);
	}
	a->pairs[a->pair_count++] = pair;
	return NULL;
}

/* All pairs of our addresses and the peer's, at first those of the same place in both lists. */
static const char *add_pairs(struct ports *p, struct association *a, const struct listener *l,
			     uint16_t port, const struct endpoint *peer, uint16_t udp_port)
{
	const char *why = NULL;
	unsigned turn, i;

	for (turn = 0; turn < peer->count; turn++) {
		for (i = 0; i < a->local_count && !why; i++) {
			struct pair pair = { .local = a->locals[i], .udp_port = udp_port };

			pair.at.at.remote = peer->addresses[(i + turn) % peer->count];
			pair.at.at.local_port = port;
			pair.at.at.remote_port = peer->port;
			if (is_same_family(p->addresses + pair.local, &pair.at.at.remote))
				why = add_pair(p, a, l, pair);
		}
	}
	return why;
}

/* Our addresses for a peer's: the first of its family, or all of a family where it has several. */
static void choose_locals(const struct ports *p, struct association *a, const struct endpoint *to)
{
	unsigned i, k;

	for (i = 0; i < p->address_count; i++) {
		for (k = 0; k < to->count; k++) {
			if (is_same_family(p->addresses + i, to->addresses + k))
				break;
		}
		if (k < to->count && (to->count > 1 || !a->local_count))
			a->locals[a->local_count++] = (uint16_t)i;
	}
}

/* An ephemeral port: with one pair any whose pair is free, else one that nobody has on any address. */
static const char *hold_port(struct ports *p, struct association *a, const struct endpoint *to,
			     uint16_t *out_port)
{
	struct berth_space_connect pair = { .local = a->locals[0],
					    .remote = to->addresses[0],
					    .remote_port = to->port,
					    .owner = CLIENTS,
					    .now_ms = now_ms() };
	struct berth_space_bind bind = { .owner = CLIENTS };
	struct berth_space_info info;
	int error;

	fill_random(&pair.rnd, sizeof(pair.rnd));
	bind.rnd = pair.rnd;
	error = a->is_multihomed
			? berth_space_bind_many(p->sctp, &bind, a->locals, a->local_count, &a->held)
			: berth_space_connect(p->sctp, &pair, &a->held);
	if (error)
		return berth_space_error(error);
	berth_space_get(p->sctp, a->held, &info);
	*out_port = info.port;
	return NULL;
}

const char *ports_connect(struct ports *p, const struct endpoint *to, uint16_t udp_port,
			  struct association **out_association)
{
	struct association *a = new_association(p);
	const char *why;
	uint16_t port = 0;

	if (!a)
		return "there are as many associations as there may be";
	choose_locals(p, a, to);
	a->is_multihomed = to->count > 1;
	why = a->local_count ? hold_port(p, a, to, &port) : "we have no address of that family";
	if (!why)
		why = add_pairs(p, a, NULL, port, to, udp_port);
	if (why)
		ports_close(p, a);
	else
		*out_association = a;
	return why;
}

const char *ports_accept(struct ports *p, const struct listener *l, const struct berth_flow *flow,
			 const struct berth_address *listed, unsigned count, uint16_t udp_port,
			 struct association **out_association)
{
	struct endpoint peer = { .addresses = { flow->remote }, 1, flow->remote_port };
	struct association *a = new_association(p);
	const char *why;
	unsigned i;

	if (!a)
		return "there are as many associations as there may be";
	a->is_multihomed = count;
	for (i = 0; i < l->local_count; i++) {
		if (a->is_multihomed || is_same(p->addresses + l->locals[i], &flow->local))
			a->locals[a->local_count++] = l->locals[i];
	}
	for (i = 0; i < count && peer.count < ADDRESSES; i++) {
		if (!is_same(listed + i, &flow->remote))
			peer.addresses[peer.count++] = listed[i];
	}
	why = add_pairs(p, a, l, l->port, &peer, udp_port);
	if (why)
		ports_close(p, a);
	else
		*out_association = a;
	return why;
}

enum berth_demux_level ports_find(struct ports *p, const struct berth_flow *flow,
				  struct association **out_association,
				  struct listener **out_listener)
{
	uint64_t owner = 0;
	enum berth_demux_level level = berth_demux_find(p->demux, flow, &owner);

	if (level == BERTH_DEMUX_CONNECTED)
		*out_association = ports_get(p, (uint32_t)owner);
	else if (level)
		*out_listener = p->listeners + (owner & ~LISTENER);
	return level;
}

struct association *ports_get(struct ports *p, uint32_t id)
{
	struct association *a = p->associations + id % ASSOCIATIONS;

	return id && a->id == id ? a : NULL;
}

void ports_print(const struct ports *p)
{
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
	unsigned i, k;

	for (i = 0; i < LISTENERS; i++) {
		for (k = 0; k < p->listeners[i].local_count; k++)
			printf("listener [%s]:%u\n",
			       address_text(p->addresses + p->listeners[i].locals[k], local),
			       p->listeners[i].port);
	}
	for (i = 0; i < ASSOCIATIONS; i++) {
		const struct association *a = p->associations + i;

		for (k = 0; k < a->pair_count; k++) {
			const struct berth_flow *f = &a->pairs[k].at.at;

			printf("association %u [%s]:%u [%s]:%u%s%s\n", a->id,
			       address_text(&f->local, local), f->local_port,
			       address_text(&f->remote, remote), f->remote_port,
			       a->pairs[k].is_known ? "" : " not heard",
			       k == a->pair ? " in use" : "");
		}
	}
}

bool ports_finish(struct ports *p)
{
	struct berth_demux_usage usage;
	struct berth_space_counts counts;
	unsigned i;

	for (i = 0; i < LISTENERS; i++) {
		if (p->listeners[i].space)
			drop_listener(p, p->listeners + i, p->listeners[i].local_count);
	}
	usage = berth_demux_usage(p->demux);
	must(berth_space_count(p->sctp, 0, &counts), "count");
	berth_demux_free(p->demux);
	berth_space_free(p->sctp);
	berth_space_free(p->udp);
	printf("left: %u sockets, %ju pairs, %zu bytes\n", counts.sockets,
	       (uintmax_t)(usage.pairs_v4 + usage.pairs_v6), p->memory);
	return !counts.sockets && !usage.pairs_v4 && !usage.pairs_v6 && !p->memory;
}
