/* SPDX-License-Identifier: BSD-2-Clause */
/* berth explain: why a port can be used or not, and what to do about it. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/cli/cli.h"
#include "src/cli/explain.h"
#include "src/registry/services.h"

BERTH_OPT_FLAG(json, struct berth_explain, json)
BERTH_OPT_FLAG(no_probe, struct berth_explain, no_probe)

static int set_protocol(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct berth_explain *)into)->protocol =
		!strcmp(value, "udp") ? BERTH_PROTO_UDP : BERTH_PROTO_TCP;
	return 0;
}

const struct berth_opt berth_explain_opts[] = {
	{ "protocol", "NAME", "tcp",
	  "The transport protocol; a port is explained for both without it.", "tcp|udp",
	  set_protocol },
	{ "no-probe", NULL, NULL,
	  "Do not ask the kernel: without it a child process binds the port for a moment, and closes at once.",
	  NULL, set_no_probe },
	{ "json", NULL, NULL,
	  "One JSON object: what, kind, answer and evidence (sentences), ways (command, does), verdicts (call, "
	  "protocol, address, port, error, rule, sentence, source, kernel), for a port port, class, ephemeral, reserved, "
	  "services (protocol, name, description), listeners, clients, for an errno errno, number.",
	  NULL, set_json },
	{ NULL },
};

/* ---- verdicts ---- */

static void show_rule(struct berth_explain *e, const struct berth_request *req,
		      const struct berth_verdict *v, int kernel)
{
	char where[64];

	berth_explain_endpoint(&req->addr, req->port, where);
	if (kernel < 0)
		berth_explain_show(e, "rule \"%s\" (%s); the kernel was not asked",
				   berth_rule_name(v->rule), berth_rule_source(v->rule));
	else
		berth_explain_show(e, "rule \"%s\" (%s); the kernel, asked with bind(%s)%s: %s",
				   berth_rule_name(v->rule), berth_rule_source(v->rule), where,
				   req->sock.reuse ? " and SO_REUSEADDR" : "",
				   kernel ? berth_explain_error(kernel) : "success");
}

static bool probe_wanted(const struct berth_explain *e)
{
	return !e->no_probe && (geteuid() == 0 || e->uid == geteuid());
}

static int ask_kernel(const struct berth_explain *e, const struct berth_request *req, uint16_t port)
{
	struct berth_probe_bind probe = { .sock = &req->sock,
					  .addr = &req->addr,
					  .port = port,
					  .scope = req->scope,
					  .uid = e->uid };

	return probe_wanted(e) ? berth_view_ask_bind(&probe) : -EPERM;
}

/* A port nearby that could be had now. */
static void suggest_port(struct berth_explain *e, const struct berth_request *req)
{
	uint32_t port;

	for (port = req->port + 1u; probe_wanted(e) && port < req->port + 20u && port < 65536;
	     port++) {
		if (ask_kernel(e, req, (uint16_t)port))
			continue;
		berth_explain_say(e, "Port %u is free for the same call.", port);
		return;
	}
}

static void say_held(struct berth_explain *e, const struct berth_verdict *v)
{
	char holder[256];

	if (v->other >= 0 && e->view.population.sock[v->other].state != BERTH_SOCK_TIME_WAIT)
		berth_explain_say(e, "It is held by %s.",
				  berth_explain_holder(e, (uint32_t)v->other, holder));
}

/* The rules and the kernel say different things; the kernel is right. */
static void say_differs(struct berth_explain *e, const struct berth_request *req,
			const struct berth_verdict *v, int kernel)
{
	char where[64];

	berth_explain_endpoint(&req->addr, req->port, where);
	if (!kernel)
		berth_explain_say(
			e,
			"%s: bind(%s) would succeed now, says the kernel. By the sockets that can "
			"be seen it would not (%s); their options are not all known.",
			berth_explain_title(req->sock.proto), where, berth_rule_text(v->rule));
	else
		berth_explain_say(
			e,
			"%s: bind(%s) fails now with %s, says the kernel, though no rule of ports "
			"forbids it: a BPF program, a security module, or a socket that cannot be seen.",
			berth_explain_title(req->sock.proto), where, berth_explain_error(kernel));
}

static void say_bind(struct berth_explain *e, const struct berth_request *req,
		     const struct berth_verdict *v)
{
	const char *how = req->sock.proto == BERTH_PROTO_TCP && !req->sock.reuse
				  ? " of a program that does not set SO_REUSEADDR"
				  : "";
	char where[64];

	berth_explain_endpoint(&req->addr, req->port, where);
	if (!v->error) {
		berth_explain_say(e, "%s: bind(%s) would succeed now.",
				  berth_explain_title(req->sock.proto), where);
		return;
	}
	berth_explain_say(e, "%s: bind(%s)%s fails now with %s: %s.",
			  berth_explain_title(req->sock.proto), where, how,
			  berth_explain_error(v->error), berth_rule_text(v->rule));
	say_held(e, v);
}

