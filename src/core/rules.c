/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's rules of ports: bind(), listen() and connect() judged over a population of sockets. */
#include "src/core/rules.h"

#include <errno.h>

#include "src/core/match.h"
#include "src/core/population.h"

struct judge {
	const struct berth_population *sp;
	const struct berth_host *host;
	const struct berth_request *req;
	struct berth_sock sk; /* who asks, as the kernel sees it at this moment */
	struct berth_verdict *out;
	bool relaxed; /* choose() found something only with ip_autobind_reuse */
};

static void say(struct judge *j, int error, enum berth_rule rule, int32_t other)
{
	j->out->error = error;
	j->out->rule = rule;
	j->out->other = other;
}

/* Where the sockets of sk's port begin and end. */
static uint32_t first(const struct judge *j)
{
	return j->sp->index ? j->sp->index->from[j->sk.port] : 0;
}

static uint32_t end(const struct judge *j)
{
	return j->sp->index ? j->sp->index->from[j->sk.port + 1] : j->sp->socks;
}

/* The sockets that a check of sk's port looks at: same protocol, same port, not itself. */
static const struct berth_sock *neighbour(const struct judge *j, uint32_t i)
{
	const struct berth_sock *s = &j->sp->sock[i];

	return s->proto == j->sk.proto && s->port == j->sk.port && (int32_t)i != j->req->self
		       ? s
		       : NULL;
}

bool berth_bucket_lets_in(const struct berth_bucket *b, const struct berth_sock *sk)
{
	struct berth_sock fast = { .local = b->fast_local,
				   .family = b->fast_family,
				   .v6only = b->fast_v6only };

	if (b->reuseport <= 0 || !sk->reuseport || b->fast_uid != sk->uid)
		return false;
	return b->reuseport == 1 || berth_match_local(&fast, sk, true, false);
}

/* Why other is in the way of a TCP socket, as a person would name it. */
static enum berth_rule tcp_why(const struct berth_sock *sk, const struct berth_sock *other)
{
	if (sk->reuseport && other->reuseport && sk->uid != other->uid)
		return BERTH_RULE_OTHER_USER;
	if (other->state == BERTH_SOCK_LISTEN)
		return BERTH_RULE_LISTENER;
	if (other->state == BERTH_SOCK_TIME_WAIT)
		return BERTH_RULE_TIME_WAIT;
	return sk->reuse && !other->reuse ? BERTH_RULE_HOLDER_FIRM : BERTH_RULE_IN_USE;
}

/* The socket in the way of sk's port, a listener before others; -1: none. out_met: one that sk shares with. */
static int32_t tcp_in_the_way(const struct judge *j, enum berth_strictness strict, int32_t *out_met)
{
	const struct berth_sock *s;
	int32_t found = -1;
	uint32_t i;

	for (i = first(j); i < end(j); i++) {
		s = neighbour(j, i);
		if (!s)
			continue;
		if (out_met && berth_match_device(&j->sk, s) &&
		    berth_match_local(&j->sk, s, true, true))
			*out_met = (int32_t)i;
		if (!berth_match_tcp_conflict(&j->sk, s, strict))
			continue;
		if (s->state == BERTH_SOCK_LISTEN)
			return (int32_t)i;
		if (found < 0)
			found = (int32_t)i;
	}
	return found;
}

/* A TCP port that the program named: inet_csk_get_port. */
static void tcp_port(struct judge *j, bool listening)
{
	const struct berth_bucket *b = berth_population_bucket(j->sp, j->sk.port);
	int32_t met = -1, other = tcp_in_the_way(j, BERTH_STRICT_SHARE, &met);
	bool fast = b && ((b->reuse > 0 && j->sk.reuse && !listening) ||
			  berth_bucket_lets_in(b, &j->sk));

	if (fast && other >= 0)
		say(j, 0, BERTH_RULE_GROUP, other);
	else if (other >= 0)
		say(j, EADDRINUSE, tcp_why(&j->sk, &j->sp->sock[other]), other);
	else
		say(j, 0, met < 0 ? BERTH_RULE_FREE : BERTH_RULE_SHARED, met);
}

