/* SPDX-License-Identifier: BSD-2-Clause */
/* Dumps of sock_diag, one request for each protocol and family; /proc/net/raw where raw sockets have no diag. */
#include "src/kernel/diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "src/base/auto.h"
#include "src/kernel/netns.h"

#define BUFFER 65536
#define TIMER_TIME_WAIT 3 /* idiag_timer */

const uint16_t berth_diag_protocols[] = { IPPROTO_TCP,     IPPROTO_UDP,
					  IPPROTO_UDPLITE, IPPROTO_SCTP,
					  IPPROTO_DCCP,    IPPROTO_MPTCP,
					  BERTH_DIAG_RAW,  0 };

struct dump {
	berth_diag_fn fn;
	void *arg;
	uint16_t protocol;
	uint32_t states;
	uint32_t netns;
	int result; /* of fn */
};

static void put_addr(uint8_t to[16], const __be32 from[4], uint8_t family)
{
	if (family == AF_INET6) {
		memcpy(to, from, 16);
		return;
	}
	memset(to, 0, 10);
	memset(to + 10, 0xff, 2);
	memcpy(to + 12, from, 4);
}

static void put_message(struct berth_socket *s, const struct inet_diag_msg *m)
{
	s->family = m->idiag_family;
	put_addr(s->local, m->id.idiag_src, s->family);
	put_addr(s->peer, m->id.idiag_dst, s->family);
	s->lport = ntohs(m->id.idiag_sport);
	s->pport = ntohs(m->id.idiag_dport);
	s->state = m->idiag_state;
	s->cookie = (uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0];
	s->device = m->id.idiag_if;
	s->uid = m->idiag_uid;
	s->inode = m->idiag_inode;
	s->rqueue = m->idiag_rqueue;
	s->wqueue = m->idiag_wqueue;
	if (m->idiag_timer == TIMER_TIME_WAIT && !s->inode) {
		s->timer_ms = m->idiag_expires;
		s->flags = BERTH_SOCKET_SHORT;
	}
	if (s->state == BERTH_STATE_SYN_RECV || s->state == BERTH_STATE_NEW_SYN_RECV)
		s->flags = BERTH_SOCKET_SHORT;
}

/* Brings the numbers of the protocols to one form. */
static void settle(struct berth_socket *s)
{
	if (s->state == BERTH_STATE_NEW_SYN_RECV)
		s->state = BERTH_STATE_SYN_RECV;
	if (s->protocol == IPPROTO_TCP && s->state == BERTH_STATE_CLOSE)
		s->state = BERTH_STATE_BOUND;
}

static int on_attr(const struct nlattr *attr, void *arg)
{
	struct berth_socket *s = arg;
	uint16_t type = mnl_attr_get_type(attr);

	if (type == INET_DIAG_SKV6ONLY && mnl_attr_get_u8(attr) && s->family == AF_INET6)
		s->flags |= BERTH_SOCKET_V6ONLY;
	else if (type == INET_DIAG_CGROUP_ID && mnl_attr_get_payload_len(attr) == 8)
		s->cgroup = mnl_attr_get_u64(attr);
	else if (type == INET_DIAG_ULP_INFO && s->protocol == IPPROTO_TCP)
		s->flags |= BERTH_SOCKET_SUBFLOW; /* taken back where it is another one */
	return MNL_CB_OK;
}

/* The name of what sits above TCP: "mptcp" for a subflow. */
static void find_subflow(const struct nlmsghdr *nlh, struct berth_socket *s)
{
	const struct nlattr *attr, *name;

	s->flags &= (uint16_t)~BERTH_SOCKET_SUBFLOW;
	mnl_attr_for_each(attr, nlh, sizeof(struct inet_diag_msg))
	{
		if (mnl_attr_get_type(attr) != INET_DIAG_ULP_INFO)
			continue;
		mnl_attr_for_each_nested(name,
					 attr) if (mnl_attr_get_type(name) == INET_ULP_INFO_NAME &&
						   !strncmp(mnl_attr_get_payload(name), "mptcp",
							    mnl_attr_get_payload_len(name)))
			s->flags |= BERTH_SOCKET_SUBFLOW;
	}
}

