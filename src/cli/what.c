/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads what `berth explain` is asked. */
#include "src/cli/what.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/base/near.h"
#include "src/registry/schemes.h"

#define WORDS 8

static int refuse(struct berth_why *why, const char *word, const char *what)
{
	return berth_why(why, -EINVAL, "\"%.100s\": %s; see \"berth help explain\"", word, what);
}

#define ERRNOS 134 /* of Linux, and one more */

/* The number of an errno by its name, case ignored; 0 where there is none. */
static int errno_find(const char *name)
{
	const char *known;
	int i;

	for (i = 1; i < ERRNOS; i++) {
		known = strerrorname_np(i);
		if (known && !strcasecmp(known, name))
			return i;
	}
	return 0;
}

const char *berth_what_near(const char *name)
{
	struct berth_near near = { 0 };
	char upper[BERTH_WHAT_TEXT] = "";
	const char *known;
	size_t i;

	for (i = 0; name[i] && i + 1 < sizeof(upper); i++)
		upper[i] = (char)toupper((unsigned char)name[i]);
	for (i = 1; i < ERRNOS; i++) {
		known = strerrorname_np((int)i);
		if (known)
			berth_near_consider(upper, known, strlen(known), &near);
	}
	return near.text;
}

/* A port of digits only, 0 to 65535. */
static bool read_port(const char *text, uint16_t *out)
{
	unsigned long n = 0;
	const char *p;

	for (p = text; *p; p++) {
		if (*p < '0' || *p > '9' || p - text > 6)
			return false;
		n = n * 10 + (unsigned long)(*p - '0');
	}
	if (p == text || n > 65535)
		return false;
	*out = (uint16_t)n;
	return true;
}

static int read_protocol(const char *text)
{
	return !strcasecmp(text, "tcp") ? 6 : !strcasecmp(text, "udp") ? 17 : 0;
}

static bool keep(char *into, size_t size, const char *text, size_t len)
{
	if (len >= size)
		return false;
	memcpy(into, text, len);
	into[len] = 0;
	return true;
}

/* "addr%device" into its parts. */
static bool keep_host(struct berth_what *w, const char *text, size_t len)
{
	const char *percent = memchr(text, '%', len);
	size_t host = percent ? (size_t)(percent - text) : len;

	if (percent && !keep(w->device, sizeof(w->device), percent + 1, len - host - 1))
		return false;
	/* "*" is every address. */
	return host == 1 && *text == '*' ? true : keep(w->host, sizeof(w->host), text, host);
}

/* "HOST:PORT", "[V6]:PORT", ":PORT", "PORT", "V6", "HOST"; needs_port: a number alone is a port. */
static int read_endpoint(const char *text, struct berth_what *w, struct berth_why *why)
{
	const char *colon = strrchr(text, ':'), *close = strchr(text, ']');
	const char *port = NULL;
	bool ok;

	if (*text == '[') {
		if (!close || (close[1] && close[1] != ':'))
			return refuse(why, text, "brackets hold an IPv6 address, as in [::1]:80");
		ok = keep_host(w, text + 1, (size_t)(close - text - 1));
		port = close[1] ? close + 2 : NULL;
	} else if (colon && strchr(text, ':') == colon) {
		ok = keep_host(w, text, (size_t)(colon - text));
		port = colon + 1;
	} else if (read_port(text, &w->port)) {
		w->has_port = true;
		return 0;
	} else {
		ok = keep_host(w, text, strlen(text));
	}
	if (!ok)
		return refuse(why, text, "too long for an address");
	if (port && !read_port(port, &w->port))
		return refuse(why, port, "a port is a number from 0 to 65535");
	w->has_port = port != NULL;
	return 0;
}

/* Takes "/tcp" or "udp/" off a text. */
static void take_protocol(char *text, struct berth_what *w)
{
	char *slash = strchr(text, '/');
	int protocol;

	if (!slash)
		return;
	protocol = read_protocol(slash + 1);
	*slash = 0;
	if (protocol) {
		w->protocol = protocol;
		return;
	}
	protocol = read_protocol(text);
	*slash = '/';
	if (protocol) {
		w->protocol = protocol;
		memmove(text, slash + 1, strlen(slash + 1) + 1);
	}
}

static int read_url(const char *text, const char *colon, struct berth_what *w,
		    struct berth_why *why)
{
	const struct berth_scheme *scheme = berth_scheme_find(text, (size_t)(colon - text));
	const char *host = colon + 3, *end = host + strcspn(host, "/?#"), *at;
	char authority[BERTH_WHAT_TEXT];
	int ret;

