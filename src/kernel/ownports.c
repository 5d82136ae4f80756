/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets on the loopback, opened for the sake of their ports. */
#include "src/kernel/ownports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/auto.h"

const struct berth_own_row berth_own_rows[] = {
#define ROW(id, name, six, datagram, by_bind, many) { name, six, datagram, by_bind, many },
	BERTH_OWN_WAYS(ROW)
#undef ROW
};

/* An address of either family. */
union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t size_of(const union address *a)
{
	return a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

/* ::1, or 127.0.0.1 + host. */
static union address loopback(bool six, uint32_t host, in_port_t port_be16)
{
	union address a = { 0 };

	if (six)
		a.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
					      .sin6_port = port_be16,
					      .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	else
		a.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
					     .sin_port = port_be16,
					     .sin_addr = { htonl(INADDR_LOOPBACK + host) } };
	return a;
}

static in_port_t port_of(int fd)
{
	union address a = { 0 };
	socklen_t len = sizeof(a);

	getsockname(fd, &a.any, &len);
	return a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port;
}

static int open_socket(const struct berth_own_row *way)
{
	return socket(way->six ? AF_INET6 : AF_INET,
		      (way->datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
}

/* A socket that waits on all addresses of its family, at a port that the kernel chose; -1 with errno. */
static int open_listener(const struct berth_own_row *way)
{
	union address any = { .any.sa_family = way->six ? AF_INET6 : AF_INET };
	berth_auto_fd int fd = open_socket(way);

	if (fd < 0 || bind(fd, &any.any, size_of(&any)) || (!way->datagram && listen(fd, 16)))
		return -1;
	return berth_take_fd(&fd);
}

/* One port: by bind to port 0, or by connect to 127.0.0.1 + host. 0 with errno where it was refused. */
static in_port_t one_port(const struct berth_own_row *way, uint32_t host, int listener)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	union address to = loopback(way->six, host, way->by_bind ? 0 : port_of(listener));
	berth_auto_fd int fd = open_socket(way);
	berth_auto_fd int other = -1;

	if (fd < 0 || (way->by_bind ? bind : connect)(fd, &to.any, size_of(&to)))
		return 0;
	if (!way->datagram && !way->by_bind) {
		other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	}
	return port_of(fd);
}

bool berth_own_has_six(void)
{
	in_port_t port = one_port(&berth_own_rows[BERTH_OWN_UDP6_BIND], 0, -1);

	return port != 0;
}

int berth_own_ports(enum berth_own_way way, size_t n, uint16_t *out_port, struct berth_why *why)
{
	const struct berth_own_row *row = &berth_own_rows[way];
	/* There is one loopback address of IPv6: another destination is another port. */
	bool fresh = row->six && row->many && !row->by_bind;
	berth_auto_fd int listener = -1;
	size_t i;

	for (i = 0; i < n; i++) {
		in_port_t port;

		if (!row->by_bind && (listener < 0 || fresh)) {
			berth_auto_fd int before = berth_take_fd(&listener);

			listener = open_listener(row);
			if (listener < 0)
				return berth_why(why, -errno,
						 "no socket to connect to: the kernel says: %s",
						 strerror(errno));
		}
		port = one_port(row, row->many && !row->by_bind ? (uint32_t)i : 0, listener);
		if (!port)
			return berth_why(
				why, -errno,
				"socket %zu of %zu was refused a port: the kernel says: %s", i + 1,
				n, strerror(errno));
		out_port[i] = ntohs(port);
	}
	return (int)n;
}