/* Wildcards of both families share one chain of UDP's hash by address, and IPv4 is hashed as mapped. */
static bool same_chain(const struct berth_ip *a, const struct berth_ip *b)
{
	return berth_ip_equal(a, b) || (berth_ip_is_any(a) && berth_ip_is_any(b));
}

/*
 * The first socket that decides on a UDP port; -1: none. chain: look at one chain of the hash by address;
 * NULL: at all of the port.
 */
static int32_t udp_first(const struct judge *j, const struct berth_ip *local)
{
	int32_t found = -1, best = INT32_MIN, order;
	const struct berth_sock *s;
	uint32_t i;

	for (i = first(j); i < end(j); i++) {
		s = neighbour(j, i);
		if (!s || !berth_match_udp_meets(&j->sk, s))
			continue;
		if (local && !same_chain(local, &s->local))
			continue;
		order = local ? s->order2 : s->order;
		if (order >= best) {
			found = (int32_t)i;
			best = order;
		}
	}
	return found;
}

static uint32_t neighbours(const struct judge *j)
{
	uint32_t i, n = 0;

	for (i = first(j); i < end(j); i++)
		n += neighbour(j, i) != NULL;
	return n;
}

/* True where the socket found is in the way; says so. */
static bool udp_refuses(struct judge *j, int32_t found)
{
	const struct berth_sock *s = found >= 0 ? &j->sp->sock[found] : NULL;

	if (!s)
		return false;
	if (berth_match_shares_port(&j->sk, s)) {
		say(j, 0, BERTH_RULE_SHARED, found);
		return false;
	}
	say(j, EADDRINUSE,
	    j->sk.reuseport && s->reuseport ? BERTH_RULE_OTHER_USER : BERTH_RULE_UDP_IN_USE, found);
	return true;
}

/*
 * A UDP port that the program named: udp_lib_get_port. With more than 10 sockets on a port a bind to one
 * address looks at the chains of that address and of the wildcards only.
 */
static void udp_port(struct judge *j)
{
	say(j, 0, BERTH_RULE_FREE, -1);
	if (neighbours(j) > 10 && berth_match_is_specific(&j->sk)) {
		if (!udp_refuses(j, udp_first(j, &j->sk.local)))
			udp_refuses(j, udp_first(j, &berth_ip_any4));
	} else {
		udp_refuses(j, udp_first(j, NULL));
	}
}

static bool is_reserved(const struct judge *j, uint16_t port)
{
	return j->host->reserved && berth_portset_has(j->host->reserved, port);
}

/* Whether bind() with port 0 could take j->sk.port: inet_csk_find_open_port. */
static bool may_bind_tcp(struct judge *j, bool relax)
{
	enum berth_strictness strict = relax ? BERTH_STRICT_RELAX : BERTH_STRICT_NONE;

	return tcp_in_the_way(j, strict, NULL) < 0;
}

static bool may_bind_udp(struct judge *j)
{
	const struct berth_sock *s;
	uint32_t i;

	for (i = first(j); i < end(j); i++) {
		s = neighbour(j, i);
		if (s && berth_match_udp_meets(&j->sk, s) && !berth_match_shares_port(&j->sk, s))
			return false;
	}
	return true;
}

/* tcp_twsk_unique: may a connection take the place of one in TIME_WAIT. */
static bool may_replace(const struct judge *j, const struct berth_sock *tw, bool bound)
{
	const struct berth_host *h = j->host;
	bool reuse = h->tw_reuse == 1;

	if (h->tw_reuse == 2)
		reuse = tw->device == h->loopback || berth_ip_is_loopback(&tw->local) ||
			berth_ip_is_loopback(&tw->peer);
	if (!tw->stamped)
		return false;
	return bound || (reuse && (int32_t)(h->now_ms - (tw->since_ms + h->tw_delay_ms)) > 0);
}

