/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An SCTP host in user space, over UDP (RFC 6951) for kernels without SCTP: echo servers, clients, multi-homing.
 *
 *   sctp-echo [-r FIRST-LAST] [-u UDP_PORT] ADDRESS...     here: sctp-echo 127.0.0.1 127.0.0.2
 *
 * How libberth is used: which SCTP port and UDP port this host may have is berth_space's matter, and whose an arriving
 * packet is berth_demux's (ports.c). usrsctp has the protocol and never sees an address: an association's number is
 * its AF_CONN address, and each association has a socket of its own. So the layer below carries the lists of
 * addresses (wire.c) and chooses the path: the one on which the peer was heard last, the next one where it is silent.
 *
 * Commands on stdin: "listen PORT ADDRESS..." echoes on PORT of several addresses as one; "connect PORT
 * ADDRESS..." to a peer with these addresses, "say NUMBER TEXT" and "close NUMBER" of that association; "table";
 * "quit", as SIGINT and SIGTERM.
 *
 * Limits: a peer that knows addresses by INIT is believed where they are unused; state is kept from INIT on, for
 * HALF_OPEN_MS; with another UDP port two hosts can be at one address, whose ports then are not known to one another.
 */
#include "../common/common.h"
#include "ports.h"
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <usrsctp.h>

#define UDP_PORT 9899 /* IANA's for SCTP in UDP */
#define HALF_OPEN_MS 5000
#define SILENCE_MS 400

/* Name, and what is counted. */
#define COUNTERS(X)                                                                                \
	X(received, "packets read")                                                                \
	X(malformed, "cut short, checksum wrong, or contradict themselves")                        \
	X(connected, "packets of an association")                                                  \
	X(initial, "packets for a listener")                                                       \
	X(foreign, "packets that are nobody's")                                                    \
	X(refused, "told so")                                                                      \
	X(unsent, "packets that the network, or echoes that the association did not take")

struct counters {
#define COUNTER(name, text) uint64_t name;
	COUNTERS(COUNTER)
#undef COUNTER
};

struct host {
	bool is_ended;
	uint16_t udp_port;
	int udp[ADDRESSES]; /* of our addresses, by their number */
	uint32_t now_ms, told_ms;
	struct ports ports;
	struct counters counters;
	struct lines lines;
	uint8_t in[WIRE_ROOM], out[WIRE_ROOM];
};

static struct host host; /* usrsctp's functions have no context */

static void *token(const struct association *a)
{
	return (void *)(uintptr_t)a->id;
}

static struct association *association_of(void *address)
{
	return ports_get(&host.ports, (uint32_t)(uintptr_t)address);
}

/* Sockets are those of IPv6, for which an address of IPv4 is what it is for libberth: v4-mapped. */
static struct sockaddr_in6 to_sockaddr(const struct berth_address *a, uint16_t port)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memcpy(&to.sin6_addr, a, sizeof(*a));
	return to;
}

