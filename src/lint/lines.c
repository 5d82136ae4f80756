/* SPDX-License-Identifier: BSD-2-Clause */
/* Formats that go line by line: key and value, ini, units, columns, shell defaults, sysctl.d. */
#include <stdio.h>
#include <string.h>

#include "src/lint/format.h"

/* Of a call that is never closed the lines behind are not lost. */
#define CALL_LINES_MAX 32

struct reader {
	const char *at, *end;
	unsigned line;    /* of what was read last; begins at 0 */
	unsigned went_on; /* further lines that it took */
	char text[BERTH_LINT_VALUE_MAX];
	size_t len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static char *skip_blanks(char *at)
{
	while (is_blank(*at))
		at++;
	return at;
}

static void trim_end(char *text)
{
	size_t len = strlen(text);

	while (len && is_blank(text[len - 1]))
		text[--len] = 0;
}

/* Appends the next line of the file; true where it ends with a backslash. */
static bool append_line(struct reader *r)
{
	const char *stop = memchr(r->at, '\n', (size_t)(r->end - r->at));
	size_t len = (size_t)((stop ? stop : r->end) - r->at), room = sizeof(r->text) - 1 - r->len;
	bool goes_on;

	if (len && r->at[len - 1] == '\r')
		len--;
	goes_on = len && r->at[len - 1] == '\\';
	if (goes_on)
		len--;
	len = len < room ? len : room;
	memcpy(r->text + r->len, r->at, len);
	r->len += len;
	r->text[r->len] = 0;
	r->at = stop ? stop + 1 : r->end;
	return goes_on;
}

/* The next line, blanks off its ends; NULL where there is none. joins: a backslash at its end joins lines. */
static char *next_line(struct reader *r, bool joins)
{
	char *text;

	if (r->at >= r->end)
		return NULL;
	r->line += 1 + r->went_on;
	r->went_on = 0;
	r->len = 0;
	while (append_line(r) && joins && r->at < r->end)
		r->went_on++;
	text = skip_blanks(r->text);
	trim_end(text);
	return text;
}

/* What looks like a comment and is none: of Kamailio ("#!define"), and of Asterisk ("#include"). */
static bool is_directive(const char *line)
{
	static const char *const words[] = { "#!define",       "#!redefine",    "#!trydef",
					     "#!include_file", "#!import_file", "#include",
					     "#tryinclude" };
	size_t len = strcspn(line, " \t"), i;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (line[len] && strlen(words[i]) == len && !memcmp(line, words[i], len))
			return true;
	return false;
}

static bool is_comment(const char *line)
{
	return !*line || *line == ';' || (*line == '#' && !is_directive(line));
}

/* Cuts a comment off that stands behind a blank, outside of quotes. */
static void cut_comment(char *value, const char *marks)
{
	char quote = 0, *at;

	for (at = value; *at; at++) {
		if (quote) {
			quote = *at == quote ? 0 : quote;
		} else if ((*at == '"' || *at == '\'') && (at == value || is_blank(at[-1]))) {
			quote = *at;
		} else if (strchr(marks, *at) && (at == value || is_blank(at[-1]))) {
			*at = 0;
			trim_end(value);
			return;
		}
	}
}

/* Takes the quotes off a value that is quoted as a whole. */
static char *unquote(char *value)
{
	size_t len = strlen(value);

	if (len >= 2 && (*value == '"' || *value == '\'') && value[len - 1] == *value &&
	    !memchr(value + 1, *value, len - 2)) {
		value[len - 1] = 0;
		return value + 1;
	}
	return value;
}

/* Ends the key at `end`; what follows, without the separator, is the value. */
static char *split_at(char *end, const char *separators)
{
	char *value = skip_blanks(end);

	/* A colon behind a blank may be the value's: "bind :::80". */
	if (*value && strchr(separators, *value) &&
	    !(*value == ':' && value > end && value[1] && !is_blank(value[1])))
		value = skip_blanks(value + 1);
	*end = 0;
	return value;
}

/* rsyslog's "input(" and "include(" go on up to their ")": their lines are one. */
static void join_call(struct reader *r, char *line)
{
	if (strncmp(line, "input(", 6) != 0 && strncmp(line, "include(", 8) != 0)
		return;
	while (r->at < r->end && !strchr(r->text, ')') && r->went_on < CALL_LINES_MAX) {
		cut_comment(line, "#");
		r->len = strlen(r->text);
		if (r->len < sizeof(r->text) - 1)
			r->text[r->len++] = ' ';
		append_line(r);
		r->went_on++;
	}
	trim_end(line);
}

void berth_lint_parse_lines(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	struct reader r = { text, text + len };
	char *key, *value;

	while ((key = next_line(&r, false))) {
		if (is_comment(key) || *key == '<')
			continue;
		join_call(&r, key);
		value = split_at(key + strcspn(key, " \t=:"), "=:");
		cut_comment(value, "#");
		sink->item(sink->arg, key, unquote(value), r.line);
	}
}

/* "[section]" into *path; false where it is none. */
static bool open_section(struct reader *r, char *line, struct berth_lint_path *path,
			 const struct berth_lint_sink *sink)
{
	char *end;

	if (*line != '[')
		return false;
	end = strrchr(line, ']');
	if (path->depth)
		berth_lint_path_pop(path);
	if (!end || end == line + 1)
		sink->malformed(sink->arg, r->line, "a section needs a name and its \"]\"");
	else
		berth_lint_path_push(path, line + 1, (size_t)(end - line - 1));
	return true;
}

/* A key of ini may have blanks: it ends at "=", else at ":", else at a blank. */
static char *split_ini(char *key)
{
	char *end = strchr(key, '='), *value;

	if (!end)
		end = key + strcspn(key, ":");
	if (!*end)
		end = key + strcspn(key, " \t");
	value = skip_blanks(*end ? end + 1 : end);
	/* Asterisk writes "=>". */
	if (*end == '=' && *value == '>')
		value = skip_blanks(value + 1);
	*end = 0;
	trim_end(key);
	return value;
}

static void parse_sections(const char *text, size_t len, bool joins, const char *comments,
			   const struct berth_lint_sink *sink)
{
	struct berth_lint_path path = { "" };
	struct reader r = { text, text + len };
	char *key, *value;

	while ((key = next_line(&r, joins))) {
		if (is_comment(key) || open_section(&r, key, &path, sink))
			continue;
		value = split_ini(key);
		cut_comment(value, comments);
		berth_lint_path_push(&path, key, strlen(key));
		sink->item(sink->arg, path.text, unquote(value), r.line);
		berth_lint_path_pop(&path);
	}
}

void berth_lint_parse_ini(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	parse_sections(text, len, false, "#;", sink);
}

/* systemd.syntax(7): no comments behind values, a backslash joins lines. */
void berth_lint_parse_unit(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	parse_sections(text, len, true, "", sink);
}

void berth_lint_parse_words(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	struct berth_lint_path path = { "" };
	struct reader r = { text, text + len };
	char *first, *second, *rest;

	while ((first = next_line(&r, true))) {
		if (is_comment(first))
			continue;
		cut_comment(first, "#");
		second = split_at(first + strcspn(first, " \t"), "");
		sink->item(sink->arg, first, second, r.line);
		rest = split_at(second + strcspn(second, " \t"), "=");
		berth_lint_path_push(&path, first, strlen(first));
		berth_lint_path_push(&path, second, strlen(second));
		sink->item(sink->arg, path.text, unquote(rest), r.line);
		berth_lint_path_pop(&path);
		berth_lint_path_pop(&path);
	}
}

/* A line that begins with a blank goes on with the one before: master.cf; its columns are not its own. */
void berth_lint_parse_columns(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	struct reader r = { text, text + len };
	char *first, *second, *third, path[BERTH_LINT_PATH_MAX];

	while ((first = next_line(&r, false))) {
		if (is_comment(first) || first != r.text)
			continue;
		second = split_at(first + strcspn(first, " \t"), "");
		third = split_at(second + strcspn(second, " \t"), "");
		third[strcspn(third, " \t")] = 0;
		snprintf(path, sizeof(path), "%s/%s", second, third);
		sink->item(sink->arg, path, first, r.line);
	}
}

void berth_lint_parse_bare(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	struct reader r = { text, text + len };
	char *value;

	while ((value = next_line(&r, false)))
		if (!is_comment(value))
			sink->item(sink->arg, "", value, r.line);
}

/* sysctl.d(5): "-" in front forgives errors; '/' separates where it comes before the first dot. */
void berth_lint_parse_sysctl(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	struct reader r = { text, text + len };
	char *key, *value, *at;

	while ((key = next_line(&r, false))) {
		if (is_comment(key))
			continue;
		key += *key == '-';
		at = strchr(key, '=');
		if (!at) {
			sink->malformed(sink->arg, r.line, "\"name = value\" expected");
			continue;
		}
		value = split_at(at, "=");
		trim_end(key);
		if (key[strcspn(key, "./")] == '/')
			for (at = key; *at; at++)
				*at = (char)(*at == '/' ? '.' : *at == '.' ? '/' : *at);
		sink->item(sink->arg, skip_blanks(key), value, r.line);
	}
}

/* ---- shell ---- */

static bool is_name(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!(text[i] == '_' || (text[i] >= '0' && text[i] <= '9' && i) ||
		      ((text[i] | 32) >= 'a' && (text[i] | 32) <= 'z')))
			return false;
	return len > 0;
}

