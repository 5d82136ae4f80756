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
	"::ffff:0.0.0.0",
	"::ffff:127.0.0.1",
	"::ffff:10.1.0.1",
	"::ffff:10.2.0.1",
	"::ffff:127.0.0.6",
	"::ffff:224.0.0.1",
	"::ffff:9.9.9.9",
	"::",
	"::1",
	"fd00::1",
	"fd01::1",
	"fe80::1",
	"ff02::1",
	"2001:db8::9",
};
enum { ADDRESSES = sizeof(addresses) / sizeof(addresses[0]), FIRST_IPV6 = 7 };

bool walk_chance(uint32_t percent)
{
	return random_below(100) < percent;
}

void walk_note(struct walk *w, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(w->log + w->logged, sizeof(w->log) - w->logged, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof(w->log) - w->logged)
		w->logged += (size_t)n;
}

const char *walk_ip_text(const struct berth_ip *ip)
{
	static char text[4][INET6_ADDRSTRLEN];
	static int at;

	at = (at + 1) % 4;
	return inet_ntop(AF_INET6, ip->byte, text[at], sizeof(text[at]));
}

void walk_note_sock(struct walk *w, const struct berth_sock *s)
{
	walk_note(w, "%s%s [%s]:%u", s->proto == BERTH_PROTO_TCP ? "tcp" : "udp",
		  s->family == BERTH_IPV4 ? "4" : "6", walk_ip_text(&s->local), s->port);
	if (s->peer_port)
		walk_note(w, " -> [%s]:%u", walk_ip_text(&s->peer), s->peer_port);
	walk_note(w, "%s%s%s%s%s", s->reuse ? " reuse" : "", s->reuseport ? " reuseport" : "",
		  s->v6only ? " v6only" : "", s->by_connect ? " by-connect" : "",
		  s->stamped ? " stamped" : "");
	walk_note(w, " state %u uid %u dev %u", s->state, s->uid, s->device);
}

void walk_disagree(struct walk *w, const char *what, int kernel, const struct berth_verdict *v)
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
	for (i = 0; i < w->population.socks; i++) {
		walk_note(w, "  %u (#%u) ", i, w->live[i].id);
		walk_note_sock(w, &w->sock[i]);
		walk_note(w, " order %d %d\n", w->sock[i].order, w->sock[i].order2);
	}
	for (i = 0; i < w->population.buckets; i++)
		walk_note(w, "  bucket %u: %d %d\n", w->bucket[i].port, w->bucket[i].reuse,
			  w->bucket[i].reuseport);
	for (i = 0; i < w->population.buckets2; i++)
		walk_note(w, "  bucket2 [%s]:%u: %d %d\n", walk_ip_text(&w->bucket2[i].local),
			  w->bucket2[i].port, w->bucket2[i].reuse, w->bucket2[i].reuseport);
	fputs(w->log, stdout);
}

/* True where both say the same; else the world ends here. */
bool walk_agree(struct walk *w, const char *what, int kernel, const struct berth_verdict *v)
{
	w->count.cases++;
	w->count.refused += kernel != 0;
	w->count.rule[v->rule]++;
	w->count.shares += !kernel && v->rule == BERTH_RULE_SHARED;
	w->count.groups += !kernel && v->rule == BERTH_RULE_GROUP;
	walk_note(w, ": %s\n", kernel ? strerrorname_np(kernel) : "ok");
	if (kernel == v->error)
		return true;
	if (v->unsure && (kernel == EADDRINUSE || kernel == EADDRNOTAVAIL)) {
		w->count.chances++;
		return true;
	}
	walk_disagree(w, what, kernel, v);
	return false;
}

void walk_forget(struct walk *w, uint32_t at)
{
	berth_population_leave(&w->population, at);
	memmove(&w->live[at], &w->live[at + 1], (w->population.socks - at) * sizeof(w->live[0]));
}

void walk_remember(struct walk *w, int at, int fd, bool fixed, bool addressed)
{
	if (at < 0) {
		fprintf(stderr, "a world is too small\n");
		exit(2);
	}
	w->live[at] =
		(struct live){ .fd = fd, .id = ++w->ids, .fixed = fixed, .addressed = addressed };
}

