/* SPDX-License-Identifier: BSD-2-Clause */
/* berth explain connect: which port a connection would leave from, and who would answer on this host. */
#include <errno.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include "src/cli/explain.h"

static int resolve(const char *host, bool numeric, struct berth_explain_addresses *out,
		   struct berth_why *why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = numeric ? AI_NUMERICHOST : 0 };
	struct addrinfo *all = NULL, *a;
	int ret = getaddrinfo(host, NULL, &hints, &all);

	if (ret)
		return berth_why(why, -EINVAL, "%.100s: %s%s", host, gai_strerror(ret),
				 numeric ? "; write an address" : "");
	for (a = all, out->count = 0; a && out->count < BERTH_EXPLAIN_ADDRESSES; a = a->ai_next) {
		const struct sockaddr_in6 *in6 = (void *)a->ai_addr;
		struct berth_ip *ip = &out->ip[out->count];

		out->scope[out->count] = 0;
		if (a->ai_family == AF_INET) {
			*ip = berth_ip_any4;
			memcpy(ip->byte + 12,
			       &((const struct sockaddr_in *)(void *)a->ai_addr)->sin_addr, 4);
		} else {
			memcpy(ip->byte, &in6->sin6_addr, 16);
			out->scope[out->count] = in6->sin6_scope_id;
		}
		out->count++;
	}
	freeaddrinfo(all);
	return 0;
}

int berth_explain_resolve(const struct berth_explain *e, bool numeric,
			  struct berth_explain_addresses *out, struct berth_why *why)
{
	uint32_t device = *e->what.device ? if_nametoindex(e->what.device) : 0;
	int ret, i;

	*out = (struct berth_explain_addresses){ .ip = { berth_ip_any4 }, .count = 1 };
	if (*e->what.device && !device)
		return berth_why(why, -EINVAL, "%s: there is no such interface; see \"ip link\"",
				 e->what.device);
	ret = *e->what.host ? resolve(e->what.host, numeric, out, why) : 0;
	for (i = 0; i < out->count && device; i++)
		out->scope[i] = device;
	return ret;
}

/* The interface that has a local address, 0 where it is not local. */
static uint32_t local_device(const struct berth_explain *e, const struct berth_ip *ip)
{
	const struct berth_host *h = &e->view.host;
	uint32_t i;

	for (i = 0; i < h->locals; i++)
		if (berth_ip_in_prefix(ip, &h->local[i].addr, h->local[i].prefix))
			return h->local[i].device;
	return 0;
}

/* The sockets of all ports were read without their holders; those of one port are read again. */
static void say_listeners(struct berth_explain *e, uint16_t port)
{
	struct berth_view all = e->view;
	struct berth_why why;
	unsigned shown = 0;
	uint32_t i;

	if (berth_view_init(&e->view, port, &why)) {
		berth_view_fini(&e->view);
		e->view = all;
		return;
	}
	for (i = 0; i < e->view.population.socks && shown < BERTH_EXPLAIN_SHOWN; i++) {
		const struct berth_sock *s = &e->view.population.sock[i];

		if (s->state != BERTH_SOCK_LISTEN || s->port != port)
			continue;
		berth_explain_show_sock(e, i);
		shown++;
	}
	if (!shown)
		berth_explain_show(e, "no socket of this network namespace listens on port %u",
				   port);
	berth_view_fini(&e->view);
	e->view = all;
}

/* Ports of the range that are hidden from connect() because a program bound them itself. */
static unsigned hidden_ports(const struct berth_explain *e)
{
	const struct berth_range *r = &e->view.host.ephemeral;
	const struct berth_bucket *b;
	unsigned n = 0;
	uint32_t port;

	for (port = r->first; port <= r->last; port++) {
		b = berth_population_bucket(&e->view.population, (uint16_t)port);
		n += b && (b->reuse >= 0 || b->reuseport >= 0);
	}
	return n;
}

