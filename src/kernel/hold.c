/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds, offers and takes sockets. */
#include "src/kernel/hold.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/core/prefix.h"
#include "src/kernel/runs.h"

#define PATIENCE_S 5 /* for a holder or taker that does not answer */

/* ---- endpoints ---- */

static int refuse(const char *text, const char *what, struct berth_why *why)
{
	return berth_why(why, -EINVAL,
			 "\"%s\": %s; write e.g. 80, udp:53, tcp:127.0.0.1:8080 or [::1]:443", text,
			 what);
}

/* The address before the last colon, n bytes; brackets around IPv6. */
static int parse_addr(const char *text, const char *addr, size_t n, struct berth_endpoint *e,
		      struct berth_why *why)
{
	struct berth_prefix p;
	const char *what;
	size_t at;
	bool brackets = n > 1 && addr[0] == '[' && addr[n - 1] == ']';

	if (berth_prefix_parse(addr + brackets, n - 2 * brackets, &p, &at, &what) || p.len != 128 ||
	    p.is_v4 == brackets)
		return refuse(text, "no address before the port", why);
	memcpy(e->addr, p.addr, 16);
	e->is_v4 = p.is_v4;
	return 0;
}

int berth_endpoint_parse(const char *text, struct berth_endpoint *out_endpoint,
			 struct berth_why *why)
{
	struct berth_endpoint e = { 0 };
	const char *rest = text, *colon;
	char *end;
	unsigned long port;
	int err;

	if (!strncmp(rest, "tcp:", 4) || !strncmp(rest, "udp:", 4)) {
		e.udp = rest[0] == 'u';
		rest += 4;
	}
	colon = strrchr(rest, ':');
	if (colon) {
		err = parse_addr(text, rest, (size_t)(colon - rest), &e, why);
		if (err)
			return err;
		rest = colon + 1;
	}
	port = strtoul(rest, &end, 10);
	if (rest[0] < '0' || rest[0] > '9' || *end || !port || port > 65535)
		return refuse(text, "no port from 1 to 65535", why);
	e.port = (uint16_t)port;
	*out_endpoint = e;
	return 0;
}

void berth_endpoint_format(const struct berth_endpoint *e, char *out)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(e->is_v4 ? AF_INET : AF_INET6, e->addr + (e->is_v4 ? 12 : 0), addr, sizeof(addr));
	snprintf(out, BERTH_ENDPOINT_TEXT, e->is_v4 ? "%s:%s:%u" : "%s:[%s]:%u",
		 e->udp ? "udp" : "tcp", addr, e->port);
}

static bool is_any(const struct berth_endpoint *e)
{
	static const uint8_t zero[16];

	return !memcmp(e->addr, zero, 16);
}

/* A socket of the family; where the host has no IPv6, one of IPv4 stands for every address. */
static int make_socket(const struct berth_endpoint *e, bool *out_v4)
{
	int type = (e->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC;
	int fd = socket(e->is_v4 ? AF_INET : AF_INET6, type, 0);

	*out_v4 = e->is_v4;
	if (fd < 0 && errno == EAFNOSUPPORT && is_any(e)) {
		*out_v4 = true;
		fd = socket(AF_INET, type, 0);
	}
	return fd;
}

/*
 * Keeps the port of a stream that does not listen from whoever sets SO_REUSEADDR, as most servers do: the kernel lets
 * such sockets share a port while none listens, and goes by a note of the port. To have listened takes the note back.
 */
static int close_port(int fd)
{
	const int none = 0;

	return listen(fd, 0) || shutdown(fd, SHUT_RDWR) ||
			       setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &none, sizeof(none))
		       ? -errno
		       : 0;
}

int berth_hold_listen(int fd)
{
	const int one = 1;

	/* For pairs in TIME_WAIT, now and after this socket. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return listen(fd, SOMAXCONN) ? -errno : 0;
}

static int guard_datagrams(int fd)
{
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	const int none = 0;
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);

	if (!getpeername(fd, (struct sockaddr *)&peer, &size))
		connect(fd, &nowhere, sizeof(nowhere));
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &none, sizeof(none)) ? -errno : 0;
}

int berth_hold_guard(int fd, bool listens)
{
	const int none = 0;
	int type = 0, accepts = 0, shares = 0, err;
	socklen_t size = sizeof(type);

	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &none, sizeof(none));
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) ||
	    getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &shares, &size))
		return -errno;
	if (type == SOCK_DGRAM)
		return guard_datagrams(fd);
	if (accepts || (!listens && !shares))
		return 0;
	if (listens)
		err = berth_hold_listen(fd);
	else
		err = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &none, sizeof(none)) ? -errno : 0;
	return err ? err : 1;
}

int berth_hold_bind(const struct berth_endpoint *e, bool listens, int *out_fd,
		    struct berth_why *why)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(e->port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(e->port) };
	char text[BERTH_ENDPOINT_TEXT];
	int one = 1, none = 0;
	bool is_v4;
	berth_auto_fd int fd = make_socket(e, &is_v4);
	int err = 0;

	berth_endpoint_format(e, text);
	memcpy(&v4.sin_addr, e->addr + 12, 4);
	memcpy(&v6.sin6_addr, e->addr, 16);
	/* For pairs in TIME_WAIT; a datagram socket would share its port by it. */
	if (fd >= 0 && !e->udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd >= 0 && !is_v4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &none, sizeof(none));
	if (fd < 0 || bind(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
			   is_v4 ? sizeof(v4) : sizeof(v6)))
		return berth_why(
			why, -errno,
			"%s: the kernel refused it (%s); see \"ss -anp sport = :%u\", \"berth grant\"",
			text, strerror(errno), e->port);
	if (!e->udp)
		err = listens ? berth_hold_listen(fd) : close_port(fd);
	if (err)
		return berth_why(why, err, "%s: cannot listen (%s)", text, strerror(-err));
	*out_fd = berth_take_fd(&fd);
	return 0;
}