struct shell {
	const char *at, *end;
	unsigned line;
	const struct berth_lint_sink *sink;
	char value[BERTH_LINT_VALUE_MAX];
	size_t len;
};

static void keep(struct shell *s, char c)
{
	if (s->len < sizeof(s->value) - 1)
		s->value[s->len++] = c;
	s->value[s->len] = 0;
}

/* The length of a variable's name at `at`. */
static size_t name_len(const char *at, const char *end)
{
	size_t len = 0;

	while (at + len < end && len < BERTH_LINT_PATH_MAX &&
	       (is_name(at + len, 1) || (len && at[len] >= '0' && at[len] <= '9')))
		len++;
	return len;
}

/*
 * "$NAME", "${NAME}" or "${NAME:-WORD}" becomes what the variable holds. Where nothing is known of it the text stays, or WORD does.
 * Returns false, and takes nothing, for what is none.
 */
static bool read_variable(struct shell *s)
{
	bool braced = s->at + 1 < s->end && s->at[1] == '{';
	const char *name = s->at + 1 + braced, *value, *word, *stop;
	size_t len = name_len(name, s->end), room = (size_t)(s->end - name);

	word = stop = name + len;
	if (!len || !s->sink->variable)
		return false;
	if (braced) {
		word += word < s->end && *word == ':';
		word += word < s->end && *word == '-';
		room = room < BERTH_LINT_VALUE_MAX ? room : BERTH_LINT_VALUE_MAX;
		stop = memchr(name, '}', room);
		if (!stop || (word == name + len && stop != word) ||
		    memchr(word, '\n', (size_t)(stop - word)))
			return false;
	}
	value = s->sink->variable(s->sink->arg, name, len);
	if (!value && word == name + len)
		return false;
	if (value)
		while (*value)
			keep(s, *value++);
	else
		while (word < stop)
			keep(s, *word++);
	s->at = stop + braced;
	return true;
}

