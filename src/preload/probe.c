/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions to the kernel: is a tuple in use, may a TIME_WAIT be taken, which source does a route
 * yield.
 */
#include "src/preload/probe.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "src/preload/addr.h"
#include "src/preload/share.h"
#include "src/preload/sys.h"

#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif

#define KEPT_FROM 1000      /* lowest number of the descriptor that is kept */
#define TIME_WAIT_MS 60000u /* TCP_TIMEWAIT_LEN of the kernel, a constant */
#define REPLY_BYTES 2048

/* The netlink socket that is kept. */
static struct {
	uint32_t busy;
	int fd;
	uint32_t pid;
	uint64_t netns;
	uint64_t cookie;
} kept;

/* Makes the kept socket fit for use; negative where there is none. The caller has set busy. */
static int renew(uint64_t netns)
{
	uint32_t pid = sys_pid();
	int fd;

	if (kept.cookie && sys_get_u64(kept.fd, SO_COOKIE) == kept.cookie) {
		if (kept.pid == pid && kept.netns == netns)
			return kept.fd;
		sys_close(kept.fd);
	}
	kept.cookie = 0;
	fd = sys_socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return fd;
	kept.fd = (int)BERTH_SYS(SYS_fcntl, fd, F_DUPFD_CLOEXEC, KEPT_FROM);
	sys_close(fd);
	if (kept.fd < 0)
		return kept.fd;
	kept.pid = pid;
	kept.netns = netns;
	kept.cookie = sys_get_u64(kept.fd, SO_COOKIE);
	return kept.fd;
}

/* Sends one request and reads the answer to it: its length, or -errno. */
static int converse(int fd, struct nlmsghdr *request, void *reply)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct nlmsghdr *h = reply;
	long n;

	request->nlmsg_flags = NLM_F_REQUEST;
	request->nlmsg_seq = berth_share_random();
	n = BERTH_SYS(SYS_sendto, fd, request, request->nlmsg_len, MSG_DONTWAIT | MSG_NOSIGNAL,
		      &kernel, sizeof(kernel));
	if (n < 0)
		return (int)n;
	/* Answers of this kind are made within sendto(); an older one may lie before it. */
	do {
		n = BERTH_SYS(SYS_recvfrom, fd, reply, REPLY_BYTES, MSG_DONTWAIT, NULL, NULL);
		if (n < 0)
			return (int)n;
	} while (n < (long)sizeof(*h) || h->nlmsg_seq != request->nlmsg_seq);
	if (h->nlmsg_type == NLMSG_ERROR)
		return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
	return (int)n;
}

static int converse_once(int protocol, struct nlmsghdr *request, void *reply)
{
	int fd = sys_socket(AF_NETLINK, SOCK_RAW, protocol), n;

	if (fd < 0)
		return fd;
	n = converse(fd, request, reply);
	sys_close(fd);
	return n;
}

static int ask_diag(uint64_t netns, struct nlmsghdr *request, void *reply)
{
	int fd, n;

	if (__atomic_exchange_n(&kept.busy, 1, __ATOMIC_ACQUIRE))
		return converse_once(NETLINK_SOCK_DIAG, request, reply);
	fd = renew(netns);
	n = fd < 0 ? converse_once(NETLINK_SOCK_DIAG, request, reply)
		   : converse(fd, request, reply);
	__atomic_store_n(&kept.busy, 0, __ATOMIC_RELEASE);
	return n;
}

static void put_addr(__be32 out[4], const uint8_t addr[16])
{
	memset(out, 0, 16);
	if (addr_is_v4(addr))
		memcpy(out, addr + 12, 4);
	else
		memcpy(out, addr, 16);
}

enum berth_held berth_probe_tuple(const struct berth_tuple *t, uint32_t *out_age_ms)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} q = { .h.nlmsg_len = sizeof(q), .h.nlmsg_type = SOCK_DIAG_BY_FAMILY };
	char reply[REPLY_BYTES] __attribute__((aligned(8)));
	const struct inet_diag_msg *m = (const void *)(reply + NLMSG_HDRLEN);
	bool swap = t->protocol == IPPROTO_UDP; /* udp_diag looks from the other end */
	int n;

	q.r.sdiag_family = addr_is_v4(t->dst) ? AF_INET : AF_INET6;
	q.r.sdiag_protocol = t->protocol;
	q.r.idiag_states = ~0u;
	put_addr(swap ? q.r.id.idiag_dst : q.r.id.idiag_src, t->src);
	put_addr(swap ? q.r.id.idiag_src : q.r.id.idiag_dst, t->dst);
	q.r.id.idiag_sport = htons(swap ? t->dport : t->sport);
	q.r.id.idiag_dport = htons(swap ? t->sport : t->dport);
	q.r.id.idiag_if = t->device;
	q.r.id.idiag_cookie[0] = q.r.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;

	berth_share_count(BERTH_VERDICT_PROBED);
	if (addr_is_any(t->src))
		return BERTH_HELD_UNKNOWN;
	n = ask_diag(t->netns, &q.h, reply);
	if (n == -ENOENT)
		return BERTH_HELD_FREE;
	if (n < (int)(NLMSG_HDRLEN + sizeof(*m)))
		return BERTH_HELD_UNKNOWN;
	if (t->own && t->own == (m->id.idiag_cookie[0] | (uint64_t)m->id.idiag_cookie[1] << 32))
		return BERTH_HELD_FREE;
	if (t->protocol != IPPROTO_TCP || m->idiag_state != TCP_TIME_WAIT)
		return BERTH_HELD_BUSY;
	*out_age_ms = m->idiag_expires < TIME_WAIT_MS ? TIME_WAIT_MS - m->idiag_expires : 0;
	return BERTH_HELD_TIME_WAIT;
}

