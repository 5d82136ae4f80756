/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration that is a program or its data: calls of Lua (dnsdist, Knot Resolver) and terms of Erlang
 * (sys.config). Only what is written out is read; nothing is computed.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "src/lint/format.h"

struct parser {
	const char *at, *end;
	const struct berth_lint_sink *sink;
	unsigned line, began;
	bool by_line; /* a call was never closed: from there on one has a line */
	char text[BERTH_LINT_VALUE_MAX];
	size_t len;
};

static void clear(struct parser *p)
{
	p->len = 0;
	p->text[0] = 0;
}

static void keep(struct parser *p, char c)
{
	if (p->len < sizeof(p->text) - 1)
		p->text[p->len++] = c;
	p->text[p->len] = 0;
}

/* One blank, however many separators there were. */
static void keep_blank(struct parser *p)
{
	if (p->len && p->text[p->len - 1] != ' ')
		keep(p, ' ');
}

static void skip_line(struct parser *p)
{
	const char *stop = memchr(p->at, '\n', (size_t)(p->end - p->at));

	p->at = stop ? stop : p->end;
}

/* Goes over what "--[[" opens; false where it is never closed. */
static bool skip_long_comment(struct parser *p)
{
	for (; p->at < p->end; p->at++) {
		p->line += *p->at == '\n';
		if (*p->at == ']' && p->at + 1 < p->end && p->at[1] == ']') {
			p->at += 2;
			return true;
		}
	}
	return false;
}

/* A quoted string is kept without its quotes; false, and told, where its line does not close it. */
static bool read_quoted(struct parser *p)
{
	char quote = *p->at++;

	for (; p->at < p->end && *p->at != quote && *p->at != '\n'; p->at++) {
		if (*p->at == '\\' && p->at + 1 < p->end && p->at[1] != '\n')
			p->at++;
		keep(p, *p->at);
	}
	if (p->at < p->end && *p->at == quote) {
		p->at++;
		return true;
	}
	p->sink->malformed(p->sink->arg, p->line, "a quote is never closed");
	return false;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || strchr("_.:@", c);
}

/* ---- Lua ---- */

/* Goes over a comment and the end of a line; false where there is neither. */
static bool skip_lua(struct parser *p)
{
	unsigned line = p->line;

	if (*p->at == '\n') {
		p->line++;
		p->at++;
		return true;
	}
	if (*p->at != '-' || p->at + 1 == p->end || p->at[1] != '-')
		return false;
	if (p->end - p->at < 4 || p->at[2] != '[' || p->at[3] != '[')
		skip_line(p);
	else if (!skip_long_comment(p))
		p->sink->malformed(p->sink->arg, line, "a comment is never closed");
	return true;
}

/* Keeps the arguments up to the parenthesis that closes; what stands between them becomes a blank. */
static bool keep_arguments(struct parser *p, bool *out_closed)
{
	unsigned open = 1;

	while (p->at < p->end && open && !(p->by_line && *p->at == '\n')) {
		char c = *p->at;

		if (skip_lua(p)) {
			keep_blank(p);
		} else if (c == '"' || c == '\'') {
			if (!read_quoted(p))
				return false;
		} else {
			open += c == '(';
			open -= c == ')';
			if (strchr(" \t\r,(){}=", c))
				keep_blank(p);
			else
				keep(p, c);
			p->at++;
		}
	}
	*out_closed = !open;
	return true;
}

/* A call that is never closed is told once; what stands behind its name is read again. */
static void read_call(struct parser *p, const char *name)
{
	const char *from = p->at;
	bool closed;

	clear(p);
	if (!keep_arguments(p, &closed))
		return;
	if (!closed) {
		if (!p->by_line) {
			p->sink->malformed(p->sink->arg, p->began, "this call is never closed");
			p->by_line = true;
			p->at = from;
			p->line = p->began;
		}
		return;
	}
	if (p->len && p->text[p->len - 1] == ' ')
		p->text[--p->len] = 0;
	p->sink->item(p->sink->arg, name, p->text, p->began);
}