static int on_message(const struct nlmsghdr *nlh, void *arg)
{
	struct dump *d = arg;
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(nlh);
	struct berth_socket s = { .protocol = d->protocol, .netns = d->netns };

	if (nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY || mnl_nlmsg_get_payload_len(nlh) < sizeof(*m))
		return MNL_CB_OK;
	put_message(&s, m);
	mnl_attr_parse(nlh, sizeof(*m), on_attr, &s);
	if (s.flags & BERTH_SOCKET_SUBFLOW)
		find_subflow(nlh, &s);
	settle(&s);
	if (!s.lport || !(d->states >> s.state & 1))
		return MNL_CB_OK;
	d->result = d->fn(&s, d->arg);
	return d->result ? MNL_CB_STOP : MNL_CB_OK;
}

/* Asks for a dump of one family. IPPROTO_MPTCP does not fit into a byte and goes into an attribute. */
static int send_request(struct mnl_socket *nl, const struct dump *d, uint8_t family, uint32_t seq)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = family;
	req->sdiag_protocol = (uint8_t)(d->protocol > 255 ? 0 : d->protocol);
	req->idiag_states = d->states;
	if (d->states >> BERTH_STATE_SYN_RECV & 1)
		req->idiag_states |= 1u << BERTH_STATE_NEW_SYN_RECV;
	if (d->protocol > 255)
		mnl_attr_put_u32(nlh, INET_DIAG_REQ_PROTOCOL, d->protocol);
	return mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0 ? -errno : 0;
}

/* Reads one dump to its end. -ENOENT: the kernel has no such module. */
static int dump_family(struct mnl_socket *nl, struct dump *d, uint8_t family, uint32_t seq,
		       char *buf)
{
	unsigned port = mnl_socket_get_portid(nl);
	int err = send_request(nl, d, family, seq), more = MNL_CB_OK;

	while (!err && more > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, BUFFER);

		if (n < 0)
			return errno == EINTR ? -EAGAIN : -errno;
		more = mnl_cb_run(buf, (size_t)n, seq, port, on_message, d);
		if (more < 0)
			err = errno == EINTR
				      ? 0
				      : -errno; /* a dump that changed under way is one, too */
		if (more < 0 && !err)
			more = MNL_CB_OK;
		if (d->result)
			return 0;
	}
	return err;
}

static int dump_netlink(struct dump *d, struct berth_why *why)
{
	static const uint8_t family[] = { AF_INET, AF_INET6 };
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	berth_auto_free char *buf = malloc(BUFFER);
	uint32_t i;
	int err = nl && buf ? 0 : -errno;

	if (!err && mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID))
		err = -errno;
	for (i = 0; !err && !d->result && i < 2; i++)
		err = dump_family(nl, d, family[i], i + 1, buf);
	if (nl)
		mnl_socket_close(nl);
	if (err && err != -ENOENT && err != -EINVAL && err != -EOPNOTSUPP)
		return berth_why(why, err, "sock_diag: the kernel does not tell its sockets (%s)",
				 strerror(-err));
	return err ? -ENOENT : 0;
}

/* ---- /proc/net ---- */

/* An address as the kernel prints it: words in host order, in hexadecimal. */
static int read_addr(const char *text, uint8_t to[16], uint8_t *out_family, unsigned *out_port)
{
	unsigned w[4];
	__be32 raw[4] = { 0 };

	if (sscanf(text, "%8x%8x%8x%8x:%4x", w, w + 1, w + 2, w + 3, out_port) == 5) {
		memcpy(raw, w, sizeof(raw));
		*out_family = AF_INET6;
	} else if (sscanf(text, "%8x:%4x", w, out_port) == 2) {
		memcpy(raw, w, 4);
		*out_family = AF_INET;
	} else {
		return -EINVAL;
	}
	put_addr(to, raw, *out_family);
	return 0;
}

static int read_line(const char *line, struct dump *d)
{
	struct berth_socket s = { .netns = d->netns };
	char local[48], peer[48];
	unsigned state, wq, rq, uid, lport, pport;
	unsigned long inode;

	if (sscanf(line, "%*u: %47s %47s %x %x:%x %*x:%*x %*x %u %*u %lu", local, peer, &state, &wq,
		   &rq, &uid, &inode) != 7 ||
	    read_addr(local, s.local, &s.family, &lport) ||
	    read_addr(peer, s.peer, &s.family, &pport))
		return 0;
	s.state = (uint8_t)state;
	s.rqueue = rq;
	s.wqueue = wq;
	s.uid = uid;
	s.inode = inode;
	if (d->protocol == BERTH_DIAG_RAW) {
		s.flags = BERTH_SOCKET_RAW;
		s.protocol = (uint16_t)lport;
	} else {
		s.protocol = d->protocol;
		s.lport = (uint16_t)lport;
		s.pport = (uint16_t)pport;
	}
	return d->states >> (s.state & 31) & 1 ? d->fn(&s, d->arg) : 0;
}

