/* SPDX-License-Identifier: BSD-2-Clause */
/* Sends a listener to another socket, closes it, and asks both walks who has it. */
#include "walks_user.h"

static void send_fd(int via, int fd)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	fact_need(sendmsg(via, &msg, 0) == 1, "sendmsg");
}

int main(void)
{
	const struct walks *w;
	int pair[2], fd;

	walks_begin(
		"a socket on its way between two processes has a file, and no process has a descriptor");
	fact_need(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
	fd = fact_listen(PEER);
	fact_expect(walks_with_port(walks_files(), PEER) == 1, "an open listener is not found");
	send_fd(pair[0], fd);
	close(fd);
	fact_expect(walks_with_port(walks_files(), PEER) == 0, "a process has it");
	w = walks_tcp();
	fact_expect(w->count == 1 && w->row[0].port == PEER, "%zu rows in the table", w->count);
	fact_expect(w->row[0].has_file, "it has no file");
	fact_holds();
}
