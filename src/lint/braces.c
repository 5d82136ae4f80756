/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formats of nested blocks: nginx and named (statements end with ';'), dovecot, HCL and libconfig (or with
 * their line), syslog-ng (parentheses).
 */
#include <string.h>

#include "src/lint/format.h"

enum mode { BRACES, BLOCKS, PARENS };

struct parser {
	const char *at, *end;
	const struct berth_lint_sink *sink;
	enum mode mode;
	unsigned line, began; /* began: of the statement */
	unsigned lists;       /* "[" that are open; their lines do not end a statement */
	unsigned opened[BERTH_LINT_DEPTH_MAX];
	struct berth_lint_path path;
	char text[BERTH_LINT_VALUE_MAX]; /* the statement: words with one blank between them */
	size_t len, words, key_len;
	char last
		[BERTH_LINT_PATH_MAX]; /* the first word of the statement before: its brace may have a line of its own */
};

static void clear(struct parser *p)
{
	p->len = p->words = p->key_len = 0;
	p->lists = 0;
	p->text[0] = 0;
}

static void keep(struct parser *p, char c)
{
	if (p->len < sizeof(p->text) - 1)
		p->text[p->len++] = c;
	p->text[p->len] = 0;
}

static void begin_word(struct parser *p)
{
	if (!p->words)
		p->began = p->line;
	else
		keep(p, ' ');
	p->words++;
}

static void end_word(struct parser *p)
{
	if (p->words == 1)
		p->key_len = p->len;
}

static const char *value_of(const struct parser *p)
{
	return p->key_len < p->len ? p->text + p->key_len + 1 : "";
}

/* Copies the statement's first word. */
static void copy_name(const struct parser *p, char name[BERTH_LINT_PATH_MAX])
{
	size_t len = p->key_len < BERTH_LINT_PATH_MAX ? p->key_len : BERTH_LINT_PATH_MAX - 1;

	memcpy(name, p->text, len);
	name[len] = 0;
}

/* Tells of the statement as a setting; a number alone is the block's: { 5222, 5223 } */
static void emit(struct parser *p)
{
	if (p->words)
		copy_name(p, p->last);
	if (p->words && p->path.depth && *p->text >= '0' && *p->text <= '9')
		p->sink->item(p->sink->arg, p->path.text, p->text, p->began);
	else if (p->words && berth_lint_path_push(&p->path, p->text, p->key_len)) {
		p->sink->item(p->sink->arg, p->path.text, value_of(p), p->began);
		berth_lint_path_pop(&p->path);
	}
	clear(p);
}

static void open_block(struct parser *p)
{
	char name[BERTH_LINT_PATH_MAX];

	if (p->words)
		copy_name(p, name);
	else
		memcpy(name, p->last, sizeof(name));
	/* What stands before the brace is a setting, too: listen-on port 53 { ... } */
	if (p->words > 1)
		emit(p);
	p->last[0] = 0;
	clear(p);
	if (!berth_lint_path_push(&p->path, name, strlen(name))) {
		p->sink->malformed(p->sink->arg, p->line, "blocks are nested too deep");
		p->at = p->end;
		return;
	}
	p->opened[p->path.depth - 1] = p->line;
}

static void close_block(struct parser *p, bool by_paren)
{
	p->last[0] = 0;
	if (!p->path.depth) {
		clear(p);
		p->sink->malformed(p->sink->arg, p->line, "a block is closed that was not opened");
		return;
	}
	if (by_paren && p->words) {
		p->sink->item(p->sink->arg, p->path.text, p->text, p->began);
		clear(p);
	}
	emit(p);
	berth_lint_path_pop(&p->path);
	/* What follows ")" may still be of the statement around it; nothing there is a setting. */
}

static void read_quoted(struct parser *p, char quote)
{
	unsigned line = p->line;
	const char *from = ++p->at;

	begin_word(p);
	for (; p->at < p->end && *p->at != quote; p->at++) {
		if (*p->at == '\\' && p->at + 1 < p->end)
			p->at++;
		p->line += *p->at == '\n';
		keep(p, *p->at);
	}
	if (p->at >= p->end) {
		/* Most likely an apostrophe: the rest of its line is lost, not the rest of the file. */
		p->sink->malformed(p->sink->arg, line, "a quote is never closed");
		p->line = line;
		for (p->at = from; p->at < p->end && *p->at != '\n';)
			p->at++;
		clear(p);
		return;
	}
	p->at++;
	end_word(p);
}

/* "<<EOF": everything up to a line that is the same word. */
static void skip_heredoc(struct parser *p)
{
	const char *tag = p->at + 2;
	size_t len = 0;

	while (tag < p->end && (*tag == '-' || *tag == '~'))
		tag++;
	while (tag + len < p->end && !strchr(" \t\r\n", tag[len]))
		len++;
	p->at = tag + len;
	while (len && p->at < p->end) {
		if (*p->at++ != '\n')
			continue;
		p->line++;
		while (p->at < p->end && (*p->at == ' ' || *p->at == '\t'))
			p->at++;
		if ((size_t)(p->end - p->at) >= len && !memcmp(p->at, tag, len)) {
			p->at += len;
			return;
		}
	}
}

