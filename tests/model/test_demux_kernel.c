/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The demultiplexer against the kernel: random sockets in a network namespace, packets by two tun devices, and
 * the question which socket got each.
 *
 * The kernel alone says which sockets may be bound beside one another. Where it leaves the rules as demux.h tells,
 * the packet is counted and not compared.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "include/berth/packet.h"
#include "memory.h"
#include "random.h"

#define SOCKETS 24
#define ROUNDS 40
#define PACKETS 40
#define DEVICES 2

struct owned {
	struct berth_demux_socket s;
	int fd;
};

static int tun[DEVICES + 1]; /* by device of the test, from 1 */
static unsigned device_index[DEVICES + 1];
static const char *unable;
static struct berth_demux *demux;
static struct memory memory;
static struct owned owned[SOCKETS];
static unsigned sockets, compared, departed, nobody;
static uint16_t next_port = 20000; /* source ports of TCP, each once */

static int open_tun(const char *name)
{
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &r)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int set_up(void **state)
{
	static const char commands[] =
		"set -e; ip link set lo up; for i in 1 2; do sysctl -qw net.ipv4.conf.tun$i.rp_filter=0; "
		"ip link set tun$i up; ip route add 10.8.0.0/24 dev tun$i metric $i; "
		"ip -6 route add fd08::/64 dev tun$i metric $i; "
		"ip addr add 10.9.0.$i/32 dev lo; ip -6 addr add fd09::$i/128 dev lo nodad; done; "
		"sysctl -qw net.ipv4.conf.all.rp_filter=0";
	int i;

	(void)state;
	for (i = 1; i <= DEVICES && !unable; i++) {
		char name[] = { 't', 'u', 'n', (char)('0' + i), 0 };

		if (i == 1 && unshare(CLONE_NEWNET))
			unable = "no network namespace is to be had";
		else if ((tun[i] = open_tun(name)) < 0)
			unable = "no tun device is to be had";
		else
			device_index[i] = if_nametoindex(name);
	}
	if (!unable && system(commands))
		unable = "the namespace could not be set up";
	return 0;
}

static struct berth_address some_local(bool six, bool any)
{
	struct berth_address a = { { 0 } };
	uint8_t last = any ? 0 : (uint8_t)(1 + random_below(2));

	if (!six)
		return berth_address_v4((uint8_t[4]){ any ? 0 : 10, any ? 0 : 9, 0, last });
	if (!any)
		a.byte[0] = 0xfd, a.byte[1] = 9, a.byte[15] = last;
	return a;
}

static struct berth_address some_remote(bool six)
{
	struct berth_address a = { { 0xfd, 8 } };
	uint8_t last = (uint8_t)(1 + random_below(2));

	a.byte[15] = last;
	return six ? a : berth_address_v4((uint8_t[4]){ 10, 8, 0, last });
}

/* The address for a socket of either family; for one of IPv4 the mapped form is taken off. */
static socklen_t sockaddr_of(const struct berth_address *a, uint16_t port, int family,
			     struct sockaddr_storage *out)
{
	struct sockaddr_in *four = (struct sockaddr_in *)out;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (family == AF_INET) {
		four->sin_family = AF_INET;
		four->sin_port = htons(port);
		memcpy(&four->sin_addr, a->byte + 12, 4);
		return sizeof(*four);
	}
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(port);
	memcpy(&six->sin6_addr, a->byte, 16);
	return sizeof(*six);
}

static void set(int fd, int level, int option, int value)
{
	assert_int_equal(setsockopt(fd, level, option, &value, sizeof(value)), 0);
}

