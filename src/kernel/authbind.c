/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads byport, byaddr and byuid. */
#include "src/kernel/authbind.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/auto.h"
#include "src/core/grantrule.h"
#include "src/kernel/file.h"

/* An address and port with a byaddr file. */
struct decided {
	struct berth_prefix addr;
	uint32_t port;
};

struct reader {
	struct berth_grant_rules *rules;
	const char *folder;
	struct berth_portset decided; /* ports with a byport file */
	struct decided *addrs;
	uint32_t addr_count;
	struct berth_why *why;
};

/* What a name or line grants, before it is known to whom. */
struct claim {
	bool trusted;
	bool has_prefix;
	struct berth_prefix prefix;
	struct berth_portset ports;
};

static void note(const struct reader *rd, const char *path, const char *what)
{
	char sentence[PATH_MAX + 128];

	snprintf(sentence, sizeof(sentence), "%s: %s", path, what);
	if (rd->rules->note)
		rd->rules->note(rd->rules->arg, sentence);
}

static void format_prefix(const struct berth_prefix *p, char *out, size_t size)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(p->is_v4 ? AF_INET : AF_INET6, p->addr + (p->is_v4 ? 12 : 0), addr, sizeof(addr));
	snprintf(out, size, " on %s/%d", addr, p->is_v4 ? p->len - 96 : p->len);
}

/* Enters the rule; subject is "user=7 ", "group=7 " or "". */
static int grant(struct reader *rd, const char *path, const struct claim *c, const char *subject)
{
	char prefix[64] = "", line[BERTH_GRANTRULE_LINE_MAX], ports[1024];

	if (berth_portset_format(&c->ports, ports, sizeof(ports)) >= sizeof(ports)) {
		note(rd, path, "too many ports for one rule; left out");
		return 0;
	}
	if (c->has_prefix)
		format_prefix(&c->prefix, prefix, sizeof(prefix));
	snprintf(line, sizeof(line), "allow %stcp,udp %s%s%s", subject, ports, prefix,
		 c->trusted ? " trusted" : "");
	return berth_grant_rules_add(rd->rules, path, line, rd->why);
}

/* Whoever may execute the file: its owner, its group, everybody. */
static int grant_by_mode(struct reader *rd, const char *path, const struct claim *c)
{
	char subject[32];
	struct stat st;
	int err = 0;

	if (stat(path, &st))
		return berth_why(rd->why, -errno, "%s: %s", path, strerror(errno));
	if (st.st_mode & S_IXOTH)
		return grant(rd, path, c, "");
	if (st.st_mode & S_IXUSR) {
		snprintf(subject, sizeof(subject), "user=%u ", (unsigned)st.st_uid);
		err = grant(rd, path, c, subject);
	}
	if (!err && (st.st_mode & S_IXGRP)) {
		snprintf(subject, sizeof(subject), "group=%u ", (unsigned)st.st_gid);
		err = grant(rd, path, c, subject);
	}
	return err;
}

/* Ports 512 to 1023 count with the mark only, and with it no others are needed: it is kept where it is void. */
static void apply_mark(struct claim *c)
{
	const struct berth_range marked = { BERTH_GRANTRULE_TRUSTED_FIRST,
					    BERTH_GRANTRULE_TRUSTED_LAST };

	if (!c->trusted)
		berth_portset_remove_range(&c->ports, marked);
}

static bool read_ports(const char *text, struct berth_portset *out)
{
	struct berth_range_error error;

	return !berth_portset_parse(text, out, &error) && out->count;
}