/* ---- offers ---- */

/* Where the endpoint is offered: by root or, own, by the caller. */
static int offer_address(const struct berth_endpoint *e, bool own, struct sockaddr_un *out)
{
	char dir[PATH_MAX], text[BERTH_ENDPOINT_TEXT], *c;
	struct stat netns;
	int err = own ? berth_runs_dir(dir, sizeof(dir)) : 0;

	if (!own)
		snprintf(dir, sizeof(dir), "/run/berth");
	if (err || stat("/proc/self/ns/net", &netns))
		return err ? err : -errno;
	berth_endpoint_format(e, text);
	for (c = text; *c; c++)
		*c = *c == ':' || *c == '[' || *c == ']' ? '_' : *c;
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return snprintf(out->sun_path, sizeof(out->sun_path), "%s/hold-%lu-%s", dir,
			(unsigned long)netns.st_ino, text) < (int)sizeof(out->sun_path)
		       ? 0
		       : -ENAMETOOLONG;
}

/* Connects; a socket that nobody listens at was left by one that was killed. */
static int reach(const struct sockaddr_un *at, int *out_fd)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	berth_auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)at, sizeof(*at)))
		return errno == ECONNREFUSED ? -ENOENT : -errno;
	*out_fd = berth_take_fd(&fd);
	return 0;
}

int berth_hold_offer(const struct berth_endpoint *e, int *out_fd, struct berth_why *why)
{
	berth_auto_fd int lock = -1, other = -1, fd = -1;
	char text[BERTH_ENDPOINT_TEXT];
	struct sockaddr_un at;
	int err = berth_runs_lock(&lock, why);

	if (err)
		return err;
	berth_endpoint_format(e, text);
	err = offer_address(e, true, &at);
	if (!err && !reach(&at, &other))
		return berth_why(why, -EADDRINUSE, "%s: another \"berth hold\" has it already",
				 text);
	if (!err) {
		unlink(at.sun_path);
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
		    chmod(at.sun_path, 0666) || listen(fd, 64))
			err = -errno;
	}
	if (err)
		return berth_why(why, err, "%s: cannot offer it (%s)", text, strerror(-err));
	*out_fd = berth_take_fd(&fd);
	return 0;
}

void berth_hold_withdraw(const struct berth_endpoint *e)
{
	struct sockaddr_un at;

	if (!offer_address(e, true, &at))
		unlink(at.sun_path);
}

/* Sends one byte, and a descriptor with it unless that is -1. */
static int send_answer(int to, int fd)
{
	char byte = fd >= 0 ? 'y' : 'n';
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control.room);
	}
	return sendmsg(to, &m, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int berth_hold_serve(int offer_fd, int socket_fd, const struct berth_hold_for *whom,
		     struct berth_why *why)
{
	berth_auto_fd int taker = accept4(offer_fd, NULL, NULL, SOCK_CLOEXEC);
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (taker < 0 || getsockopt(taker, SOL_SOCKET, SO_PEERCRED, &cred, &size))
		return 0;
	setsockopt(taker, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (cred.uid && cred.uid != geteuid() && cred.uid != whom->uid && cred.gid != whom->gid) {
		send_answer(taker, -1);
		return berth_why(
			why, -EPERM,
			"process %d of user %u asked for the port and was refused; allow it with --for",
			(int)cred.pid, (unsigned)cred.uid);
	}
	return send_answer(taker, socket_fd) ? 0 : cred.pid;
}

/* Receives the answer; the descriptor, or -errno. */
static int receive_answer(int from)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control.room) };
	ssize_t n = recvmsg(from, &m, MSG_CMSG_CLOEXEC);
	int fd;

	if (n < 0)
		return -errno;
	if (n != 1 || byte != 'y' || m.msg_controllen < CMSG_LEN(sizeof(int)) ||
	    control.head.cmsg_type != SCM_RIGHTS)
		return n == 1 && byte == 'n' ? -EPERM : -ENOENT;
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

/* True where the holder is root or the caller: another user could hand over anything. */
static bool is_trusted(int holder)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	return !getsockopt(holder, SOL_SOCKET, SO_PEERCRED, &cred, &size) &&
	       (!cred.uid || cred.uid == geteuid());
}

int berth_hold_take(const struct berth_endpoint *e, int *out_fd, struct berth_why *why)
{
	char text[BERTH_ENDPOINT_TEXT];
	int own, err = -ENOENT, fd;

	berth_endpoint_format(e, text);
	for (own = 0; own < 2 && err == -ENOENT; own++) {
		berth_auto_fd int holder = -1;
		struct sockaddr_un at;

		err = offer_address(e, own, &at);
		if (!err)
			err = reach(&at, &holder);
		if (!err && !is_trusted(holder))
			err = -ENOENT;
		if (err)
			continue;
		fd = receive_answer(holder);
		if (fd >= 0) {
			*out_fd = fd;
			return 0;
		}
		err = fd;
	}
	if (err == -ENOENT)
		return berth_why(why, err, "%s: nobody holds it; start: berth hold %s", text, text);
	if (err == -EPERM)
		return berth_why(why, err,
				 "%s: its holder refused user %u; start it with --for user:%u",
				 text, (unsigned)geteuid(), (unsigned)geteuid());
	return berth_why(why, err, "%s: its holder does not answer (%s)", text, strerror(-err));
}