/* A socket that the kernel let be made, or -1. */
static int make_socket(struct berth_demux_socket *s, int family)
{
	bool tcp = s->at.protocol == BERTH_TCP;
	struct sockaddr_storage a;
	int fd = socket(family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len;

	assert_true(fd >= 0);
	set(fd, SOL_SOCKET, SO_REUSEADDR, random_below(4) != 0);
	if (s->flags & BERTH_DEMUX_REUSEPORT)
		set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, (s->flags & BERTH_DEMUX_V6ONLY) != 0);
	if (s->at.device)
		set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, (int)s->at.device);
	len = sockaddr_of(&s->at.local, s->at.local_port, family, &a);
	if (bind(fd, (struct sockaddr *)&a, len) || (tcp && listen(fd, 16))) {
		close(fd);
		return -1;
	}
	if (s->at.remote_port) {
		len = sockaddr_of(&s->at.remote, s->at.remote_port, family, &a);
		assert_int_equal(connect(fd, (struct sockaddr *)&a, len), 0);
	}
	return fd;
}

static void print_flow(const char *what, const struct berth_flow *f, unsigned flags)
{
	char local[64], remote[64];

	inet_ntop(AF_INET6, f->local.byte, local, sizeof(local));
	inet_ntop(AF_INET6, f->remote.byte, remote, sizeof(remote));
	print_error("%s: protocol %u, %s %u from %s %u, device %u, flags %u\n", what, f->protocol,
		    local, f->local_port, remote, f->remote_port, f->device, flags);
}

static void add_socket(void)
{
	struct berth_demux_socket s = { 0 };
	bool six = random_below(2), tcp = random_below(2), connected = !tcp && random_below(4) == 0;
	bool mapped = !six && random_below(3) == 0;
	int fd;

	s.at.protocol = tcp ? BERTH_TCP : BERTH_UDP;
	s.at.local = some_local(six, !connected && random_below(2));
	s.at.local_port = (uint16_t)(7000 + random_below(2));
	s.at.device = random_below(2) ? device_index[1 + random_below(DEVICES)] : 0;
	if (connected) {
		s.at.remote = some_remote(six);
		s.at.remote_port = (uint16_t)(9000 + random_below(2));
	} else if (random_below(3) == 0) {
		s.flags |= BERTH_DEMUX_REUSEPORT;
	}
	if (mapped)
		s.flags |= BERTH_DEMUX_FAMILY6;
	else if (six && random_below(2))
		s.flags |= BERTH_DEMUX_V6ONLY;
	s.owner = sockets;
	fd = make_socket(&s, six || mapped ? AF_INET6 : AF_INET);
	if (fd < 0)
		return;
	if (berth_demux_add(demux, &s)) {
		print_flow("refused", &s.at, s.flags);
		for (fd = 0; fd < (int)sockets; fd++)
			print_flow("there", &owned[fd].s.at, owned[fd].s.flags);
		fail_msg("the table refuses a socket that the kernel admits");
	}
	owned[sockets++] = (struct owned){ s, fd };
}

static uint32_t sum(uint32_t start, const uint8_t *bytes, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		start += (uint32_t)bytes[i] << (i & 1 ? 0 : 8);
	return start;
}

static void put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

/* Sends size bytes of a TCP or UDP packet, whose checksum stands at check, to the flow's local end. */
static void send_packet(const struct berth_flow *f, unsigned device, uint8_t *transport,
			size_t size, size_t check)
{
	bool four = berth_address_is_v4(&f->local);
	uint8_t packet[128] = { 0 };
	size_t header = four ? 20 : 40, n = four ? 4 : 16;
	uint32_t s = f->protocol + (uint32_t)size;

	put16(transport, f->remote_port);
	put16(transport + 2, f->local_port);
	s = sum(s, f->remote.byte + 16 - n, n);
	s = sum(s, f->local.byte + 16 - n, n);
	s = sum(s, transport, size);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	put16(transport + check, ~s & 0xffff);
	memcpy(packet + header, transport, size);
	packet[0] = four ? 0x45 : 0x60;
	put16(packet + (four ? 2 : 4), (uint32_t)(four ? size + header : size));
	packet[four ? 9 : 6] = f->protocol;
	packet[four ? 8 : 7] = 64;
	memcpy(packet + (four ? 12 : 8), f->remote.byte + 16 - n, n);
	memcpy(packet + (four ? 16 : 24), f->local.byte + 16 - n, n);
	if (four) {
		s = sum(0, packet, header);
		s = (s & 0xffff) + (s >> 16);
		put16(packet + 10, ~s & 0xffff);
	}
	assert_int_equal(write(tun[device], packet, header + size), (ssize_t)(header + size));
}

