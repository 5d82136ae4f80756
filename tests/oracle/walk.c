/* SPDX-License-Identifier: BSD-2-Clause */
/* One world of the differential test: random steps, each asked of the oracle and of the kernel. */
#include "walk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/core/match.h"
#include "tests/model/random.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static const char *const addresses[] = {
	"::ffff:0.0.0.0",   "::ffff:127.0.0.1", "::ffff:10.1.0.1", "::ffff:10.2.0.1", "::ffff:127.0.0.6",
	"::ffff:224.0.0.1", "::ffff:9.9.9.9",	"::",		   "::1",	      "fd00::1",
	"fd01::1",	    "fe80::1",		"ff02::1",	   "2001:db8::9",
};
enum { ADDRESSES = sizeof(addresses) / sizeof(addresses[0]), FIRST_IPV6 = 7 };

static bool chance(uint32_t percent)
{
	return random_below(100) < percent;
}

static void note(struct walk *w, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(w->log + w->logged, sizeof(w->log) - w->logged, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof(w->log) - w->logged)
		w->logged += (size_t)n;
}

static const char *ip_text(const struct berth_ip *ip)
{
	static char text[4][INET6_ADDRSTRLEN];
	static int at;

	at = (at + 1) % 4;
	return inet_ntop(AF_INET6, ip->byte, text[at], sizeof(text[at]));
}

static void note_sock(struct walk *w, const struct berth_sock *s)
{
	note(w, "%s%s [%s]:%u", s->proto == BERTH_PROTO_TCP ? "tcp" : "udp",
	     s->family == BERTH_IPV4 ? "4" : "6", ip_text(&s->local), s->port);
	if (s->peer_port)
		note(w, " -> [%s]:%u", ip_text(&s->peer), s->peer_port);
	note(w, "%s%s%s%s%s", s->reuse ? " reuse" : "", s->reuseport ? " reuseport" : "",
	     s->v6only ? " v6only" : "", s->by_connect ? " by-connect" : "",
	     s->stamped ? " stamped" : "");
	note(w, " state %u uid %u dev %u", s->state, s->uid, s->device);
}

static void disagree(struct walk *w, const char *what, int kernel, const struct berth_verdict *v)
{
	uint32_t i;

	w->wrong = true;
	if (w->blind)
		return;
	printf("DISAGREE %s: kernel %s, oracle %s (%s, other %d)\n"
	       "repeat: oracle --seed 0x%llx --worlds 1\n%s\nsockets:\n",
	       what, kernel ? strerrorname_np(kernel) : "success",
	       v->error ? strerrorname_np(v->error) : "success", berth_rule_name(v->rule), v->other,
	       (unsigned long long)w->seed, w->log);
	w->logged = 0;
	for (i = 0; i < w->space.socks; i++) {
		note(w, "  %u (#%u) ", i, w->live[i].id);
		note_sock(w, &w->sock[i]);
		note(w, " order %d %d\n", w->sock[i].order, w->sock[i].order2);
	}
	for (i = 0; i < w->space.buckets; i++)
		note(w, "  bucket %u: %d %d\n", w->bucket[i].port, w->bucket[i].reuse,
		     w->bucket[i].reuseport);
	for (i = 0; i < w->space.buckets2; i++)
		note(w, "  bucket2 [%s]:%u: %d %d\n", ip_text(&w->bucket2[i].local),
		     w->bucket2[i].port, w->bucket2[i].reuse, w->bucket2[i].reuseport);
	fputs(w->log, stdout);
}

/* True where both say the same; else the world ends here. */
static bool agree(struct walk *w, const char *what, int kernel, const struct berth_verdict *v)
{
	w->count.cases++;
	w->count.refused += kernel != 0;
	w->count.rule[v->rule]++;
	w->count.shares += !kernel && v->rule == BERTH_RULE_SHARED;
	w->count.groups += !kernel && v->rule == BERTH_RULE_GROUP;
	note(w, ": %s\n", kernel ? strerrorname_np(kernel) : "ok");
	if (kernel == v->error)
		return true;
	if (v->unsure && (kernel == EADDRINUSE || kernel == EADDRNOTAVAIL)) {
		w->count.chances++;
		return true;
	}
	disagree(w, what, kernel, v);
	return false;
}

static void forget(struct walk *w, uint32_t at)
{
	berth_space_leave(&w->space, at);
	memmove(&w->live[at], &w->live[at + 1], (w->space.socks - at) * sizeof(w->live[0]));
}

static void remember(struct walk *w, int at, int fd, bool fixed, bool addressed)
{
	if (at < 0) {
		fprintf(stderr, "a world is too small\n");
		exit(2);
	}
	w->live[at] = (struct live){
		.fd = fd, .id = ++w->ids, .fixed = fixed, .addressed = addressed
	};
}

