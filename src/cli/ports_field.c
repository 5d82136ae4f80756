/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fields of berth ports, and a row as JSON.
 *
 * A million rows take a second, so nothing here allocates or formats through stdio: numbers and IPv4 addresses are written by
 * hand, foreign text was made JSON once for each process.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/base/near.h"
#include "src/cli/ports.h"
#include "src/registry/services.h"

/* ---- output ---- */

void ports_out_flush(struct ports_out *out)
{
	size_t at = 0;

	while (at < out->used && !out->failed) {
		ssize_t n = write(out->fd, out->buf + at, out->used - at);

		if (n < 0 && errno != EINTR)
			out->failed = true;
		at += n > 0 ? (size_t)n : 0;
	}
	out->used = 0;
}

/* Makes room for PORTS_OUT_ROOM bytes. */
static void make_room(struct ports_out *out)
{
	if (PORTS_OUT_SIZE - out->used < PORTS_OUT_ROOM)
		ports_out_flush(out);
}

/* ---- numbers and addresses ---- */

static char *put_number(char *p, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	memcpy(p, digits + i, sizeof(digits) - i);
	return p + sizeof(digits) - i;
}

static char *put_v4(char *p, const uint8_t a[4])
{
	int i;

	for (i = 0; i < 4; i++) {
		if (i)
			*p++ = '.';
		p = put_number(p, a[i]);
	}
	return p;
}

static bool is_v4(const struct berth_socket *s)
{
	return s->family == AF_INET;
}

static char *put_address(char *p, const struct berth_socket *s, const uint8_t a[16])
{
	if (is_v4(s))
		return put_v4(p, a + 12);
	if (!inet_ntop(AF_INET6, a, p, INET6_ADDRSTRLEN))
		*p = '\0';
	return p + strlen(p);
}

static char *put_endpoint(char *p, const struct berth_socket *s, const uint8_t a[16], uint16_t port)
{
	if (!is_v4(s))
		*p++ = '[';
	p = put_address(p, s, a);
	if (!is_v4(s))
		*p++ = ']';
	*p++ = ':';
	if (port)
		return put_number(p, port);
	*p++ = '*';
	return p;
}

/* ---- what fields have ---- */

static void set_number(struct ports_value *v, uint64_t n)
{
	v->kind = PORTS_NUMBER;
	v->number = n;
}

static void set_word(struct ports_value *v, const char *word)
{
	if (!word)
		return;
	v->kind = PORTS_WORD;
	v->word = word;
	v->len = (uint32_t)strlen(word);
}

static void set_end(struct ports_value *v, const char *end)
{
	v->kind = PORTS_WORD;
	v->word = v->buf;
	v->len = (uint32_t)(end - v->buf);
}

static void set_yes(struct ports_value *v, bool yes)
{
	v->kind = PORTS_YES;
	v->number = yes;
}

static void set_foreign(struct ports_value *v, const struct ports_row *row, int which)
{
	v->text = ports_names_text(row, which);
	v->kind = v->text ? PORTS_FOREIGN : PORTS_NONE;
}

#define GET(name) static void get_##name(const struct ports_row *row, struct ports_value *v)
#define S (row->socket)

GET(protocol)
{
	set_word(v, berth_socket_protocol_name(S));
}

GET(family)
{
	set_word(v, is_v4(S) ? "ipv4" : "ipv6");
}

GET(state)
{
	set_word(v, berth_socket_state_name(S->state));
}

GET(local)
{
	set_end(v, put_endpoint(v->buf, S, S->local, S->lport));
}

GET(address)
{
	set_end(v, put_address(v->buf, S, S->local));
}

GET(port)
{
	if (S->lport)
		set_number(v, S->lport);
}

/* A socket without a peer has the wildcard there. */
static bool has_peer(const struct berth_socket *s)
{
	const uint64_t *w = (const uint64_t *)s->peer;

	return s->pport || w[0] || (is_v4(s) ? memcmp(s->peer + 12, "\0\0\0", 4) != 0 : w[1] != 0);
}

