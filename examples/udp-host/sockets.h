/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's sockets: who has which port (berth_space), and whose a packet is (berth_demux).
 *
 * A socket is a place in table.sockets; its number is the owner in the demultiplexer. It is in both or in neither.
 * What cannot go on at the start ends the program with a sentence.
 */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <berth/demux.h>
#include <berth/space.h>

#define SOCKETS 4096
#define ADDRESSES 8

struct table;

struct service {
	const char *name;
	uint16_t port;
	/* Makes the answer of a request of size bytes; out has WIRE_ROOM. 0: no answer. */
	size_t (*serve)(const struct table *table, const uint8_t *in, size_t size, uint8_t *out);
};

/* In use where space is not 0. A client has no service. */
struct socket {
	berth_space_socket space;
	struct berth_demux_socket at;
	const struct service *service;
	uint64_t received, sent;
};

/* What stands above the line is set before table_open(). */
struct table {
	struct berth_address addresses[ADDRESSES];
	unsigned address_count;
	uint16_t first, last; /* ephemeral range; 0, 0: libberth's */
	uint32_t idle_ms;     /* how long a client waits for its answer */
	/* ---- */
	size_t memory; /* bytes that libberth has from us */
	struct berth_space *space;
	struct berth_demux *demux;
	uint16_t any[2]; /* the space's numbers of the wildcards; address i has number 2 + i */
	struct socket sockets[SOCKETS];
};

/* Makes the space and the demultiplexer. */
void table_open(struct table *t);

/* Binds a service to its port on all addresses of both families. It must outlive the table. */
void table_serve(struct table *t, const struct service *service);

/*
 * Connects a new client from an ephemeral port. Returns NULL, or why there is none: a sentence that is valid until
 * the next call.
 */
const char *table_connect(struct table *t, const struct berth_address *remote, uint16_t port,
			  struct socket **out_socket);

/* The socket that a packet is for, and how it was found; NULL: nobody's. */
struct socket *table_find(struct table *t, const struct berth_flow *flow,
			  enum berth_demux_level *out_level);

void table_close(struct table *t, struct socket *s);

/* The clock goes on: clients whose time is over are gone, and printed. */
void table_advance(struct table *t);

/* One line for each socket. */
void table_print(const struct table *t);

/* Closes every socket and says what is left; true where it is nothing, and all memory came back. */
bool table_close_all(struct table *t);

#endif
