/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the kernel's table of sockets through sock_diag and looks for socket pairs that exist
 * twice.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "sock.h"
#include "tuples.h"

#define LISTEN_STATE 10
#define TUPLE_KEY offsetof(struct tuple, state) /* what makes two sockets the same pair */

static void address(uint8_t into[16], const __be32 from[4], uint8_t family)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (family == AF_INET6) {
		memcpy(into, from, 16);
	} else {
		memcpy(into, mapped, 12);
		memcpy(into + 12, from, 4);
	}
}

struct reading {
	struct tuples *t;
	uint8_t protocol;
};

static int take(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(nlh);
	struct reading *r = data;
	struct tuples *t = r->t;
	struct tuple *to;

	if (m->idiag_state == LISTEN_STATE || !m->id.idiag_dport)
		return MNL_CB_OK;
	if (t->count == t->room) {
		size_t room = t->room ? 2 * t->room : 4096;
		struct tuple *more = reallocarray(t->at, room, sizeof(*more));

		if (!more)
			return MNL_CB_ERROR;
		t->at = more;
		t->room = room;
	}
	to = &t->at[t->count++];
	*to = (struct tuple){ .sport = ntohs(m->id.idiag_sport),
			      .dport = ntohs(m->id.idiag_dport),
			      .protocol = r->protocol,
			      .state = m->idiag_state };
	address(to->src, m->id.idiag_src, m->idiag_family);
	address(to->dst, m->id.idiag_dst, m->idiag_family);
	memcpy(&to->cookie, m->id.idiag_cookie, sizeof(to->cookie));
	return MNL_CB_OK;
}

static int read_family(struct mnl_socket *nl, struct reading *r, uint8_t family)
{
	static char buf[1 << 18];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;
	ssize_t n;
	int rc;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = family;
	req->sdiag_protocol = r->protocol;
	req->idiag_states = ~0u;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		rc = mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(nl), take, r);
	} while (rc > MNL_CB_STOP);
	return rc < 0 ? -errno : 0;
}

int tuples_read(struct tuples *t, uint8_t protocol)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_SOCK_DIAG);
	struct reading r = { t, protocol };
	int rc;

	if (!nl)
		return -errno;
	rc = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) ? -errno : read_family(nl, &r, AF_INET);
	if (!rc)
		rc = read_family(nl, &r, AF_INET6);
	mnl_socket_close(nl);
	return rc;
}

void tuples_fini(struct tuples *t)
{
	free(t->at);
	*t = (struct tuples){ 0 };
}

static int by_key(const void *a, const void *b)
{
	const struct tuple *x = a, *y = b;
	int d = memcmp(x, y, TUPLE_KEY);

	return d ? d : x->cookie < y->cookie ? -1 : x->cookie > y->cookie;
}

static bool twice(const struct tuple *a, const struct tuple *b)
{
	return !memcmp(a, b, TUPLE_KEY) && a->cookie != b->cookie;
}

size_t tuples_duplicates(struct tuples *t)
{
	size_t i, n = 0;

	if (t->count)
		qsort(t->at, t->count, sizeof(*t->at), by_key);
	for (i = 1; i < t->count; i++)
		n += twice(&t->at[i - 1], &t->at[i]);
	return n;
}

static void print_pair(const struct tuple *a)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, a->src, src, sizeof(src));
	inet_ntop(AF_INET6, a->dst, dst, sizeof(dst));
	fprintf(stderr, "twice: %s [%s]:%u -> [%s]:%u states %u %u\n",
		a->protocol == IPPROTO_TCP ? "tcp" : "udp", src, a->sport, dst, a->dport,
		a[0].state, a[1].state);
}

/* How many pairs of first are there in second too, with the same sockets. Both are sorted. */
static long confirmed(const struct tuples *first, const struct tuples *second)
{
	long n = 0;
	size_t i;

	for (i = 1; i < first->count; i++) {
		const struct tuple *a = &first->at[i - 1];

		if (!twice(a, a + 1) ||
		    !bsearch(a, second->at, second->count, sizeof(*a), by_key) ||
		    !bsearch(a + 1, second->at, second->count, sizeof(*a), by_key))
			continue;
		print_pair(a);
		n++;
	}
	return n;
}

long tuples_check(uint8_t protocol, size_t *out_count)
{
	struct tuples first = { 0 }, second = { 0 };
	long n = tuples_read(&first, protocol);
	size_t count = first.count;

	if (!n && tuples_duplicates(&first)) {
		n = tuples_read(&second, protocol);
		count = second.count;
		tuples_duplicates(&second);
		n = n ? n : confirmed(&first, &second);
	}
	if (out_count && n >= 0)
		*out_count = count;
	tuples_fini(&first);
	tuples_fini(&second);
	return n;
}