/* Judges a bind, tells it, and gives the ways out. Returns the errno. */
static int explain_bind(struct berth_explain *e, struct berth_request *req)
{
	struct berth_verdict v;
	int kernel, error;

	berth_rules_judge(&e->view.population, &e->view.host, req, &v);
	kernel = ask_kernel(e, req, req->port);
	berth_explain_keep(e, req, &v, kernel);
	error = kernel < 0 ? v.error : kernel;
	if (error != v.error)
		say_differs(e, req, &v, kernel);
	else
		say_bind(e, req, &v);
	if (!req->port && v.choices)
		berth_explain_say(e, "The kernel could choose from %u ports.", v.choices);
	show_rule(e, req, &v, kernel);
	if (!error)
		return 0;
	e->findings = true;
	if (v.error)
		berth_explain_ways(e, req, &v);
	if (error == EADDRINUSE && req->port)
		suggest_port(e, req);
	return error;
}

/* A server that was written without SO_REUSEADDR: told only where it fares worse. */
static void explain_plain(struct berth_explain *e, const struct berth_request *with)
{
	struct berth_request req = *with;
	struct berth_verdict v;
	int kernel;

	req.sock.reuse = false;
	berth_rules_judge(&e->view.population, &e->view.host, &req, &v);
	kernel = v.error ? ask_kernel(e, &req, req.port) : 0;
	if (!v.error || !kernel)
		return;
	e->findings = true;
	berth_explain_keep(e, &req, &v, kernel);
	say_bind(e, &req, &v);
	show_rule(e, &req, &v, kernel);
	berth_explain_ways(e, &req, &v);
}

static struct berth_request bind_request(const struct berth_explain *e, int protocol,
					 const struct berth_ip *addr, uint16_t port)
{
	uint8_t family = berth_ip_is_mapped(addr) ? BERTH_IPV4 : BERTH_IPV6;

	return (struct berth_request){
		.op = BERTH_OP_BIND,
		.self = -1,
		.addr = *addr,
		.port = port,
		.family = family,
		.may_low = berth_view_may_low(e->uid),
		/* What servers do. */
		.sock = { .proto = (uint8_t)protocol,
			  .family = family,
			  .uid = e->uid,
			  .local = family == BERTH_IPV4 ? berth_ip_any4 : berth_ip_any6,
			  .reuse = protocol == BERTH_PROTO_TCP },
	};
}

/* ---- a port ---- */

static void name_service(struct berth_explain *e, const struct berth_services *s, uint16_t port,
			 enum berth_transport transport)
{
	struct berth_service row;

	if (!berth_services_get(s, port, transport, &row))
		return;
	json_array_append_new(json_object_get(e->root, "services"),
			      json_pack("{s:s s:s s:s}", "protocol",
					berth_transport_name(transport), "name", row.name,
					"description", row.description));
	berth_explain_say(e, "By %s it is registered for %s%s%s%s.",
			  berth_transport_name(transport), row.name, *row.description ? " (" : "",
			  row.description, *row.description ? ")" : "");
}

static void describe_port(struct berth_explain *e, uint16_t port)
{
	const struct berth_host *h = &e->view.host;
	bool ephemeral = port >= h->ephemeral.first && port <= h->ephemeral.last;
	bool reserved = h->reserved && berth_portset_has(h->reserved, port);
	const char *class = berth_port_class(port);
	struct berth_services services;

	json_object_set_new(e->root, "port", json_integer(port));
	json_object_set_new(e->root, "class", json_string(class));
	json_object_set_new(e->root, "ephemeral", json_boolean(ephemeral));
	json_object_set_new(e->root, "reserved", json_boolean(reserved));
	json_object_set_new(e->root, "services", json_array());
	berth_explain_say(e, "%u is a %s port.", port, class);
	berth_services_init(&services, NULL, NULL);
	name_service(e, &services, port, BERTH_TRANSPORT_TCP);
	name_service(e, &services, port, BERTH_TRANSPORT_UDP);
	berth_services_fini(&services);
	berth_explain_show(e, "the ephemeral range is %u-%u: the kernel %s this port to clients",
			   h->ephemeral.first, h->ephemeral.last,
			   !ephemeral ? "does not give"
			   : reserved ? "would give, but ip_local_reserved_ports forbids,"
				      : "may give");
	if (port < h->unprivileged)
		berth_explain_show(
			e, "below ip_unprivileged_port_start (%u): CAP_NET_BIND_SERVICE is needed",
			h->unprivileged);
}

