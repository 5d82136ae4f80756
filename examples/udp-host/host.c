/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host in user space behind a TUN device: it answers ping, echoes datagrams on port 7, is a name server on port 53,
 * asks others from ephemeral ports, and says so where nobody has a port.
 *
 *   ip tuntap add dev host0 mode tun && ip addr add 10.9.1.1/24 dev host0 && ip link set host0 up
 *   udp-host [-r FIRST-LAST] [-i IDLE_MS] DEVICE ADDRESS...     here: udp-host host0 10.9.1.2
 *
 * How libberth is used: what a packet says is berth_packet's matter (here), who may have which port berth_space's and
 * whose a packet is berth_demux's (sockets.c).
 *
 * Commands on stdin: "ask ADDRESS PORT TEXT" sends TEXT from a new client socket and waits for an answer, an ICMP
 * error or IDLE_MS; "table"; "quit", as SIGINT and SIGTERM.
 *
 * Limits: no fragments, no extension headers of IPv6, no path MTU.
 */
#include "../common/common.h"
#include "dns.h"
#include "sockets.h"
#include "wire.h"

#include <berth/packet.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ERRORS_A_SECOND 1000

/* Name, and what is counted. */
#define COUNTERS(X)                                                                                \
	X(received, "packets read")                                                                \
	X(malformed, "header or lengths wrong, or a fragment")                                     \
	X(checksum, "checksum wrong")                                                              \
	X(strange, "not to us, or from an address that is nobody's")                               \
	X(foreign, "neither UDP nor an ICMP message for us")                                       \
	X(pings, "echo requests answered")                                                         \
	X(datagrams, "datagrams given to a socket")                                                \
	X(unreachable, "told that nobody has the port")                                            \
	X(limited, "not told, for the second's errors were used up")                               \
	X(icmp_errors, "ICMP errors given to a client socket")                                     \
	X(unwritten, "packets that the device did not take")

struct counters {
#define COUNTER(name, text) uint64_t name;
	COUNTERS(COUNTER)
#undef COUNTER
};

struct host {
	int tun;
	bool ended;
	struct table table;
	uint32_t second, errors_left;
	struct counters counters;
	struct socket sockets[SOCKETS];
	struct lines lines;
	uint8_t in[WIRE_ROOM], out[WIRE_ROOM], payload[WIRE_ROOM];
};

/* Sends what stands in host.out. A device without room drops, as a network does. */
static void transmit(struct host *h, size_t size)
{
	if (write(h->tun, h->out, size) != (ssize_t)size)
		h->counters.unwritten++;
}

static size_t echo(const struct table *t, const uint8_t *in, size_t size, uint8_t *out)
{
	(void)t;
	memcpy(out, in, size);
	return size;
}

static size_t names(const struct table *t, const uint8_t *in, size_t size, uint8_t *out)
{
	return dns_answer(in, size, t->addresses, t->address_count, out);
}

static const struct service services[] = { { "echo", 7, echo }, { "dns", 53, names } };

static void ask(struct host *h, const char *address, unsigned port, const char *text)
{
	struct berth_address remote;
	struct socket *s = NULL;
	const char *why;

	why = !read_address(address, &remote) || !port || port > 65535
		      ? "no address and port"
		      : table_connect(&h->table, &remote, (uint16_t)port, &s);
	if (why) {
		fprintf(stderr, "udp-host: ask %s %u: %s\n", address, port, why);
		return;
	}
	printf("asked %s %u from %u\n", address, port, s->at.at.local_port);
	s->sent++;
	transmit(h, wire_udp(h->out, &s->at.at, text, strlen(text)));
}

/* True for addresses that may be answered: those of one host that is not this one. RFC 1122 section 3.2.2. */
static bool is_peer(const struct berth_address *a)
{
	static const struct berth_address any, loopback = { { [15] = 1 } };

	if (berth_address_is_v4(a))
		return a->byte[12] && a->byte[12] != 127 && a->byte[12] < 224;
	return a->byte[0] != 0xff && memcmp(a, &any, 16) && memcmp(a, &loopback, 16);
}