/* A socket that enters tuples and sends nothing; negative where the kernel has no such. */
static int silent_socket(const struct berth_tuple *t, bool v6)
{
	int fd = sys_socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return fd;
	if (!sys_set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1) &&
	    !sys_set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1) &&
	    !sys_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
	    (!t->device || !sys_set_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX, (int)t->device)))
		return fd;
	sys_close(fd);
	return -EOPNOTSUPP;
}

enum berth_held berth_probe_try(const struct berth_tuple *t)
{
	struct sockaddr_storage local, remote;
	bool v6 = !addr_is_v4(t->dst);
	int fd = silent_socket(t, v6);
	socklen_t len;
	bool taken;

	if (fd < 0)
		return BERTH_HELD_UNKNOWN;
	len = addr_write(v6, t->src, t->sport, t->device, &local);
	addr_write(v6, t->dst, t->dport, t->device, &remote);
	taken = !sys_bind(fd, &local, len) && !sys_connect(fd, &remote, len);
	sys_close(fd);
	return taken ? BERTH_HELD_FREE : BERTH_HELD_BUSY;
}

static void put_attr(struct nlmsghdr *h, uint16_t type, const void *data, uint16_t len)
{
	struct rtattr *a = (void *)((char *)h + NLMSG_ALIGN(h->nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	h->nlmsg_len = (uint32_t)(NLMSG_ALIGN(h->nlmsg_len) + RTA_ALIGN(a->rta_len));
}

static void put_route_addr(struct nlmsghdr *h, uint16_t type, const uint8_t addr[16])
{
	bool v4 = addr_is_v4(addr);

	put_attr(h, type, v4 ? addr + 12 : addr, v4 ? 4 : 16);
}

static void read_route(struct berth_preload_route *route, char *reply, int n)
{
	struct nlmsghdr *h = (void *)reply;
	struct rtattr *a = RTM_RTA(NLMSG_DATA(h));
	int left = n - (int)NLMSG_LENGTH(sizeof(struct rtmsg));
	bool local = ((struct rtmsg *)NLMSG_DATA(h))->rtm_type == RTN_LOCAL;
	uint32_t word;

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_PREFSRC && RTA_PAYLOAD(a) == 16) {
			memcpy(route->src, RTA_DATA(a), 16);
		} else if (a->rta_type == RTA_PREFSRC && RTA_PAYLOAD(a) == 4) {
			memcpy(&word, RTA_DATA(a), 4);
			addr_from_v4(word, route->src);
		} else if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) == 4 && !local) {
			memcpy(&route->out_device, RTA_DATA(a), 4);
		}
	}
}

int berth_probe_route(struct berth_preload_route *route, uint64_t now_ns)
{
	struct {
		struct nlmsghdr h;
		struct rtmsg r;
		char attrs[96];
	} q = { .h.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)), .h.nlmsg_type = RTM_GETROUTE };
	char reply[REPLY_BYTES] __attribute__((aligned(8)));
	bool v4 = addr_is_v4(route->dst);
	int n;

	if (berth_share_route_get(route, now_ns))
		return 0;
	q.r.rtm_family = v4 ? AF_INET : AF_INET6;
	q.r.rtm_dst_len = v4 ? 32 : 128;
	put_route_addr(&q.h, RTA_DST, route->dst);
	if (!addr_is_any(route->asked)) {
		q.r.rtm_src_len = q.r.rtm_dst_len;
		put_route_addr(&q.h, RTA_SRC, route->asked);
	}
	if (route->device)
		put_attr(&q.h, RTA_OIF, &route->device, 4);
	if (route->mark)
		put_attr(&q.h, RTA_MARK, &route->mark, 4);
	memcpy(route->src, route->asked, 16);
	route->error = 0;
	route->out_device = 0;
	n = converse_once(NETLINK_ROUTE, &q.h, reply);
	if (n == -EMFILE || n == -ENFILE || n == -ENOBUFS || n == -EPERM || n == -EACCES ||
	    n == -EAFNOSUPPORT || n == -EPROTONOSUPPORT)
		return n;
	if (n < 0)
		route->error = n;
	else
		read_route(route, reply, n);
	berth_share_route_put(route, now_ns);
	return 0;
}