/* connect() passes over a port that any program has bound itself, whatever the addresses are. */
static void describe_bucket(struct berth_explain *e, uint16_t port)
{
	const struct berth_bucket *b = berth_population_bucket(&e->view.population, port);
	const struct berth_range *r = &e->view.host.ephemeral;

	if (!b || port < r->first || port > r->last)
		return;
	if (b->reuse >= 0 || b->reuseport >= 0)
		berth_explain_show(
			e, "a program bound this port itself, so connect() chooses it for nobody "
			   "(__inet_hash_connect)");
	else
		berth_explain_show(
			e,
			"connect() chose this port; it may choose it again for other destinations");
}

/* Lists who has the port; true where a UDP socket does. */
static bool describe_holders(struct berth_explain *e)
{
	unsigned listeners = 0, clients = 0, shown = 0;
	bool udp = false;
	uint32_t i;

	for (i = 0; i < e->view.population.socks; i++) {
		const struct berth_sock *s = &e->view.population.sock[i];
		bool client = s->state >= BERTH_SOCK_CONNECTED;

		listeners += !client;
		clients += client;
		udp |= s->proto == BERTH_PROTO_UDP;
		if (!client && shown < BERTH_EXPLAIN_SHOWN) {
			berth_explain_show_sock(e, i);
			shown++;
		}
	}
	for (i = 0; i < e->view.population.socks && shown < BERTH_EXPLAIN_SHOWN; i++)
		if (e->view.population.sock[i].state >= BERTH_SOCK_CONNECTED) {
			berth_explain_show_sock(e, i);
			shown++;
		}
	if (listeners + clients > shown)
		berth_explain_show(e, "and %u more; see \"berth ports %u\"",
				   listeners + clients - shown, e->what.port);
	if (e->view.elsewhere)
		berth_explain_show(
			e,
			"other network namespaces have %u socket%s on this port; these are in "
			"nobody's way here",
			e->view.elsewhere, e->view.elsewhere == 1 ? "" : "s");
	json_object_set_new(e->root, "listeners", json_integer(listeners));
	json_object_set_new(e->root, "clients", json_integer(clients));
	if (!listeners && !clients)
		berth_explain_say(e, "No socket of this network namespace has it.");
	else
		berth_explain_say(
			e, "%u socket%s can receive on it; %u connection%s ha%s it as local port.",
			listeners, listeners == 1 ? "" : "s", clients, clients == 1 ? "" : "s",
			clients == 1 ? "s" : "ve");
	return udp;
}

static void explain_port(struct berth_explain *e)
{
	int protocol = e->what.protocol;
	struct berth_request req;
	uint16_t port = e->what.port;
	bool udp;

	describe_port(e, port);
	udp = describe_holders(e);
	describe_bucket(e, port);
	if (protocol != BERTH_PROTO_UDP) {
		req = bind_request(e, BERTH_PROTO_TCP, &berth_ip_any4, port);
		if (!explain_bind(e, &req)) {
			explain_plain(e, &req);
			req = bind_request(e, BERTH_PROTO_TCP, &berth_ip_any6, port);
			explain_bind(e, &req);
		}
	}
	if (protocol == BERTH_PROTO_UDP || (!protocol && udp)) {
		req = bind_request(e, BERTH_PROTO_UDP, &berth_ip_any4, port);
		explain_bind(e, &req);
	}
}

/* ---- bind ---- */

static int explain_bind_at(struct berth_explain *e, struct berth_why *why)
{
	int protocol = e->what.protocol ? e->what.protocol : BERTH_PROTO_TCP, ret;
	struct berth_explain_addresses all;
	struct berth_request req;

	ret = berth_explain_resolve(e, true, &all, why);
	if (ret)
		return ret;
	if (e->what.port) {
		describe_port(e, e->what.port);
		describe_holders(e);
	}
	req = bind_request(e, protocol, &all.ip[0], e->what.port);
	req.scope = all.scope[0];
	if (!explain_bind(e, &req) && protocol == BERTH_PROTO_TCP)
		explain_plain(e, &req);
	return 0;
}

/* ---- the verb ---- */

static int proto_number(const struct berth_service *s)
{
	return s->transport == BERTH_TRANSPORT_UDP   ? BERTH_PROTO_UDP
	       : s->transport == BERTH_TRANSPORT_TCP ? BERTH_PROTO_TCP
						     : -1;
}

