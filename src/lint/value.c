/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads ports, ranges and addresses out of the values of settings. */
#include "src/lint/value.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

static const char above[] = "no port is above 65535",
		  backwards[] = "the range ends below its start", junk[] = "a port was expected";

static bool is_any(const uint8_t bytes[16])
{
	static const uint8_t zero[16];

	return !memcmp(bytes, zero, 16);
}

bool berth_lint_address_meets(const struct berth_lint_address *a,
			      const struct berth_lint_address *b)
{
	return a->kind == BERTH_LINT_ANY || b->kind == BERTH_LINT_ANY ||
	       (a->kind == b->kind && !memcmp(a->bytes, b->bytes, 16));
}

void berth_lint_address_read(const char *text, size_t len, struct berth_lint_address *out_address)
{
	struct berth_lint_address a = { BERTH_LINT_ANY, { 0 } };
	char host[256];
	size_t i;

	if (len && *text == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	len = len < sizeof(host) - 1 ? len : sizeof(host) - 1;
	memcpy(host, text, len);
	host[len] = 0;
	host[strcspn(host, "%")] = 0;
	if (inet_pton(AF_INET, host, a.bytes) == 1 ||
	    (!strcasecmp(host, "localhost") && inet_pton(AF_INET, "127.0.0.1", a.bytes))) {
		a.kind = is_any(a.bytes) ? BERTH_LINT_ANY : BERTH_LINT_V4;
	} else if (inet_pton(AF_INET6, host, a.bytes) == 1) {
		static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

		a.kind = is_any(a.bytes) ? BERTH_LINT_ANY : BERTH_LINT_V6;
		/* ::ffff:192.0.2.1 keeps IPv4 away. */
		if (!memcmp(a.bytes, mapped, sizeof(mapped))) {
			a.kind = BERTH_LINT_V4;
			memmove(a.bytes, a.bytes + 12, 4);
			memset(a.bytes + 4, 0, 12);
		}
	} else if (*host && strcmp(host, "*") != 0) {
		a.kind = BERTH_LINT_NAME;
		for (i = 0; i < len; i++)
			a.bytes[i % 16] = (uint8_t)(a.bytes[i % 16] * 31 + (uint8_t)host[i]);
	}
	*out_address = a;
}

/* A number up to the first character that is no digit; *text goes there. */
static int read_number(const char **text, uint32_t *out_number, const char **out_what)
{
	const char *at = *text;
	uint32_t n = 0;

	*out_what = junk;
	if (!isdigit((unsigned char)*at))
		return -EINVAL;
	for (; isdigit((unsigned char)*at); at++) {
		n = n * 10 + (uint32_t)(*at - '0');
		*out_what = above;
		if (n > 65535)
			return -EINVAL;
	}
	*text = at;
	*out_number = n;
	return 0;
}

/* Two numbers; the second may be missing. between: what may stand between them. */
static int read_two(const char **text, const char *between, struct berth_lint_ports *out,
		    const char **out_what)
{
	uint32_t first, last;
	size_t gap;

	if (read_number(text, &first, out_what))
		return -EINVAL;
	last = first;
	gap = strspn(*text, between);
	if (gap && isdigit((unsigned char)(*text)[gap])) {
		*text += gap;
		if (read_number(text, &last, out_what))
			return -EINVAL;
	}
	if (last < first) {
		*out_what = backwards;
		return -EINVAL;
	}
	out->floating = last == 0;
	out->ports =
		(struct berth_range){ (uint16_t)(first ? first : 1), (uint16_t)(last ? last : 1) };
	return 1;
}

int berth_lint_read_span(const char *text, struct berth_lint_ports *out_ports,
			 const char **out_what)
{
	struct berth_lint_ports p = { 0 };
	int n;

	text += strspn(text, " \t\"'[");
	if (!isdigit((unsigned char)*text))
		return 0;
	n = read_two(&text, " \t-:,", &p, out_what);
	if (n > 0 && text[strspn(text, " \t\"';,]")] && !isspace((unsigned char)*text)) {
		*out_what = junk;
		return -EINVAL;
	}
	if (n > 0)
		*out_ports = p;
	return n;
}

int berth_lint_read_item(const char **text, struct berth_lint_ports *out_ports,
			 const char **out_what)
{
	struct berth_lint_ports p = { 0 };
	const char *at = *text + strspn(*text, " \t,\"'[];");
	int n;

	if (!*at)
		return 0;
	n = read_two(&at, "-:", &p, out_what);
	if (n > 0 && *at && !strchr(" \t,\"'];", *at)) {
		*out_what = junk;
		return -EINVAL;
	}
	*text = at;
	if (n > 0)
		*out_ports = p;
	return n;
}

/* "udp:", "tcp6://", "http://" in front; *out_protocols where it is a transport. Returns how long it is. */
static size_t scheme_len(const char *text, uint8_t *out_protocols)
{
	size_t n = 0;
	uint8_t p;

	while (isalpha((unsigned char)text[n]) ||
	       (n && (isdigit((unsigned char)text[n]) || text[n] == '-' || text[n] == '_')))
		n++;
	if (!n || text[n] != ':')
		return 0;
	p = !strncasecmp(text, "tcp", 3) || !strncasecmp(text, "tls", 3) ? BERTH_LINT_TCP
	    : !strncasecmp(text, "udp", 3)                               ? BERTH_LINT_UDP
									 : 0;
	if (!strncmp(text + n, "://", 3)) {
		*out_protocols = p;
		return n + 3;
	}
	if (!p || n > 5)
		return 0;
	*out_protocols = p;
	return n + 1;
}

/*
 * HAProxy's family in front of an address, "ipv4@" or "quic6@"; *out_protocols where it is a transport. What is behind
 * the '@' of "ADDR@PORT" is a number.
 */
static size_t family_len(const char *entry, size_t len, uint8_t *out_protocols)
{
	const char *at = memchr(entry, '@', len);

	if (!at || !memchr(at, ':', len - (size_t)(at - entry)) ||
	    memchr(entry, ':', (size_t)(at - entry)))
		return 0;
	if (!strncasecmp(entry, "quic", 4) || !strncasecmp(entry, "udp", 3))
		*out_protocols = BERTH_LINT_UDP;
	return (size_t)(at - entry) + 1;
}

/* True for a socket that has no port: a path, a descriptor, an abstract name. */
static bool is_portless(const char *entry)
{
	static const char *const words[] = { "unix:", "@", "unix@", "abns@", "fd@", "sockpair@" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strncmp(entry, words[i], strlen(words[i])))
			return true;
	return false;
}

/* The port of a URL that names none, RFC 4516; of other schemes nobody listens on such a URL. 0: none. */
static uint16_t usual_port(const char *scheme)
{
	return !strncasecmp(scheme, "ldap://", 7)    ? 389
	       : !strncasecmp(scheme, "ldaps://", 8) ? 636
						     : 0;
}

/* Where the port begins in an entry of len bytes; len where it has none. */
static size_t port_at(const char *entry, size_t len)
{
	const char *bracket = memchr(entry, ']', len), *at = memchr(entry, '@', len), *colon;

	if (at)
		return (size_t)(at - entry) + 1;
	if (bracket)
		return bracket + 1 < entry + len && bracket[1] == ':'
			       ? (size_t)(bracket - entry) + 2
			       : len;
	colon = memchr(entry, ':', len);
	if (!colon)
		return memchr(entry, '.', len) ? len : 0;
	/* More than one colon without brackets is IPv6, and no port; but ":::PORT" is "::" with one. */
	if (len > 3 && !memcmp(entry, ":::", 3) && isdigit((unsigned char)entry[3]))
		return 3;
	if (memchr(colon + 1, ':', len - (size_t)(colon + 1 - entry)))
		return len;
	return (size_t)(colon - entry) + 1;
}

static int read_port_part(const char *part, berth_lint_named named, void *arg,
			  struct berth_lint_ports *p, const char **out_what)
{
	const char *at = part;
	int n;

	if (isdigit((unsigned char)*part)) {
		n = read_two(&at, "-", p, out_what);
		/* nginx, privoxy and ldap may have a flag or a path behind it; a letter is a mistake. */
		if (n > 0 && isalpha((unsigned char)*at) && strcmp(at, "s") != 0) {
			*out_what = junk;
			return -EINVAL;
		}
		return n;
	}
	p->ports.first = named ? named(arg, part, p->protocols) : 0;
	p->ports.last = p->ports.first;
	return p->ports.first != 0;
}

/* True for an address that stands without a port: a number or "*", no name. */
static bool is_address(const char *entry, size_t len, size_t port_at)
{
	struct berth_lint_address a;

	berth_lint_address_read(entry, len, &a);
	return len && a.kind != BERTH_LINT_NAME &&
	       (port_at >= len || !isdigit((unsigned char)*entry));
}

int berth_lint_read_endpoint(const char **text, uint16_t usual, berth_lint_named named, void *arg,
			     struct berth_lint_ports *out_ports, const char **out_what)
{
	struct berth_lint_ports p = { 0 };
	const char *entry = *text + strspn(*text, " \t,\"'");
	size_t len, at;
	uint16_t of_scheme = usual_port(entry);
	char part[64];
	int n;

	entry += scheme_len(entry, &p.protocols);
	len = strcspn(entry, " \t,\"';/");
	*text = entry + len;
	entry += family_len(entry, len, &p.protocols);
	len = (size_t)(*text - entry);
	at = len ? port_at(entry, len) : 0;
	usual = of_scheme && (!at || at >= len)       ? of_scheme
		: usual && is_address(entry, len, at) ? usual
						      : 0;
	if (usual) {
		berth_lint_address_read(entry, len, &p.address);
		p.has_address = true;
		p.ports = (struct berth_range){ usual, usual };
		*out_ports = p;
		return 1;
	}
	/* A path, a variable, a template. */
	if (!len || memchr(entry, '$', len) || memchr(entry, '{', len) || is_portless(entry))
		return 0;
	if (at >= len || len - at >= sizeof(part))
		return 0;
	memcpy(part, entry + at, len - at);
	part[len - at] = 0;
	berth_lint_address_read(entry, at ? at - 1 : 0, &p.address);
	p.has_address = at > 0;
	n = read_port_part(part, named, arg, &p, out_what);
	if (n > 0)
		*out_ports = p;
	return n;
}

int berth_lint_read_mapping(const char *text, struct berth_lint_ports *out_ports,
			    const char **out_what)
{
	struct berth_lint_ports p = { .floating = true, .protocols = BERTH_LINT_TCP };
	size_t len = strcspn(text, "/"), i, last = len, before = len;
	const char *at;
	int n;

	if (strchr(text, '$') || !isdigit((unsigned char)text[strspn(text, ":[]abcdefABCDEF.")]))
		return 0;
	if (text[len] && !strcasecmp(text + len + 1, "udp"))
		p.protocols = BERTH_LINT_UDP;
	for (i = 0; i < len; i++)
		if (text[i] == ':') {
			before = last;
			last = i;
		}
	if (last < len) {
		/* ADDR:HOST:CONTAINER, and HOST may be empty. */
		i = before < last ? before + 1 : 0;
		if (before < last)
			berth_lint_address_read(text, before, &p.address);
		at = text + i;
		if (i < last) {
			n = read_two(&at, "-", &p, out_what);
			if (n < 0 || *at != ':')
				return n < 0 ? n : (*out_what = junk, -EINVAL);
		}
	}
	*out_ports = p;
	return 1;
}

/* The next word of a command line, its quotes taken off, at most size - 1 bytes; false at the end. */
static bool next_word(const char **line, char *buf, size_t size)
{
	/* Mesos: "cpus:4;ports:[31000-32000]" */
	const char *at = *line + strspn(*line, " \t;");
	char quote = 0;
	size_t len = 0;

	if (!*at)
		return false;
	for (; *at && (quote || !strchr(" \t;", *at)); at++) {
		if (quote ? *at == quote : (*at == '"' || *at == '\''))
			quote = quote ? 0 : *at;
		else if (len < size - 1)
			buf[len++] = *at;
	}
	buf[len] = 0;
	*line = at;
	return true;
}

/* The value that is joined to an option's name, or NULL; "" where it is the next word. */
static const char *joined(const char *word, const char *name, size_t len)
{
	if (strncmp(word, name, len) != 0)
		return NULL;
	if (name[len - 1] == '=' || name[len - 1] == ':')
		return word + len;
	if (!word[len])
		return word + len;
	if (word[len] == '=')
		return word + len + 1;
	return len == 2 && name[0] == '-' && isdigit((unsigned char)word[2]) ? word + 2 : NULL;
}

bool berth_lint_find_option(const char *line, const char *names, char *buf, size_t size)
{
	char word[512];

	while (next_word(&line, word, sizeof(word))) {
		const char *name = names, *value = NULL;

		while (*name && !value) {
			size_t len = strcspn(name, "|");

			value = joined(word, name, len);
			name += len + (name[len] == '|');
		}
		if (value && *value) {
			size_t len = strlen(value);

			len = len < size - 1 ? len : size - 1;
			memcpy(buf, value, len);
			buf[len] = 0;
			return true;
		}
		if (value)
			return next_word(&line, buf, size) &&
			       (strcmp(buf, "=") != 0 || next_word(&line, buf, size));
	}
	return false;
}
