/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Source ports of NAT in the rules of nft(8) and iptables-save(8): "nat/PROTOCOL", value "FIRST-LAST".
 * Targets of redirect and dnat are no sources, and left out. nft's "include" and "define" are settings of these names.
 */
#include <stdio.h>
#include <string.h>

#include "src/lint/format.h"

#define LINE_MAX_LEN 2048

struct rule {
	char text[LINE_MAX_LEN];
	unsigned line;
};

/* The word behind a word (or words) that stand alone in the line; NULL where they do not. */
static const char *behind(const char *text, const char *words)
{
	size_t len = strlen(words);
	const char *at;

	for (at = strstr(text, words); at; at = strstr(at + 1, words))
		if ((at == text || strchr(" \t", at[-1])) && strchr(" \t", at[len]) && at[len])
			return at + len + strspn(at + len, " \t");
	return NULL;
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);
	const char *at;

	for (at = strstr(text, word); at; at = strstr(at + 1, word))
		if ((at == text || strchr(" \t{,", at[-1])) && strchr(" \t},;", at[len]))
			return true;
	return false;
}

static const char *protocol(const char *text)
{
	bool tcp = has_word(text, "tcp"), udp = has_word(text, "udp");

	return tcp == udp ? "any" : tcp ? "tcp" : "udp";
}

/* The ports of "ADDR:LO-HI", "[ADDR]:LO-HI", ":LO-HI" or, alone, "LO-HI"; false where the word has none. */
static bool ports_of(const char *word, bool alone, char *out, size_t size)
{
	size_t len = strcspn(word, " \t;}"), i, at = len;

	for (i = 0; i < len; i++)
		if (word[i] == ':' && (i == 0 || word[i - 1] == ']' || !memchr(word, '[', len)))
			at = i + 1;
	/* An IPv6 address without brackets has no port behind it. */
	if (len && !memchr(word, '[', len) && memchr(word, ':', len) &&
	    memchr(word, ':', len) != word + at - 1)
		return false;
	at = alone && at == len ? 0 : at;
	if (at >= len || len - at >= size)
		return false;
	memcpy(out, word + at, len - at);
	out[len - at] = 0;
	return !out[strspn(out, "0123456789-")];
}

/* nft: include "FILE", define NAME = VALUE */
static bool take_statement(const struct rule *r, const struct berth_lint_sink *sink)
{
	static const char *const words[] = { "include", "define" };
	const char *text = r->text + strspn(r->text, " \t");
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t len = strlen(words[i]);

		if (!strncmp(text, words[i], len) && text[len] && strchr(" \t", text[len])) {
			sink->item(sink->arg, words[i], text + len + strspn(text + len, " \t"),
				   r->line);
			return true;
		}
	}
	return false;
}

/* One blank between words. */
static void squeeze(char *text)
{
	char *to = text;

	for (; *text; text++)
		if (!strchr(" \t", *text))
			*to++ = *text;
		else if (text[1] && !strchr(" \t", text[1]))
			*to++ = ' ';
	*to = 0;
}

static void take(const struct rule *r, const struct berth_lint_sink *sink)
{
	static const struct {
		const char *words;
		bool alone; /* the word is a range of ports, without an address */
	} ways[] = { { "masquerade to", false },        { "snat to", false },
		     { "snat ip to", false },           { "snat ip6 to", false },
		     { "MASQUERADE --to-ports", true }, { "SNAT --to-source", false } };
	char path[32], value[64], filled[LINE_MAX_LEN];
	const char *word, *text;
	size_t i;

	if (r->text[strspn(r->text, " \t")] == '#' || take_statement(r, sink))
		return;
	text = berth_lint_fill_in(sink, r->text, filled, sizeof(filled));
	for (i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		word = behind(text, ways[i].words);
		if (!word || !ports_of(word, ways[i].alone, value, sizeof(value)))
			continue;
		snprintf(path, sizeof(path), "nat/%s", protocol(text));
		sink->item(sink->arg, path, value, r->line);
		return;
	}
}

void berth_lint_parse_netfilter(const char *text, size_t len, const struct berth_lint_sink *sink)
{
	const char *end = text + len;
	struct rule r = { "", 1 };
	unsigned line = 0;
	size_t used = 0;

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((stop ? stop : end) - text), room = sizeof(r.text) - 1 - used;
		bool goes_on;

		line++;
		n -= n && text[n - 1] == '\r';
		goes_on = n && text[n - 1] == '\\' && stop;
		n -= goes_on;
		n = n < room ? n : room;
		memcpy(r.text + used, text, n);
		used += n;
		r.text[used] = 0;
		text = stop ? stop + 1 : end;
		goes_on = goes_on && r.text[strspn(r.text, " \t")] != '#';
		/* A backslash joins lines, but of a comment: the rule is where it begins. */
		if (goes_on)
			continue;
		squeeze(r.text);
		take(&r, sink);
		r.line = line + 1;
		used = 0;
	}
}