/* An address, or a prefix with or without bits beyond its length. */
static bool read_prefix(const char *text, size_t n, struct claim *c)
{
	const char *slash = memchr(text, '/', n), *what;
	size_t addr = slash ? (size_t)(slash - text) : n, at;
	unsigned bit, len, width;

	if (berth_prefix_parse(text, addr, &c->prefix, &at, &what))
		return false;
	width = c->prefix.is_v4 ? 32 : 128;
	len = slash ? (unsigned)strtoul(slash + 1, NULL, 10) : width;
	if (len > width || (slash && (slash[1] < '0' || slash[1] > '9')))
		return false;
	c->prefix.len = (uint8_t)(128 - width + len);
	for (bit = c->prefix.len; bit < 128; bit++)
		c->prefix.addr[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	c->has_prefix = true;
	return true;
}

/* Takes the mark off the front of a name or line. */
static const char *unmark(const char *text, struct claim *c)
{
	c->trusted = text[0] == '!';
	return text + c->trusted;
}

static int read_byport(struct reader *rd, const char *name, const char *path)
{
	static struct claim c;

	c = (struct claim){ 0 };
	name = unmark(name, &c);
	if (name[strspn(name, "0123456789")] || !read_ports(name, &c.ports)) {
		note(rd, path, "no port; left out");
		return 0;
	}
	apply_mark(&c);
	if (!c.ports.count) {
		note(rd, path, "ports 512-1023 need \"!\" before their number; left out");
		return 0;
	}
	berth_portset_add(&rd->decided, (uint32_t)berth_portset_next(&c.ports, 0));
	return grant_by_mode(rd, path, &c);
}

/* Takes the ports that a byport file has decided out; false where none is left. */
static bool keep_undecided(const struct reader *rd, struct claim *c)
{
	int32_t p;

	for (p = berth_portset_next(&rd->decided, 0); p >= 0;
	     p = p == 65535 ? -1 : berth_portset_next(&rd->decided, (uint32_t)p + 1))
		berth_portset_remove(&c->ports, (uint32_t)p);
	apply_mark(c);
	return c->ports.count;
}

static int note_decided(struct reader *rd, const struct claim *c)
{
	struct decided *more = realloc(rd->addrs, (rd->addr_count + 1) * sizeof(*more));

	if (!more)
		return berth_why(rd->why, -ENOMEM, "no memory for the rules");
	rd->addrs = more;
	more[rd->addr_count++] =
		(struct decided){ c->prefix, (uint32_t)berth_portset_next(&c->ports, 0) };
	return 0;
}

/*
 * Takes the ports out that a byaddr file has decided for an address of the claim; false where none is left. A rule
 * cannot leave out one address of many: the port goes for all, and that is told.
 */
static bool keep_addresses(const struct reader *rd, const char *path, struct claim *c)
{
	char sentence[128], addr[INET6_ADDRSTRLEN + 8];
	uint32_t i;

	for (i = 0; i < rd->addr_count; i++) {
		const struct decided *d = &rd->addrs[i];

		if (!berth_prefix_covers(&c->prefix, &d->addr) ||
		    !berth_portset_remove(&c->ports, d->port))
			continue;
		format_prefix(&d->addr, addr, sizeof(addr));
		snprintf(sentence, sizeof(sentence),
			 "port %u is decided by byaddr%s; a line for more than that loses it",
			 d->port, addr);
		if (c->prefix.len < d->addr.len)
			note(rd, path, sentence);
	}
	return c->ports.count;
}

/* "ADDR,PORT", or "ADDR:PORT" of IPv4. */
static int read_byaddr(struct reader *rd, const char *name, const char *path)
{
	static struct claim c;
	const char *cut;

	c = (struct claim){ 0 };
	name = unmark(name, &c);
	cut = strrchr(name, ',');
	cut = cut ? cut : strrchr(name, ':');
	if (!cut || !read_prefix(name, (size_t)(cut - name), &c) ||
	    !read_ports(cut + 1, &c.ports)) {
		note(rd, path, "no address and port; left out");
		return 0;
	}
	if (note_decided(rd, &c))
		return -ENOMEM;
	return keep_undecided(rd, &c) ? grant_by_mode(rd, path, &c) : 0;
}

/* One line of byuid: "ADDR[/LEN],MIN[-MAX]", or "ADDR4/LEN:MIN,MAX". */
static bool read_line(const char *line, struct claim *c)
{
	char ports[32];
	const char *colon = strrchr(line, ':'), *comma = strchr(line, ',');

	if (!comma)
		return false;
	if (colon && colon < comma && strchr(line, '.') && strchr(line, '.') < colon &&
	    memchr(line, '/', (size_t)(colon - line))) {
		snprintf(ports, sizeof(ports), "%.*s-%s", (int)(comma - colon - 1), colon + 1,
			 comma + 1);
		return read_prefix(line, (size_t)(colon - line), c) && read_ports(ports, &c->ports);
	}
	return read_prefix(line, (size_t)(comma - line), c) && read_ports(comma + 1, &c->ports);
}

static int read_byuid(struct reader *rd, const char *name, const char *path)
{
	static struct claim c;
	berth_auto_free char *text = NULL;
	char subject[NAME_MAX + 16], *rest, *line;
	int err = berth_file_read(path, &text);

	if (err || name[strspn(name, "0123456789")]) {
		note(rd, path, err ? strerror(-err) : "no uid; left out");
		return 0;
	}
	snprintf(subject, sizeof(subject), "user=%s ", name);
	for (rest = text; !err && (line = strsep(&rest, "\n"));) {
		c = (struct claim){ 0 };
		line[strcspn(line, "#\r")] = '\0';
		line += strspn(line, " \t");
		line[strcspn(line, " \t")] = '\0';
		if (!*line)
			continue;
		if (!read_line(unmark(line, &c), &c))
			note(rd, path, "a line that berth cannot carry over; left out");
		else if (keep_undecided(rd, &c) && keep_addresses(rd, path, &c))
			err = grant(rd, path, &c, subject);
	}
	return err;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Hands every file of a folder to each, by name. */
static int read_folder(struct reader *rd, const char *name,
		       int (*each)(struct reader *, const char *, const char *))
{
	char folder[PATH_MAX - NAME_MAX - 2], path[PATH_MAX];
	struct dirent **entries;
	int n, i, err = 0;

	snprintf(folder, sizeof(folder), "%s/%s", rd->folder, name);
	n = scandir(folder, &entries, NULL, by_name);
	if (n < 0)
		return errno == ENOENT
			       ? 0
			       : berth_why(rd->why, -errno, "%s: %s", folder, strerror(errno));
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (!err && entries[i]->d_name[0] != '.')
			err = each(rd, entries[i]->d_name, path);
		free(entries[i]);
	}
	free(entries);
	return err;
}

int berth_authbind_add(struct berth_grant_rules *rules, const char *folder, struct berth_why *why)
{
	static struct reader rd;
	struct stat st;
	int err;

	rd = (struct reader){ .rules = rules, .folder = folder, .why = why };
	if (stat(folder, &st) || !S_ISDIR(st.st_mode))
		return berth_why(why, -ENOENT, "--authbind: %s: no such folder", folder);
	err = read_folder(&rd, "byport", read_byport);
	if (!err)
		err = read_folder(&rd, "byaddr", read_byaddr);
	if (!err)
		err = read_folder(&rd, "byuid", read_byuid);
	free(rd.addrs);
	return err;
}