GET(peer)
{
	if (has_peer(S))
		set_end(v, put_endpoint(v->buf, S, S->peer, S->pport));
}

GET(peer_address)
{
	if (has_peer(S))
		set_end(v, put_address(v->buf, S, S->peer));
}

GET(peer_port)
{
	if (S->pport)
		set_number(v, S->pport);
}

GET(class)
{
	if (S->lport)
		set_word(v, berth_port_class(S->lport));
}

GET(ephemeral)
{
	set_yes(v, ports_names_is_ephemeral(row->names, S));
}

GET(reserved)
{
	set_yes(v, ports_names_is_reserved(row->names, S));
}

GET(assigned)
{
	set_yes(v, ports_names_is_assigned(row));
}

GET(service)
{
	set_word(v, S->flags & BERTH_SOCKET_RAW
			    ? NULL
			    : ports_names_service(row->names, S->protocol, S->lport));
}

GET(exposure)
{
	set_word(v, ports_names_exposure(row->names, S));
}

GET(ip_protocol)
{
	if (S->flags & BERTH_SOCKET_RAW)
		set_number(v, S->protocol);
}

GET(pid)
{
	if (row->task)
		set_number(v, row->task->pid);
}

GET(program)
{
	set_foreign(v, row, PORTS_PROGRAM);
}

GET(exe)
{
	set_foreign(v, row, PORTS_EXE);
}

GET(user)
{
	set_foreign(v, row, PORTS_USER);
}

GET(unit)
{
	set_foreign(v, row, PORTS_UNIT);
}

GET(container)
{
	set_foreign(v, row, PORTS_CONTAINER);
}

GET(cgroup)
{
	set_foreign(v, row, PORTS_CGROUP);
}

GET(netns)
{
	set_number(v, S->netns);
}

GET(device)
{
	if (S->device)
		set_number(v, S->device);
}

GET(inode)
{
	if (S->inode && row->details)
		set_number(v, S->inode);
}

GET(recv_queue)
{
	if (row->details || S->state == BERTH_STATE_LISTEN)
		set_number(v, S->rqueue);
}

GET(send_queue)
{
	if (row->details || S->state == BERTH_STATE_LISTEN)
		set_number(v, S->wqueue);
}

GET(timer_ms)
{
	if (S->timer_ms)
		set_number(v, S->timer_ms);
}

GET(v6only)
{
	if (!is_v4(S))
		set_yes(v, S->flags & BERTH_SOCKET_V6ONLY);
}

#define STATES                                                                                           \
	"established|syn-sent|syn-recv|fin-wait-1|fin-wait-2|time-wait|unconnected|close-wait|last-ack|" \
	"listening|closing|bound"
#define PROTOCOLS "tcp|udp|udplite|mptcp|sctp|dccp|raw"

