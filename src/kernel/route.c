/* SPDX-License-Identifier: BSD-2-Clause */
/* Dumps routes by rtnetlink. */
#include "src/kernel/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

#include "src/base/auto.h"

/* What a dump has found. */
struct found {
	struct berth_egress *route;
	size_t n, room;
};

static int add(struct found *f, const struct berth_egress_key *key, uint32_t device)
{
	if (f->n == f->room) {
		size_t room = f->room ? 2 * f->room : 64;
		struct berth_egress *more = reallocarray(f->route, room, sizeof(*more));

		if (!more)
			return MNL_CB_ERROR;
		f->route = more;
		f->room = room;
	}
	f->route[f->n++] = (struct berth_egress){ .prefix = *key, .device = device };
	return MNL_CB_OK;
}

static int attribute(const struct nlattr *attr, void *arg)
{
	const struct nlattr **tb = arg;

	if (mnl_attr_get_type(attr) <= RTA_MAX)
		tb[mnl_attr_get_type(attr)] = attr;
	return MNL_CB_OK;
}

static int route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	struct berth_egress_key key = { 0 };
	uint32_t bytes = (rt->rtm_dst_len + 7u) / 8;

	mnl_attr_parse(nlh, sizeof(*rt), attribute, tb);
	if (rt->rtm_type != RTN_UNICAST || rt->rtm_table != RT_TABLE_MAIN || !tb[RTA_OIF])
		return MNL_CB_OK;
	if (rt->rtm_family == AF_INET) {
		key.prefix_len = 96u + rt->rtm_dst_len;
		key.dst[10] = key.dst[11] = 0xff;
		if (tb[RTA_DST])
			memcpy(key.dst + 12, mnl_attr_get_payload(tb[RTA_DST]), bytes);
	} else {
		key.prefix_len = rt->rtm_dst_len;
		if (tb[RTA_DST])
			memcpy(key.dst, mnl_attr_get_payload(tb[RTA_DST]), bytes);
	}
	return add(arg, &key, mnl_attr_get_u32(tb[RTA_OIF]));
}

static int dump(struct mnl_socket *nl, unsigned char family, struct found *f)
{
	char buf[32768];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt;
	unsigned int seq = (unsigned int)time(NULL) + family;
	ssize_t n;
	int more = MNL_CB_OK;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = seq;
	rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	rt->rtm_family = family;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (more > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		more = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), route, f);
	}
	return more < 0 ? -errno : 0;
}

static int dump_all(struct found *f)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int err;

	if (!nl)
		return -errno;
	err = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) ? -errno : 0;
	if (!err)
		err = dump(nl, AF_INET, f);
	if (!err)
		err = dump(nl, AF_INET6, f);
	mnl_socket_close(nl);
	return err;
}

int berth_route_watch(void)
{
	struct sockaddr_nl all = { .nl_family = AF_NETLINK,
				   .nl_groups = RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE };
	berth_auto_fd int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&all, sizeof(all)))
		return -errno;
	return berth_take_fd(&fd);
}

int berth_route_tell(struct berth_assign *a, int watch_fd)
{
	struct found f = { 0 };
	char notice[8192];
	int err;

	/* Emptied first: what changes from now on is told again. ENOBUFS means that notices were lost. */
	while (watch_fd >= 0 && (recv(watch_fd, notice, sizeof(notice), 0) >= 0 ||
				 errno == ENOBUFS || errno == EINTR))
		;
	err = dump_all(&f);
	if (!err)
		err = berth_assign_set_egress(a, f.route, f.n);
	free(f.route);
	return err;
}
