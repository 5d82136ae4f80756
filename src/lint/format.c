/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of parsers, and the path that they keep. */
#include "src/lint/format.h"

#include <string.h>

static const struct {
	const char *name;
	void (*parse)(const char *text, size_t len, const struct berth_lint_sink *sink);
} formats[] = {
#define ROW(id, name, parser) { name, berth_lint_parse_##parser },
	BERTH_LINT_FORMATS(ROW)
#undef ROW
};

const char *berth_lint_format_name(enum berth_lint_format format)
{
	return formats[format].name;
}

void berth_lint_parse(enum berth_lint_format format, const char *text, size_t len,
		      const struct berth_lint_sink *sink)
{
	const char *nul = memchr(text, 0, len), *at;
	unsigned line = 1;

	if (nul) {
		for (at = text; at < nul; at++)
			line += *at == '\n';
		sink->malformed(sink->arg, line, "a NUL byte: this is no text");
		return;
	}
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	formats[format].parse(text, len, sink);
}

static bool is_name(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* What is asked for at a '$'; NULL where that is nothing. */
static const char *filled(const struct berth_lint_sink *sink, const char *at, size_t *out_taken)
{
	bool braced = at[1] == '{';
	const char *name = at + 1 + braced;
	size_t len = 0;

	while (is_name(name[len]))
		len++;
	if (!len || (braced && name[len] != '}'))
		return NULL;
	*out_taken = 1 + len + 2 * (size_t)braced;
	return sink->variable(sink->arg, name, len);
}

const char *berth_lint_fill_in(const struct berth_lint_sink *sink, const char *text, char *buf,
			       size_t size)
{
	size_t len = 0, taken = 0;

	if (!sink->variable || !strchr(text, '$'))
		return text;
	while (*text && len < size - 1) {
		const char *put = *text == '$' ? filled(sink, text, &taken) : NULL;
		size_t n = put ? strlen(put) : 1;

		n = n < size - 1 - len ? n : size - 1 - len;
		memcpy(buf + len, put ? put : text, n);
		len += n;
		text += put ? taken : 1;
	}
	buf[len] = 0;
	return buf;
}

bool berth_lint_path_push(struct berth_lint_path *p, const char *name, size_t len)
{
	size_t at = strlen(p->text), room;

	if (p->depth == BERTH_LINT_DEPTH_MAX)
		return false;
	p->mark[p->depth++] = at;
	if (at && at + 1 < sizeof(p->text))
		p->text[at++] = '/';
	room = sizeof(p->text) - 1 - at;
	len = len < room ? len : room;
	memcpy(p->text + at, name, len);
	p->text[at + len] = 0;
	return true;
}

void berth_lint_path_pop(struct berth_lint_path *p)
{
	p->text[p->mark[--p->depth]] = 0;
}