int32_t walk_by_id(const struct walk *w, uint32_t id)
{
	uint32_t i;

	for (i = 0; id && i < w->population.socks; i++)
		if (w->live[i].id == id)
			return (int32_t)i;
	return -1;
}

void walk_set_flag(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value))) {
		perror("setsockopt");
		exit(2);
	}
}

void walk_close_hard(int fd)
{
	struct linger hard = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

/* A socket with random options. */
int walk_make(struct walk *w, struct berth_sock *s)
{
	static const uint32_t users[] = { 0, 0, 1000, 1001 };
	bool udp = walk_chance(w->udp);
	int fd;

	*s = (struct berth_sock){ .proto = udp ? BERTH_PROTO_UDP : BERTH_PROTO_TCP,
				  .family = walk_chance(50) ? BERTH_IPV4 : BERTH_IPV6,
				  .reuse = walk_chance(w->reuse),
				  .reuseport = walk_chance(w->reuseport) };
	s->local = s->family == BERTH_IPV4 ? berth_ip_any4 : berth_ip_any6;
	s->v6only = s->family == BERTH_IPV6 && walk_chance(30);
	s->uid = w->net->users ? users[random_below(4)] : 0;
	if (walk_chance(20))
		s->device = w->net->device[walk_chance(70) ? 0 : 1];
	net_user(s->uid);
	fd = socket(s->family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	net_user(0);
	if (fd < 0) {
		perror("socket");
		exit(2);
	}
	walk_set_flag(fd, SOL_SOCKET, SO_REUSEADDR, s->reuse);
	walk_set_flag(fd, SOL_SOCKET, SO_REUSEPORT, s->reuseport);
	if (s->family == BERTH_IPV6)
		walk_set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, s->v6only);
	if (s->device)
		walk_set_flag(fd, SOL_SOCKET, SO_BINDTOIFINDEX, (int)s->device);
	return fd;
}

/* A random local address for bind(), of the socket's family but for now and then. */
void walk_any_address(struct walk *w, struct berth_request *r)
{
	bool four = r->sock.family == BERTH_IPV4 || walk_chance(30);
	uint32_t at;

	at = four ? random_below(FIRST_IPV6) : FIRST_IPV6 + random_below(ADDRESSES - FIRST_IPV6);
	/* Wildcards meet everybody; 127.0.0.6 meets whoever has an IPv6 address alone. */
	if (walk_chance(25))
		at = four ? 0 : FIRST_IPV6;
	else if (four && walk_chance(15))
		at = 4;
	inet_pton(AF_INET6, addresses[at], r->addr.byte);
	r->family = walk_chance(98) ? r->sock.family : r->sock.family ^ BERTH_IPV4 ^ BERTH_IPV6;
	if (!four && walk_chance(80))
		r->scope = walk_chance(90) ? w->net->device[1] : 9999;
}

/* A port that is in use, or any of the world's. */
uint16_t walk_any_port(const struct walk *w)
{
	uint32_t at = random_below(WALK_ROOM);

	if (at < w->population.socks && walk_chance(60))
		return w->sock[at].port;
	return (uint16_t)(w->base + random_below(w->busy));
}

socklen_t walk_wanted_address(const struct berth_request *r, struct sockaddr_storage *ss)
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

const char *const walk_blinds[] = { "v6only",    "device",  "user",  "reuse",
				    "reuseport", "stamps",  "order", "listen",
				    "time-wait", "buckets", NULL };

/* The population as the oracle is shown it: with one thing hidden, where that is asked for. */
static struct berth_population shown(const struct walk *w, struct berth_request *r)
{
	static struct berth_sock sock[WALK_ROOM];
	struct berth_population sp = w->population;
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

void walk_ask(const struct walk *w, const struct berth_request *r, struct berth_verdict *v)
{
	struct berth_request seen = *r;
	struct berth_population sp = shown(w, &seen);

	berth_rules_judge(&sp, &w->host, &seen, v);
}

static bool may_choose(const struct walk *w, const struct berth_request *r, uint16_t port)
{
	struct berth_request seen = *r;
	struct berth_population sp = shown(w, &seen);

	return berth_rules_may_choose(&sp, &w->host, &seen, port);
}

/* What the kernel chose must be among what the oracle would permit. */
bool walk_check_choice(struct walk *w, const struct berth_request *r, uint16_t port)
{
	struct berth_verdict v = { .other = -1 };

	w->count.choices++;
	if (may_choose(w, r, port))
		return true;
	walk_note(w, "the kernel chose %u\n", port);
	walk_disagree(w, "choice", 0, &v);
	return false;
}

void walk_own_range(struct walk *w, int fd, struct berth_request *r)
{
	uint16_t low = w->host.ephemeral.first, high = w->host.ephemeral.last;

	if (!walk_chance(15))
		return;
	r->has_range = true;
	r->range.first = (uint16_t)(low - 2 + (int)random_below((uint32_t)(high - low) + 4));
	r->range.last = (uint16_t)(r->range.first + random_below(6));
	walk_set_flag(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, r->range.last << 16 | r->range.first);
}

int walk_call_bind(const struct berth_request *r, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = walk_wanted_address(r, &ss);
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
	struct berth_request r = { .op = BERTH_OP_LISTEN,
				   .sock = w->sock[at],
				   .self = (int32_t)at };
	struct berth_verdict v;
	int ret;

	walk_ask(w, &r, &v);
	walk_note(w, "#%u listen", w->live[at].id);
	ret = listen(w->live[at].fd, 64) ? errno : 0;
	w->count.listens++;
	if (walk_agree(w, "listen", ret, &v) && !ret && w->sock[at].state == BERTH_SOCK_CLOSED)
		berth_population_listen(&w->population, at);
}

/* bind() by oracle and kernel; the number of the socket, or -1 where it was refused and closed. */
int walk_bind_both(struct walk *w, int fd, struct berth_request *r)
{
	struct berth_verdict v;
	struct berth_ip local;
	bool addressed = !berth_ip_equal(&r->addr, &berth_ip_any6) &&
			 !(r->sock.family == BERTH_IPV4 && berth_ip_is_any(&r->addr));
	int at, ret;

	walk_ask(w, r, &v);
	walk_note(w, "#%u bind [%s]:%u scope %u%s%s%s ", w->ids + 1, walk_ip_text(&r->addr),
		  r->port, r->scope, r->family == r->sock.family ? "" : " other-family",
		  r->nonlocal ? " freebind" : "", r->may_low ? "" : " no-cap");
	walk_note_sock(w, &r->sock);
	ret = walk_call_bind(r, fd);
	w->count.binds++;
	if (!walk_agree(w, "bind", ret, &v) || ret) {
		close(fd);
		return -1;
	}
	berth_rules_bound(r, &r->sock);
	net_local_of(fd, &local, &r->sock.port);
	if (!r->port && !walk_check_choice(w, r, r->sock.port))
		return -1;
	at = berth_population_bind(&w->population, &r->sock);
	walk_remember(w, at, fd, r->port, addressed);
	return at;
}

static void step_bind(struct walk *w)
{
	struct berth_request r = { .op = BERTH_OP_BIND, .self = -1, .may_low = walk_chance(70) };
	int fd = walk_make(w, &r.sock), at;

	walk_any_address(w, &r);
	r.port = walk_chance(15) ? 0 : walk_any_port(w);
	r.nonlocal = walk_chance(8);
	if (r.nonlocal)
		walk_set_flag(fd, IPPROTO_IP, IP_FREEBIND, 1);
	walk_own_range(w, fd, &r);
	at = walk_bind_both(w, fd, &r);
	if (at >= 0 && r.sock.proto == BERTH_PROTO_TCP && walk_chance(40))
		listen_at(w, (uint32_t)at);
}

/* bind() of a bound socket, listen() of whatever there is. */
static void step_again(struct walk *w)
{
	uint32_t at = w->population.socks ? random_below(w->population.socks) : 0;
	struct berth_request r = { .op = BERTH_OP_BIND, .self = (int32_t)at, .may_low = true };
	struct berth_verdict v;

	if (!w->population.socks || w->live[at].fd < 0)
		return;
	if (walk_chance(70)) {
		listen_at(w, at);
		return;
	}
	r.sock = w->sock[at];
	r.family = r.sock.family;
	r.addr = r.family == BERTH_IPV4 ? berth_ip_any4 : berth_ip_any6;
	r.port = walk_any_port(w);
	walk_ask(w, &r, &v);
	walk_note(w, "#%u bind again", w->live[at].id);
	walk_agree(w, "bind again", walk_call_bind(&r, w->live[at].fd), &v);
}

/* listen() of a socket without a port. */
static void step_listen_unbound(struct walk *w)
{
	struct berth_request r = { .op = BERTH_OP_LISTEN, .self = -1 };
	int fd = walk_make(w, &r.sock), ret;
	struct berth_verdict v;
	struct berth_ip local;

	walk_own_range(w, fd, &r);
	walk_ask(w, &r, &v);
	walk_note(w, "#%u listen unbound ", w->ids + 1);
	walk_note_sock(w, &r.sock);
	ret = listen(fd, 64) ? errno : 0;
	if (!walk_agree(w, "listen unbound", ret, &v) || ret) {
		close(fd);
		return;
	}
	net_local_of(fd, &local, &r.sock.port);
	if (!walk_check_choice(w, &r, r.sock.port))
		return;
	r.sock.state = BERTH_SOCK_LISTEN;
	walk_remember(w, berth_population_bind(&w->population, &r.sock), fd, false, false);
}

static void step_close(struct walk *w)
{
	uint32_t at;

	if (!w->population.socks)
		return;
	at = random_below(w->population.socks);
	if (w->live[at].fd >= 0)
		walk_close_pair(w, at);
}

/* Programs may change their mind after bind(). */
static void step_option(struct walk *w)
{
	uint32_t at = w->population.socks ? random_below(w->population.socks) : 0;
	struct berth_sock *s = &w->sock[at];

	if (!w->population.socks || w->live[at].fd < 0)
		return;
	if (walk_chance(50)) {
		s->reuse = !s->reuse;
		walk_set_flag(w->live[at].fd, SOL_SOCKET, SO_REUSEADDR, s->reuse);
	} else {
		s->reuseport = !s->reuseport;
		walk_set_flag(w->live[at].fd, SOL_SOCKET, SO_REUSEPORT, s->reuseport);
	}
	walk_note(w, "#%u now reuse %d reuseport %d\n", w->live[at].id, s->reuse, s->reuseport);
}

static void step(struct walk *w)
{
	static const struct {
		uint32_t weight;
		void (*run)(struct walk *w);
	} steps[] = { { 40, step_bind },           { 25, walk_step_connect },
		      { 8, walk_step_same },       { 8, step_close },
		      { 10, walk_step_time_wait }, { 3, step_again },
		      { 3, step_listen_unbound },  { 3, step_option } };
	uint32_t roll = random_below(100), i;

	if (w->population.socks > WALK_ROOM - 12) {
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
	bool stamps = walk_chance(60);
	uint32_t i;

	w->host = (struct berth_host){ .local = w->net->local,
				       .locals = NET_LOCALS,
				       .device = w->net->device,
				       .devices = 3,
				       .reserved = &w->reserved,
				       .unprivileged = (uint16_t)(w->base + random_below(4)),
				       .ephemeral = { first, (uint16_t)(first + random_below(10)) },
				       .nonlocal4 = walk_chance(5),
				       .nonlocal6 = walk_chance(5),
				       .autobind_reuse = walk_chance(20),
				       .tw_reuse = (uint8_t)random_below(3),
				       .tw_delay_ms = walk_chance(50) ? 1 : 60000,
				       .loopback = w->net->device[0] };
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
	w->busy = walk_chance(25) ? 2 : 6 + random_below(12);
	/* Many UDP sockets on one port, where the kernel changes its way of looking. */
	if (walk_chance(25)) {
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
	w->population = (struct berth_population){
		.sock = w->sock, .bucket = w->bucket, .bucket2 = w->bucket2, .room = WALK_ROOM
	};
	settings(w);
	walk_note(
		w,
		"range %u-%u unprivileged %u nonlocal %d %d autobind_reuse %d tw_reuse %u delay %u stamps %d\n",
		w->host.ephemeral.first, w->host.ephemeral.last, w->host.unprivileged,
		w->host.nonlocal4, w->host.nonlocal6, w->host.autobind_reuse, w->host.tw_reuse,
		w->host.tw_delay_ms, w->stamps);
	while (steps-- && !w->wrong)
		step(w);
	while (w->population.socks) {
		if (w->live[0].fd >= 0)
			walk_close_hard(w->live[0].fd);
		walk_forget(w, 0);
	}
}