static bool is_ours(const struct host *h, const struct berth_address *a)
{
	unsigned i;

	for (i = 0; i < h->table.address_count; i++) {
		if (!memcmp(a, h->table.addresses + i, sizeof(*a)))
			return true;
	}
	return false;
}

/* Errors are few, that nobody makes us send floods of them (RFC 4443 section 2.4 f). */
static bool may_send_error(struct host *h)
{
	uint32_t second = now_ms() / 1000;

	if (second != h->second) {
		h->second = second;
		h->errors_left = ERRORS_A_SECOND;
	}
	if (!h->errors_left)
		return false;
	h->errors_left--;
	return true;
}

/* Port unreachable, with as much of the packet as leaves the error below the least MTU (RFC 1812, RFC 4443). */
static void send_unreachable(struct host *h, const struct wire_header *w)
{
	struct berth_flow flow = { .local = w->destination, .remote = w->source };
	size_t most = w->version == 4 ? 576 - 28 : 1280 - 48;
	static const uint8_t info[4];

	if (!may_send_error(h)) {
		h->counters.limited++;
		return;
	}
	h->counters.unreachable++;
	transmit(h, wire_icmp(h->out, &flow, w->version == 4 ? 3 : 1, w->version == 4 ? 3 : 4, info,
			      h->in, w->end < most ? w->end : most));
}

static void answer_ping(struct host *h, const struct wire_header *w)
{
	struct berth_flow flow = { .local = w->destination, .remote = w->source };
	const uint8_t *icmp = h->in + w->transport;

	h->counters.pings++;
	transmit(h, wire_icmp(h->out, &flow, w->version == 4 ? 0 : 129, 0, icmp + 4, icmp + 8,
			      w->end - w->transport - 8));
}

/* A service answers; a client is done. */
static void deliver(struct host *h, struct socket *s, const struct berth_packet *p)
{
	struct berth_flow flow = p->flow;
	size_t size = p->end - p->payload;

	h->counters.datagrams++;
	s->received++;
	if (!s->service) {
		printf("answer to %u: ", s->at.at.local_port);
		print_foreign(h->in + p->payload, size);
		table_close(&h->table, s);
		return;
	}
	/* Nobody asks from a port of a service: two that answer each other would never end. */
	if (flow.remote_port < 1024)
		return;
	size = s->service->serve(&h->table, h->in + p->payload, size, h->payload);
	if (!size)
		return;
	s->sent++;
	transmit(h, wire_udp(h->out, &flow, h->payload, size));
}

/* An ICMP error that names a client's whole pair ends it where it says that the peer is unreachable. */
static void take_error(struct host *h, const struct berth_packet *p)
{
	bool is_final =
		p->version == 4 ? p->icmp_type == 3 && p->icmp_code != 4 : p->icmp_type == 1;
	struct socket *s;
	enum berth_demux_level level;

	s = table_find(&h->table, &p->flow, &level);
	if (level != BERTH_DEMUX_CONNECTED) {
		h->counters.foreign++;
		return;
	}
	h->counters.icmp_errors++;
	printf("%s %u: ICMP type %u code %u\n", is_final ? "refused" : "warned",
	       s->at.at.local_port, p->icmp_type, p->icmp_code);
	if (is_final)
		table_close(&h->table, s);
}

static void take_transport(struct host *h, const struct wire_header *w, size_t size)
{
	enum berth_demux_level level;
	struct berth_packet p;
	struct socket *s;

	if (berth_packet_parse(h->in, size, &p) != BERTH_PACKET_GOOD || p.is_fragment ||
	    p.flow.protocol != BERTH_UDP) {
		h->counters.foreign++;
		return;
	}
	if (p.is_icmp_error) {
		take_error(h, &p);
		return;
	}
	s = table_find(&h->table, &p.flow, &level);
	if (s)
		deliver(h, s, &p);
	else
		send_unreachable(h, w);
}