/* syslog-ng's "@include" and "@define", Ganesha's "%include" end with their line; others, "@version", are no settings. */
static void read_pragma(struct parser *p)
{
	const char *stop = memchr(p->at, '\n', (size_t)(p->end - p->at));
	size_t len = (size_t)((stop ? stop : p->end) - p->at), key = 0;

	while (key < len && !strchr(" \t", p->at[key]))
		key++;
	if ((key == 8 && !memcmp(p->at + 1, "include", 7)) ||
	    (key == 7 && !memcmp(p->at, "@define", 7))) {
		begin_word(p);
		for (; len && !strchr("\r\n;#", *p->at); len--)
			keep(p, *p->at++);
		p->key_len = key;
		emit(p);
	}
	p->at = stop ? stop : p->end;
}

static bool ends_word(const struct parser *p, char c)
{
	if (strchr(" \t\r\n;{}\"", c))
		return true;
	if (p->mode == PARENS && (c == '(' || c == ')'))
		return true;
	return (p->mode != BRACES && c == '=') || (p->mode == BLOCKS && c == ']');
}

static void read_word(struct parser *p)
{
	begin_word(p);
	while (p->at < p->end && !ends_word(p, *p->at)) {
		if (*p->at == '\\' && p->at + 1 < p->end && p->at[1] != '\n')
			keep(p, *p->at++);
		/* "${name}" is one word. */
		if (*p->at == '$' && p->at + 1 < p->end && p->at[1] == '{')
			while (p->at < p->end && *p->at != '}' && *p->at != '\n')
				keep(p, *p->at++);
		if (p->at < p->end && *p->at != '\n')
			keep(p, *p->at++);
	}
	/* "key:" of libconfig, and a comma between its settings. */
	if (p->mode == BLOCKS && p->len &&
	    (p->text[p->len - 1] == ',' || (p->words == 1 && p->text[p->len - 1] == ':')))
		p->text[--p->len] = 0;
	end_word(p);
}

static void skip_comment(struct parser *p, bool is_block)
{
	unsigned line = p->line;

	if (!is_block) {
		while (p->at < p->end && *p->at != '\n')
			p->at++;
		return;
	}
	for (p->at += 2; p->at < p->end; p->at++) {
		p->line += *p->at == '\n';
		if (*p->at == '/' && p->at[-1] == '*') {
			p->at++;
			return;
		}
	}
	p->sink->malformed(p->sink->arg, line, "a comment is never closed");
}

static void newline(struct parser *p)
{
	p->line++;
	p->at++;
	if (p->mode == BLOCKS && !p->lists)
		emit(p);
}

static void step(struct parser *p)
{
	char c = *p->at, next = p->at + 1 < p->end ? p->at[1] : 0;

	if (c == '\n')
		newline(p);
	else if (c == '#' || (c == '/' && (next == '/' || next == '*')) ||
		 (c == '-' && next == '-' && p->mode == BLOCKS)) /* Lua */
		skip_comment(p, next == '*' && c == '/');
	else if (!p->words && ((c == '@' && p->mode == PARENS) || (c == '%' && p->mode == BRACES)))
		read_pragma(p);
	else if (c == '"' || (c == '\'' && p->mode != BLOCKS))
		read_quoted(p, c);
	else if (c == '<' && next == '<' && p->mode == BLOCKS)
		skip_heredoc(p);
	else if (c == '\\' && next == '\n')
		p->at += 2, p->line++;
	else if (!strchr(" \t\r;{}()[]=", c))
		read_word(p);
	else {
		if (c == ';')
			emit(p);
		else if (c == '{' || (c == '(' && p->mode == PARENS))
			open_block(p);
		else if (c == '}' || (c == ')' && p->mode == PARENS))
			close_block(p, c == ')');
		else if (p->mode != BLOCKS && !strchr(" \t\r=", c)) {
			read_word(p);
			return;
		} else if (c == '[')
			p->lists++;
		else if (c == ']' && p->lists)
			p->lists--;
		p->at++;
	}
}

static void parse(const char *text, size_t len, enum mode mode, const struct berth_lint_sink *sink)
{
	struct parser p = { .at = text, .end = text + len, .sink = sink, .mode = mode, .line = 1 };

	while (p.at < p.end)
		step(&p);
	if (p.mode == BLOCKS)
		emit(&p);
	while (p.path.depth) {
		sink->malformed(sink->arg, p.opened[p.path.depth - 1],
				"this block is never closed");
		berth_lint_path_pop(&p.path);
	}
}

void berth_lint_parse_braces(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	parse(text, len, BRACES, sink);
}

void berth_lint_parse_blocks(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	parse(text, len, BLOCKS, sink);
}

void berth_lint_parse_parens(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	parse(text, len, PARENS, sink);
}
