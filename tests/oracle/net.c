/* SPDX-License-Identifier: BSD-2-Clause */
/* The namespace that the differential test works in. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

enum { STATE_TIME_WAIT = 6, STATE_LISTEN = 10 };

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		fprintf(stderr, "%s: \"%s\": %s\n", path, text, strerror(errno));
		exit(2);
	}
	close(fd);
}

void net_sysctl(const char *name, const char *format, ...)
{
	char path[128], text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	write_text(path, text);
}

static int enter_user(void)
{
	char map[64];
	unsigned uid = geteuid(), gid = getegid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -errno;
	write_text("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_text("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_text("/proc/self/gid_map", map);
	return 0;
}

static void build(void)
{
	FILE *ip = popen("ip -batch -", "w");

	if (!ip)
		die("ip");
	fputs("link set lo up\n"
	      "addr add 10.1.0.1/32 dev lo\n"
	      "addr add 10.1.0.2/32 dev lo\n"
	      "addr add fd00::1/128 dev lo nodad\n"
	      "link add v0 type veth peer name v1\n"
	      "link set v0 addrgenmode none\n"
	      "link set v1 addrgenmode none\n"
	      "link set v0 up\n"
	      "link set v1 up\n"
	      "addr add 10.2.0.1/24 dev v0\n"
	      "addr add fd01::1/64 dev v0 nodad\n"
	      "addr add fe80::1/64 dev v0 nodad\n",
	      ip);
	if (pclose(ip)) {
		fputs("ip: cannot build the namespace\n", stderr);
		exit(2);
	}
}

static void read_ip(const char *text, struct berth_ip *out)
{
	char mapped[64];

	if (!strchr(text, ':')) {
		snprintf(mapped, sizeof(mapped), "::ffff:%s", text);
		text = mapped;
	}
	if (inet_pton(AF_INET6, text, out->byte) != 1)
		die(text);
}

static void describe(struct net *net)
{
	static const struct {
		const char *addr, *device;
		uint8_t prefix;
	} row[NET_LOCALS] = {
		{ "127.0.0.0", "lo", 104 }, { "10.1.0.1", "lo", 128 }, { "10.1.0.2", "lo", 128 },
		{ "::1", "lo", 128 },       { "fd00::1", "lo", 128 },  { "10.2.0.1", "v0", 128 },
		{ "fd01::1", "v0", 128 },   { "fe80::1", "v0", 128 },
	};
	int i;

	for (i = 0; i < NET_LOCALS; i++) {
		read_ip(row[i].addr, &net->local[i].addr);
		net->local[i].prefix = row[i].prefix;
		net->local[i].device = if_nametoindex(row[i].device);
	}
	net->device[0] = if_nametoindex("lo");
	net->device[1] = if_nametoindex("v0");
	net->device[2] = if_nametoindex("v1");
}

int net_enter(struct net *net)
{
	int ret = 0;

	net->users = geteuid() == 0;
	if (net->users)
		ret = unshare(CLONE_NEWNET) < 0 ? -errno : 0;
	else
		ret = enter_user();
	if (ret)
		return ret;
	build();
	describe(net);
	return 0;
}

void net_user(uint32_t uid)
{
	setfsuid(uid);
	if (setfsuid((uid_t)-1) != (int)uid)
		die("setfsuid");
}

void net_low_ports(bool may)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint32_t bit = 1u << CAP_NET_BIND_SERVICE;

	if (syscall(SYS_capget, &head, data))
		die("capget");
	data[0].effective = may ? data[0].effective | bit : data[0].effective & ~bit;
	if (syscall(SYS_capset, &head, data))
		die("capset");
}

socklen_t net_sockaddr(struct sockaddr_storage *out, uint8_t family, const struct berth_ip *ip,
		       uint16_t port, uint32_t scope)
{
	struct sockaddr_in6 *in6 = (void *)out;
	struct sockaddr_in *in = (void *)out;

	memset(out, 0, sizeof(*out));
	if (family == AF_INET) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, ip->byte + 12, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	in6->sin6_scope_id = scope;
	memcpy(&in6->sin6_addr, ip->byte, 16);
	return sizeof(*in6);
}

void net_local_of(int fd, struct berth_ip *out_ip, uint16_t *out_port)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct sockaddr_in6 *in6 = (void *)&ss;
	struct sockaddr_in *in = (void *)&ss;

	if (getsockname(fd, (void *)&ss, &len))
		die("getsockname");
	if (ss.ss_family == AF_INET) {
		*out_ip = berth_ip_any4;
		memcpy(out_ip->byte + 12, &in->sin_addr, 4);
		*out_port = ntohs(in->sin_port);
	} else {
		memcpy(out_ip->byte, &in6->sin6_addr, 16);
		*out_port = ntohs(in6->sin6_port);
	}
}

static int diag_socket(void)
{
	static int fd = -1;

	if (fd >= 0)
		close(fd);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		die("sock_diag");
	return fd;
}

/* The state of the socket that has this tuple; 0 where there is none. */
static int state_of(const struct berth_ip *from, uint16_t sport, const struct berth_ip *to,
		    uint16_t dport, uint32_t device)
{
	bool v4 = berth_ip_is_mapped(from);
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} ask = { .head = { .nlmsg_len = sizeof(ask),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST },
		  .req = { .sdiag_family = v4 ? AF_INET : AF_INET6,
			   .sdiag_protocol = IPPROTO_TCP,
			   .idiag_states = ~0u,
			   .id = { .idiag_sport = htons(sport),
				   .idiag_dport = htons(dport),
				   .idiag_if = device,
				   .idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } } } };
	union {
		struct nlmsghdr head;
		char text[4096];
	} got;
	int fd = diag_socket();

	memcpy(ask.req.id.idiag_src, from->byte + (v4 ? 12 : 0), v4 ? 4 : 16);
	memcpy(ask.req.id.idiag_dst, to->byte + (v4 ? 12 : 0), v4 ? 4 : 16);
	if (send(fd, &ask, sizeof(ask), 0) < 0 || recv(fd, &got, sizeof(got), 0) <= 0)
		die("sock_diag");
	if (got.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return 0;
	return ((struct inet_diag_msg *)NLMSG_DATA(&got.head))->idiag_state;
}

bool net_is_time_wait(const struct berth_sock *s)
{
	return state_of(&s->local, s->port, &s->peer, s->peer_port, s->device) == STATE_TIME_WAIT;
}

bool net_await_time_wait(const struct berth_sock *s, uint32_t peer_device)
{
	int tries, here = 0, there = 0;

	for (tries = 0; tries < 100000; tries++) {
		here = state_of(&s->local, s->port, &s->peer, s->peer_port, s->device);
		there = state_of(&s->peer, s->peer_port, &s->local, s->port, peer_device);
		/* A look-up without an established pair finds a listener, which has neither state. */
		if (here == STATE_TIME_WAIT && (!there || there == STATE_LISTEN))
			return true;
		sched_yield();
	}
	fprintf(stderr, "states %d and %d\n", here, there);
	return false;
}

uint32_t net_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}