static void take_packet(struct host *h, size_t size)
{
	struct counters *c = &h->counters;
	struct wire_header w;
	bool is_icmp;

	c->received++;
	if (!wire_read(h->in, size, &w)) {
		c->malformed++;
		return;
	}
	if (!is_ours(h, &w.destination) || !is_peer(&w.source) || is_ours(h, &w.source)) {
		c->strange++;
		return;
	}
	is_icmp = w.protocol == (w.version == 4 ? WIRE_ICMP4 : WIRE_ICMP6);
	if (!is_icmp && w.protocol != BERTH_UDP)
		c->foreign++;
	else if (!wire_is_intact(h->in, &w))
		c->checksum++;
	else if (is_icmp && h->in[w.transport] == (w.version == 4 ? 8 : 128))
		answer_ping(h, &w);
	else
		take_transport(h, &w, size);
}

/* A burst, so that stdin and the clock have their turn, too. */
static void read_device(struct host *h)
{
	int i;

	for (i = 0; i < 64; i++) {
		ssize_t size = read(h->tun, h->in, sizeof(h->in));

		if (size < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (size <= 0)
			die("the device cannot be read");
		take_packet(h, (size_t)size);
	}
}

static void print_table(const struct host *h)
{
	table_print(&h->table);
#define PRINT(name, text) printf("count " #name " %ju (" text ")\n", (uintmax_t)h->counters.name);
	COUNTERS(PRINT)
#undef PRINT
}

static void take_command(void *context, char *line)
{
	struct host *h = context;
	char address[INET6_ADDRSTRLEN + 1];
	unsigned port;
	int text = 0;

	if (!strcmp(line, "quit"))
		h->ended = true;
	else if (!strcmp(line, "table"))
		print_table(h);
	else if (sscanf(line, "ask %46s %5u %n", address, &port, &text) == 2 && text)
		ask(h, address, port, line + text);
	else
		fprintf(stderr, "udp-host: no such command: ask ADDRESS PORT TEXT, table, quit\n");
}

/* Returns at a signal or "quit". Signals are let in during ppoll() only, so that none is missed. */
static void run(struct host *h, const sigset_t *open)
{
	struct pollfd fds[2] = { { .fd = h->tun, .events = POLLIN },
				 { .fd = 0, .events = POLLIN } };
	struct timespec tick = { .tv_nsec = 50000000 };

	while (!stopped && !h->ended) {
		int ready = ppoll(fds, 2, &tick, open);

		if (ready < 0 && errno != EINTR)
			die("ppoll");
		if (ready > 0 && fds[0].revents)
			read_device(h);
		if (ready > 0 && fds[1].revents && !read_lines(&h->lines, take_command, h))
			fds[1].fd = -1;
		table_advance(&h->table);
		fflush(stdout);
	}
}

static void open_device(struct host *h, const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	if (strlen(name) >= sizeof(request.ifr_name)) {
		errno = ENAMETOOLONG;
		die(name);
	}
	strcpy(request.ifr_name, name);
	h->tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (h->tun < 0)
		die("/dev/net/tun");
	if (ioctl(h->tun, TUNSETIFF, &request))
		die(name);
}

/* Reads the arguments; false where they are none. */
static bool read_arguments(struct host *h, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "r:i:")) != -1) {
		if (option == 'r' && read_range(optarg, &h->table.first, &h->table.last))
			continue;
		if (option == 'i' && sscanf(optarg, "%u", &h->table.idle_ms) == 1)
			continue;
		return false;
	}
	if (argc - optind < 2 || argc - optind > 1 + ADDRESSES)
		return false;
	for (; h->table.address_count < (unsigned)(argc - optind - 1); h->table.address_count++) {
		if (!read_address(argv[optind + 1 + (int)h->table.address_count],
				  h->table.addresses + h->table.address_count))
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static struct host h = { .table.idle_ms = 5000 };
	sigset_t open;
	size_t i;

	if (!read_arguments(&h, argc, argv)) {
		fprintf(stderr,
			"usage: udp-host [-r FIRST-LAST] [-i IDLE_MS] DEVICE ADDRESS... (at most %d)\n",
			ADDRESSES);
		return 2;
	}
	catch_signals(&open);
	open_device(&h, argv[optind]);
	table_open(&h.table);
	for (i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		table_serve(&h.table, services + i);
	printf("ready %s\n", argv[optind]);
	fflush(stdout);
	run(&h, &open);
	print_table(&h);
	close(h.tun);
	return table_close_all(&h.table) ? 0 : 2;
}