/* In the order of the columns; those of the table first. */
const struct ports_field ports_fields[] = {
	{ "protocol", "PROTO", "string", PROTOCOLS, "Transport protocol", get_protocol,
	  BERTH_COUNT_BY_PROTOCOL, PORTS_OF_SOCKET },
	{ "state", "STATE", "string", STATES,
	  "State; \"bound\" is a TCP socket that holds a port and neither listens nor is connected",
	  get_state, BERTH_COUNT_BY_STATE, PORTS_OF_SOCKET },
	{ "local", "LOCAL", "string", NULL, "Local address and port", get_local,
	  BERTH_COUNT_BY_LOCAL, PORTS_OF_SOCKET, true },
	{ "peer", "PEER", "string", NULL, "Address and port of the other side, where there is one",
	  get_peer, BERTH_COUNT_BY_PEER, PORTS_OF_SOCKET, true },
	{ "pid", "PID", "number", NULL, "Process that has a descriptor for it", get_pid, 0,
	  PORTS_OF_HOLDER },
	{ "program", "PROGRAM", "string", NULL, "Its name for itself", get_program, 0,
	  PORTS_OF_HOLDER },
	{ "user", "USER", "string", NULL,
	  "Its effective user; without a holder the user who made the socket", get_user, 0,
	  PORTS_OF_BOTH },
	{ "service", "SERVICE", "string", NULL, "Name that is registered for the local port",
	  get_service, 0, PORTS_OF_SOCKET },
	{ "exposure", "EXPOSURE", "string", "loopback|link|private|public",
	  "Who can reach it, of sockets that take from anybody: the widest of the addresses it has",
	  get_exposure, 0, PORTS_OF_SOCKET },
	{ "class", "CLASS", "string", "system|user|dynamic", "Class of the local port by RFC 6335",
	  get_class, 0, PORTS_OF_SOCKET },
	{ "unit", "UNIT", "string", NULL, "systemd unit of the holder, by its cgroup", get_unit, 0,
	  PORTS_OF_HOLDER },
	{ "container", "CONTAINER", "string", NULL, "Container of the holder, by its cgroup",
	  get_container, 0, PORTS_OF_HOLDER },
	{ "ephemeral", NULL, "boolean", NULL,
	  "The kernel may choose the local port on its own here", get_ephemeral, 0,
	  PORTS_OF_SOCKET },
	{ "reserved", NULL, "boolean", NULL, "The local port is in ip_local_reserved_ports",
	  get_reserved, 0, PORTS_OF_SOCKET },
	{ "assigned", NULL, "boolean", NULL,
	  "The holder runs under berth run, and the local port is of that run's pool", get_assigned,
	  0, PORTS_OF_BOTH },
	{ "family", NULL, "string", "ipv4|ipv6", "Address family of the socket", get_family, 0,
	  PORTS_OF_SOCKET },
	{ "address", NULL, "string", NULL, "Local address", get_address,
	  BERTH_COUNT_BY_LOCAL_ADDRESS, PORTS_OF_SOCKET },
	{ "port", NULL, "number", NULL, "Local port", get_port, BERTH_COUNT_BY_LOCAL_PORT,
	  PORTS_OF_SOCKET },
	{ "peer_address", NULL, "string", NULL, "Address of the other side", get_peer_address,
	  BERTH_COUNT_BY_PEER_ADDRESS, PORTS_OF_SOCKET },
	{ "peer_port", NULL, "number", NULL, "Port of the other side", get_peer_port,
	  BERTH_COUNT_BY_PEER_PORT, PORTS_OF_SOCKET },
	{ "exe", NULL, "string", NULL, "File of the program", get_exe, 0, PORTS_OF_HOLDER },
	{ "cgroup", NULL, "string", NULL, "Cgroup of the holder", get_cgroup, 0, PORTS_OF_HOLDER },
	{ "netns", NULL, "number", NULL, "Inode of the network namespace", get_netns,
	  BERTH_COUNT_BY_NETNS, PORTS_OF_SOCKET },
	{ "device", NULL, "number", NULL, "Index of the interface that it is bound to", get_device,
	  0, PORTS_OF_SOCKET },
	{ "inode", NULL, "number", NULL, "Inode of the socket, where it has one", get_inode, 0,
	  PORTS_OF_SOCKET, .detail = true },
	{ "recv_queue", NULL, "number", NULL,
	  "Bytes to read; of a listener: connections that wait to be accepted", get_recv_queue, 0,
	  PORTS_OF_SOCKET, .detail = true },
	{ "send_queue", NULL, "number", NULL, "Bytes not acknowledged; of a listener: its backlog",
	  get_send_queue, 0, PORTS_OF_SOCKET, .detail = true },
	{ "timer_ms", NULL, "number", NULL, "Milliseconds until TIME_WAIT ends", get_timer_ms, 0,
	  PORTS_OF_SOCKET },
	{ "v6only", NULL, "boolean", NULL, "IPv6 without IPv4", get_v6only, 0, PORTS_OF_SOCKET },
	{ "ip_protocol", NULL, "number", NULL, "Number of the protocol of a raw socket",
	  get_ip_protocol, 0, PORTS_OF_SOCKET },
	{ NULL },
};

