/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host in user space behind a TUN device: it answers ping, echoes datagrams on port 7, is a name server on port 53,
 * asks others from ephemeral ports, and says so where nobody has a port.
 *
 *   udp-host [-r FIRST-LAST] [-i IDLE_MS] DEVICE ADDRESS...
 *
 * How libberth is used: who may have which port is berth_space's matter, whose a packet is berth_demux's, and what it
 * says berth_packet's. A socket is a place in host.sockets; its number is the owner in the demultiplexer.
 *
 * Commands on stdin: "ask ADDRESS PORT TEXT" sends TEXT from a new client socket and waits for an answer, an ICMP
 * error or IDLE_MS; "table"; "quit", as SIGINT and SIGTERM.
 *
 * Limits: no fragments, no extension headers of IPv6, no path MTU.
 */
#include "dns.h"
#include "wire.h"

#include <berth/demux.h>
#include <berth/packet.h>
#include <berth/space.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define SOCKETS 4096
#define ADDRESSES 8
#define ERRORS_A_SECOND 1000

enum owner { SYSTEM, CLIENTS, OWNERS };

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

struct host;

struct service {
	const char *name;
	uint16_t port;
	/* Makes the answer of a request of size bytes; out has WIRE_ROOM. 0: no answer. */
	size_t (*serve)(const struct host *host, const uint8_t *in, size_t size, uint8_t *out);
};

/* In use where space is not 0. A client has no service. */
struct host_socket {
	berth_space_socket space;
	struct berth_demux_socket at;
	const struct service *service;
	uint64_t received, sent;
};

struct host {
	int tun;
	bool ended;
	uint32_t idle_ms;
	uint16_t first, last;
	size_t memory; /* bytes that libberth has from us */
	struct berth_space *space;
	struct berth_demux *demux;
	struct berth_address addresses[ADDRESSES];
	unsigned address_count;
	uint16_t any[2]; /* the space's numbers of the wildcards; address i has number 2 + i */
	uint32_t second, errors_left;
	struct counters counters;
	struct host_socket sockets[SOCKETS];
	size_t line_size;
	char line[1024];
	uint8_t in[WIRE_ROOM], out[WIRE_ROOM], payload[WIRE_ROOM];
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "udp-host: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* Errors of the space have a sentence. */
static void must(int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "udp-host: %s: %s\n", what, berth_space_error(error));
	exit(2);
}

static void *get(void *context, size_t size)
{
	void *memory = malloc(size);

	if (memory)
		((struct host *)context)->memory += size;
	return memory;
}

static void *get_aligned(void *context, size_t size, size_t align)
{
	void *memory;

	if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, size))
		return NULL;
	((struct host *)context)->memory += size;
	return memory;
}

static void put(void *context, void *memory, size_t size)
{
	((struct host *)context)->memory -= size;
	free(memory);
}

static uint32_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint32_t)((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000);
}

static void fill_random(void *out, size_t size)
{
	if (getrandom(out, size, 0) != (ssize_t)size)
		die("getrandom");
}

static const char *address_text(const struct berth_address *a, char out[INET6_ADDRSTRLEN])
{
	bool is_v4 = berth_address_is_v4(a);

	return inet_ntop(is_v4 ? AF_INET : AF_INET6, a->byte + (is_v4 ? 12 : 0), out,
			 INET6_ADDRSTRLEN);
}

static bool read_address(const char *text, struct berth_address *out_address)
{
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1)
		*out_address = berth_address_v4(v4);
	else if (inet_pton(AF_INET6, text, out_address) != 1)
		return false;
	return true;
}

/* Sends what stands in host.out. A device without room drops, as a network does. */
static void transmit(struct host *h, size_t size)
{
	if (write(h->tun, h->out, size) != (ssize_t)size)
		h->counters.unwritten++;
}

static size_t echo(const struct host *h, const uint8_t *in, size_t size, uint8_t *out)
{
	(void)h;
	memcpy(out, in, size);
	return size;
}