	if (!keep(w->scheme, sizeof(w->scheme), text, (size_t)(colon - text)))
		return refuse(why, text, "this is no scheme of a URL");
	/* What stands before "@" is a name and a password: nothing to keep or to show. */
	at = memrchr(host, '@', (size_t)(end - host));
	if (at)
		host = at + 1;
	if (!keep(authority, sizeof(authority), host, (size_t)(end - host)))
		return refuse(why, text, "too long for a URL");
	ret = read_endpoint(authority, w, why);
	if (ret)
		return ret;
	w->kind = BERTH_WHAT_CONNECT;
	if (!*w->host)
		return refuse(why, text, "the URL names no host");
	if (w->has_port && w->port)
		return 0;
	if (!scheme)
		return refuse(why, w->scheme,
			      "no default port is known for this scheme; write one");
	w->port = scheme->port;
	w->has_port = w->default_port = true;
	if (!(scheme->transports & 1u << BERTH_TRANSPORT_TCP))
		w->protocol = 17;
	return 0;
}

/* "as USER", "from ADDR[:PORT]", "tcp", "udp" behind an action. */
static int read_rest(char **word, int count, struct berth_what *w, struct berth_why *why)
{
	struct berth_what from = { 0 };
	int i, ret;

	for (i = 0; i < count; i++) {
		if (read_protocol(word[i])) {
			w->protocol = read_protocol(word[i]);
		} else if (i + 1 < count && !strcmp(word[i], "as")) {
			if (!keep(w->user, sizeof(w->user), word[i + 1], strlen(word[i + 1])))
				return refuse(why, word[i + 1], "too long for a user's name");
			i++;
		} else if (i + 1 < count && !strcmp(word[i], "from") &&
			   w->kind == BERTH_WHAT_CONNECT) {
			ret = read_endpoint(word[++i], &from, why);
			if (ret)
				return ret;
			memcpy(w->source, from.host, sizeof(w->source));
			w->source_port = from.port;
		} else {
			return refuse(why, word[i], "not understood here");
		}
	}
	return 0;
}

static int read_action(char **word, int count, struct berth_what *w, struct berth_why *why)
{
	int ret;

	w->listens = !strcmp(word[0], "listen");
	w->kind = !strcmp(word[0], "connect") ? BERTH_WHAT_CONNECT : BERTH_WHAT_BIND;
	if (count < 2)
		return refuse(why, word[0],
			      "name an address and a port, as in \"bind 0.0.0.0:80\"");
	take_protocol(word[1], w);
	ret = read_endpoint(word[1], w, why);
	if (ret)
		return ret;
	if (!w->has_port)
		return refuse(why, word[1], "a port is missing, as in \"0.0.0.0:80\"");
	if (w->kind == BERTH_WHAT_CONNECT && !w->port)
		return refuse(why, word[1], "nobody can be reached on port 0");
	return read_rest(word + 2, count - 2, w, why);
}

static int read_single(char *text, struct berth_what *w, struct berth_why *why)
{
	const char *url = strstr(text, "://");
	int ret;

	if (url)
		return read_url(text, url, w, why);
	take_protocol(text, w);
	if (toupper((unsigned char)*text) == 'E') {
		w->error = errno_find(text);
		w->kind = BERTH_WHAT_ERRNO;
		if (w->error)
			return 0;
	}
	w->kind = BERTH_WHAT_PORT;
	ret = read_endpoint(text, w, why);
	if (ret)
		return ret;
	if (w->has_port && !w->port)
		return refuse(why, text,
			      "port 0 stands for \"the kernel chooses\"; ask \"bind :0\"");
	if (!w->has_port) {
		if (*text >= '0' && *text <= '9')
			return refuse(why, text, "a port is a number from 1 to 65535");
		w->kind = BERTH_WHAT_WORD;
	}
	return 0;
}

/* Neither addresses nor names have anything but ASCII; so what is refused can be shown. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < 32 && *text != '\t' && *text != '\n') ||
		    (unsigned char)*text > 126)
			return false;
	return true;
}

int berth_what_parse(char *const *words, int count, struct berth_what *out_what,
		     struct berth_why *why)
{
	char text[2 * BERTH_WHAT_TEXT], *word[WORDS], *next = text;
	struct berth_what w = { 0 };
	size_t used = 0, len;
	int i, n = 0, ret;

	for (i = 0; i < count; i++) {
		len = strlen(words[i]);
		if (!is_plain(words[i]))
			return berth_why(
				why, -EINVAL,
				"the question has bytes that are neither letters, digits nor signs");
		if (used + len + 2 > sizeof(text))
			return berth_why(why, -EINVAL, "the question is too long");
		memcpy(text + used, words[i], len);
		used += len;
		text[used++] = ' ';
	}
	text[used] = 0;
	for (;;) {
		char *w1 = strtok_r(n ? NULL : text, " \t\n", &next);

		if (!w1)
			break;
		if (n == WORDS)
			return berth_why(why, -EINVAL,
					 "too many words; see \"berth help explain\"");
		word[n++] = w1;
	}
	if (!n)
		return berth_why(
			why, -EINVAL,
			"name a port, an address, a URL or an errno; see \"berth help explain\"");
	if (!strcmp(word[0], "bind") || !strcmp(word[0], "listen") || !strcmp(word[0], "connect"))
		ret = read_action(word, n, &w, why);
	else if (n > 1)
		ret = refuse(why, word[1], "not understood here");
	else
		ret = read_single(word[0], &w, why);
	if (!ret)
		*out_what = w;
	return ret;
}