/* The quoted part behind the quote; false where it never ends. */
static bool read_quoted(struct shell *s, char quote)
{
	for (; s->at < s->end && *s->at != quote; s->at++) {
		if (*s->at == '$' && quote == '"' && read_variable(s)) {
			s->at--;
			continue;
		}
		s->line += *s->at == '\n';
		if (*s->at == '\\' && quote == '"' && s->at + 1 < s->end) {
			s->at++;
			s->line += *s->at == '\n';
			if (*s->at == '\n')
				continue;
		}
		keep(s, *s->at == '\n' ? ' ' : *s->at);
	}
	if (s->at >= s->end)
		return false;
	s->at++;
	return true;
}

/* One word of the shell, its quotes taken off. */
static bool read_word(struct shell *s)
{
	s->len = 0;
	s->value[0] = 0;
	while (s->at < s->end && *s->at != '\n' && !is_blank(*s->at) && *s->at != ';') {
		char c;

		if (*s->at == '$' && read_variable(s))
			continue;
		c = *s->at++;
		if (c == '"' || c == '\'') {
			if (!read_quoted(s, c))
				return false;
		} else if (c == '\\' && s->at < s->end) {
			s->line += *s->at == '\n';
			if (*s->at != '\n')
				keep(s, *s->at);
			s->at++;
		} else {
			keep(s, c);
		}
	}
	return true;
}

static void skip_line(struct shell *s)
{
	const char *stop = memchr(s->at, '\n', (size_t)(s->end - s->at));

	s->at = stop ? stop + 1 : s->end;
	s->line++;
}

/* The name of an assignment at the beginning of a line; 0 where it is another command. */
static size_t assignment(struct shell *s)
{
	const char *stop, *equal;

	while (s->at < s->end && is_blank(*s->at))
		s->at++;
	if (s->end - s->at > 7 && !memcmp(s->at, "export ", 7))
		s->at += 7;
	stop = memchr(s->at, '\n', (size_t)(s->end - s->at));
	equal = memchr(s->at, '=', (size_t)((stop ? stop : s->end) - s->at));
	return equal && is_name(s->at, (size_t)(equal - s->at)) ? (size_t)(equal - s->at) : 0;
}

void berth_lint_parse_shell(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	struct shell s = { text, text + len, 1, sink };

	while (s.at < s.end) {
		size_t name_len = assignment(&s);
		char name[BERTH_LINT_PATH_MAX];
		unsigned line = s.line;

		if (name_len && name_len < sizeof(name)) {
			const char *resume;

			memcpy(name, s.at, name_len);
			name[name_len] = 0;
			s.at += name_len + 1;
			resume = s.at;
			if (read_word(&s)) {
				sink->item(sink->arg, name, s.value, line);
			} else {
				sink->malformed(sink->arg, line, "a quote is never closed");
				s.at = resume;
				s.line = line;
			}
		}
		skip_line(&s);
	}
}