static int dump_text(struct dump *d, const char *path)
{
	berth_auto_file FILE *f = fopen(path, "re");
	char line[512];

	while (f && !d->result && fgets(line, sizeof(line), f))
		d->result = read_line(line, d);
	return 0;
}

static int dump_proc(struct dump *d)
{
	if (d->protocol == BERTH_DIAG_RAW) {
		dump_text(d, "/proc/thread-self/net/raw");
		return dump_text(d, "/proc/thread-self/net/raw6");
	}
	if (d->protocol == IPPROTO_UDPLITE) {
		dump_text(d, "/proc/thread-self/net/udplite");
		return dump_text(d, "/proc/thread-self/net/udplite6");
	}
	return 0;
}

/*
 * Whether the namespace has sockets of a protocol, by /proc/net/protocols. To ask sock_diag for one that the kernel does
 * not have makes it look for a module, which takes 30 ms.
 */
static bool is_in_use(uint16_t protocol)
{
	static const struct {
		uint16_t protocol;
		const char *name[2];
	} table[] = {
		{ IPPROTO_UDPLITE, { "UDP-Lite", "UDPLITEv6" } },
		{ IPPROTO_SCTP, { "SCTP", "SCTPv6" } },
		{ IPPROTO_DCCP, { "DCCP", "DCCPv6" } },
		{ IPPROTO_MPTCP, { "MPTCP", "MPTCPv6" } },
		{ BERTH_DIAG_RAW, { "RAW", "RAWv6" } },
	};
	berth_auto_file FILE *f = NULL;
	char line[256], name[32];
	bool used = false;
	long sockets;
	size_t i = 0;

	while (i < sizeof(table) / sizeof(*table) && table[i].protocol != protocol)
		i++;
	if (i == sizeof(table) / sizeof(*table))
		return true;
	f = fopen("/proc/thread-self/net/protocols", "re");
	while (f && !used && fgets(line, sizeof(line), f))
		used = sscanf(line, "%31s %*u %ld", name, &sockets) == 2 && sockets &&
		       (!strcmp(name, table[i].name[0]) || !strcmp(name, table[i].name[1]));
	return used || !f;
}

int berth_diag_dump(uint16_t protocol, uint32_t states, berth_diag_fn fn, void *arg,
		    struct berth_why *why)
{
	struct dump d = { fn, arg, protocol, states, berth_netns_own(), 0 };
	int err;

	if (!is_in_use(protocol))
		return 0;
	err = protocol == BERTH_DIAG_RAW ? -ENOENT : dump_netlink(&d, why);
	if (err == -ENOENT)
		err = dump_proc(&d);
	return err ? err : d.result;
}

/* ---- the end of a socket ---- */

int berth_diag_destroy(const struct berth_socket *s)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;
	size_t from = s->family == AF_INET6 ? 0 : 12;
	ssize_t n;
	int err = 0;

	if (!nl)
		return -errno;
	nlh->nlmsg_type = SOCK_DESTROY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	nlh->nlmsg_seq = 1;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = s->family;
	req->sdiag_protocol = (uint8_t)s->protocol;
	req->idiag_states = ~0u;
	req->id.idiag_sport = htons(s->lport);
	req->id.idiag_dport = htons(s->pport);
	memcpy(req->id.idiag_src, s->local + from, 16 - from);
	memcpy(req->id.idiag_dst, s->peer + from, 16 - from);
	req->id.idiag_if = s->device;
	req->id.idiag_cookie[0] = s->cookie ? (uint32_t)s->cookie : INET_DIAG_NOCOOKIE;
	req->id.idiag_cookie[1] = s->cookie ? (uint32_t)(s->cookie >> 32) : INET_DIAG_NOCOOKIE;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		err = -errno;
	n = err ? 0 : mnl_socket_recvfrom(nl, buf, sizeof(buf));
	if (n < 0 ||
	    (!err && mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), NULL, NULL) < 0))
		err = -errno;
	mnl_socket_close(nl);
	return err;
}