static size_t names(const struct host *h, const uint8_t *in, size_t size, uint8_t *out)
{
	return dns_answer(in, size, h->addresses, h->address_count, out);
}

static const struct service services[] = { { "echo", 7, echo }, { "dns", 53, names } };

static struct host_socket *free_socket(struct host *h)
{
	unsigned i;

	for (i = 0; i < SOCKETS; i++) {
		if (!h->sockets[i].space)
			return h->sockets + i;
	}
	return NULL;
}

/* Puts a socket that the space has into the demultiplexer. */
static int publish(struct host *h, struct host_socket *s)
{
	s->at.owner = (uint64_t)(s - h->sockets);
	return berth_demux_add(h->demux, &s->at);
}

static void withdraw(struct host *h, struct host_socket *s)
{
	berth_demux_remove(h->demux, &s->at);
	memset(s, 0, sizeof(*s));
}

static void close_socket(struct host *h, struct host_socket *s)
{
	berth_space_release(h->space, s->space, now_ms(), false);
	withdraw(h, s);
}

/* One socket for both families, as that of IPv6 is on Linux. */
static void open_service(struct host *h, const struct service *service)
{
	struct berth_space_bind want = { .port = service->port, .owner = SYSTEM };
	struct host_socket *s = free_socket(h);

	must(berth_space_bind_many(h->space, &want, h->any, 2, &s->space), service->name);
	s->service = service;
	s->at.at.protocol = BERTH_UDP;
	s->at.at.local_port = service->port;
	errno = -publish(h, s);
	if (errno)
		die(service->name);
}

/* Number of our first address of that family; address_count: there is none. */
static unsigned source_for(const struct host *h, const struct berth_address *remote)
{
	unsigned i;

	for (i = 0; i < h->address_count; i++) {
		if (berth_address_is_v4(h->addresses + i) == berth_address_is_v4(remote))
			break;
	}
	return i;
}

/* A client socket, connected from an ephemeral port; returns why there is none, or NULL. */
static const char *open_client(struct host *h, const struct berth_address *remote, uint16_t port,
			       struct host_socket **out_socket)
{
	unsigned source = source_for(h, remote);
	struct berth_space_connect want = { .local = (uint16_t)(2 + source),
					    .remote_port = port,
					    .owner = CLIENTS,
					    .remote = *remote,
					    .now_ms = now_ms() };
	struct host_socket *s = free_socket(h);
	struct berth_space_info info;
	berth_space_socket socket;
	int error;

	if (source == h->address_count)
		return "we have no address of that family";
	if (!s)
		return "every socket is in use";
	fill_random(&want.rnd, sizeof(want.rnd));
	error = berth_space_connect(h->space, &want, &socket);
	if (error)
		return berth_space_error(error);
	berth_space_get(h->space, socket, &info);
	s->space = socket;
	s->at.at = (struct berth_flow){ .local = h->addresses[source],
					.remote = *remote,
					.local_port = info.port,
					.remote_port = port,
					.protocol = BERTH_UDP };
	error = publish(h, s);
	if (error) {
		berth_space_release(h->space, socket, want.now_ms, false);
		memset(s, 0, sizeof(*s));
		return strerror(-error);
	}
	*out_socket = s;
	return NULL;
}

static void ask(struct host *h, const char *address, unsigned port, const char *text)
{
	struct berth_address remote;
	struct host_socket *s = NULL;
	const char *why;

	why = !read_address(address, &remote) || !port || port > 65535
		      ? "no address and port"
		      : open_client(h, &remote, (uint16_t)port, &s);
	if (why) {
		fprintf(stderr, "udp-host: ask %s %u: %s\n", address, port, why);
		return;
	}
	printf("asked %s %u from %u\n", address, port, s->at.at.local_port);
	s->sent++;
	transmit(h, wire_udp(h->out, &s->at.at, text, strlen(text)));
}

