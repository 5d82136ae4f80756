/* SPDX-License-Identifier: BSD-2-Clause */
/* The answer of `berth explain`: sentences, evidence and ways out, as text or JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/base/text.h"
#include "src/cli/explain.h"
#include "src/kernel/sockets.h"

static const char *protocol_name(int protocol)
{
	return protocol == BERTH_PROTO_UDP ? "udp" : "tcp";
}

const char *berth_explain_title(int protocol)
{
	return protocol == BERTH_PROTO_UDP ? "UDP" : "TCP";
}

const char *berth_explain_error(int error)
{
	const char *name = error > 0 ? strerrorname_np(error) : NULL;

	return name ? name : "an unknown error";
}

/* Text of other programs is in there: what is not fit for a terminal is written as an escape. */
static json_t *safe(const char *format, va_list args)
{
	char raw[768], text[1536];

	vsnprintf(raw, sizeof(raw), format, args);
	berth_text_safe(raw, strlen(raw), text, sizeof(text));
	return json_string(text);
}

void berth_explain_say(struct berth_explain *e, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	json_array_append_new(json_object_get(e->root, "answer"), safe(format, args));
	va_end(args);
}

void berth_explain_show(struct berth_explain *e, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	json_array_append_new(json_object_get(e->root, "evidence"), safe(format, args));
	va_end(args);
}

void berth_explain_way(struct berth_explain *e, const char *does, const char *format, ...)
{
	json_t *way = json_object();
	va_list args;

	va_start(args, format);
	json_object_set_new(way, "command", safe(format, args));
	va_end(args);
	json_object_set_new(way, "does", json_string(does));
	json_array_append_new(json_object_get(e->root, "ways"), way);
}

static void print_lines(const char *title, const json_t *lines)
{
	size_t i;

	if (!json_array_size(lines))
		return;
	printf("\n%s:\n", title);
	for (i = 0; i < json_array_size(lines); i++)
		printf("  %s\n", json_string_value(json_array_get(lines, i)));
}

void berth_explain_print(const struct berth_explain *e)
{
	const json_t *answer = json_object_get(e->root, "answer");
	const json_t *ways = json_object_get(e->root, "ways"), *way;
	size_t i;

	if (e->json) {
		json_dumpf(e->root, stdout, JSON_COMPACT);
		putchar('\n');
		return;
	}
	for (i = 0; i < json_array_size(answer); i++)
		puts(json_string_value(json_array_get(answer, i)));
	print_lines("evidence", json_object_get(e->root, "evidence"));
	if (json_array_size(ways))
		puts("\nway out:");
	for (i = 0; i < json_array_size(ways); i++) {
		way = json_array_get(ways, i);
		printf("  %s\n      %s\n", json_string_value(json_object_get(way, "command")),
		       json_string_value(json_object_get(way, "does")));
	}
}

const char *berth_explain_endpoint(const struct berth_ip *ip, uint16_t port, char buf[64])
{
	char addr[INET6_ADDRSTRLEN], number[8] = "*";
	bool four = berth_ip_is_mapped(ip);

	inet_ntop(four ? AF_INET : AF_INET6, ip->byte + (four ? 12 : 0), addr, sizeof(addr));
	if (port)
		snprintf(number, sizeof(number), "%u", port);
	snprintf(buf, 64, four ? "%s:%s" : "[%s]:%s", addr, number);
	return buf;
}