static void transmit(unsigned local, const struct berth_address *remote, uint16_t udp_port,
		     const uint8_t *packet, size_t size)
{
	struct sockaddr_in6 to = to_sockaddr(remote, udp_port);

	if (sendto(host.udp[local], packet, size, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		host.counters.unsent++;
}

static void use_pair(struct association *a, unsigned number)
{
	const struct berth_flow *f = &a->pairs[number].at.at;
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];

	if (number != a->pair)
		printf("path %u %s %s\n", a->id, address_text(&f->local, local),
		       address_text(&f->remote, remote));
	a->pair = number;
}

/* What had to be answered was not, for too long: the next pair that the peer is known to have. */
static void watch_path(struct association *a)
{
	unsigned next = a->pair;

	if (!a->is_waiting) {
		a->is_waiting = true;
		a->asked_ms = now_ms();
		return;
	}
	if (now_ms() - a->asked_ms < SILENCE_MS)
		return;
	do
		next = (next + 1) % a->pair_count;
	while (!a->pairs[next].is_known && next != a->pair);
	use_pair(a, next);
	a->asked_ms = now_ms();
}

static size_t list_addresses(const struct association *a, uint8_t *packet, size_t size)
{
	struct berth_address own[ADDRESSES];
	unsigned i;

	for (i = 0; i < a->local_count; i++)
		own[i] = host.ports.addresses[a->locals[i]];
	return wire_list(packet, size, own, a->is_multihomed ? a->local_count : 0);
}

/* usrsctp has a packet for the peer. */
static int carry(void *address, void *packet, size_t size, uint8_t tos, uint8_t df)
{
	struct association *a = association_of(address);
	uint8_t type = ((uint8_t *)packet)[12];
	const struct pair *pair;

	(void)tos;
	(void)df;
	if (!a || size + 20 * ADDRESSES > sizeof(host.out))
		return EHOSTUNREACH;
	memcpy(host.out, packet, size);
	if (type == WIRE_INIT || type == WIRE_INIT_ACK) {
		memcpy(a->tags + a->is_up, host.out + 16, 4);
		size = list_addresses(a, host.out, size);
	}
	wire_seal(host.out, size);
	if (wire_wants_answer(host.out, size))
		watch_path(a);
	pair = a->pairs + a->pair;
	transmit(pair->local, &pair->at.at.remote, pair->udp_port, host.out, size);
	return 0;
}

static void change(struct association *a, const struct sctp_assoc_change *c)
{
	switch (c->sac_state) {
	case SCTP_COMM_UP:
		a->is_up = true;
		a->sctp_id = c->sac_assoc_id;
		printf("up %u\n", a->id);
		return;
	case SCTP_RESTART:
		a->tags[0] = a->tags[1];
		printf("restarted %u\n", a->id);
		return;
	case SCTP_SHUTDOWN_COMP:
		printf("down %u\n", a->id);
		break;
	default:
		printf("%s %u\n", a->is_up ? "lost" : "refused", a->id);
	}
	a->is_over = true;
}

static bool send_text(struct association *a, const void *text, size_t size, uint16_t flags)
{
	struct sctp_sndinfo info = { .snd_flags = flags, .snd_assoc_id = a->sctp_id };

	return usrsctp_sendv(a->sctp, text, size, NULL, 0, &info, sizeof(info), SCTP_SENDV_SNDINFO,
			     0) >= 0;
}

/* usrsctp has something for us: a message, or what became of the association. */
static int receive(struct socket *sctp, union sctp_sockstore from, void *data, size_t size,
		   struct sctp_rcvinfo info, int flags, void *address)
{
	struct association *a = association_of(address);
	const union sctp_notification *n = data;

	(void)sctp;
	(void)from;
	(void)info;
	if (a && data && flags & MSG_NOTIFICATION) {
		if (n->sn_header.sn_type == SCTP_ASSOC_CHANGE)
			change(a, &n->sn_assoc_change);
	} else if (a && data && a->held) {
		printf("echo %u: ", a->id);
		print_foreign(data, size);
	} else if (a && data) {
		host.counters.unsent += !send_text(a, data, size, 0);
	}
	free(data);
	return 1;
}

/* A socket of usrsctp for the association; false: it has none to give. */
static bool open_sctp(struct association *a)
{
	const struct berth_flow *f = &a->pairs[0].at.at;
	struct sctp_event event = { SCTP_FUTURE_ASSOC, SCTP_ASSOC_CHANGE, 1 };
	struct sctp_initmsg init = { 1, 1, 4, 1000 };
	struct sockaddr_conn own = { AF_CONN, htons(f->local_port), token(a) };
	const int on = 1;

	usrsctp_register_address(token(a));
	a->sctp = usrsctp_socket(AF_CONN, SOCK_SEQPACKET, IPPROTO_SCTP, receive, NULL, 0, token(a));
	return a->sctp && !usrsctp_set_non_blocking(a->sctp, 1) &&
	       !usrsctp_setsockopt(a->sctp, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof(event)) &&
	       !usrsctp_setsockopt(a->sctp, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof(init)) &&
	       !usrsctp_setsockopt(a->sctp, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof(on)) &&
	       !usrsctp_bind(a->sctp, (struct sockaddr *)&own, sizeof(own));
}

/* Gives back all that an association has; one that is alive is aborted. */
static void end(struct association *a)
{
	struct linger now = { 1, 0 };

	if (a->sctp) {
		usrsctp_set_ulpinfo(a->sctp, NULL);
		usrsctp_setsockopt(a->sctp, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		usrsctp_close(a->sctp);
	}
	usrsctp_deregister_address(token(a));
	ports_close(&host.ports, a);
}

static void refuse(unsigned local, const struct berth_flow *flow, uint16_t udp_port,
		   const struct wire_packet *w)
{
	uint8_t answer[16];
	size_t size = wire_refuse(w, answer);

	if (!size)
		return;
	host.counters.refused++;
	transmit(local, &flow->remote, udp_port, answer, size);
}

/* An INIT for a listener: an association of its own, which the peer has a while to complete. */
static struct association *accept_init(const struct listener *l, const struct berth_flow *flow,
				       uint16_t udp_port, const struct wire_packet *w)
{
	struct association *a;
	const char *why =
		ports_accept(&host.ports, l, flow, w->addresses, w->address_count, udp_port, &a);

	if (!why && open_sctp(a) && !usrsctp_listen(a->sctp, 1))
		return a;
	if (!why) {
		why = strerror(errno);
		end(a);
	}
	/* Strangers do not fill a log: one line a second. */
	if (now_ms() - host.told_ms >= 1000) {
		host.told_ms = now_ms();
		fprintf(stderr, "sctp-echo: an association with port %u is refused: %s\n",
			flow->local_port, why);
	}
	return NULL;
}

/* A packet with the tag that we gave the peer comes from the peer: it is to be reached where it came from. */
static void hear(struct association *a, const struct berth_flow *flow, uint16_t udp_port,
		 const struct wire_packet *w)
{
	unsigned i;

	if (w->tag ? w->tag != a->tags[0] && w->tag != a->tags[1] : a->is_up)
		return;
	a->is_waiting = false;
	for (i = 0; i < a->pair_count; i++) {
		struct pair *pair = a->pairs + i;

		if (memcmp(&pair->at.at.local, &flow->local, 16) ||
		    memcmp(&pair->at.at.remote, &flow->remote, 16))
			continue;
		pair->is_known = true;
		pair->udp_port = udp_port;
		use_pair(a, i);
	}
}

/* Whose packet is it? */
static void take_packet(unsigned local, size_t size, const struct berth_address *remote,
			uint16_t udp_port)
{
	struct berth_flow flow = { .local = host.ports.addresses[local],
				   .remote = *remote,
				   .protocol = BERTH_SCTP };
	struct association *a = NULL;
	enum berth_demux_level level;
	struct listener *l = NULL;
	struct wire_packet w;

	host.counters.received++;
	if (!wire_read(host.in, size, &w)) {
		host.counters.malformed++;
		return;
	}
	flow.local_port = w.destination_port;
	flow.remote_port = w.source_port;
	level = ports_find(&host.ports, &flow, &a, &l);
	if (level == BERTH_DEMUX_CONNECTED)
		host.counters.connected++;
	else if (level && w.type == WIRE_INIT && (a = accept_init(l, &flow, udp_port, &w)))
		host.counters.initial++;
	if (!a) {
		host.counters.foreign++;
		refuse(local, &flow, udp_port, &w);
		return;
	}
	hear(a, &flow, udp_port, &w);
	usrsctp_conninput(token(a), host.in, size, 0);
}

/* A burst, so that others have their turn, too. */
static void read_udp(unsigned local)
{
	struct sockaddr_in6 from;
	struct berth_address remote;
	int i;

	for (i = 0; i < 64; i++) {
		socklen_t length = sizeof(from);
		ssize_t size = recvfrom(host.udp[local], host.in, sizeof(host.in), 0,
					(struct sockaddr *)&from, &length);

		/* Errors are those of what was sent before: SCTP asks again. */
		if (size < 0)
			return;
		memcpy(&remote, &from.sin6_addr, sizeof(remote));
		take_packet(local, (size_t)size, &remote, ntohs(from.sin6_port));
	}
}

/* Reads "PORT ADDRESS...", each address once. */
static bool read_endpoint(char *words, struct endpoint *out)
{
	char *rest, more, *word = strtok_r(words, " ", &rest);
	struct endpoint e = { 0 };
	unsigned port, i;

	if (!word || sscanf(word, "%5u%c", &port, &more) != 1 || !port || port > 65535)
		return false;
	e.port = (uint16_t)port;
	while ((word = strtok_r(NULL, " ", &rest))) {
		if (e.count == ADDRESSES || !read_address(word, e.addresses + e.count))
			return false;
		for (i = 0; i < e.count; i++) {
			if (!memcmp(e.addresses + i, e.addresses + e.count, 16))
				return false;
		}
		e.count++;
	}
	*out = e;
	return e.count;
}

static const char *connect_to(const struct endpoint *to)
{
	struct association *a;
	const char *why = ports_connect(&host.ports, to, UDP_PORT, &a);
	struct sockaddr_conn peer = { AF_CONN, htons(to->port), NULL };

	if (why)
		return why;
	peer.sconn_addr = token(a);
	printf("association %u from %u\n", a->id, a->pairs[0].at.at.local_port);
	if (open_sctp(a) && (!usrsctp_connect(a->sctp, (struct sockaddr *)&peer, sizeof(peer)) ||
			     errno == EINPROGRESS))
		return NULL;
	why = strerror(errno);
	end(a);
	return why;
}

/* "listen" or "connect", whose words are behind at. */
static void take_endpoint(const char *line, int at, bool is_listen)
{
	char words[sizeof(host.lines.text)];
	struct endpoint e;
	const char *why;

	strcpy(words, line + at);
	if (!read_endpoint(words, &e))
		why = "no port, and addresses each once";
	else
		why = is_listen ? ports_listen(&host.ports, &e) : connect_to(&e);
	if (why)
		fprintf(stderr, "sctp-echo: %s: %s\n", line, why);
	else if (is_listen)
		printf("done: %s\n", line);
}

static void print_table(void)
{
	ports_print(&host.ports);
#define PRINT(name, text) printf("count " #name " %ju (" text ")\n", (uintmax_t)host.counters.name);
	COUNTERS(PRINT)
#undef PRINT
}

/* Text for the peer, or flags to end the association when all has arrived. */
static void say(struct association *a, const char *text, uint16_t flags)
{
	if (!send_text(a, text, strlen(text), flags))
		fprintf(stderr, "sctp-echo: association %u: %s\n", a->id, strerror(errno));
}

static void close_association(struct association *a)
{
	if (a->is_up)
		say(a, "", SCTP_EOF);
	else
		a->is_over = true;
}

static void take_command(void *context, char *line)
{
	struct association *a;
	unsigned number;
	int at = 0;

	(void)context;
	if (sscanf(line, "listen %n", &at), at)
		take_endpoint(line, at, true);
	else if (sscanf(line, "connect %n", &at), at)
		take_endpoint(line, at, false);
	else if (!strcmp(line, "quit"))
		host.is_ended = true;
	else if (!strcmp(line, "table"))
		print_table();
	else if (sscanf(line, "say %u %n", &number, &at) == 1 && at &&
		 (a = ports_get(&host.ports, number)))
		say(a, line + at, 0);
	else if (sscanf(line, "close %u", &number) == 1 && (a = ports_get(&host.ports, number)))
		close_association(a);
	else
		fprintf(stderr, "sctp-echo: %s: no such command or association\n", line);
}

/* Time goes on: what is over is given back, and what its peer did not complete. */
static void advance(void)
{
	uint32_t now = now_ms();
	unsigned i;

	usrsctp_handle_timers(now - host.now_ms);
	host.now_ms = now;
	for (i = 0; i < ASSOCIATIONS; i++) {
		struct association *a = host.ports.associations + i;

		if (a->id &&
		    (a->is_over || (!a->is_up && !a->held && now - a->born_ms > HALF_OPEN_MS)))
			end(a);
	}
}

/* Returns at a signal or "quit". */
static void run(const sigset_t *open)
{
	struct pollfd fds[ADDRESSES + 1] = { { .fd = 0, .events = POLLIN } };
	struct timespec tick = { .tv_nsec = 10000000 };
	unsigned i, count = host.ports.address_count;

	for (i = 0; i < count; i++)
		fds[1 + i] = (struct pollfd){ .fd = host.udp[i], .events = POLLIN };
	while (!stopped && !host.is_ended) {
		int ready = ppoll(fds, 1 + count, &tick, open);

		if (ready < 0 && errno != EINTR)
			die("ppoll");
		for (i = 0; ready > 0 && i < count; i++) {
			if (fds[1 + i].revents)
				read_udp(i);
		}
		if (ready > 0 && fds[0].revents && !read_lines(&host.lines, take_command, NULL))
			fds[0].fd = -1;
		advance();
		fflush(stdout);
	}
}

/* Has the kernel this UDP port for us, on all addresses? Then they are open. */
static bool open_udp(void *context, uint16_t port)
{
	unsigned i, count = host.ports.address_count;
	int error = 0;

	(void)context;
	for (i = 0; i < count && !error; i++) {
		struct sockaddr_in6 at = to_sockaddr(host.ports.addresses + i, port);

		host.udp[i] = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (host.udp[i] < 0)
			die("socket");
		error = bind(host.udp[i], (struct sockaddr *)&at, sizeof(at)) ? errno : 0;
	}
	while (error && i--)
		close(host.udp[i]);
	errno = error;
	return !error;
}

static bool read_arguments(int argc, char **argv)
{
	struct ports *p = &host.ports;
	unsigned port;
	int option;
	char more;

	host.udp_port = UDP_PORT;
	while ((option = getopt(argc, argv, "r:u:")) != -1) {
		if (option == 'r' && read_range(optarg, &p->first, &p->last))
			continue;
		if (option != 'u' || sscanf(optarg, "%5u%c", &port, &more) != 1 || port > 65535)
			return false;
		host.udp_port = (uint16_t)port;
	}
	for (; optind < argc && p->address_count < ADDRESSES; optind++) {
		if (!read_address(argv[optind], p->addresses + p->address_count++))
			return false;
	}
	return p->address_count && optind == argc;
}

static bool finish(void)
{
	unsigned i;

	for (i = 0; i < ASSOCIATIONS; i++) {
		if (host.ports.associations[i].id)
			end(host.ports.associations + i);
	}
	for (i = 0; i < host.ports.address_count; i++)
		close(host.udp[i]);
	if (usrsctp_finish())
		fprintf(stderr, "sctp-echo: usrsctp still has sockets\n");
	return ports_finish(&host.ports);
}

int main(int argc, char **argv)
{
	sigset_t open;

	if (!read_arguments(argc, argv)) {
		fprintf(stderr,
			"usage: sctp-echo [-r FIRST-LAST] [-u UDP_PORT] ADDRESS... (at most %d; UDP_PORT 0: an ephemeral one)\n",
			ADDRESSES);
		return 2;
	}
	catch_signals(&open);
	ports_open(&host.ports);
	host.udp_port = ports_take_udp(&host.ports, host.udp_port, open_udp, NULL);
	/* Checksums are ours, for we change packets. */
	usrsctp_init_nothreads(0, carry, NULL);
	usrsctp_enable_crc32c_offload();
	host.now_ms = now_ms();
	printf("ready, UDP port %u\n", host.udp_port);
	fflush(stdout);
	run(&open);
	print_table();
	return finish() ? 0 : 2;
}
