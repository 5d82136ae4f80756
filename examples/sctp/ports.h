/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's ports: who has which (berth_space), and whose an arriving packet is (berth_demux).
 *
 * An association with several addresses of its own or of its peer is multi-homed: one port on all of ours, and every
 * pair of addresses in the demultiplexer. A client's with one pair shares its port with those to other destinations;
 * a multi-homed client has its port to itself. What cannot go on at the start ends the program with a sentence.
 */
#ifndef PORTS_H
#define PORTS_H

#include <berth/demux.h>
#include <berth/space.h>

#define ADDRESSES 4
#define PAIRS (ADDRESSES * ADDRESSES)
#define ASSOCIATIONS 2048
#define LISTENERS 16

/* One address of ours and one of the peer's. */
struct pair {
	struct berth_demux_socket at;
	berth_space_socket space; /* accepted; 0 where the client's port is held as a whole */
	uint16_t local;           /* number of our address */
	uint16_t udp_port;        /* where the peer's encapsulation is */
	bool is_known;            /* the client's user named it, or the peer was heard there */
};

/* In use where id is not 0; from tags on it is the caller's. */
struct association {
	uint32_t id;
	berth_space_socket held; /* a client's port */
	uint16_t locals[ADDRESSES], local_count;
	unsigned pair_count;
	struct pair pairs[PAIRS];
	uint32_t tags[2];
	uint32_t born_ms, asked_ms;
	unsigned pair; /* number of the one in use */
	bool is_multihomed, is_up, is_over, is_waiting;
	struct socket *sctp;
	uint32_t sctp_id;
};

/* In use where space is not 0. */
struct listener {
	berth_space_socket space;
	uint16_t port, locals[ADDRESSES], local_count;
};

/* Where a host listens, or its peer does. */
struct endpoint {
	struct berth_address addresses[ADDRESSES];
	unsigned count;
	uint16_t port;
};

/* What stands above the line is set before ports_open(). */
struct ports {
	struct berth_address addresses[ADDRESSES];
	unsigned address_count;
	uint16_t first, last; /* ephemeral range of SCTP; 0, 0: libberth's */
	/* ---- */
	size_t memory; /* bytes that libberth has from us */
	struct berth_space *sctp, *udp;
	struct berth_demux *demux;
	uint32_t last_id;
	struct listener listeners[LISTENERS];
	struct association associations[ASSOCIATIONS];
};

/* Makes the spaces and the demultiplexer. */
void ports_open(struct ports *p);

/*
 * Takes a UDP port on all addresses at once, 0: an ephemeral one, and returns it. is_free says whether the kernel has
 * it for us; where it has not, a chosen port is never chosen again and the next one is tried.
 */
uint16_t ports_take_udp(struct ports *p, uint16_t port, bool (*is_free)(void *context, uint16_t),
			void *context);

/* Listens at our addresses of at as one; NULL, or why not. */
const char *ports_listen(struct ports *p, const struct endpoint *at);

/*
 * A client's association with the peer at to, from an ephemeral port: NULL, or why there is none. With several
 * addresses of the peer it is multi-homed, from all of ours.
 */
const char *ports_connect(struct ports *p, const struct endpoint *to, uint16_t udp_port,
			  struct association **out_association);

/*
 * A listener's new association with the peer of flow, who also has the addresses listed; with one at least it is
 * multi-homed. NULL, or why there is none: a pair is another association's, or no room.
 */
const char *ports_accept(struct ports *p, const struct listener *l, const struct berth_flow *flow,
			 const struct berth_address *listed, unsigned count, uint16_t udp_port,
			 struct association **out_association);

/* Whose a packet is: an association's, or that of a listener. */
enum berth_demux_level ports_find(struct ports *p, const struct berth_flow *flow,
				  struct association **out_association,
				  struct listener **out_listener);

/* NULL where there is none of that number any more. */
struct association *ports_get(struct ports *p, uint32_t id);

/* The association's ports and pairs are free again, and *a is cleared. */
void ports_close(struct ports *p, struct association *a);

/* One line for each listener and association. */
void ports_print(const struct ports *p);

/* Closes every listener and says what is left; true where it is nothing, and all memory came back. */
bool ports_finish(struct ports *p);

#endif