/* A client's one answer, from who knows where: only what a terminal may see. */
static void print_answer(const struct host_socket *s, const uint8_t *data, size_t size)
{
	size_t i;

	printf("answer to %u: ", s->at.at.local_port);
	for (i = 0; i < size; i++)
		putchar(data[i] < 128 && isprint(data[i]) ? data[i] : '.');
	putchar('\n');
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

	for (i = 0; i < h->address_count; i++) {
		if (!memcmp(a, h->addresses + i, sizeof(*a)))
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
static void deliver(struct host *h, struct host_socket *s, const struct berth_packet *p)
{
	struct berth_flow flow = p->flow;
	size_t size = p->end - p->payload;

	h->counters.datagrams++;
	s->received++;
	if (!s->service) {
		print_answer(s, h->in + p->payload, size);
		close_socket(h, s);
		return;
	}
	/* Nobody asks from a port of a service: two that answer each other would never end. */
	if (flow.remote_port < 1024)
		return;
	size = s->service->serve(h, h->in + p->payload, size, h->payload);
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
	struct host_socket *s;
	uint64_t owner;

	if (berth_demux_find(h->demux, &p->flow, &owner) != BERTH_DEMUX_CONNECTED) {
		h->counters.foreign++;
		return;
	}
	s = h->sockets + owner;
	h->counters.icmp_errors++;
	printf("%s %u: ICMP type %u code %u\n", is_final ? "refused" : "warned",
	       s->at.at.local_port, p->icmp_type, p->icmp_code);
	if (is_final)
		close_socket(h, s);
}

static void take_transport(struct host *h, const struct wire_header *w, size_t size)
{
	struct berth_packet p;
	uint64_t owner;

	if (berth_packet_parse(h->in, size, &p) != BERTH_PACKET_GOOD || p.is_fragment ||
	    p.flow.protocol != BERTH_UDP) {
		h->counters.foreign++;
		return;
	}
	if (p.is_icmp_error)
		take_error(h, &p);
	else if (berth_demux_find(h->demux, &p.flow, &owner))
		deliver(h, h->sockets + owner, &p);
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
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
	unsigned i;

	for (i = 0; i < SOCKETS; i++) {
		const struct host_socket *s = h->sockets + i;
		const struct berth_flow *f = &s->at.at;

		if (s->space)
			printf("udp [%s]:%u [%s]:%u %s received %ju sent %ju\n",
			       address_text(&f->local, local), f->local_port,
			       address_text(&f->remote, remote), f->remote_port,
			       s->service ? s->service->name : "client", (uintmax_t)s->received,
			       (uintmax_t)s->sent);
	}
#define PRINT(name, text) printf("count " #name " %ju (" text ")\n", (uintmax_t)h->counters.name);
	COUNTERS(PRINT)
#undef PRINT
}

static void take_command(struct host *h, const char *line)
{
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

/* Takes the whole lines of what is there. False: stdin has ended. A line without end is cut. */
static bool read_commands(struct host *h)
{
	ssize_t size = read(0, h->line + h->line_size, sizeof(h->line) - 1 - h->line_size);
	char *end;

	if (size <= 0)
		return false;
	h->line_size += (size_t)size;
	h->line[h->line_size] = 0;
	while ((end = memchr(h->line, '\n', h->line_size))) {
		*end++ = 0;
		take_command(h, h->line);
		h->line_size -= (size_t)(end - h->line);
		memmove(h->line, end, h->line_size);
	}
	if (h->line_size == sizeof(h->line) - 1)
		h->line_size = 0;
	return true;
}

/* The space has released the socket of a client whom nobody answered. */
static void give_up(void *context, berth_space_socket socket)
{
	struct host *h = context;
	struct host_socket *s = h->sockets;

	while (s->space != socket)
		s++;
	printf("silent %u\n", s->at.at.local_port);
	withdraw(h, s);
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
		if (ready > 0 && fds[1].revents && !read_commands(h))
			fds[1].fd = -1;
		berth_space_advance(h->space, now_ms(), 0, give_up, h);
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

static void open_space(struct host *h)
{
	struct berth_space_config config = { .protocol = BERTH_UDP,
					     .first = h->first,
					     .last = h->last,
					     .addresses = 2 + ADDRESSES,
					     .owners = OWNERS,
					     .idle_ms = h->idle_ms,
					     .now_ms = now_ms() };
	struct berth_space_memory memory = { get, put, h };
	struct berth_space_room room = { .sockets = SOCKETS, .destinations = SOCKETS };
	static const uint8_t zero[4];
	struct berth_address any4 = berth_address_v4(zero), any6 = { 0 };
	uint16_t local;
	unsigned i;

	fill_random(config.key, sizeof(config.key));
	must(berth_space_new(&config, &memory, &h->space), "port space");
	must(berth_space_add_local(h->space, &any4, h->any), "wildcard");
	must(berth_space_add_local(h->space, &any6, h->any + 1), "wildcard");
	for (i = 0; i < h->address_count; i++)
		must(berth_space_add_local(h->space, h->addresses + i, &local), "address");
	must(berth_space_make_room(h->space, &room), "room");
	must(berth_space_set_owner(h->space, SYSTEM, 0, BERTH_SPACE_SYSTEM), "owner");
}

static void open_demux(struct host *h)
{
	struct berth_demux_memory memory = { .get = get_aligned, .put = put, .context = h };
	uint64_t key[2];

	fill_random(key, sizeof(key));
	errno = -berth_demux_new(&memory, key, &h->demux);
	if (errno)
		die("demultiplexer");
}

/* Closes every socket; true where nothing of them is left and all memory came back. */
static bool tear_down(struct host *h)
{
	struct berth_demux_usage usage;
	struct berth_space_counts counts;
	unsigned i;

	for (i = 0; i < SOCKETS; i++) {
		if (h->sockets[i].space)
			close_socket(h, h->sockets + i);
	}
	usage = berth_demux_usage(h->demux);
	must(berth_space_count(h->space, h->any[0], &counts), "count");
	berth_demux_free(h->demux);
	berth_space_free(h->space);
	close(h->tun);
	printf("left: %u sockets, %ju pairs, %zu bytes\n", counts.sockets,
	       (uintmax_t)(usage.pairs_v4 + usage.pairs_v6), h->memory);
	return !counts.sockets && !usage.pairs_v4 && !usage.pairs_v6 && !h->memory;
}

/* Reads the arguments; false where they are none. */
static bool read_arguments(struct host *h, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "r:i:")) != -1) {
		if (option == 'r' && sscanf(optarg, "%hu-%hu", &h->first, &h->last) == 2)
			continue;
		if (option == 'i' && sscanf(optarg, "%u", &h->idle_ms) == 1)
			continue;
		return false;
	}
	if (argc - optind < 2 || argc - optind > 1 + ADDRESSES)
		return false;
	for (; h->address_count < (unsigned)(argc - optind - 1); h->address_count++) {
		if (!read_address(argv[optind + 1 + (int)h->address_count],
				  h->addresses + h->address_count))
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	static struct host h = { .idle_ms = 5000 };
	struct sigaction action = { .sa_handler = stop };
	sigset_t closed, open;
	size_t i;

	if (!read_arguments(&h, argc, argv)) {
		fprintf(stderr,
			"usage: udp-host [-r FIRST-LAST] [-i IDLE_MS] DEVICE ADDRESS... (at most %d)\n",
			ADDRESSES);
		return 2;
	}
	sigemptyset(&closed);
	sigaddset(&closed, SIGINT);
	sigaddset(&closed, SIGTERM);
	sigprocmask(SIG_BLOCK, &closed, &open);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	open_device(&h, argv[optind]);
	open_space(&h);
	open_demux(&h);
	for (i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		open_service(&h, services + i);
	printf("ready %s\n", argv[optind]);
	fflush(stdout);
	run(&h, &open);
	print_table(&h);
	return tear_down(&h) ? 0 : 2;
}