/* The name of a service stands for its port. */
static void word_found(const struct berth_service *service, void *arg)
{
	struct berth_what *w = arg;

	if (w->kind == BERTH_WHAT_WORD && (!w->protocol || w->protocol == proto_number(service)))
		*w = (struct berth_what){ .kind = BERTH_WHAT_PORT,
					  .port = service->port,
					  .has_port = true,
					  .protocol = w->protocol };
}

static int find_word(struct berth_explain *e, struct berth_why *why)
{
	struct berth_services services;
	char word[BERTH_WHAT_TEXT];
	const char *near;

	memcpy(word, e->what.host, sizeof(word));
	if (strpbrk(word, ".:"))
		return berth_why(why, -EINVAL,
				 "\"%.100s\": a port is missing, as in \"%s%.100s%s:80\"", word,
				 strchr(word, ':') ? "[" : "", word, strchr(word, ':') ? "]" : "");
	berth_services_init(&services, NULL, NULL);
	berth_services_named(&services, word, word_found, &e->what);
	near = berth_services_near(&services, word);
	near = near ? near : berth_what_near(word);
	if (e->what.kind == BERTH_WHAT_WORD)
		berth_why(
			why, -EINVAL,
			"\"%.100s\": neither a port, nor an address with one, nor a service, nor an errno%s%.60s%s",
			word, near ? "; is it \"" : "", near ? near : "", near ? "\"?" : "");
	berth_services_fini(&services);
	return e->what.kind == BERTH_WHAT_WORD ? -EINVAL : 0;
}

static int find_user(struct berth_explain *e, struct berth_why *why)
{
	const struct passwd *p;
	char *end;
	unsigned long n;

	e->uid = geteuid();
	if (!*e->what.user)
		return 0;
	p = getpwnam(e->what.user);
	if (p) {
		e->uid = p->pw_uid;
		return 0;
	}
	n = strtoul(e->what.user, &end, 10);
	if (*end || n > UINT32_MAX || e->what.user[0] < '0' || e->what.user[0] > '9')
		return berth_why(why, -EINVAL,
				 "\"%s\": there is no such user; see \"getent passwd\"",
				 e->what.user);
	e->uid = (uint32_t)n;
	return 0;
}

static int gather(struct berth_explain *e, struct berth_why *why)
{
	static const char *const kind[] = { "port", "bind", "connect", "errno" };
	int ret = e->what.kind == BERTH_WHAT_WORD ? find_word(e, why) : 0;

	if (!ret)
		ret = find_user(e, why);
	if (ret)
		return ret;
	/* An address with a port asks for bind() there. */
	if (e->what.kind == BERTH_WHAT_PORT && *e->what.host)
		e->what.kind = BERTH_WHAT_BIND;
	if (e->protocol)
		e->what.protocol = e->protocol;
	json_object_set_new(e->root, "kind", json_string(kind[e->what.kind]));
	if (e->what.kind == BERTH_WHAT_ERRNO) {
		berth_explain_errno(e);
		return 0;
	}
	ret = berth_view_init(&e->view, e->what.kind == BERTH_WHAT_CONNECT ? 0 : e->what.port, why);
	if (ret)
		return ret;
	if (e->what.kind == BERTH_WHAT_BIND)
		return explain_bind_at(e, why);
	if (e->what.kind == BERTH_WHAT_CONNECT)
		return berth_explain_connect(e, why);
	explain_port(e);
	return 0;
}

/* The question as it was asked; berth_what_parse() has bounded it. */
static void keep_question(struct berth_explain *e, char *const *words, int count)
{
	char text[2 * BERTH_WHAT_TEXT] = "";
	int i;

	for (i = 0; i < count; i++) {
		strcat(text, i ? " " : "");
		strcat(text, words[i]);
	}
	json_object_set_new(e->root, "what", json_string(text));
}

int berth_explain_main(int argc, char **argv)
{
	struct berth_explain e = { 0 };
	struct berth_why why;
	int words = berth_opt_words(berth_explain_opts, argc, argv, &e, NULL, &why);
	int ret = words < 0 ? words : berth_what_parse(argv, words, &e.what, &why);

	if (ret)
		return berth_complain("explain", &why, BERTH_EXIT_FAILURE);
	e.root = json_pack("{s:[] s:[] s:[] s:[]}", "answer", "evidence", "ways", "verdicts");
	keep_question(&e, argv, words);
	ret = gather(&e, &why);
	if (!ret)
		berth_explain_print(&e);
	berth_view_fini(&e.view);
	json_decref(e.root);
	if (ret)
		return berth_complain("explain", &why, BERTH_EXIT_FAILURE);
	return e.findings ? BERTH_EXIT_FINDINGS : BERTH_EXIT_OK;
}