/* The socket that has the tuple of j->sk, the newest first; -1: none, or one that may be replaced. */
static int32_t tuple_in_the_way(const struct judge *j, bool bound)
{
	uint32_t i;

	for (i = end(j); i-- > first(j);) {
		const struct berth_sock *s = neighbour(j, i);

		if (!s || !berth_match_tuple(s, &j->sk))
			continue;
		if (s->state == BERTH_SOCK_TIME_WAIT && may_replace(j, s, bound))
			return -1;
		return (int32_t)i;
	}
	return -1;
}

/* Whether connect() of an unbound socket could take j->sk.port: __inet_hash_connect. */
static bool may_connect_tcp(struct judge *j)
{
	const struct berth_bucket *b = berth_population_bucket(j->sp, j->sk.port);

	if (!b)
		return true;
	return b->reuse < 0 && b->reuseport < 0 && tuple_in_the_way(j, false) < 0;
}

/* The ports that the kernel's search goes through: IP_LOCAL_PORT_RANGE only narrows the namespace's. */
static struct berth_range searched(const struct judge *j)
{
	struct berth_range all = j->host->ephemeral, own = j->req->range, r = all;

	if (j->req->has_range && own.first >= all.first && own.first <= all.last)
		r.first = own.first;
	if (j->req->has_range && own.last >= all.first && own.last <= all.last)
		r.last = own.last;
	return r;
}

/*
 * TCP walks in steps of 2 through an even number of ports. Where the range is odd, one walk leaves out its
 * first port or its last, as the random start has it. Tells the first port of the walk that does so, which
 * for bind() with SO_REUSEADDR goes through the upper half; 0: no port is left out.
 */
static uint32_t left_out(const struct judge *j, struct berth_range r)
{
	uint32_t n = berth_range_len(r);
	bool connect = j->req->op == BERTH_OP_CONNECT;

	if (j->sk.proto != BERTH_PROTO_TCP || n == 1 || n % 2 == 0 ||
	    (connect && j->req->has_range))
		return 0;
	return !connect && j->sk.reuse && n >= 4 ? r.first + (n >> 2 << 1) : r.first;
}

static bool may_choose(struct judge *j, uint16_t port, bool relax)
{
	if (is_reserved(j, port))
		return false;
	j->sk.port = port;
	if (j->sk.proto != BERTH_PROTO_TCP)
		return may_bind_udp(j);
	return j->req->op == BERTH_OP_CONNECT ? may_connect_tcp(j) : may_bind_tcp(j, relax);
}

/* Counts the ports of one search. out->unsure: the only one may be the one that is left out. */
static void count_choices(struct judge *j, struct berth_range r, bool relax)
{
	uint32_t port, edge = left_out(j, r), edges = 0;

	j->out->choices = 0;
	for (port = r.first; port <= r.last; port++) {
		if (!may_choose(j, (uint16_t)port, relax))
			continue;
		if (!j->out->choices++)
			j->out->port = (uint16_t)port;
		edges += edge && (port == edge || port == r.last);
	}
	j->out->unsure = edges == 1 && j->out->choices == 1;
}

/* Counts what the kernel could choose from; error where that is nothing. */
static void choose(struct judge *j, int error, enum berth_rule none)
{
	struct berth_range r = searched(j);

	count_choices(j, r, false);
	j->relaxed = j->host->autobind_reuse && j->req->op != BERTH_OP_CONNECT &&
		     j->sk.proto == BERTH_PROTO_TCP && (!j->out->choices || j->out->unsure);
	if (j->relaxed)
		count_choices(j, r, true);
	j->sk.port = 0;
	if (j->out->choices)
		say(j, 0, BERTH_RULE_FREE, -1);
	else
		say(j, error, none, -1);
}