/* Waits until packets by that device reach that address: addresses and routes come into force by and by. */
static void await_path(bool six, uint8_t last, unsigned device)
{
	struct berth_flow f = { .local = some_local(six, false), .remote = some_remote(six) };
	struct sockaddr_storage a;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), tries;
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	socklen_t len;

	f.local.byte[15] = last;
	f.local_port = 6999, f.remote_port = 9, f.protocol = BERTH_UDP;
	len = sockaddr_of(&f.local, f.local_port, AF_INET6, &a);
	for (tries = 0; bind(fd, (struct sockaddr *)&a, len); tries++) {
		assert_true(errno == EADDRNOTAVAIL && tries < 10000);
		poll(NULL, 0, 1);
	}
	for (tries = 0; !ready.revents; tries++) {
		uint8_t datagram[12] = { [5] = 12 };

		assert_true(tries < 1000);
		send_packet(&f, device, datagram, sizeof(datagram), 6);
		poll(&ready, 1, 10);
	}
	close(fd);
}

/* The socket that a datagram reached, or -1. */
static int udp_receiver(const struct berth_flow *f, unsigned device)
{
	uint8_t datagram[12] = { [5] = 12 }, got[16];
	int found = -1;
	unsigned i;

	send_packet(f, device, datagram, sizeof(datagram), 6);
	for (i = 0; i < sockets; i++)
		if (owned[i].s.at.protocol == BERTH_UDP &&
		    recv(owned[i].fd, got, sizeof(got), 0) > 0) {
			assert_int_equal(found, -1);
			found = (int)i;
		}
	return found;
}

/* Reads what the kernel sends until it answers the flow's SYN: true with its number, false for RST or nothing. */
static bool answer_of(const struct berth_flow *f, uint32_t *out_number)
{
	uint8_t packet[2048];
	int i;

	for (i = 1; i <= DEVICES; i++) {
		ssize_t size;

		while ((size = read(tun[i], packet, sizeof(packet))) > 0) {
			struct berth_packet p;

			if (berth_packet_parse(packet, (size_t)size, &p) ||
			    p.flow.protocol != BERTH_TCP || p.flow.local_port != f->remote_port)
				continue;
			if ((p.tcp_flags & 0x16) != 0x12)
				return false;
			memcpy(out_number, packet + p.transport + 4, 4);
			*out_number = ntohl(*out_number);
			return true;
		}
	}
	return false;
}

/* Connects over the tun device, by hand; the listener that has the connection, or -1. */
static int tcp_receiver(const struct berth_flow *f, unsigned device)
{
	struct linger reset = { 1, 0 };
	uint8_t segment[20] = { [7] = 1, [12] = 0x50, [13] = 0x02, [14] = 0xff };
	uint32_t number;
	unsigned i;
	int found = -1;

	send_packet(f, device, segment, sizeof(segment), 16);
	if (!answer_of(f, &number))
		return -1;
	memset(segment, 0, sizeof(segment));
	segment[7] = 2, segment[12] = 0x50, segment[13] = 0x10, segment[14] = 0xff;
	put16(segment + 8, (number + 1) >> 16);
	put16(segment + 10, (number + 1) & 0xffff);
	send_packet(f, device, segment, sizeof(segment), 16);
	for (i = 0; i < sockets; i++) {
		int fd = owned[i].s.at.protocol == BERTH_TCP ? accept(owned[i].fd, NULL, NULL) : -1;

		if (fd < 0)
			continue;
		assert_int_equal(found, -1);
		found = (int)i;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
	}
	/* An answer without a connection would be a fault of this program. */
	assert_true(found >= 0);
	return found;
}