static void say_connect(struct berth_explain *e, const struct berth_request *req,
			const struct berth_verdict *v)
{
	char to[64], from[64];

	berth_explain_endpoint(&req->addr, req->port, to);
	berth_explain_endpoint(&req->source, req->sock.port, from);
	if (v->error) {
		e->findings = true;
		berth_explain_say(e, "%s: connect(%s) fails now with %s: %s.",
				  berth_explain_title(req->sock.proto), to,
				  berth_explain_error(v->error), berth_rule_text(v->rule));
	} else {
		berth_explain_say(e, "%s: connect(%s) has a port to leave from%s.",
				  berth_explain_title(req->sock.proto), to,
				  req->arrives ? ", and the destination is this host"
					       : "; whether the other host answers is not tried");
	}
	berth_explain_show(e, "rule \"%s\" (%s), from %s", berth_rule_name(v->rule),
			   berth_rule_source(v->rule), from);
	if (!req->sock.port)
		berth_explain_show(
			e,
			"%u ports of the ephemeral range %u-%u can be chosen for this destination",
			v->choices, e->view.host.ephemeral.first, e->view.host.ephemeral.last);
	if (req->sock.proto == BERTH_PROTO_TCP && hidden_ports(e))
		berth_explain_show(
			e,
			"hidden from connect(), because programs bound them themselves: %u of them",
			hidden_ports(e));
	if (v->unsure)
		berth_explain_show(
			e, "that one stands at an end of the range: the search sees it by chance");
}

static void explain_connect_to(struct berth_explain *e, const struct berth_ip *to, uint32_t scope)
{
	uint8_t family = berth_ip_is_mapped(to) ? BERTH_IPV4 : BERTH_IPV6;
	int protocol = e->what.protocol ? e->what.protocol : BERTH_PROTO_TCP, ret;
	struct berth_request req = { .op = BERTH_OP_CONNECT,
				     .self = -1,
				     .addr = *to,
				     .port = e->what.port,
				     .family = family,
				     .scope = scope };
	struct berth_explain_addresses source;
	struct berth_verdict v;
	char text[64];

	req.sock =
		(struct berth_sock){ .proto = (uint8_t)protocol,
				     .family = family,
				     .uid = e->uid,
				     .local = family == BERTH_IPV4 ? berth_ip_any4 : berth_ip_any6,
				     .port = e->what.source_port };
	ret = berth_view_source(to, scope, &req.source);
	if (ret) {
		e->findings = true;
		berth_explain_say(
			e, "connect(%s) fails now with %s: the routing table has no way there.",
			berth_explain_endpoint(to, req.port, text), berth_explain_error(-ret));
		berth_explain_way(
			e, "asks the routing table", "ip route get %.*s",
			(int)strcspn(text + (*text == '['), family == BERTH_IPV4 ? ":" : "]"),
			text + (*text == '['));
		return;
	}
	if (*e->what.source && !resolve(e->what.source, true, &source, NULL))
		req.sock.local = req.source = source.ip[0];
	req.arrives = local_device(e, to);
	if (berth_ip_is_any(to))
		req.arrives = e->view.host.loopback;
	berth_rules_judge(&e->view.population, &e->view.host, &req, &v);
	berth_explain_keep(e, &req, &v, -1);
	say_connect(e, &req, &v);
	if (v.other >= 0)
		berth_explain_show_sock(e, (uint32_t)v.other);
	if (req.arrives && protocol == BERTH_PROTO_TCP)
		say_listeners(e, req.port);
	if (v.error)
		berth_explain_ways(e, &req, &v);
}

int berth_explain_connect(struct berth_explain *e, struct berth_why *why)
{
	struct berth_explain_addresses all;
	int ret, i;

	ret = berth_explain_resolve(e, false, &all, why);
	if (ret)
		return ret;
	if (e->what.default_port)
		berth_explain_say(e, "The port of %s is %u where none is written.", e->what.scheme,
				  e->what.port);
	for (i = 0; i < all.count; i++)
		explain_connect_to(e, &all.ip[i], all.scope[i]);
	return 0;
}
