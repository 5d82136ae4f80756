/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds, connects, finds and closes the host's sockets by libberth. */
#include "sockets.h"

#include "../common/common.h"

#include <errno.h>
#include <stdio.h>

/* Services have the right to system ports; clients need none. */
enum owner { SYSTEM, CLIENTS, OWNERS };

static void open_space(struct table *t)
{
	struct berth_space_config config = { .protocol = BERTH_UDP,
					     .first = t->first,
					     .last = t->last,
					     .addresses = 2 + ADDRESSES,
					     .owners = OWNERS,
					     .idle_ms = t->idle_ms,
					     .now_ms = now_ms() };
	struct berth_space_memory memory = { memory_get, memory_put, &t->memory };
	struct berth_space_room room = { .sockets = SOCKETS, .destinations = SOCKETS };
	static const uint8_t zero[4];
	struct berth_address any4 = berth_address_v4(zero), any6 = { 0 };
	uint16_t local;
	unsigned i;

	fill_random(config.key, sizeof(config.key));
	must(berth_space_new(&config, &memory, &t->space), "port space");
	must(berth_space_add_local(t->space, &any4, t->any), "wildcard");
	must(berth_space_add_local(t->space, &any6, t->any + 1), "wildcard");
	for (i = 0; i < t->address_count; i++)
		must(berth_space_add_local(t->space, t->addresses + i, &local), "address");
	must(berth_space_make_room(t->space, &room), "room");
	must(berth_space_set_owner(t->space, SYSTEM, 0, BERTH_SPACE_SYSTEM), "owner");
}

static void open_demux(struct table *t)
{
	struct berth_demux_memory memory = { .get = memory_get_aligned,
					     .put = memory_put,
					     .context = &t->memory };
	uint64_t key[2];

	fill_random(key, sizeof(key));
	errno = -berth_demux_new(&memory, key, &t->demux);
	if (errno)
		die("demultiplexer");
}

void table_open(struct table *t)
{
	open_space(t);
	open_demux(t);
}

static struct socket *free_socket(struct table *t)
{
	unsigned i;

	for (i = 0; i < SOCKETS; i++) {
		if (!t->sockets[i].space)
			return t->sockets + i;
	}
	return NULL;
}

/* Puts a socket that the space has into the demultiplexer. */
static int publish(struct table *t, struct socket *s)
{
	s->at.owner = (uint64_t)(s - t->sockets);
	return berth_demux_add(t->demux, &s->at);
}

static void withdraw(struct table *t, struct socket *s)
{
	berth_demux_remove(t->demux, &s->at);
	memset(s, 0, sizeof(*s));
}

void table_close(struct table *t, struct socket *s)
{
	berth_space_release(t->space, s->space, now_ms(), false);
	withdraw(t, s);
}

/* One socket for both families, as that of IPv6 is on Linux. */
void table_serve(struct table *t, const struct service *service)
{
	struct berth_space_bind want = { .port = service->port, .owner = SYSTEM };
	struct socket *s = free_socket(t);

	must(berth_space_bind_many(t->space, &want, t->any, 2, &s->space), service->name);
	s->service = service;
	s->at.at.protocol = BERTH_UDP;
	s->at.at.local_port = service->port;
	errno = -publish(t, s);
	if (errno)
		die(service->name);
}

/* Number of our first address of that family; address_count: there is none. */
static unsigned source_for(const struct table *t, const struct berth_address *remote)
{
	unsigned i;

	for (i = 0; i < t->address_count; i++) {
		if (berth_address_is_v4(t->addresses + i) == berth_address_is_v4(remote))
			break;
	}
	return i;
}

const char *table_connect(struct table *t, const struct berth_address *remote, uint16_t port,
			  struct socket **out_socket)
{
	unsigned source = source_for(t, remote);
	struct berth_space_connect want = { .local = (uint16_t)(2 + source),
					    .remote_port = port,
					    .owner = CLIENTS,
					    .remote = *remote,
					    .now_ms = now_ms() };
	struct socket *s = free_socket(t);
	struct berth_space_info info;
	berth_space_socket socket;
	int error;

	if (source == t->address_count)
		return "we have no address of that family";
	if (!s)
		return "every socket is in use";
	fill_random(&want.rnd, sizeof(want.rnd));
	error = berth_space_connect(t->space, &want, &socket);
	if (error)
		return berth_space_error(error);
	berth_space_get(t->space, socket, &info);
	s->space = socket;
	s->at.at = (struct berth_flow){ .local = t->addresses[source],
					.remote = *remote,
					.local_port = info.port,
					.remote_port = port,
					.protocol = BERTH_UDP };
	error = publish(t, s);
	if (error) {
		berth_space_release(t->space, socket, want.now_ms, false);
		memset(s, 0, sizeof(*s));
		return strerror(-error);
	}
	*out_socket = s;
	return NULL;
}

struct socket *table_find(struct table *t, const struct berth_flow *flow,
			  enum berth_demux_level *out_level)
{
	uint64_t owner;

	*out_level = berth_demux_find(t->demux, flow, &owner);
	return *out_level ? t->sockets + owner : NULL;
}

/* The space has released the socket of a client whom nobody answered. */
static void give_up(void *context, berth_space_socket socket)
{
	struct table *t = context;
	struct socket *s = t->sockets;

	while (s->space != socket)
		s++;
	printf("silent %u\n", s->at.at.local_port);
	withdraw(t, s);
}

void table_advance(struct table *t)
{
	berth_space_advance(t->space, now_ms(), 0, give_up, t);
}

void table_print(const struct table *t)
{
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
	unsigned i;

	for (i = 0; i < SOCKETS; i++) {
		const struct socket *s = t->sockets + i;
		const struct berth_flow *f = &s->at.at;

		if (s->space)
			printf("udp [%s]:%u [%s]:%u %s received %ju sent %ju\n",
			       address_text(&f->local, local), f->local_port,
			       address_text(&f->remote, remote), f->remote_port,
			       s->service ? s->service->name : "client", (uintmax_t)s->received,
			       (uintmax_t)s->sent);
	}
}

bool table_close_all(struct table *t)
{
	struct berth_demux_usage usage;
	struct berth_space_counts counts;
	unsigned i;

	for (i = 0; i < SOCKETS; i++) {
		if (t->sockets[i].space)
			table_close(t, t->sockets + i);
	}
	usage = berth_demux_usage(t->demux);
	must(berth_space_count(t->space, t->any[0], &counts), "count");
	berth_demux_free(t->demux);
	berth_space_free(t->space);
	printf("left: %u sockets, %ju pairs, %zu bytes\n", counts.sockets,
	       (uintmax_t)(usage.pairs_v4 + usage.pairs_v6), t->memory);
	return !counts.sockets && !usage.pairs_v4 && !usage.pairs_v6 && !t->memory;
}