const char *berth_explain_holder(const struct berth_explain *e, uint32_t at, char *buf)
{
	const struct berth_view_about *a = &e->view.about[at];
	const struct berth_holder *h = a->holder;
	int n;

	if (!h && e->view.population.sock[at].state == BERTH_SOCK_TIME_WAIT)
		snprintf(buf, 256, "nobody: its connection is closed");
	else if (!h)
		snprintf(buf, 256, "a socket of user %s%s", a->user ? a->user : "?",
			 e->view.hidden
				 ? " (its program may not be looked at; ask as root of the host)"
				 : " that no program has open");
	if (!h)
		return buf;
	n = snprintf(buf, 256, "%s (pid %u, user %s", h->program, h->pid, h->user);
	if (n < 200 && *h->unit)
		n += snprintf(buf + n, 256 - (size_t)n, ", unit %.60s", h->unit);
	if (n < 200 && *h->container)
		n += snprintf(buf + n, 256 - (size_t)n, ", container %.60s", h->container);
	if (n < 230)
		snprintf(buf + n, 256 - (size_t)n, ")%s", a->holders > 1 ? " and others" : "");
	return buf;
}

static const char *proto_name(const struct berth_sock *s)
{
	return s->proto == BERTH_PROTO_TCP   ? "tcp"
	       : s->proto == BERTH_PROTO_UDP ? "udp"
					     : "udplite";
}

void berth_explain_show_sock(struct berth_explain *e, uint32_t at)
{
	const struct berth_sock *s = &e->view.population.sock[at];
	const struct berth_view_about *a = &e->view.about[at];
	char local[64], peer[64], holder[256];

	berth_explain_show(e, "%s %s%s%s %s, %s%s%s%s", proto_name(s),
			   berth_explain_endpoint(&s->local, s->port, local),
			   s->peer_port ? " -> " : "",
			   s->peer_port ? berth_explain_endpoint(&s->peer, s->peer_port, peer) : "",
			   berth_socket_state_name(a->state), berth_explain_holder(e, at, holder),
			   !a->options_known ? "; options unknown"
			   : s->reuse        ? "; SO_REUSEADDR"
					     : "",
			   a->options_known && s->reuseport ? "; SO_REUSEPORT" : "",
			   s->v6only ? "; IPv6 only" : "");
}

void berth_explain_keep(struct berth_explain *e, const struct berth_request *req,
			const struct berth_verdict *v, int kernel)
{
	static const char *const call[] = { "bind", "listen", "connect" };
	char text[64];
	json_t *o = json_pack("{s:s s:s s:i s:s s:s s:s}", "call", call[req->op], "protocol",
			      protocol_name(req->sock.proto), "port", (int)req->port, "rule",
			      berth_rule_name(v->rule), "sentence", berth_rule_text(v->rule),
			      "source", berth_rule_source(v->rule));

	berth_explain_endpoint(&req->addr, req->port, text);
	*strrchr(text, ':') = 0;
	json_object_set_new(o, "address", json_string(text));
	json_object_set_new(o, "error",
			    v->error ? json_string(berth_explain_error(v->error)) : json_null());
	/* null: not asked; "": success. */
	json_object_set_new(o, "kernel",
			    kernel < 0 ? json_null()
				       : json_string(kernel ? berth_explain_error(kernel) : ""));
	json_array_append_new(json_object_get(e->root, "verdicts"), o);
}

/* ---- ways out ---- */

static void way_of_holder(struct berth_explain *e, const struct berth_request *req, int32_t other)
{
	const struct berth_holder *h = other < 0 ? NULL : e->view.about[other].holder;

	if (h && *h->unit && strstr(h->unit, ".service"))
		berth_explain_way(e, "ends the service that has the port", "systemctl stop %s",
				  h->unit);
	else if (h)
		berth_explain_way(e, "shows the program that has the port, and ends it",
				  "berth ports free %u", req->port);
	else if (geteuid())
		berth_explain_way(e, "shows who has the port, of every user",
				  "sudo berth explain %u", req->port);
}

