/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks sock_diag for one socket pair, free, established, in TIME_WAIT and beside a listener. */
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include "fact.h"

enum { ESTABLISHED = 1, TIME_WAIT = 6, LISTEN = 10 };

static int note_state(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(nlh);

	*(int *)data = m->idiag_state;
	return MNL_CB_OK;
}

/* State of the pair 127.0.0.1:port -> 127.0.0.1:PEER, or -errno. */
static int look(struct mnl_socket *nl, uint16_t port)
{
	char buf[4096];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req;
	int state = 0;
	ssize_t n;

	nlh->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	req->sdiag_family = AF_INET;
	req->sdiag_protocol = IPPROTO_TCP;
	req->idiag_states = ~0u;
	req->id.idiag_sport = htons(port);
	req->id.idiag_dport = htons(PEER);
	req->id.idiag_src[0] = req->id.idiag_dst[0] = htonl(LO);
	req->id.idiag_cookie[0] = req->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	fact_need(mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0, "send to sock_diag");
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	fact_need(n > 0, "receive from sock_diag");
	if (mnl_cb_run(buf, (size_t)n, 0, 0, note_state, &state) < 0)
		return -errno;
	return state;
}

int main(void)
{
	struct mnl_socket *nl;
	int fd, state;

	fact_begin("an exact look-up in sock_diag finds ESTABLISHED and TIME_WAIT, the listener at "
		   "the source port, or ENOENT");
	nl = mnl_socket_open(NETLINK_SOCK_DIAG);
	fact_need(nl && !mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID), "sock_diag");
	fact_timewait(fact_listen(PEER), 20000, PEER);
	fd = fact_bound(SOCK_STREAM, 20001);
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	state = look(nl, 20001);
	fact_expect(state == ESTABLISHED, "established: %d", state);
	state = look(nl, 20000);
	fact_expect(state == TIME_WAIT, "in TIME_WAIT: %d", state);
	state = look(nl, 20003);
	fact_expect(state == -ENOENT, "free: %d", state);
	fact_listen(20003);
	state = look(nl, 20003);
	fact_expect(state == LISTEN, "free, with a listener at the source port: %d", state);
	fact_holds();
}