static bool is_local(const struct judge *j, const struct berth_ip *ip, uint32_t device)
{
	/* IPv6: an address of a link or of the host itself must be on that interface, others on any. */
	bool here = berth_ip_is_link_local6(ip) ||
		    (!berth_ip_is_mapped(ip) && berth_ip_is_loopback(ip));
	uint32_t i;

	for (i = 0; i < j->host->locals; i++) {
		const struct berth_local *l = &j->host->local[i];

		if (berth_ip_in_prefix(ip, &l->addr, l->prefix) &&
		    (!device || !here || l->device == device))
			return true;
	}
	return false;
}

static bool has_device(const struct judge *j, uint32_t device)
{
	uint32_t i;

	for (i = 0; i < j->host->devices; i++)
		if (j->host->device[i] == device)
			return true;
	return false;
}

static bool may_use4(const struct judge *j)
{
	static const struct berth_ip broadcast = { { [10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	const struct berth_ip *ip = &j->req->addr;

	return j->host->nonlocal4 || j->req->nonlocal || berth_ip_equal(ip, &berth_ip_any4) ||
	       berth_ip_is_multicast(ip) || berth_ip_equal(ip, &broadcast) || is_local(j, ip, 0);
}

static bool refuse(struct judge *j, int error, enum berth_rule rule)
{
	say(j, error, rule, -1);
	return true;
}

static bool port_refused(struct judge *j)
{
	const struct berth_request *req = j->req;

	if (req->port && req->port < j->host->unprivileged && !req->may_low)
		return refuse(j, EACCES, BERTH_RULE_LOW_PORT);
	return false;
}

static bool bound_already(struct judge *j)
{
	return (j->sk.port || j->sk.state != BERTH_SOCK_CLOSED) &&
	       refuse(j, EINVAL, BERTH_RULE_BOUND_ALREADY);
}

/* The checks before the port, in the kernel's order: __inet_bind. */
static bool bind4_refused(struct judge *j)
{
	if (j->req->family != BERTH_IPV4)
		return refuse(j, EAFNOSUPPORT, BERTH_RULE_FAMILY);
	if (!may_use4(j))
		return refuse(j, EADDRNOTAVAIL, BERTH_RULE_NOT_LOCAL);
	return port_refused(j) || bound_already(j);
}

static bool needs_scope(const struct berth_ip *ip)
{
	unsigned scope = ip->byte[1] & 0xf;

	return berth_ip_is_link_local6(ip) || (ip->byte[0] == 0xff && (scope == 1 || scope == 2));
}

static bool address6_refused(struct judge *j)
{
	const struct berth_ip *ip = &j->req->addr;
	uint32_t device = j->sk.device;

	if (berth_ip_is_mapped(ip)) {
		if (j->sk.v6only)
			return refuse(j, EINVAL, BERTH_RULE_MAPPED_V6ONLY);
		return !may_use4(j) && refuse(j, EADDRNOTAVAIL, BERTH_RULE_NOT_LOCAL);
	}
	if (berth_ip_is_any(ip))
		return false;
	if (needs_scope(ip)) {
		device = j->req->scope ? j->req->scope : device;
		if (!device)
			return refuse(j, EINVAL, BERTH_RULE_NO_SCOPE);
	}
	if (device && !has_device(j, device))
		return refuse(j, ENODEV, BERTH_RULE_NO_DEVICE);
	if (berth_ip_is_multicast(ip) || j->host->nonlocal6 || j->req->nonlocal)
		return false;
	return !is_local(j, ip, device) && refuse(j, EADDRNOTAVAIL, BERTH_RULE_NOT_LOCAL);
}

/* __inet6_bind. */
static bool bind6_refused(struct judge *j)
{
	bool mapped = berth_ip_is_mapped(&j->req->addr);

	if (j->req->family != BERTH_IPV6)
		return refuse(j, EAFNOSUPPORT, BERTH_RULE_FAMILY);
	if (j->sk.proto == BERTH_PROTO_TCP && !mapped && berth_ip_is_multicast(&j->req->addr))
		return refuse(j, EINVAL, BERTH_RULE_MULTICAST_STREAM);
	return port_refused(j) || bound_already(j) || address6_refused(j);
}

void berth_rules_bound(const struct berth_request *req, struct berth_sock *sk)
{
	sk->local = req->addr;
	if (sk->family != BERTH_IPV6 || berth_ip_is_any(&req->addr) ||
	    berth_ip_is_mapped(&req->addr))
		return;
	sk->v6only = true;
	if (needs_scope(&req->addr) && req->scope)
		sk->device = req->scope;
}

/* A named port, or one of the kernel's choice. */
static void get_port(struct judge *j, uint16_t port, bool listening)
{
	j->sk.port = port;
	if (!port)
		choose(j, EADDRINUSE, BERTH_RULE_NONE_TO_BIND);
	else if (j->sk.proto == BERTH_PROTO_TCP)
		tcp_port(j, listening);
	else
		udp_port(j);
}

static void judge_bind(struct judge *j)
{
	if (j->sk.family == BERTH_IPV4 ? bind4_refused(j) : bind6_refused(j))
		return;
	berth_rules_bound(j->req, &j->sk);
	if (!j->req->port && j->req->no_port)
		return;
	get_port(j, j->req->port, false);
}

static void judge_listen(struct judge *j)
{
	if (j->sk.proto != BERTH_PROTO_TCP)
		say(j, EOPNOTSUPP, BERTH_RULE_NOT_STREAM, -1);
	else if (j->sk.state == BERTH_SOCK_CONNECTED)
		say(j, EINVAL, BERTH_RULE_LISTEN_STATE, -1);
	else if (j->sk.state != BERTH_SOCK_LISTEN)
		get_port(j, j->sk.port, true);
}

/* A destination of zeros is this host; 0.0.0.0 the address that the socket has, where it has one. */
static struct berth_ip destination(const struct judge *j)
{
	static const struct berth_ip one4 = { { [10] = 0xff, 0xff, 127, 0, 0, 1 } };
	static const struct berth_ip one6 = { { [15] = 1 } };
	const struct berth_ip *local = &j->sk.local;

	if (!berth_ip_is_any(&j->req->addr))
		return j->req->addr;
	if (berth_ip_equal(&j->req->addr, &berth_ip_any6))
		return berth_ip_is_mapped(local) ? one4 : one6;
	return berth_ip_is_mapped(local) && !berth_ip_is_any(local) ? *local : one4;
}

/* What forbids the destination whatever the ports are. */
static bool destination_refused(struct judge *j)
{
	static const struct berth_ip broadcast = { { [10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	const struct berth_ip *peer = &j->sk.peer, *local = &j->sk.local;
	bool tcp = j->sk.proto == BERTH_PROTO_TCP;

	if (j->req->family != j->sk.family)
		return refuse(j, EAFNOSUPPORT, BERTH_RULE_FAMILY);
	if (berth_ip_is_mapped(peer) && j->sk.v6only)
		return refuse(j, ENETUNREACH, BERTH_RULE_MAPPED_V6ONLY);
	if (tcp && (berth_ip_is_multicast(peer) || berth_ip_equal(peer, &broadcast)))
		return refuse(j, ENETUNREACH, BERTH_RULE_NO_UNICAST);
	if (!berth_ip_is_mapped(peer) && berth_ip_is_mapped(local))
		return refuse(j, EAFNOSUPPORT, BERTH_RULE_SOURCE_FAMILY);
	return false;
}

static bool listens_for(const struct judge *j, const struct berth_sock *s)
{
	bool mapped = berth_ip_is_mapped(&j->sk.peer);

	if (s->proto != BERTH_PROTO_TCP || s->state != BERTH_SOCK_LISTEN ||
	    s->port != j->sk.peer_port || (s->device && s->device != j->req->arrives))
		return false;
	if (mapped ? s->v6only : s->family == BERTH_IPV4)
		return false;
	return berth_ip_equal(&s->local, &berth_ip_any6) ||
	       (mapped && berth_ip_equal(&s->local, &berth_ip_any4)) ||
	       berth_ip_equal(&s->local, &j->sk.peer);
}

/* What the peer answers, where the peer is this host. */
static void judge_peer(struct judge *j)
{
	/* Where the kernel has one port to choose from, that is the socket's; else it may be the peer's by chance. */
	uint16_t port = !j->sk.port && j->out->choices == 1 ? j->out->port : j->sk.port;
	uint32_t i;

	if (!j->req->arrives || j->sk.proto != BERTH_PROTO_TCP)
		return;
	if (port == j->sk.peer_port && berth_ip_equal(&j->sk.local, &j->sk.peer)) {
		say(j, 0, BERTH_RULE_SELF, -1);
		return;
	}
	for (i = 0; i < j->sp->socks; i++)
		if (listens_for(j, &j->sp->sock[i]))
			return;
	say(j, ECONNREFUSED, BERTH_RULE_NO_LISTENER, -1);
	j->out->by_peer = true;
}

static void judge_tuple(struct judge *j)
{
	int32_t other;

	if (berth_ip_is_any(&j->sk.local))
		j->sk.local = j->req->source;
	if (!j->sk.port) {
		choose(j, EADDRNOTAVAIL, BERTH_RULE_NONE_TO_CONNECT);
		return;
	}
	other = tuple_in_the_way(j, true);
	if (other >= 0)
		say(j, EADDRNOTAVAIL,
		    j->sp->sock[other].state == BERTH_SOCK_TIME_WAIT ? BERTH_RULE_TUPLE_TIME_WAIT
								     : BERTH_RULE_TUPLE,
		    other);
}

static void judge_connect(struct judge *j)
{
	bool tcp = j->sk.proto == BERTH_PROTO_TCP;

	if (tcp && j->sk.state != BERTH_SOCK_CLOSED) {
		say(j, EISCONN, BERTH_RULE_CONNECTED, -1);
		return;
	}
	if (!tcp && !j->sk.port)
		choose(j, EAGAIN, BERTH_RULE_NONE_TO_AUTOBIND);
	if (j->out->error)
		return;
	j->sk.peer = destination(j);
	j->sk.peer_port = j->req->port;
	if (destination_refused(j) || !tcp)
		return;
	judge_tuple(j);
	if (!j->out->error)
		judge_peer(j);
}

static struct judge begin(const struct berth_population *sp, const struct berth_host *host,
			  const struct berth_request *req, struct berth_verdict *out)
{
	*out = (struct berth_verdict){ .rule = BERTH_RULE_FREE, .other = -1, .port = req->port };
	return (struct judge){ .sp = sp, .host = host, .req = req, .sk = req->sock, .out = out };
}

void berth_rules_judge(const struct berth_population *sp, const struct berth_host *host,
		       const struct berth_request *req, struct berth_verdict *out)
{
	struct judge j = begin(sp, host, req, out);

	switch (req->op) {
	case BERTH_OP_BIND:
		judge_bind(&j);
		break;
	case BERTH_OP_LISTEN:
		judge_listen(&j);
		break;
	case BERTH_OP_CONNECT:
		judge_connect(&j);
		break;
	}
}

bool berth_rules_may_choose(const struct berth_population *sp, const struct berth_host *host,
			    const struct berth_request *req, uint16_t port)
{
	struct berth_verdict out;
	struct judge j = begin(sp, host, req, &out);
	struct berth_range r;

	if (req->op == BERTH_OP_BIND)
		berth_rules_bound(req, &j.sk);
	if (req->op == BERTH_OP_CONNECT) {
		j.sk.peer = destination(&j);
		j.sk.peer_port = req->port;
		if (j.sk.proto == BERTH_PROTO_TCP && berth_ip_is_any(&j.sk.local))
			j.sk.local = req->source;
	}
	r = searched(&j);
	choose(&j, EADDRINUSE, BERTH_RULE_NONE_TO_BIND);
	return port >= r.first && port <= r.last && may_choose(&j, port, j.relaxed);
}