void berth_lint_parse_calls(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	struct parser p = { .at = text, .end = text + len, .sink = sink, .line = 1 };
	char name[BERTH_LINT_PATH_MAX];
	size_t n;

	while (p.at < p.end) {
		if (skip_lua(&p))
			continue;
		if (*p.at == '"' || *p.at == '\'') {
			clear(&p);
			read_quoted(&p);
			continue;
		}
		for (n = 0; p.at + n < p.end && is_word(p.at[n]); n++)
			;
		p.began = p.line;
		if (n && n < sizeof(name) && p.at + n < p.end && p.at[n] == '(') {
			memcpy(name, p.at, n);
			name[n] = 0;
			p.at += n + 1;
			read_call(&p, name);
		} else {
			p.at += n ? n : 1;
		}
	}
}

/* ---- Erlang ---- */

struct terms {
	struct parser p;
	struct berth_lint_path path;
	/* Of each "{" and "[" that is open: whether it gave the path a part. */
	bool named[BERTH_LINT_DEPTH_MAX];
	char open[BERTH_LINT_DEPTH_MAX];
	unsigned opened[BERTH_LINT_DEPTH_MAX];
	unsigned depth;
	char host[64]; /* of {"HOST", PORT} */
};

static void blanks(struct parser *p)
{
	while (p->at < p->end) {
		if (*p->at == '%')
			skip_line(p);
		else if (!isspace((unsigned char)*p->at))
			return;
		else
			p->line += *p->at++ == '\n';
	}
}

/* A string, an atom or a number. */
static void read_scalar(struct parser *p)
{
	clear(p);
	p->began = p->line;
	if (*p->at == '"' || *p->at == '\'') {
		read_quoted(p);
		return;
	}
	if (!is_word(*p->at))
		p->at++;
	while (p->at < p->end && is_word(*p->at))
		keep(p, *p->at++);
}

/* What "{" opens has the name of its first atom, where more follows it. */
static void open_term(struct terms *t, char bracket)
{
	struct parser *p = &t->p;
	const char *before = p->at;
	unsigned line = p->line;

	t->host[0] = 0;
	t->named[t->depth] = false;
	t->open[t->depth] = bracket;
	t->opened[t->depth++] = line;
	blanks(p);
	if (bracket != '{' || p->at == p->end ||
	    !(islower((unsigned char)*p->at) || *p->at == '\''))
		return;
	read_scalar(p);
	blanks(p);
	if (p->at < p->end && *p->at == ',' && berth_lint_path_push(&t->path, p->text, p->len)) {
		t->named[t->depth - 1] = true;
		return;
	}
	p->at = before;
	p->line = line;
}

static void close_term(struct terms *t)
{
	if (!t->depth) {
		t->p.sink->malformed(t->p.sink->arg, t->p.line,
				     "a term is closed that was not opened");
		return;
	}
	if (t->named[--t->depth])
		berth_lint_path_pop(&t->path);
	t->host[0] = 0;
}

/* A value; the number in {"HOST", PORT} is "HOST:PORT". */
static void take_scalar(struct terms *t, bool quoted)
{
	struct parser *p = &t->p;
	char both[sizeof(t->host) + 16];
	const char *value = p->text;

	if (t->host[0] && isdigit((unsigned char)*value) && p->len < 8) {
		snprintf(both, sizeof(both), strchr(t->host, ':') ? "[%s]:%s" : "%s:%s", t->host,
			 value);
		value = both;
	} else if (quoted && t->depth && t->open[t->depth - 1] == '{' && !t->named[t->depth - 1] &&
		   p->len < sizeof(t->host)) {
		memcpy(t->host, p->text, p->len + 1);
		return;
	}
	if (t->path.depth && p->len)
		p->sink->item(p->sink->arg, t->path.text, value, p->began);
	t->host[0] = 0;
}

void berth_lint_parse_terms(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	struct terms t = { .p = { .at = text, .end = text + len, .sink = sink, .line = 1 } };
	struct parser *p = &t.p;

	for (blanks(p); p->at < p->end; blanks(p)) {
		char c = *p->at;

		if (c == '{' || c == '[') {
			p->at++;
			if (t.depth == BERTH_LINT_DEPTH_MAX) {
				sink->malformed(sink->arg, p->line, "terms are nested too deep");
				return;
			}
			open_term(&t, c);
		} else if (c == '}' || c == ']') {
			p->at++;
			close_term(&t);
		} else if (is_word(c) || c == '"' || c == '\'') {
			read_scalar(p);
			take_scalar(&t, c == '"');
		} else {
			p->at++;
		}
	}
	while (t.depth--)
		sink->malformed(sink->arg, t.opened[t.depth], "this term is never closed");
}