/* A socket of IPv6 that is bound to an address of its own has no use for V6ONLY. */
static bool same_group(const struct berth_demux_socket *a, const struct berth_demux_socket *b)
{
	uint8_t differ = a->flags ^ b->flags;

	if (a->at.local.byte[0])
		differ &= (uint8_t)~BERTH_DEMUX_V6ONLY;
	return (a->flags & b->flags & BERTH_DEMUX_REUSEPORT) && !differ &&
	       !memcmp(&a->at, &b->at, sizeof(a->at));
}

/* Linux takes the first group that it meets, and of connected sockets with one pair the newest. */
static bool may_depart(enum berth_demux_level level, const struct berth_demux_socket *kernels)
{
	bool any = berth_address_is_v4(&kernels->at.local) ? !kernels->at.local.byte[12]
							   : !kernels->at.local.byte[0];

	if (level == BERTH_DEMUX_CONNECTED)
		return kernels->at.remote_port;
	return (kernels->flags & BERTH_DEMUX_REUSEPORT) && any == (level == BERTH_DEMUX_ANY);
}

static void compare_packet(void)
{
	bool six = random_below(2), tcp = random_below(2);
	unsigned device = 1 + random_below(DEVICES);
	struct berth_flow f = { .local = some_local(six, false), .remote = some_remote(six) };
	enum berth_demux_level level;
	uint64_t owner = UINT64_MAX;
	int kernels;

	f.protocol = tcp ? BERTH_TCP : BERTH_UDP;
	f.local_port = (uint16_t)(7000 + random_below(2));
	f.remote_port = tcp ? next_port++ : (uint16_t)(9000 + random_below(2));
	f.device = device_index[device];
	kernels = tcp ? tcp_receiver(&f, device) : udp_receiver(&f, device);
	level = berth_demux_find(demux, &f, &owner);
	nobody += kernels < 0;
	compared++;
	if (kernels < 0 ? !level
			: level && ((uint64_t)kernels == owner ||
				    same_group(&owned[kernels].s, &owned[owner].s)))
		return;
	if (kernels >= 0 && level && may_depart(level, &owned[kernels].s)) {
		departed++;
		return;
	}
	print_flow("packet", &f, 0);
	if (kernels >= 0)
		print_flow("the kernel's", &owned[kernels].s.at, owned[kernels].s.flags);
	if (level)
		print_flow("ours", &owned[owner].s.at, owned[owner].s.flags);
	fail_msg("the kernel has socket %d, the table %d", kernels, level ? (int)owner : -1);
}

static void test_kernel(void **state)
{
	static const uint64_t key[2] = { 1, 2 };
	struct berth_demux_memory calls = memory_calls(&memory);
	unsigned round, i;

	(void)state;
	if (unable) {
		print_message("%s\n", unable);
		skip();
	}
	for (i = 0; i < 8; i++)
		await_path(i & 1, (uint8_t)(1 + (i >> 1 & 1)), 1 + (i >> 2));
	for (round = 0; round < ROUNDS; round++) {
		assert_int_equal(berth_demux_new(&calls, key, &demux), 0);
		for (i = 0, sockets = 0; i < SOCKETS; i++)
			add_socket();
		for (i = 0; i < PACKETS; i++)
			compare_packet();
		for (i = 0; i < sockets; i++)
			close(owned[i].fd);
		berth_demux_free(demux);
		memory_collect(&memory);
	}
	print_message("%u packets, %u for nobody, %u where Linux leaves its own order\n", compared,
		      nobody, departed);
	assert_true(nobody < compared / 2 && departed < compared / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_kernel) };

	random_begin("demux and kernel");
	return cmocka_run_group_tests(tests, set_up, NULL);
}
