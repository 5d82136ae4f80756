/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets on the loopback, opened for the sake of their ports. */
#include "src/kernel/ownports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/auto.h"

static struct sockaddr_in loopback(uint32_t host, in_port_t port_be16)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = port_be16,
				     .sin_addr = { htonl(INADDR_LOOPBACK + host) } };
}

static in_port_t port_of(int fd)
{
	struct sockaddr_in a = { 0 };
	socklen_t len = sizeof(a);

	getsockname(fd, (struct sockaddr *)&a, &len);
	return a.sin_port;
}

/* A socket that waits on all addresses, at a port that the kernel chose; -1 with errno. */
static int open_listener(int type)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	berth_auto_fd int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    (type == SOCK_STREAM && listen(fd, 16)))
		return -1;
	return berth_take_fd(&fd);
}

/* One port: by bind to port 0, or by connect to 127.0.0.1 + host. 0 with errno where it was refused. */
static in_port_t one_port(int type, bool by_bind, uint32_t host, int listener)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	struct sockaddr_in to = loopback(host, by_bind ? 0 : port_of(listener));
	berth_auto_fd int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	berth_auto_fd int other = -1;

	if (fd < 0 || (by_bind ? bind : connect)(fd, (struct sockaddr *)&to, sizeof(to)))
		return 0;
	if (type == SOCK_STREAM && !by_bind) {
		other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	return port_of(fd);
}

int berth_own_ports(enum berth_own_way way, size_t n, uint16_t *out_port, struct berth_why *why)
{
	int type = way == BERTH_OWN_UDP_ONE || way == BERTH_OWN_UDP_BIND ? SOCK_DGRAM : SOCK_STREAM;
	bool by_bind = way == BERTH_OWN_TCP_BIND || way == BERTH_OWN_UDP_BIND;
	berth_auto_fd int listener = by_bind ? -1 : open_listener(type);
	size_t i;

	if (!by_bind && listener < 0)
		return berth_why(why, -errno, "no socket to connect to: the kernel says: %s",
				 strerror(errno));
	for (i = 0; i < n; i++) {
		in_port_t port = one_port(type, by_bind,
					  way == BERTH_OWN_TCP_MANY ? (uint32_t)i : 0, listener);

		if (!port)
			return berth_why(
				why, -errno,
				"socket %zu of %zu was refused a port: the kernel says: %s", i + 1,
				n, strerror(errno));
		out_port[i] = ntohs(port);
	}
	return (int)n;
}
