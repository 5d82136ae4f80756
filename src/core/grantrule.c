/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the line of a grant rule, word by word. */
#include "grantrule.h"

#include <errno.h>
#include <string.h>

#define PORTS_MAX 1024u /* characters of a port set */

struct reader {
	const char *line;
	size_t at, len; /* the word at hand; len 0: the end */
	struct berth_grantrule_error *error;
};

/* Not pointers: those would be variables of the library. */
static const char kind_word[][8] = {
#define WORD(id, word) word,
	BERTH_GRANTRULE_KIND_ROWS(WORD)
#undef WORD
};

static int refuse(const struct reader *rd, size_t at, const char *what)
{
	rd->error->at = at;
	rd->error->what = what;
	return -EINVAL;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Goes to the next word. */
static void next(struct reader *rd)
{
	rd->at += rd->len;
	while (is_space(rd->line[rd->at]))
		rd->at++;
	rd->len = 0;
	if (rd->line[rd->at] == '#')
		return;
	while (rd->line[rd->at + rd->len] && !is_space(rd->line[rd->at + rd->len]))
		rd->len++;
}

/* Length of the constant word where the text of len characters begins with it, else 0. */
static size_t matched(const struct reader *rd, size_t at, size_t len, const char *word)
{
	size_t n;

	for (n = 0; word[n]; n++)
		if (n == len || rd->line[at + n] != word[n])
			return 0;
	return n;
}

static bool is_piece(const struct reader *rd, size_t at, size_t len, const char *word)
{
	return len && matched(rd, at, len, word) == len;
}

static bool is_word(const struct reader *rd, const char *word)
{
	return is_piece(rd, rd->at, rd->len, word);
}

/* Length of the item at the place: up to a comma or the end of the word. */
static size_t item_length(const struct reader *rd, size_t at)
{
	size_t n = 0;

	while (at + n < rd->at + rd->len && rd->line[at + n] != ',')
		n++;
	return n;
}

/* The kind whose word and the mark behind it the text begins with, and their length; BERTH_GRANTRULE_KINDS: none. */
static uint32_t find_kind(const struct reader *rd, size_t at, size_t len, char mark,
			  size_t *out_len)
{
	uint32_t kind;

	for (kind = 0; kind < BERTH_GRANTRULE_KINDS; kind++) {
		size_t n = matched(rd, at, len, kind_word[kind]);

		*out_len = n + 1;
		if (n && n < len && rd->line[at + n] == mark)
			return kind;
	}
	return BERTH_GRANTRULE_KINDS;
}

static int add_name(const struct reader *rd, struct berth_grantrule *r, uint32_t kind, size_t at,
		    size_t len)
{
	if (!len)
		return refuse(rd, at, "name expected");
	if (r->names == BERTH_GRANTRULE_NAMES)
		return refuse(rd, at, "more than 16 names; write a second rule");
	if (kind == BERTH_GRANTRULE_CGROUP && rd->line[at] != '/')
		return refuse(rd, at,
			      "a cgroup is a path below the root of cgroup v2, from \"/\" on");
	if (kind == BERTH_GRANTRULE_UNIT && memchr(rd->line + at, '/', len))
		return refuse(rd, at, "a unit has no \"/\" in its name; for a path write cgroup=");
	r->name[r->names++] =
		(struct berth_grantrule_name){ (uint8_t)kind, (uint16_t)at, (uint16_t)len };
	return 0;
}

/* The names of a list from the place on; kind BERTH_GRANTRULE_KINDS: each says its own. */
static int read_names(const struct reader *rd, struct berth_grantrule *r, size_t at, uint32_t kind)
{
	size_t end = rd->at + rd->len, n, skip;
	int err;

	for (;; at += n + 1) {
		uint32_t k = kind;

		n = item_length(rd, at);
		skip = 0;
		if (kind == BERTH_GRANTRULE_KINDS) {
			k = find_kind(rd, at, n, ':', &skip);
			if (k == BERTH_GRANTRULE_KINDS)
				return refuse(rd, at,
					      "write user:, group:, cgroup: or unit: and a name");
		}
		err = add_name(rd, r, k, at + skip, n - skip);
		if (err || at + n >= end)
			return err;
	}
}

static int read_verb(struct reader *rd, struct berth_grantrule *r)
{
	if (is_word(rd, "allow"))
		r->verb = BERTH_GRANTRULE_ALLOW;
	else if (is_word(rd, "deny"))
		r->verb = BERTH_GRANTRULE_DENY;
	else
		return refuse(rd, rd->at, "a rule begins with \"allow\" or \"deny\"");
	next(rd);
	return 0;
}

static int read_subject(struct reader *rd, struct berth_grantrule *r)
{
	size_t skip;
	uint32_t kind = find_kind(rd, rd->at, rd->len, '=', &skip);
	int err;

	if (kind == BERTH_GRANTRULE_KINDS)
		return 0;
	if (r->verb == BERTH_GRANTRULE_DENY)
		return refuse(
			rd, rd->at,
			"deny keeps everybody off; whom it spares is written owner=KIND:NAME");
	err = read_names(rd, r, rd->at + skip, kind);
	if (err)
		return err;
	next(rd);
	if (find_kind(rd, rd->at, rd->len, '=', &skip) != BERTH_GRANTRULE_KINDS)
		return refuse(rd, rd->at, "one subject a rule; write a second rule");
	return 0;
}

static int read_protocols(struct reader *rd, struct berth_grantrule *r)
{
	size_t at = rd->at, end = rd->at + rd->len, n;

	for (;; at += n + 1) {
		n = item_length(rd, at);
		if (is_piece(rd, at, n, "tcp"))
			r->protocols |= BERTH_GRANTRULE_TCP;
		else if (is_piece(rd, at, n, "udp"))
			r->protocols |= BERTH_GRANTRULE_UDP;
		else
			return refuse(rd, at,
				      r->verb == BERTH_GRANTRULE_ALLOW && !r->names
					      ? "user=, group=, cgroup=, unit=, tcp or udp expected"
					      : "tcp or udp expected");
		if (at + n >= end)
			break;
	}
	next(rd);
	return 0;
}

static int read_ports(struct reader *rd, struct berth_portset *ports, size_t *out_at)
{
	char text[PORTS_MAX + 1];
	struct berth_range_error error;

	*out_at = rd->at;
	if (!rd->len)
		return refuse(rd, rd->at, "port expected");
	if (rd->len > PORTS_MAX)
		return refuse(rd, rd->at,
			      "port set of more than 1024 characters; write a second rule");
	memcpy(text, rd->line + rd->at, rd->len);
	text[rd->len] = '\0';
	if (berth_portset_parse(text, ports, &error))
		return refuse(rd, rd->at + error.at, error.what);
	if (!ports->count)
		return refuse(rd, rd->at, "no port is left in the set");
	next(rd);
	return 0;
}

static int read_prefixes(struct reader *rd, struct berth_grantrule *r)
{
	size_t at, end, n, within;
	const char *what;

	next(rd);
	if (!rd->len)
		return refuse(rd, rd->at, "address or prefix expected");
	end = rd->at + rd->len;
	for (at = rd->at;; at += n + 1) {
		n = item_length(rd, at);
		if (r->prefixes == BERTH_GRANTRULE_PREFIXES)
			return refuse(rd, at, "more than 16 prefixes; write a second rule");
		if (berth_prefix_parse(rd->line + at, n, &r->prefix[r->prefixes], &within, &what))
			return refuse(rd, at + within, what);
		r->prefixes++;
		if (at + n >= end)
			break;
	}
	next(rd);
	return 0;
}

/* One of the words that may follow the ports, each at most once. */
static int read_option(struct reader *rd, struct berth_grantrule *r)
{
	int err = 0;

	if (is_word(rd, "on") && !r->prefixes)
		return read_prefixes(rd, r);
	if (is_word(rd, "trusted") && r->verb == BERTH_GRANTRULE_ALLOW && !r->trusted)
		r->trusted = true;
	else if (matched(rd, rd->at, rd->len, "owner=") && r->verb == BERTH_GRANTRULE_DENY &&
		 !r->names)
		err = read_names(rd, r, rd->at + 6, BERTH_GRANTRULE_KINDS);
	else if (is_word(rd, "fail=open") && r->verb == BERTH_GRANTRULE_ALLOW)
		return refuse(
			rd, rd->at,
			"what an allow rule gives is given to those whom it names; write fail=closed");
	else if (is_word(rd, "fail=open") && !r->fail)
		r->fail = BERTH_GRANTRULE_FAIL_OPEN;
	else if (is_word(rd, "fail=closed") && !r->fail)
		r->fail = BERTH_GRANTRULE_FAIL_CLOSED;
	else
		return refuse(
			rd, rd->at,
			r->verb == BERTH_GRANTRULE_ALLOW
				? "on, trusted or fail=closed expected, each once"
				: "on, owner=KIND:NAME or fail=open|closed expected, each once");
	next(rd);
	return err;
}

/* True where a port of the set is one that lets its holder pose as the host. */
static bool is_trusted(const struct berth_portset *ports)
{
	int32_t port = berth_portset_next(ports, BERTH_GRANTRULE_TRUSTED_FIRST);

	return port >= 0 && port <= (int32_t)BERTH_GRANTRULE_TRUSTED_LAST;
}

int berth_grantrule_parse(const char *line, struct berth_grantrule *out_rule,
			  struct berth_portset *out_ports, struct berth_grantrule_error *out_error)
{
	struct reader rd = { line, 0, 0, out_error };
	size_t ports_at = 0;
	int err;

	*out_rule = (struct berth_grantrule){ 0 };
	if (memchr(line, '\0', BERTH_GRANTRULE_LINE_MAX) == NULL)
		return refuse(&rd, BERTH_GRANTRULE_LINE_MAX - 1,
			      "line of more than 4095 characters");
	next(&rd);
	if (!rd.len)
		return 0;
	err = read_verb(&rd, out_rule);
	if (!err)
		err = read_subject(&rd, out_rule);
	if (!err)
		err = read_protocols(&rd, out_rule);
	if (!err)
		err = read_ports(&rd, out_ports, &ports_at);
	while (!err && rd.len)
		err = read_option(&rd, out_rule);
	if (err)
		return err;
	if (out_rule->verb == BERTH_GRANTRULE_ALLOW && !out_rule->trusted && is_trusted(out_ports))
		return refuse(
			&rd, ports_at,
			"who binds ports 512-1023 can pose as this host; if that is meant, add "
			"the word trusted");
	return 1;
}