/* A client sits on the port: it will come back there until the port is reserved. */
static void way_of_client(struct berth_explain *e, const struct berth_request *req)
{
	const struct berth_range *r = &e->view.host.ephemeral;
	struct berth_portset all = { 0 };
	char text[512];

	if (req->port < r->first || req->port > r->last)
		return;
	/* The sysctl is one value: what is reserved already stays. */
	if (e->view.host.reserved)
		all = *e->view.host.reserved;
	berth_portset_add(&all, req->port);
	if (berth_portset_format(&all, text, sizeof(text)) < sizeof(text))
		berth_explain_way(
			e, "keeps the port out of the kernel's choice for clients, from now on",
			"sysctl -w net.ipv4.ip_local_reserved_ports=%s", text);
	berth_explain_way(e, "gives a client's connections ports that no server needs",
			  "berth run -- CLIENT");
}

static void way_of_low_port(struct berth_explain *e, const struct berth_request *req)
{
	berth_explain_way(e, "lets this program alone bind low ports",
			  "setcap cap_net_bind_service=+ep PROGRAM");
	berth_explain_way(e, "lets a service do it: in its unit",
			  "AmbientCapabilities=CAP_NET_BIND_SERVICE");
	berth_explain_way(e, "lets everybody bind this port and those above it",
			  "sysctl -w net.ipv4.ip_unprivileged_port_start=%u", req->port);
}

static void way_of_full_range(struct berth_explain *e)
{
	berth_explain_way(e,
			  "assigns ports that the ephemeral range does not have, in constant time",
			  "berth run -- PROGRAM");
	berth_explain_way(e, "makes the range larger for all programs",
			  "sysctl -w net.ipv4.ip_local_port_range='1024 65535'");
}

static void way_of_time_wait(struct berth_explain *e, int32_t other)
{
	uint32_t ms = other < 0 ? 0 : e->view.about[other].ends_ms;

	if (ms)
		berth_explain_say(
			e,
			"It ends in %u s; a server that sets SO_REUSEADDR before bind() need not wait.",
			(ms + 999) / 1000);
	else
		berth_explain_say(
			e,
			"A server that sets SO_REUSEADDR before bind() need not wait for its end.");
}

static void way_of_address(struct berth_explain *e, const struct berth_request *req)
{
	char text[64];

	berth_explain_endpoint(&req->addr, 0, text);
	berth_explain_way(e, "shows the addresses that there are", "ip address");
	berth_explain_way(e, "permits addresses that are not there yet (a floating address)",
			  "sysctl -w net.%s.ip_nonlocal_bind=1",
			  berth_ip_is_mapped(&req->addr) ? "ipv4" : "ipv6");
}

void berth_explain_ways(struct berth_explain *e, const struct berth_request *req,
			const struct berth_verdict *v)
{
	switch (v->rule) {
	case BERTH_RULE_LISTENER:
	case BERTH_RULE_OTHER_USER:
	case BERTH_RULE_UDP_IN_USE:
	case BERTH_RULE_IN_USE:
	case BERTH_RULE_HOLDER_FIRM:
		way_of_holder(e, req, v->other);
		if (v->other >= 0 &&
		    e->view.population.sock[v->other].state == BERTH_SOCK_CONNECTED)
			way_of_client(e, req);
		break;
	case BERTH_RULE_TIME_WAIT:
		way_of_time_wait(e, v->other);
		way_of_client(e, req);
		break;
	case BERTH_RULE_LOW_PORT:
		way_of_low_port(e, req);
		break;
	case BERTH_RULE_NOT_LOCAL:
		way_of_address(e, req);
		break;
	case BERTH_RULE_NONE_TO_BIND:
	case BERTH_RULE_NONE_TO_CONNECT:
	case BERTH_RULE_NONE_TO_AUTOBIND:
	case BERTH_RULE_TUPLE:
	case BERTH_RULE_TUPLE_TIME_WAIT:
		way_of_full_range(e);
		break;
	case BERTH_RULE_NO_LISTENER:
		berth_explain_way(e, "shows what listens on this host", "berth ports listening");
		break;
	case BERTH_RULE_NO_SCOPE:
		berth_explain_way(e, "shows which interface has the address", "ip -6 address");
		break;
	default:
		break;
	}
}
