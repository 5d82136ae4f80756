/* SPDX-License-Identifier: BSD-2-Clause */
/* Small things that every client and server of the tests and measurements needs. */
#ifndef BERTH_TESTS_SOCK_H
#define BERTH_TESTS_SOCK_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* linux/in.h since 6.3 */
#endif

struct endpoint {
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t len;
};

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Port of an endpoint, in host order. */
static inline uint16_t endpoint_port(const struct endpoint *e)
{
	return ntohs(e->sa.sa_family == AF_INET6 ? e->v6.sin6_port : e->v4.sin_port);
}

static inline void endpoint_set_port(struct endpoint *e, uint16_t port)
{
	if (e->sa.sa_family == AF_INET6)
		e->v6.sin6_port = htons(port);
	else
		e->v4.sin_port = htons(port);
}

/* Reads a numeric address (IPv4, IPv6, ::ffff:a.b.c.d) and a port; false where one is not that. */
static inline bool endpoint_parse(const char *addr, const char *port, struct endpoint *out)
{
	struct endpoint e = { 0 };
	char *end;
	unsigned long n = strtoul(port, &end, 10);

	if (end == port || *end || n > 65535)
		return false;
	if (inet_pton(AF_INET, addr, &e.v4.sin_addr) == 1) {
		e.v4.sin_family = AF_INET;
		e.len = sizeof(e.v4);
	} else if (inet_pton(AF_INET6, addr, &e.v6.sin6_addr) == 1) {
		e.v6.sin6_family = AF_INET6;
		e.len = sizeof(e.v6);
	} else {
		return false;
	}
	endpoint_set_port(&e, (uint16_t)n);
	*out = e;
	return true;
}

/* The local endpoint of a socket; family 0 where the kernel does not say. */
static inline struct endpoint endpoint_local(int fd)
{
	struct endpoint e = { 0 };

	e.len = sizeof(e.v6);
	if (getsockname(fd, &e.sa, &e.len))
		e.sa.sa_family = 0;
	return e;
}

/* Writes "ADDR PORT" into buf. */
static inline const char *endpoint_text(const struct endpoint *e, char *buf, size_t size)
{
	char addr[INET6_ADDRSTRLEN] = "?";

	if (e->sa.sa_family == AF_INET6)
		inet_ntop(AF_INET6, &e->v6.sin6_addr, addr, sizeof(addr));
	else
		inet_ntop(AF_INET, &e->v4.sin_addr, addr, sizeof(addr));
	snprintf(buf, size, "%s %u", addr, endpoint_port(e));
	return buf;
}

/* "EADDRNOTAVAIL" and the like; the number itself has no name rarely enough. */
static inline const char *errno_name(int code)
{
	const char *name = strerrorname_np(code);

	return name ? name : "unknown";
}

/* Raises the soft limit of descriptors to the hard one and returns it. */
static inline unsigned long raise_nofile(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r))
		return 1024;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r))
		getrlimit(RLIMIT_NOFILE, &r);
	return r.rlim_cur;
}

#endif
