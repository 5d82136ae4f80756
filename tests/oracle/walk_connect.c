/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps of a world that make connections and end them. */
#include "walk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/core/match.h"
#include "tests/model/random.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

/* Where to connect: mostly to a listener or where a connection goes already. */
static void any_destination(struct walk *w, struct berth_request *r)
{
	static const char *const to[] = { "::ffff:127.0.0.1",
					  "::ffff:10.1.0.1",
					  "::ffff:10.1.0.2",
					  "::ffff:10.2.0.1",
					  "::1",
					  "fd00::1",
					  "fd01::1",
					  "::ffff:0.0.0.0",
					  "::",
					  "ff02::1",
					  "::ffff:224.0.0.1" };
	bool four = r->sock.family == BERTH_IPV4 || walk_chance(25);
	uint32_t i, pick = random_below(WALK_ROOM);
	const struct berth_sock *s;

	inet_pton(AF_INET6, to[four ? random_below(4) : 4 + random_below(3)], r->addr.byte);
	if (walk_chance(6))
		inet_pton(AF_INET6,
			  to[four ? (walk_chance(50) ? 7 : 10) : (walk_chance(50) ? 8 : 9)],
			  r->addr.byte);
	r->port = walk_any_port(w);
	r->family = r->sock.family;
	for (i = 0; i < w->population.socks && walk_chance(90); i++) {
		s = &w->sock[(pick + i) % w->population.socks];
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
	else if (!on ||
		 (r->sock.device && (r->sock.device != w->net->device[0] || on != r->sock.device)))
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

	for (i = 0; i < w->population.socks; i++)
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
	for (i = 0; i < w->population.socks; i++) {
		s = &w->sock[i];
		if (s->proto == BERTH_PROTO_TCP && s->state >= BERTH_SOCK_CONNECTED && s->device &&
		    s->device != r->sock.device && s->peer_port == r->port &&
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
	socklen_t len = walk_wanted_address(r, &ss);

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

/* The listener that has the connection in its queue accepts it, as a random user; its number, or -1. */
static int32_t accept_somewhere(struct walk *w, const struct berth_sock *c, uint32_t uid,
				int *out_fd)
{
	uint32_t i;

	net_user(uid);
	for (i = 0; i < w->population.socks; i++) {
		if (w->sock[i].state != BERTH_SOCK_LISTEN || w->sock[i].port != c->peer_port)
			continue;
		*out_fd = accept4(w->live[i].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (*out_fd >= 0)
			break;
	}
	net_user(0);
	return i < w->population.socks ? (int32_t)i : -1;
}

/* Takes the other end of a new connection off its listener's queue. It may be on its way there. */
static void accept_peer(struct walk *w, uint32_t client)
{
	struct berth_sock s, c = w->sock[client];
	uint32_t uid = w->net->users && walk_chance(50) ? 1000 : 0, began = net_now_ms();
	int32_t listener = -1;
	int fd = -1, at;

	if (c.port == c.peer_port && berth_ip_equal(&c.local, &c.peer))
		return;
	while (listener < 0 && net_now_ms() - began < 2000) {
		listener = accept_somewhere(w, &c, uid, &fd);
		if (listener < 0)
			sched_yield();
	}
	if (listener < 0) {
		fprintf(stderr, "%s: nobody accepts\n", w->log);
		exit(2);
	}
	s = w->sock[listener];
	s.uid = uid;
	s.state = BERTH_SOCK_CONNECTED;
	s.local = c.peer;
	s.peer = c.local;
	s.peer_port = c.port;
	walk_note(w, "  accepted by #%u as #%u uid %u\n", w->live[listener].id, w->ids + 1, s.uid);
	at = berth_population_inherit(&w->population, &s);
	walk_remember(w, at, fd, false, true);
	w->live[at].pair = w->live[client].id;
	w->live[client].pair = w->live[at].id;
}

/* A connection takes the place of one in TIME_WAIT with the same tuple. */
static void drop_replaced(struct walk *w, const struct berth_sock *s)
{
	uint32_t i;

	for (i = w->population.socks; i-- > 0;)
		if (w->sock[i].proto == s->proto && w->sock[i].state == BERTH_SOCK_TIME_WAIT &&
		    berth_match_tuple(&w->sock[i], s)) {
			walk_note(w, "  #%u is replaced\n", w->live[i].id);
			walk_forget(w, i);
			return;
		}
}

void walk_close_pair(struct walk *w, uint32_t at)
{
	int32_t pair = walk_by_id(w, w->live[at].pair);
	uint32_t id = w->live[at].id;

	walk_note(w, "#%u close\n", id);
	walk_close_hard(w->live[at].fd);
	if (pair >= 0) {
		walk_close_hard(w->live[pair].fd);
		walk_forget(w, (uint32_t)pair);
	}
	walk_forget(w, (uint32_t)walk_by_id(w, id));
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
		if (!walk_check_choice(w, r, s.port))
			return;
		if (s.proto == BERTH_PROTO_UDP) {
			struct berth_sock bound = r->sock;

			bound.port = s.port;
			at = berth_population_bind(&w->population, &bound);
			berth_population_move(&w->population, (uint32_t)at, &s.local);
		} else {
			s.by_connect = true;
			at = berth_population_connect(&w->population, &s);
		}
		walk_remember(w, at, fd, false, addressed);
	} else if (berth_population_move(&w->population, (uint32_t)at, &s.local)) {
		walk_remember(w, -1, fd, false, false);
	}
	s.order = w->sock[at].order;
	s.order2 = w->sock[at].order2;
	w->sock[at] = s;
	walk_note(w, "  is [%s]:%u\n", walk_ip_text(&s.local), s.port);
	if (s.proto != BERTH_PROTO_TCP)
		return;
	id = w->live[at].id;
	drop_replaced(w, &s);
	accept_peer(w, (uint32_t)walk_by_id(w, id));
}

/* A connect() that was refused by the peer may have taken the place of one in TIME_WAIT before. */
static void drop_vanished(struct walk *w)
{
	uint32_t i;

	for (i = w->population.socks; i-- > 0;)
		if (w->sock[i].state == BERTH_SOCK_TIME_WAIT && !net_is_time_wait(&w->sock[i])) {
			walk_note(w, "  #%u was replaced\n", w->live[i].id);
			walk_forget(w, i);
		}
}

/* What a failed connect() leaves of a socket that was bound, and then close() of it. */
static void give_up(struct walk *w, struct berth_request *r, int fd, bool tried)
{
	struct berth_ip was = r->sock.local;
	uint32_t id = r->self < 0 ? 0 : w->live[r->self].id;

	drop_vanished(w);
	walk_close_hard(fd);
	if (!id)
		return;
	r->self = walk_by_id(w, id);
	if (tried && r->sock.proto == BERTH_PROTO_TCP && berth_ip_is_any(&was)) {
		berth_population_move(&w->population, (uint32_t)r->self, &r->source);
		if (w->live[r->self].fixed && !w->live[r->self].addressed)
			berth_population_move(&w->population, (uint32_t)r->self, &was);
	}
	walk_forget(w, (uint32_t)r->self);
}

/* An unbound socket, one with an address only, or one that is bound. */
static int connecting_socket(struct walk *w, struct berth_request *r, bool *addressed)
{
	uint32_t at = w->population.socks ? random_below(w->population.socks) : 0;
	int fd;

	*addressed = false;
	if (w->population.socks && walk_chance(50) && w->live[at].fd >= 0 &&
	    (w->sock[at].state != BERTH_SOCK_CONNECTED || walk_chance(5)) &&
	    !(w->sock[at].proto == BERTH_PROTO_UDP && w->sock[at].state == BERTH_SOCK_CONNECTED)) {
		r->sock = w->sock[at];
		r->self = (int32_t)at;
		*addressed = w->live[at].addressed;
		return w->live[at].fd;
	}
	fd = walk_make(w, &r->sock);
	walk_own_range(w, fd, r);
	if (r->sock.proto == BERTH_PROTO_TCP && walk_chance(30)) {
		struct berth_request b = *r;
		struct berth_verdict v;
		int ret;

		b.op = BERTH_OP_BIND;
		b.no_port = true;
		walk_any_address(w, &b);
		walk_set_flag(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
		walk_ask(w, &b, &v);
		walk_note(w, "#%u bind address only [%s] scope %u ", w->ids + 1,
			  walk_ip_text(&b.addr), b.scope);
		walk_note_sock(w, &b.sock);
		ret = walk_call_bind(&b, fd);
		if (!walk_agree(w, "bind of an address", ret, &v) || ret) {
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

static bool connects_to_itself(const struct berth_request *r, int fd)
{
	struct berth_ip local, to = real_destination(r);
	uint16_t port;

	net_local_of(fd, &local, &port);
	return port == r->port && berth_ip_equal(&local, &to);
}

/* connect() by oracle and kernel. r->self: where the socket is bound, else -1. */
static void connect_both(struct walk *w, int fd, struct berth_request *r, bool addressed)
{
	struct berth_verdict v;
	bool asked;
	int ret;

	if (!route(w, r) ||
	    (r->sock.proto == BERTH_PROTO_TCP && (meets_old_peer(w, r) || may_meet_twin(w, r)))) {
		w->count.skipped++;
		if (r->self < 0)
			close(fd);
		return;
	}
	await_tw_delay(w);
	w->host.now_ms = net_now_ms();
	walk_ask(w, r, &v);
	walk_note(w, "#%u connect [%s]:%u range %u-%u ",
		  r->self < 0 ? w->ids + 1 : w->live[r->self].id, walk_ip_text(&r->addr), r->port,
		  r->has_range ? r->range.first : 0, r->range.last);
	walk_note_sock(w, &r->sock);
	ret = call_connect(r, fd);
	asked = ret < 0;
	if (asked)
		ret = await_answer(fd);
	/* A connect() that did not wait is brought to its end by another one. */
	if (asked && !ret && call_connect(r, fd))
		ret = -1;
	if (ret < 0) {
		walk_note(w, ": no answer\n");
		w->count.unresolved++;
		give_up(w, r, fd, true);
		return;
	}
	w->count.connects++;
	/* Which of several ports the kernel chooses is not foreseen: it may be the destination's own. */
	if (asked && !ret && v.by_peer && r->self < 0 && connects_to_itself(r, fd))
		v.error = 0;
	if (!walk_agree(w, "connect", ret, &v))
		return;
	if (!ret)
		connected(w, r, fd, addressed);
	else if (ret != EISCONN)
		give_up(w, r, fd,
			asked || v.rule == BERTH_RULE_TUPLE ||
				v.rule == BERTH_RULE_TUPLE_TIME_WAIT);
}

void walk_step_connect(struct walk *w)
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
	at = walk_bind_both(w, fd, &b);
	r->self = at;
	r->sock = b.sock;
	return at;
}

/* The tuple of a connection, there or in TIME_WAIT, once more: from a bound socket or by the kernel's choice. */
void walk_step_same(struct walk *w)
{
	struct berth_request r = { .op = BERTH_OP_CONNECT, .self = -1 };
	uint32_t i, pick = random_below(WALK_ROOM);
	struct berth_sock s = { 0 };
	int fd;

	for (i = 0; i < w->population.socks && !s.peer_port; i++) {
		s = w->sock[(pick + i) % w->population.socks];
		if (s.proto != BERTH_PROTO_TCP || s.state < BERTH_SOCK_CONNECTED)
			s.peer_port = 0;
	}
	if (!s.peer_port)
		return;
	fd = walk_make(w, &r.sock);
	r.family = r.sock.family;
	r.addr = s.peer;
	r.port = s.peer_port;
	if (r.sock.proto != s.proto || r.sock.device ||
	    (r.sock.family == BERTH_IPV4 && !berth_ip_is_mapped(&s.local))) {
		close(fd);
		return;
	}
	if (walk_chance(60)) {
		if (walk_chance(70)) {
			r.sock.reuse = true;
			walk_set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		}
		if (bind_same(w, fd, &r, &s) < 0)
			return;
	} else {
		r.has_range = true;
		r.range = (struct berth_range){ s.port, s.port };
		walk_set_flag(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, s.port << 16 | s.port);
	}
	connect_both(w, fd, &r, r.self >= 0);
}

static bool leaves_lo(const struct walk *w, uint32_t at)
{
	return w->sock[at].device && w->sock[at].device != w->net->device[0];
}

/* One end closes, then the other: the first rests in TIME_WAIT. */
void walk_step_time_wait(struct walk *w)
{
	uint32_t at = w->population.socks ? random_below(w->population.socks) : 0, id;
	int32_t pair;

	if (!w->population.socks || !w->live[at].pair)
		return;
	id = w->live[at].id;
	pair = walk_by_id(w, w->live[at].pair);
	/* Segments of an end that is bound to another interface than lo may take no way at all. */
	if (pair < 0 || w->live[at].fd < 0 || leaves_lo(w, at) || leaves_lo(w, (uint32_t)pair))
		return;
	walk_note(w, "#%u close, then #%u\n", id, w->live[pair].id);
	close(w->live[at].fd);
	/* Who has not seen the other close would close at the same time. */
	poll(&(struct pollfd){ .fd = w->live[pair].fd, .events = POLLIN }, 1, 2000);
	close(w->live[pair].fd);
	if (!net_await_time_wait(&w->sock[at], w->sock[pair].device)) {
		walk_note_sock(w, &w->sock[at]);
		walk_note(w, "\n");
		walk_note_sock(w, &w->sock[pair]);
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
	walk_forget(w, (uint32_t)pair);
}