const struct ports_field *ports_field_find(const char *name, size_t len)
{
	const struct ports_field *f;

	for (f = ports_fields; f->name; f++)
		if (strlen(f->name) == len && !memcmp(f->name, name, len))
			return f;
	return NULL;
}

int ports_field_refuse(const char *where, const char *name, size_t len, struct berth_why *why)
{
	const struct ports_field *f;
	struct berth_near near = { 0 };
	char given[64];

	snprintf(given, sizeof(given), "%.*s", (int)len, name);
	for (f = ports_fields; f->name; f++)
		berth_near_consider(given, f->name, strlen(f->name), &near);
	if (near.text)
		return berth_why(why, -EINVAL, "%s: there is no field \"%s\"; did you mean %s?",
				 where, given, near.text);
	return berth_why(why, -EINVAL,
			 "%s: there is no field \"%s\"; \"berth ports --schema\" lists them", where,
			 given);
}

const struct ports_field *ports_field_to_count(const char *name)
{
	if (!strcmp(name, "destination"))
		name = "peer";
	return ports_field_find(name, strlen(name));
}

const char *ports_value_text(struct ports_value *v, size_t *out_len)
{
	switch (v->kind) {
	case PORTS_NUMBER:
		*out_len = (size_t)(put_number(v->buf, v->number) - v->buf);
		return v->buf;
	case PORTS_YES:
		*out_len = v->number ? 3 : 2;
		return v->number ? "yes" : "no";
	case PORTS_WORD:
		*out_len = v->len;
		return v->word;
	case PORTS_FOREIGN:
		*out_len = v->text->len;
		return v->text->bytes;
	case PORTS_NONE:
		break;
	}
	*out_len = 0;
	return "";
}

/* ---- JSON ---- */

static char *put(char *p, const char *bytes, size_t n)
{
	memcpy(p, bytes, n);
	return p + n;
}

/* ',"name":' of each field. */
static struct {
	char text[28];
	uint8_t len;
} label[sizeof(ports_fields) / sizeof(*ports_fields)];

static void make_labels(void)
{
	size_t i;

	for (i = 0; ports_fields[i].name; i++)
		label[i].len = (uint8_t)snprintf(label[i].text, sizeof(label[i].text),
						 ",\"%s\":", ports_fields[i].name);
}

/* A member of an object with the comma before it; nothing where the field has no value, or is false. */
static char *put_member(char *p, const struct ports_field *f, const struct ports_row *row)
{
	size_t i = (size_t)(f - ports_fields);
	struct ports_value v;

	v.kind = PORTS_NONE;
	f->get(row, &v);
	if (v.kind == PORTS_NONE || (v.kind == PORTS_YES && !v.number))
		return p;
	p = put(p, label[i].text, label[i].len);
	switch (v.kind) {
	case PORTS_NUMBER:
		return put_number(p, v.number);
	case PORTS_YES:
		return put(p, "true", 4);
	case PORTS_FOREIGN:
		return put(p, v.text->json, v.text->json_len);
	case PORTS_WORD:
	case PORTS_NONE:
		break;
	}
	*p++ = '"';
	p = put(p, v.word, v.len);
	*p++ = '"';
	return p;
}

char *ports_json_holder(char *p, const struct ports_row *row)
{
	const struct ports_field *f;

	for (f = ports_fields; f->name; f++)
		if (f->of == PORTS_OF_HOLDER && !f->no_json)
			p = put_member(p, f, row);
	return p;
}

void ports_json_row(struct ports_out *out, const struct ports_row *row)
{
	const struct ports_text *holder;
	const struct ports_field *f;
	char *p, *begin;

	if (!label[0].len)
		make_labels();
	make_room(out);
	begin = p = out->buf + out->used;
	for (f = ports_fields; f->name; f++)
		if (f->of != PORTS_OF_HOLDER && !f->no_json)
			p = put_member(p, f, row);
	holder = row->task ? ports_names_members(row) : NULL;
	if (holder)
		p = put(p, holder->json, holder->json_len);
	/* The first member's comma. */
	*begin = '{';
	*p++ = '}';
	*p++ = '\n';
	out->used += (size_t)(p - begin);
}
