/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON with the line of each value (RFC 8259); comments are passed over, as programs that read such files do.
 * Library parsers keep no lines.
 */
#include <string.h>

#include "src/lint/format.h"

struct parser {
	const char *at, *end;
	unsigned line;
	const char *wrong; /* why it stopped; NULL while all is well */
	const struct berth_lint_sink *sink;
	struct berth_lint_path path;
	char text[BERTH_LINT_VALUE_MAX];
	size_t len;
	char closes[BERTH_LINT_DEPTH_MAX]; /* '}' or ']' for each that is open */
	unsigned depth;
};

static bool refuse(struct parser *p, const char *what)
{
	if (!p->wrong)
		p->wrong = what;
	return false;
}

static void keep(struct parser *p, char c)
{
	if (p->len < sizeof(p->text) - 1)
		p->text[p->len++] = c;
	p->text[p->len] = 0;
}

static bool starts(const struct parser *p, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(p->end - p->at) >= len && !memcmp(p->at, word, len);
}

static void skip_block_comment(struct parser *p)
{
	for (p->at += 2; p->at < p->end && !starts(p, "*/"); p->at++)
		p->line += *p->at == '\n';
	p->at = p->at < p->end ? p->at + 2 : p->end;
}

/* The next character that means something; 0 at the end. */
static char peek(struct parser *p)
{
	while (p->at < p->end) {
		if (strchr(" \t\r\n", *p->at)) {
			p->line += *p->at++ == '\n';
		} else if (starts(p, "//") || *p->at == '#') {
			while (p->at < p->end && *p->at != '\n')
				p->at++;
		} else if (starts(p, "/*")) {
			skip_block_comment(p);
		} else {
			return *p->at;
		}
	}
	return 0;
}

/* A character by its code; what is above ASCII is nobody's key. */
static bool read_code(struct parser *p)
{
	unsigned code = 0, i;

	for (i = 0; i < 4; i++, p->at++) {
		const char *digits = "0123456789abcdef", *d;

		if (p->at >= p->end || !(d = strchr(digits, *p->at | 32)) || !*d)
			return refuse(p, "four hexadecimal digits expected behind \\u");
		code = code * 16 + (unsigned)(d - digits);
	}
	keep(p, code >= 32 && code < 127 ? (char)code : '?');
	return true;
}

static bool read_string(struct parser *p)
{
	p->len = 0;
	p->text[0] = 0;
	for (p->at++; p->at < p->end && *p->at != '"';) {
		char c = *p->at++;

		if (c == '\n')
			return refuse(p, "a string ends with its line; its quote is missing");
		if (c != '\\') {
			keep(p, c);
			continue;
		}
		if (p->at >= p->end)
			break;
		c = *p->at++;
		if (c == 'u') {
			if (!read_code(p))
				return false;
		} else if (strchr("\"\\/", c)) {
			keep(p, c);
		} else if (strchr("bfnrt", c)) {
			keep(p, ' ');
		} else {
			return refuse(p, "no such escape");
		}
	}
	if (p->at >= p->end)
		return refuse(p, "a string is never closed");
	p->at++;
	return true;
}

/* A number or true, false, null: taken as it stands. */
static bool read_bare(struct parser *p)
{
	p->len = 0;
	p->text[0] = 0;
	while (p->at < p->end && (strchr("+-.", *p->at) || (*p->at >= '0' && *p->at <= '9') ||
				  ((*p->at | 32) >= 'a' && (*p->at | 32) <= 'z')))
		keep(p, *p->at++);
	return p->len > 0 || refuse(p, "a value was expected");
}

static bool open_one(struct parser *p, char closes)
{
	p->at++;
	if (p->depth == BERTH_LINT_DEPTH_MAX - 1)
		return refuse(p, "nested too deep");
	p->closes[p->depth++] = closes;
	if (closes == ']' && !berth_lint_path_push(&p->path, "[]", 2))
		return refuse(p, "nested too deep");
	return true;
}

/* "key": of an object; pushes it. */
static bool read_key(struct parser *p)
{
	if (peek(p) != '"')
		return refuse(p, "a key in quotes was expected");
	if (!read_string(p))
		return false;
	if (!berth_lint_path_push(&p->path, p->text, p->len))
		return refuse(p, "nested too deep");
	if (peek(p) != ':')
		return refuse(p, "\":\" was expected behind the key");
	p->at++;
	return true;
}

/* A value's first part; *out_opened where it is an object or array that has begun. */
static bool read_value(struct parser *p, bool *out_opened)
{
	char c = peek(p);
	unsigned line = p->line;

	*out_opened = c == '{' || c == '[';
	if (*out_opened)
		return open_one(p, c == '{' ? '}' : ']');
	if (c == '"' ? !read_string(p) : !read_bare(p))
		return false;
	p->sink->item(p->sink->arg, p->path.text, p->text, line);
	return true;
}

static bool in_object(const struct parser *p)
{
	return p->depth && p->closes[p->depth - 1] == '}';
}

/* Behind a value: closes what ends here, and goes over the comma. */
static bool after_value(struct parser *p)
{
	for (;;) {
		char c;

		if (in_object(p))
			berth_lint_path_pop(&p->path);
		if (!p->depth)
			return true;
		c = peek(p);
		if (c == ',') {
			p->at++;
			/* A comma at the end is common and harmless. */
			c = peek(p);
			if (c != p->closes[p->depth - 1])
				return true;
		}
		if (c != p->closes[p->depth - 1])
			return refuse(p, c ? "\",\" or the end of the list was expected"
					   : "the file ends within an object or array");
		p->at++;
		p->depth--;
		if (c == ']')
			berth_lint_path_pop(&p->path);
	}
}

static void parse(struct parser *p)
{
	bool opened = false;

	do {
		if (opened && peek(p) == p->closes[p->depth - 1]) {
			p->at++;
			if (p->closes[--p->depth] == ']')
				berth_lint_path_pop(&p->path);
			opened = false;
			if (!after_value(p))
				return;
			continue;
		}
		if (in_object(p) && !read_key(p))
			return;
		if (!read_value(p, &opened))
			return;
		if (!opened && !after_value(p))
			return;
		/* Deluge's files are two objects, the first of which tells their version. */
	} while (p->depth || peek(p) == '{');
	if (peek(p))
		refuse(p, "something follows the value");
}

void berth_lint_parse_json(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	struct parser p = { .at = text, .end = text + len, .line = 1, .sink = sink };

	if (peek(&p))
		parse(&p);
	if (p.wrong)
		sink->malformed(sink->arg, p.line, p.wrong);
}