static int32_t by_id(const struct walk *w, uint32_t id)
{
	uint32_t i;

	for (i = 0; id && i < w->space.socks; i++)
		if (w->live[i].id == id)
			return (int32_t)i;
	return -1;
}

static void set_flag(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value))) {
		perror("setsockopt");
		exit(2);
	}
}

static void close_hard(int fd)
{
	struct linger hard = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

/* A socket with random options. */
static int make(struct walk *w, struct berth_sock *s)
{
	static const uint32_t users[] = { 0, 0, 1000, 1001 };
	bool udp = chance(w->udp);
	int fd;

	*s = (struct berth_sock){ .proto = udp ? BERTH_PROTO_UDP : BERTH_PROTO_TCP,
				  .family = chance(50) ? BERTH_IPV4 : BERTH_IPV6,
				  .reuse = chance(w->reuse),
				  .reuseport = chance(w->reuseport) };
	s->local = s->family == BERTH_IPV4 ? berth_ip_any4 : berth_ip_any6;
	s->v6only = s->family == BERTH_IPV6 && chance(30);
	s->uid = w->net->users ? users[random_below(4)] : 0;
	if (chance(20))
		s->device = w->net->device[chance(70) ? 0 : 1];
	net_user(s->uid);
	fd = socket(s->family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	net_user(0);
	if (fd < 0) {
		perror("socket");
		exit(2);
	}
	set_flag(fd, SOL_SOCKET, SO_REUSEADDR, s->reuse);
	set_flag(fd, SOL_SOCKET, SO_REUSEPORT, s->reuseport);
	if (s->family == BERTH_IPV6)
		set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, s->v6only);
	if (s->device)
		set_flag(fd, SOL_SOCKET, SO_BINDTOIFINDEX, (int)s->device);
	return fd;
}


/* A random local address for bind(), of the socket's family but for now and then. */
static void any_address(struct walk *w, struct berth_request *r)
{
	bool four = r->sock.family == BERTH_IPV4 || chance(30);
	uint32_t at;

	at = four ? random_below(FIRST_IPV6) : FIRST_IPV6 + random_below(ADDRESSES - FIRST_IPV6);
	/* Wildcards meet everybody; 127.0.0.6 meets whoever has an IPv6 address alone. */
	if (chance(25))
		at = four ? 0 : FIRST_IPV6;
	else if (four && chance(15))
		at = 4;
	inet_pton(AF_INET6, addresses[at], r->addr.byte);
	r->family = chance(98) ? r->sock.family : r->sock.family ^ BERTH_IPV4 ^ BERTH_IPV6;
	if (!four && chance(80))
		r->scope = chance(90) ? w->net->device[1] : 9999;
}

/* A port that is in use, or any of the world's. */
static uint16_t any_port(const struct walk *w)
{
	uint32_t at = random_below(WALK_ROOM);

	if (at < w->space.socks && chance(60))
		return w->sock[at].port;
	return (uint16_t)(w->base + random_below(w->busy));
}

static socklen_t wanted_address(const struct berth_request *r, struct sockaddr_storage *ss)
{
	net_sockaddr(ss, r->family, &r->addr, r->port, r->scope);
	return sizeof(*ss);
}

static void hide(struct berth_sock *s, const char *what)
{
	if (!strcmp(what, "v6only"))
		s->v6only = false;
	else if (!strcmp(what, "device"))
		s->device = 0;
	else if (!strcmp(what, "user"))
		s->uid = 0;
	else if (!strcmp(what, "reuse"))
		s->reuse = false;
	else if (!strcmp(what, "reuseport"))
		s->reuseport = false;
	else if (!strcmp(what, "stamps"))
		s->stamped = false;
	else if (!strcmp(what, "order"))
		s->order = s->order2 = 0;
	else if (s->state == BERTH_SOCK_LISTEN && !strcmp(what, "listen"))
		s->state = BERTH_SOCK_CLOSED;
	else if (s->state == BERTH_SOCK_TIME_WAIT && !strcmp(what, "time-wait"))
		s->state = BERTH_SOCK_CONNECTED;
}

const char *const walk_blinds[] = { "v6only", "device", "user",	  "reuse",     "reuseport", "stamps",
				    "order",  "listen", "time-wait", "buckets", NULL };

/* The space as the oracle is shown it: with one thing hidden, where that is asked for. */
static struct berth_space shown(const struct walk *w, struct berth_request *r)
{
	static struct berth_sock sock[WALK_ROOM];
	struct berth_space sp = w->space;
	uint32_t i;

	if (!w->blind)
		return sp;
	memcpy(sock, w->sock, sizeof(sock));
	for (i = 0; i < sp.socks; i++)
		hide(&sock[i], w->blind);
	hide(&r->sock, w->blind);
	sp.sock = sock;
	if (!strcmp(w->blind, "buckets"))
		sp.buckets = 0;
	return sp;
}

static void ask(const struct walk *w, const struct berth_request *r, struct berth_verdict *v)
{
	struct berth_request seen = *r;
	struct berth_space sp = shown(w, &seen);

	berth_rules_judge(&sp, &w->host, &seen, v);
}

static bool may_choose(const struct walk *w, const struct berth_request *r, uint16_t port)
{
	struct berth_request seen = *r;
	struct berth_space sp = shown(w, &seen);

	return berth_rules_may_choose(&sp, &w->host, &seen, port);
}

/* What the kernel chose must be among what the oracle would permit. */
static bool check_choice(struct walk *w, const struct berth_request *r, uint16_t port)
{
	struct berth_verdict v = { .other = -1 };

	w->count.choices++;
	if (may_choose(w, r, port))
		return true;
	note(w, "the kernel chose %u\n", port);
	disagree(w, "choice", 0, &v);
	return false;
}

static void own_range(struct walk *w, int fd, struct berth_request *r)
{
	uint16_t low = w->host.ephemeral.first, high = w->host.ephemeral.last;

	if (!chance(15))
		return;
	r->has_range = true;
	r->range.first = (uint16_t)(low - 2 + (int)random_below((uint32_t)(high - low) + 4));
	r->range.last = (uint16_t)(r->range.first + random_below(6));
	set_flag(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, r->range.last << 16 | r->range.first);
}

static int call_bind(const struct berth_request *r, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = wanted_address(r, &ss);
	int ret;

	if (!r->may_low)
		net_low_ports(false);
	ret = bind(fd, (void *)&ss, len) ? errno : 0;
	if (!r->may_low)
		net_low_ports(true);
	return ret;
}

static void listen_at(struct walk *w, uint32_t at)
{
	struct berth_request r = { .op = BERTH_OP_LISTEN, .sock = w->sock[at], .self = (int32_t)at };
	struct berth_verdict v;
	int ret;

	ask(w, &r, &v);
	note(w, "#%u listen", w->live[at].id);
	ret = listen(w->live[at].fd, 64) ? errno : 0;
	w->count.listens++;
	if (agree(w, "listen", ret, &v) && !ret && w->sock[at].state == BERTH_SOCK_CLOSED)
		berth_space_listen(&w->space, at);
}

/* bind() by oracle and kernel; the number of the socket, or -1 where it was refused and closed. */
static int bind_both(struct walk *w, int fd, struct berth_request *r)
{
	struct berth_verdict v;
	struct berth_ip local;
	bool addressed = !berth_ip_equal(&r->addr, &berth_ip_any6) &&
			 !(r->sock.family == BERTH_IPV4 && berth_ip_is_any(&r->addr));
	int at, ret;

	ask(w, r, &v);
	note(w, "#%u bind [%s]:%u scope %u%s%s%s ", w->ids + 1, ip_text(&r->addr), r->port, r->scope,
	     r->family == r->sock.family ? "" : " other-family", r->nonlocal ? " freebind" : "",
	     r->may_low ? "" : " no-cap");
	note_sock(w, &r->sock);
	ret = call_bind(r, fd);
	w->count.binds++;
	if (!agree(w, "bind", ret, &v) || ret) {
		close(fd);
		return -1;
	}
	berth_rules_bound(r, &r->sock);
	net_local_of(fd, &local, &r->sock.port);
	if (!r->port && !check_choice(w, r, r->sock.port))
		return -1;
	at = berth_space_bind(&w->space, &r->sock);
	remember(w, at, fd, r->port, addressed);
	return at;
}

static void step_bind(struct walk *w)
{
	struct berth_request r = { .op = BERTH_OP_BIND, .self = -1, .may_low = chance(70) };
	int fd = make(w, &r.sock), at;

	any_address(w, &r);
	r.port = chance(15) ? 0 : any_port(w);
	r.nonlocal = chance(8);
	if (r.nonlocal)
		set_flag(fd, IPPROTO_IP, IP_FREEBIND, 1);
	own_range(w, fd, &r);
	at = bind_both(w, fd, &r);
	if (at >= 0 && r.sock.proto == BERTH_PROTO_TCP && chance(40))
		listen_at(w, (uint32_t)at);
}

/* bind() of a bound socket, listen() of whatever there is. */
static void step_again(struct walk *w)
{
	uint32_t at = w->space.socks ? random_below(w->space.socks) : 0;
	struct berth_request r = { .op = BERTH_OP_BIND, .self = (int32_t)at, .may_low = true };
	struct berth_verdict v;

	if (!w->space.socks || w->live[at].fd < 0)
		return;
	if (chance(70)) {
		listen_at(w, at);
		return;
	}
	r.sock = w->sock[at];
	r.family = r.sock.family;
	r.addr = r.family == BERTH_IPV4 ? berth_ip_any4 : berth_ip_any6;
	r.port = any_port(w);
	ask(w, &r, &v);
	note(w, "#%u bind again", w->live[at].id);
	agree(w, "bind again", call_bind(&r, w->live[at].fd), &v);
}

/* listen() of a socket without a port. */
static void step_listen_unbound(struct walk *w)
{
	struct berth_request r = { .op = BERTH_OP_LISTEN, .self = -1 };
	int fd = make(w, &r.sock), ret;
	struct berth_verdict v;
	struct berth_ip local;

	own_range(w, fd, &r);
	ask(w, &r, &v);
	note(w, "#%u listen unbound ", w->ids + 1);
	note_sock(w, &r.sock);
	ret = listen(fd, 64) ? errno : 0;
	if (!agree(w, "listen unbound", ret, &v) || ret) {
		close(fd);
		return;
	}
	net_local_of(fd, &local, &r.sock.port);
	if (!check_choice(w, &r, r.sock.port))
		return;
	r.sock.state = BERTH_SOCK_LISTEN;
	remember(w, berth_space_bind(&w->space, &r.sock), fd, false, false);
}

/* Where to connect: mostly to a listener or where a connection goes already. */
static void any_destination(struct walk *w, struct berth_request *r)
{
	static const char *const to[] = { "::ffff:127.0.0.1", "::ffff:10.1.0.1", "::ffff:10.1.0.2",
					  "::ffff:10.2.0.1",  "::1",		 "fd00::1",
					  "fd01::1",	      "::ffff:0.0.0.0",	 "::",
					  "ff02::1",	      "::ffff:224.0.0.1" };
	bool four = r->sock.family == BERTH_IPV4 || chance(25);
	uint32_t i, pick = random_below(WALK_ROOM);
	const struct berth_sock *s;

	inet_pton(AF_INET6, to[four ? random_below(4) : 4 + random_below(3)], r->addr.byte);
	if (chance(6))
		inet_pton(AF_INET6, to[four ? (chance(50) ? 7 : 10) : (chance(50) ? 8 : 9)],
			  r->addr.byte);
	r->port = any_port(w);
	r->family = r->sock.family;
	for (i = 0; i < w->space.socks && chance(90); i++) {
		s = &w->sock[(pick + i) % w->space.socks];
		if (s->state != BERTH_SOCK_LISTEN)
			continue;
		r->port = s->port;
		if (!berth_ip_is_any(&s->local) && !berth_ip_is_link_local6(&s->local) &&
		    (r->family == BERTH_IPV6 || berth_ip_is_mapped(&s->local)))
			r->addr = s->local;
		return;
	}
}

static struct berth_ip real_destination(const struct berth_request *r)
{
	const struct berth_ip *local = &r->sock.local;
	struct berth_ip ip = r->addr;

	if (!berth_ip_is_any(&ip))
		return ip;
	if (berth_ip_is_mapped(&ip) && berth_ip_is_mapped(local) && !berth_ip_is_any(local))
		return *local;
	inet_pton(AF_INET6,
		  berth_ip_is_mapped(&ip) || berth_ip_is_mapped(local) ? "::ffff:127.0.0.1" : "::1",
		  ip.byte);
	return ip;
}

/* What the routes of the namespace say: the source, and the interface on which listeners see it. */
static bool route(const struct walk *w, struct berth_request *r)
{
	struct berth_ip to = real_destination(r);
	static const struct berth_ip one6 = { { [15] = 1 } };
	const struct berth_ip *from = &r->sock.local;
	uint32_t i, on = 0;

	for (i = 0; i < NET_LOCALS; i++)
		if (berth_ip_in_prefix(&to, &w->net->local[i].addr, w->net->local[i].prefix))
			on = w->net->local[i].device;
	r->source = to;
	if (berth_ip_is_mapped(&to) && berth_ip_is_loopback(&to))
		inet_pton(AF_INET6, "::ffff:127.0.0.1", r->source.byte);
	/* It goes over lo, but listeners see the interface that has the address. */
	r->arrives = on;
	if (berth_ip_is_multicast(&to) && r->sock.proto == BERTH_PROTO_TCP && !r->sock.device)
		on = r->arrives;
	else if (berth_ip_equal(from, &one6) && on != w->net->device[0])
		return false; /* what comes from ::1 is dropped on another interface than lo */
	else if (!on || (r->sock.device && (r->sock.device != w->net->device[0] || on != r->sock.device)))
		return false;
	if (berth_ip_is_any(from))
		return true;
	for (i = 0; i < NET_LOCALS; i++)
		if (berth_ip_in_prefix(from, &w->net->local[i].addr, w->net->local[i].prefix))
			return !berth_ip_is_link_local6(from) &&
			       (!r->sock.device || w->net->local[i].device == r->sock.device);
	return false;
}

/* A connection that rests at the peer's side meets the new one there: that is the peer's clock, not a rule. */
static bool meets_old_peer(const struct walk *w, const struct berth_request *r)
{
	struct berth_ip to = real_destination(r);
	uint32_t i;

	for (i = 0; i < w->space.socks; i++)
		if (w->sock[i].state == BERTH_SOCK_TIME_WAIT && w->sock[i].port == r->port &&
		    berth_ip_equal(&w->sock[i].local, &to))
			return true;
	return false;
}

/*
 * Where only interfaces keep two connections with one tuple apart, their segments meet at the other side, and what
 * comes of that is no rule of ports.
 */
static bool may_meet_twin(const struct walk *w, const struct berth_request *r)
{
	struct berth_ip to = real_destination(r), from = r->sock.local;
	const struct berth_sock *s;
	uint32_t i;

	if (berth_ip_is_any(&from))
		from = r->source;
	for (i = 0; i < w->space.socks; i++) {
		s = &w->sock[i];
		if (s->proto == BERTH_PROTO_TCP && s->state >= BERTH_SOCK_CONNECTED &&
		    s->device && s->device != r->sock.device && s->peer_port == r->port &&
		    (!r->sock.port || s->port == r->sock.port) &&
		    berth_ip_equal(&s->local, &from) && berth_ip_equal(&s->peer, &to))
			return true;
	}
	return false;
}

/* Starts a connect(); errno of the call itself, or -1 where the peer is asked. */
static int call_connect(const struct berth_request *r, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = wanted_address(r, &ss);

	if (!connect(fd, (void *)&ss, len))
		return 0;
	return errno == EINPROGRESS ? -1 : errno;
}

/* The peer's answer, or -1 where it does not come. */
static int await_answer(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;

	if (poll(&p, 1, 300) != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -1;
	return error;
}

/* Takes the other end of a new connection off its listener's queue, as a random user. */
static void accept_peer(struct walk *w, uint32_t client)
{
	static const uint32_t users[] = { 0, 1000 };
	const struct berth_sock *c = &w->sock[client];
	struct berth_sock s;
	uint32_t i;
	int fd = -1, at;

	for (i = 0; i < w->space.socks; i++) {
		if (w->sock[i].state != BERTH_SOCK_LISTEN || w->sock[i].port != c->peer_port)
			continue;
		s = w->sock[i];
		s.uid = w->net->users ? users[random_below(2)] : 0;
		net_user(s.uid);
		fd = accept4(w->live[i].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		net_user(0);
		if (fd >= 0)
			break;
	}
	if (fd < 0)
		return;
	s.state = BERTH_SOCK_CONNECTED;
	s.local = c->peer;
	s.peer = c->local;
	s.peer_port = c->port;
	note(w, "  accepted by #%u as #%u uid %u\n", w->live[i].id, w->ids + 1, s.uid);
	at = berth_space_inherit(&w->space, &s);
	remember(w, at, fd, false, true);
	w->live[at].pair = w->live[client].id;
	w->live[client].pair = w->live[at].id;
}

/* A connection takes the place of one in TIME_WAIT with the same tuple. */
static void drop_replaced(struct walk *w, const struct berth_sock *s)
{
	uint32_t i;

	for (i = w->space.socks; i-- > 0;)
		if (w->sock[i].proto == s->proto && w->sock[i].state == BERTH_SOCK_TIME_WAIT &&
		    berth_match_tuple(&w->sock[i], s)) {
			note(w, "  #%u is replaced\n", w->live[i].id);
			forget(w, i);
			return;
		}
}

static void close_pair(struct walk *w, uint32_t at)
{
	int32_t pair = by_id(w, w->live[at].pair);
	uint32_t id = w->live[at].id;

	note(w, "#%u close\n", id);
	close_hard(w->live[at].fd);
	if (pair >= 0) {
		close_hard(w->live[pair].fd);
		forget(w, (uint32_t)pair);
	}
	forget(w, (uint32_t)by_id(w, id));
}

static void connected(struct walk *w, struct berth_request *r, int fd, bool addressed)
{
	struct berth_sock s = r->sock;
	int32_t at = r->self;
	uint32_t id;

	s.state = BERTH_SOCK_CONNECTED;
	s.peer = real_destination(r);
	s.peer_port = r->port;
	net_local_of(fd, &s.local, &s.port);
	if (at < 0) {
		if (!check_choice(w, r, s.port))
			return;
		if (s.proto == BERTH_PROTO_UDP) {
			struct berth_sock bound = r->sock;

			bound.port = s.port;
			at = berth_space_bind(&w->space, &bound);
			berth_space_move(&w->space, (uint32_t)at, &s.local);
		} else {
			s.by_connect = true;
			at = berth_space_connect(&w->space, &s);
		}
		remember(w, at, fd, false, addressed);
	} else if (berth_space_move(&w->space, (uint32_t)at, &s.local)) {
		remember(w, -1, fd, false, false);
	}
	s.order = w->sock[at].order;
	s.order2 = w->sock[at].order2;
	w->sock[at] = s;
	note(w, "  is [%s]:%u\n", ip_text(&s.local), s.port);
	if (s.proto != BERTH_PROTO_TCP)
		return;
	id = w->live[at].id;
	drop_replaced(w, &s);
	accept_peer(w, (uint32_t)by_id(w, id));
}

/* A connect() that was refused by the peer may have taken the place of one in TIME_WAIT before. */
static void drop_vanished(struct walk *w)
{
	uint32_t i;

	for (i = w->space.socks; i-- > 0;)
		if (w->sock[i].state == BERTH_SOCK_TIME_WAIT && !net_is_time_wait(&w->sock[i])) {
			note(w, "  #%u was replaced\n", w->live[i].id);
			forget(w, i);
		}
}

/* What a failed connect() leaves of a socket that was bound, and then close() of it. */
static void give_up(struct walk *w, struct berth_request *r, int fd, bool tried)
{
	struct berth_ip was = r->sock.local;
	uint32_t id = r->self < 0 ? 0 : w->live[r->self].id;

	drop_vanished(w);
	close_hard(fd);
	if (!id)
		return;
	r->self = by_id(w, id);
	if (tried && r->sock.proto == BERTH_PROTO_TCP && berth_ip_is_any(&was)) {
		berth_space_move(&w->space, (uint32_t)r->self, &r->source);
		if (w->live[r->self].fixed && !w->live[r->self].addressed)
			berth_space_move(&w->space, (uint32_t)r->self, &was);
	}
	forget(w, (uint32_t)r->self);
}

/* An unbound socket, one with an address only, or one that is bound. */
static int connecting_socket(struct walk *w, struct berth_request *r, bool *addressed)
{
	uint32_t at = w->space.socks ? random_below(w->space.socks) : 0;
	int fd;

	*addressed = false;
	if (w->space.socks && chance(50) && w->live[at].fd >= 0 &&
	    (w->sock[at].state != BERTH_SOCK_CONNECTED || chance(5)) &&
	    !(w->sock[at].proto == BERTH_PROTO_UDP && w->sock[at].state == BERTH_SOCK_CONNECTED)) {
		r->sock = w->sock[at];
		r->self = (int32_t)at;
		*addressed = w->live[at].addressed;
		return w->live[at].fd;
	}
	fd = make(w, &r->sock);
	own_range(w, fd, r);
	if (r->sock.proto == BERTH_PROTO_TCP && chance(30)) {
		struct berth_request b = *r;
		struct berth_verdict v;
		int ret;

		b.op = BERTH_OP_BIND;
		b.no_port = true;
		any_address(w, &b);
		set_flag(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
		ask(w, &b, &v);
		note(w, "#%u bind address only [%s] scope %u ", w->ids + 1, ip_text(&b.addr), b.scope);
		note_sock(w, &b.sock);
		ret = call_bind(&b, fd);
		if (!agree(w, "bind of an address", ret, &v) || ret) {
			close(fd);
			return -1;
		}
		berth_rules_bound(&b, &r->sock);
		*addressed = true;
	}
	return fd;
}

static void await_tw_delay(const struct walk *w)
{
	while (w->host.tw_delay_ms < 1000 && net_now_ms() - w->last_tw_ms < w->host.tw_delay_ms + 2)
		sched_yield();
}

/* connect() by oracle and kernel. r->self: where the socket is bound, else -1. */
static void connect_both(struct walk *w, int fd, struct berth_request *r, bool addressed)
{
	struct berth_verdict v;
	bool asked;
	int ret;

	if (!route(w, r) || (r->sock.proto == BERTH_PROTO_TCP &&
			     (meets_old_peer(w, r) || may_meet_twin(w, r)))) {
		w->count.skipped++;
		if (r->self < 0)
			close(fd);
		return;
	}
	await_tw_delay(w);
	w->host.now_ms = net_now_ms();
	ask(w, r, &v);
	note(w, "#%u connect [%s]:%u range %u-%u ", r->self < 0 ? w->ids + 1 : w->live[r->self].id,
	     ip_text(&r->addr), r->port, r->has_range ? r->range.first : 0, r->range.last);
	note_sock(w, &r->sock);
	ret = call_connect(r, fd);
	asked = ret < 0;
	if (asked)
		ret = await_answer(fd);
	/* A connect() that did not wait is brought to its end by another one. */
	if (asked && !ret && call_connect(r, fd))
		ret = -1;
	if (ret < 0) {
		note(w, ": no answer\n");
		w->count.unresolved++;
		give_up(w, r, fd, true);
		return;
	}
	w->count.connects++;
	/* The oracle does not foresee that the port which the kernel chooses is the destination's own. */
	if (asked && !ret && v.by_peer && r->self < 0) {
		struct berth_ip local;
		uint16_t port;

		net_local_of(fd, &local, &port);
		if (port == r->port && berth_ip_equal(&local, &r->source))
			v.error = 0;
	}
	if (!agree(w, "connect", ret, &v))
		return;
	if (!ret)
		connected(w, r, fd, addressed);
	else if (ret != EISCONN)
		give_up(w, r, fd, asked || v.rule == BERTH_RULE_TUPLE || v.rule == BERTH_RULE_TUPLE_TIME_WAIT);
}

static void step_connect(struct walk *w)
{
	struct berth_request r = { .op = BERTH_OP_CONNECT, .self = -1 };
	bool addressed;
	int fd = connecting_socket(w, &r, &addressed);

	if (fd < 0)
		return;
	any_destination(w, &r);
	connect_both(w, fd, &r, addressed);
}

/* Binds a new socket to the address and port that a connection has. */
static int bind_same(struct walk *w, int fd, struct berth_request *r, const struct berth_sock *s)
{
	struct berth_request b = *r;
	int at;

	b.op = BERTH_OP_BIND;
	b.addr = s->local;
	b.port = s->port;
	b.may_low = true;
	at = bind_both(w, fd, &b);
	r->self = at;
	r->sock = b.sock;
	return at;
}

/* The tuple of a connection, there or in TIME_WAIT, once more: from a bound socket or by the kernel's choice. */
static void step_same(struct walk *w)
{
	struct berth_request r = { .op = BERTH_OP_CONNECT, .self = -1 };
	uint32_t i, pick = random_below(WALK_ROOM);
	struct berth_sock s = { 0 };
	int fd;

	for (i = 0; i < w->space.socks && !s.peer_port; i++) {
		s = w->sock[(pick + i) % w->space.socks];
		if (s.proto != BERTH_PROTO_TCP || s.state < BERTH_SOCK_CONNECTED)
			s.peer_port = 0;
	}
	if (!s.peer_port)
		return;
	fd = make(w, &r.sock);
	r.family = r.sock.family;
	r.addr = s.peer;
	r.port = s.peer_port;
	if (r.sock.proto != s.proto || r.sock.device ||
	    (r.sock.family == BERTH_IPV4 && !berth_ip_is_mapped(&s.local))) {
		close(fd);
		return;
	}
	if (chance(60)) {
		if (chance(70)) {
			r.sock.reuse = true;
			set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		}
		if (bind_same(w, fd, &r, &s) < 0)
			return;
	} else {
		r.has_range = true;
		r.range = (struct berth_range){ s.port, s.port };
		set_flag(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, s.port << 16 | s.port);
	}
	connect_both(w, fd, &r, r.self >= 0);
}

static void step_close(struct walk *w)
{
	uint32_t at;

	if (!w->space.socks)
		return;
	at = random_below(w->space.socks);
	if (w->live[at].fd >= 0)
		close_pair(w, at);
}

/* One end closes, then the other: the first rests in TIME_WAIT. */
static void step_time_wait(struct walk *w)
{
	uint32_t at = w->space.socks ? random_below(w->space.socks) : 0, id;
	int32_t pair;

	if (!w->space.socks || !w->live[at].pair)
		return;
	id = w->live[at].id;
	pair = by_id(w, w->live[at].pair);
	/* Segments of an end that is bound to an interface may take another way, or none. */
	if (pair < 0 || w->live[at].fd < 0 || w->sock[at].device || w->sock[pair].device)
		return;
	note(w, "#%u close, then #%u\n", id, w->live[pair].id);
	close(w->live[at].fd);
	close(w->live[pair].fd);
	if (!net_await_time_wait(&w->sock[at], w->sock[pair].device)) {
		note_sock(w, &w->sock[at]);
		note(w, "\n");
		note_sock(w, &w->sock[pair]);
		fprintf(stderr, "%s: TIME_WAIT did not come\n", w->log);
		exit(2);
	}
	w->last_tw_ms = net_now_ms();
	w->sock[at].state = BERTH_SOCK_TIME_WAIT;
	w->sock[at].stamped = w->stamps;
	w->sock[at].since_ms = w->last_tw_ms;
	w->live[at].fd = -1;
	w->live[at].pair = 0;
	w->count.time_waits++;
	forget(w, (uint32_t)pair);
}

/* Programs may change their mind after bind(). */
static void step_option(struct walk *w)
{
	uint32_t at = w->space.socks ? random_below(w->space.socks) : 0;
	struct berth_sock *s = &w->sock[at];

	if (!w->space.socks || w->live[at].fd < 0)
		return;
	if (chance(50)) {
		s->reuse = !s->reuse;
		set_flag(w->live[at].fd, SOL_SOCKET, SO_REUSEADDR, s->reuse);
	} else {
		s->reuseport = !s->reuseport;
		set_flag(w->live[at].fd, SOL_SOCKET, SO_REUSEPORT, s->reuseport);
	}
	note(w, "#%u now reuse %d reuseport %d\n", w->live[at].id, s->reuse, s->reuseport);
}

static void step(struct walk *w)
{
	static const struct {
		uint32_t weight;
		void (*run)(struct walk *w);
	} steps[] = { { 40, step_bind },    { 25, step_connect },	 { 8, step_same },	 { 8, step_close },
		      { 10, step_time_wait }, { 3, step_again },	 { 3, step_listen_unbound },
		      { 3, step_option } };
	uint32_t roll = random_below(100), i;

	if (w->space.socks > WALK_ROOM - 12) {
		step_close(w);
		return;
	}
	for (i = 0; roll >= steps[i].weight; i++)
		roll -= steps[i].weight;
	steps[i].run(w);
}

/* Random settings of the namespace for this world. */
static void settings(struct walk *w)
{
	uint16_t first = (uint16_t)(w->base + 8 + random_below(2));
	bool stamps = chance(60);
	uint32_t i;

	w->host = (struct berth_host){
		.local = w->net->local, .locals = NET_LOCALS, .device = w->net->device, .devices = 3,
		.reserved = &w->reserved, .unprivileged = (uint16_t)(w->base + random_below(4)),
		.ephemeral = { first, (uint16_t)(first + random_below(10)) },
		.nonlocal4 = chance(5), .nonlocal6 = chance(5), .autobind_reuse = chance(20),
		.tw_reuse = (uint8_t)random_below(3), .tw_delay_ms = chance(50) ? 1 : 60000,
		.loopback = w->net->device[0]
	};
	memset(&w->reserved, 0, sizeof(w->reserved));
	for (i = 0; i < 3; i++)
		berth_portset_add(&w->reserved, first + random_below(12));
	net_sysctl("ipv4/ip_local_port_range", "%u %u", first, w->host.ephemeral.last);
	net_sysctl("ipv4/ip_unprivileged_port_start", "%u", w->host.unprivileged);
	{
		char text[256];

		berth_portset_format(&w->reserved, text, sizeof(text));
		net_sysctl("ipv4/ip_local_reserved_ports", "%s", text);
	}
	net_sysctl("ipv4/ip_nonlocal_bind", "%d", w->host.nonlocal4);
	net_sysctl("ipv6/ip_nonlocal_bind", "%d", w->host.nonlocal6);
	net_sysctl("ipv4/ip_autobind_reuse", "%d", w->host.autobind_reuse);
	net_sysctl("ipv4/tcp_tw_reuse", "%d", w->host.tw_reuse);
	net_sysctl("ipv4/tcp_tw_reuse_delay", "%u", w->host.tw_delay_ms);
	net_sysctl("ipv4/tcp_timestamps", "%d", stamps);
	w->stamps = stamps;
	w->reuse = 20 + 30 * random_below(3);
	w->reuseport = 10 + 35 * random_below(3);
	w->udp = 10 + 35 * random_below(3);
	w->busy = chance(25) ? 2 : 6 + random_below(12);
	/* Many UDP sockets on one port, where the kernel changes its way of looking. */
	if (chance(15)) {
		w->busy = 1;
		w->udp = 97;
		w->reuse = 85;
		w->reuseport = 60;
	}
}

void walk_world(struct walk *w, uint64_t seed, uint16_t base, unsigned steps)
{
	random_state = seed;
	w->seed = seed;
	w->base = base;
	w->ids = 0;
	w->logged = 0;
	w->space = (struct berth_space){ .sock = w->sock, .bucket = w->bucket, .bucket2 = w->bucket2,
					 .room = WALK_ROOM };
	settings(w);
	note(w, "range %u-%u unprivileged %u nonlocal %d %d autobind_reuse %d tw_reuse %u delay %u stamps %d\n",
	     w->host.ephemeral.first, w->host.ephemeral.last, w->host.unprivileged, w->host.nonlocal4,
	     w->host.nonlocal6, w->host.autobind_reuse, w->host.tw_reuse, w->host.tw_delay_ms, w->stamps);
	while (steps-- && !w->wrong)
		step(w);
	while (w->space.socks) {
		if (w->live[0].fd >= 0)
			close_hard(w->live[0].fd);
		forget(w, 0);
	}
}
