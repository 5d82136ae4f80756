/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Includes: which setting of a place names other files, and the way to them. An included file is read where its
 * include stands, so that what comes later wins as it does for the program.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/lint/reading.h"
#include "src/lint/ways.h"

#define DEPTH_MAX 16 /* files that include each other */
#define FOLLOWED_MAX                                                                               \
	4096 /* included files of one linting: a tree of links must not multiply without end */

/* What the program says of a file that is not there. */
enum missing {
	QUIET, /* nothing */
	NAMED, /* it complains; a pattern may mean no file */
	ALWAYS /* it complains, of a pattern too */
};

struct berth_lint_include {
	const char *service; /* rows of a service stand together */
	enum berth_lint_format format;
	const char *key;    /* as in places.h */
	const char *option; /* the name is an option's value; NULL: the setting's */
	enum missing missing;
	/*
	 * What names are relative to: the one of "a|b" that the file lies below; NULL: the file's directory; "": where the
	 * program was started, and so nobody knows.
	 */
	const char *base;
	const char *part; /* files of a directory that is named; NULL: a directory is none */
	bool is_list;     /* several names, blanks between them */
};

#define F(name) BERTH_LINT_##name

/* clang-format off */
static const struct berth_lint_include includes[] = {
	{ "proftpd", F(LINES), "Include", NULL, NAMED, "/etc/proftpd", "*", false },
	{ "rsync", F(INI), "&include|*/&include", NULL, NAMED, NULL, "*.inc", false },
	{ "rsync", F(INI), "&merge|*/&merge", NULL, NAMED, NULL, "*.conf", false },
	{ "nfs", F(INI), "include|*/include", NULL, QUIET, "/etc", NULL, false },
	{ "nfs-ganesha", F(BRACES), "%include|*/%include", NULL, NAMED, NULL, NULL, false },
	{ "samba", F(INI), "include|*/include", NULL, QUIET, "/etc/samba", NULL, false },
	{ "asterisk", F(INI), "#include|*/#include", NULL, NAMED, "/etc/asterisk", NULL, false },
	{ "asterisk", F(INI), "#tryinclude|*/#tryinclude", NULL, QUIET, "/etc/asterisk", NULL, false },
	{ "freeswitch", F(XML), "*X-PRE-PROCESS/include", NULL, QUIET, NULL, NULL, false },
	{ "kamailio", F(LINES), "include_file|#!include_file", NULL, NAMED, NULL, NULL, false },
	{ "kamailio", F(LINES), "import_file|#!import_file", NULL, QUIET, NULL, NULL, false },
	{ "janus", F(BLOCKS), "@include|*/@include", NULL, NAMED, "", NULL, false },
	{ "sslh", F(BLOCKS), "@include|*/@include", NULL, NAMED, "", NULL, false },
	{ "drbd", F(BRACES), "include|*/include", NULL, NAMED, NULL, NULL, false },
	{ "slurm", F(LINES), "Include", NULL, NAMED, NULL, NULL, false },
	{ "slurmdbd", F(LINES), "Include", NULL, NAMED, NULL, NULL, false },
	{ "amanda", F(LINES), "includefile", NULL, NAMED, NULL, NULL, false },
	{ "dnsmasq", F(LINES), "conf-file", NULL, NAMED, "", NULL, false },
	{ "dnsmasq", F(LINES), "conf-dir", NULL, NAMED, "", "*", false },
	{ "bind9", F(BRACES), "include|*/include", NULL, NAMED, "", NULL, false },
	{ "unbound", F(LINES), "include|include-toplevel", NULL, NAMED, "", NULL, false },
	{ "nsd", F(LINES), "include", NULL, NAMED, "", NULL, false },
	{ "knot", F(LINES), "include", NULL, NAMED, NULL, "*", false },
	{ "pdns-recursor", F(LINES), "include-dir", NULL, NAMED, "", "*.conf", false },
	{ "pdns", F(LINES), "include-dir", NULL, NAMED, "", "*.conf", false },
	{ "chrony", F(LINES), "include", NULL, NAMED, "", NULL, false },
	{ "chrony", F(LINES), "confdir", NULL, QUIET, "", "*.conf", true },
	{ "squid", F(LINES), "include", NULL, ALWAYS, "", NULL, true },
	{ "dnsdist", F(CALLS), "includeDirectory", NULL, NAMED, "", "*.conf", false },
	{ "stunnel", F(INI), "include", NULL, NAMED, "", "*.conf", false },
	{ "tor", F(LINES), "%include", NULL, NAMED, "", "*", false },
	{ "openvpn", F(LINES), "config", NULL, NAMED, "", NULL, false },
	{ "strongswan", F(BLOCKS), "include|*/include", NULL, QUIET, NULL, NULL, false },
	{ "nginx", F(BRACES), "include|*/include", NULL, NAMED, "/etc/nginx", NULL, false },
	{ "apache2", F(LINES), "Include", NULL, ALWAYS, "/etc/apache2|/etc/httpd", "*", false },
	{ "apache2", F(LINES), "IncludeOptional", NULL, QUIET, "/etc/apache2|/etc/httpd", "*", false },
	{ "lighttpd", F(LINES), "include", NULL, NAMED, NULL, NULL, false },
	{ "dovecot", F(BLOCKS), "!include|*/!include", NULL, ALWAYS, NULL, NULL, false },
	{ "dovecot", F(BLOCKS), "!include_try|*/!include_try", NULL, QUIET, NULL, NULL, false },
	{ "exim4", F(LINES), ".include", NULL, NAMED, "", NULL, false },
	{ "exim4", F(LINES), ".include_if_exists", NULL, QUIET, "", NULL, false },
	{ "freeradius", F(BLOCKS), "$INCLUDE|*/$INCLUDE", NULL, NAMED, NULL, "*", false },
	{ "freeradius", F(BLOCKS), "$-INCLUDE|*/$-INCLUDE", NULL, QUIET, NULL, "*", false },
	{ "prosody", F(BLOCKS), "Include|*/Include", NULL, NAMED, "/etc/prosody", NULL, false },
	{ "postgresql", F(LINES), "include", NULL, NAMED, NULL, NULL, false },
	{ "postgresql", F(LINES), "include_if_exists", NULL, QUIET, NULL, NULL, false },
	{ "postgresql", F(LINES), "include_dir", NULL, NAMED, NULL, "*.conf", false },
	{ "mariadb", F(INI), "!include|*/!include", NULL, NAMED, "", NULL, false },
	{ "mariadb", F(INI), "!includedir|*/!includedir", NULL, NAMED, "", "*.cnf", false },
	{ "redis", F(LINES), "include", NULL, NAMED, "", NULL, false },
	{ "redis-sentinel", F(LINES), "include", NULL, NAMED, "", NULL, false },
	{ "mosquitto", F(LINES), "include_dir", NULL, NAMED, "", "*.conf", false },
	{ "ssh", F(LINES), "Include", NULL, QUIET, "/etc/ssh", NULL, true },
	{ "snmpd", F(LINES), "includeFile", NULL, NAMED, NULL, NULL, false },
	{ "snmpd", F(LINES), "includeDir", NULL, NAMED, NULL, "*.conf", false },
	{ "rsyslog", F(LINES), "$IncludeConfig", NULL, NAMED, "", "*", false },
	{ "rsyslog", F(LINES), "include(file", NULL, NAMED, "", "*", false },
	{ "rsyslog", F(LINES), "include(", "file=", NAMED, "", "*", false },
	{ "syslog-ng", F(PARENS), "@include", NULL, NAMED, "/etc/syslog-ng", "*", false },
	{ "collectd", F(LINES), "Include", NULL, QUIET, "", "*", false },
	{ "zabbix-agent", F(LINES), "Include", NULL, NAMED, "", "*", false },
	{ "nrpe", F(LINES), "include|include_file", NULL, NAMED, "", NULL, false },
	{ "nrpe", F(LINES), "include_dir", NULL, NAMED, "", "*.cfg", false },
	{ "mpd", F(LINES), "include", NULL, NAMED, NULL, NULL, false },
	{ "mpd", F(LINES), "include_optional", NULL, QUIET, NULL, NULL, false },
	{ "ngircd", F(INI), "Options/IncludeDir", NULL, NAMED, "", "*.conf", false },
	{ "docker", F(YAML), "include/[]|include/[]/path|include/[]/path/[]", NULL, NAMED, NULL, NULL, false },
	{ "nftables", F(NETFILTER), "include", NULL, NAMED, "/etc", NULL, false },
	{ NULL }
};
/* clang-format on */

/* Settings that say what later names are relative to, but for those that are relative to their file. */
static const struct {
	const char *service, *key;
} directories[] = { { "apache2", "ServerRoot" },
		    { "bind9", "options/directory" },
		    { "unbound", "directory" } };

const struct berth_lint_include *berth_lint_includes_of(const struct berth_lint_place *place)
{
	const struct berth_lint_include *i;

	for (i = includes; i->service; i++)
		if (i->format == place->format && !strcmp(i->service, place->service))
			return i;
	return NULL;
}

/* ---- what was read ---- */

/* A file of a place that has includes. */
struct berth_lint_seen {
	const struct berth_lint_place *place;
	const char *name, *scope, *prefix;
	bool is_part;
	struct berth_lint_seen *next; /* of the same hash */
};

static unsigned hash_of(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h % BERTH_LINT_SEEN;
}

bool berth_lint_note_read(struct berth_lint_reading *r)
{
	struct berth_lint_seen **slot = &r->l->seen[hash_of(r->name)], *s;

	for (s = *slot; s; s = s->next)
		if (s->place == r->place && !strcmp(s->name, r->name) &&
		    ((!r->by && (s->is_part || !strcmp(s->scope, r->scope))) ||
		     (!strcmp(s->scope, r->scope) && !strcmp(s->prefix, r->prefix))))
			return false;
	s = malloc(sizeof(*s));
	if (!s) {
		r->l->no_memory = true;
		return true;
	}
	*s =
		(struct berth_lint_seen){ r->place,  r->name,       r->scope,
					  r->prefix, r->by != NULL, *slot };
	*slot = s;
	return true;
}

bool berth_lint_is_part(const struct berth_lint *l, const struct berth_lint_place *place,
			const char *name)
{
	const struct berth_lint_seen *s;

	for (s = l->seen[hash_of(name)]; s; s = s->next)
		if (s->is_part && s->place == place && !strcmp(s->name, name))
			return true;
	return false;
}

void berth_lint_forget_read(struct berth_lint *l)
{
	unsigned i;

	for (i = 0; i < BERTH_LINT_SEEN; i++)
		while (l->seen[i]) {
			struct berth_lint_seen *s = l->seen[i];

			l->seen[i] = s->next;
			free(s);
		}
}

/* ---- names ---- */

/* The directory that names are relative to, without a '/' at its end; false where nobody knows. */
static bool find_base(const struct berth_lint_reading *r, const struct berth_lint_include *row,
		      const char **out_base, size_t *out_len)
{
	const char *path = berth_lint_path_of(r), *at = row->base, *slash = strrchr(path, '/');

	if (row->base && r->l->reader.is_host && r->l->include_base &&
	    r->l->include_base_of == r->place) {
		*out_base = r->l->include_base;
		*out_len = strlen(*out_base);
		return true;
	}
	while (at && *at) {
		size_t len = strcspn(at, "|");

		if (!strncmp(path, at, len) && path[len] == '/') {
			*out_base = at;
			*out_len = len;
			return true;
		}
		at += len + (at[len] == '|');
	}
	*out_base = path;
	*out_len = slash ? (size_t)(slash - path) : 0;
	/* A part of a host's files, or a copy of them, has its own root: what lies together stays together. */
	return slash && (!row->base || (*row->base && !r->l->reader.is_host));
}

/* Takes "." and ".." and doubled '/' out of an absolute path, as far as names tell. */
static void normalise(char *path)
{
	char *to = path, *at = path;

	while (*at) {
		size_t len;

		at += strspn(at, "/");
		len = strcspn(at, "/");
		if (len == 2 && !memcmp(at, "..", 2)) {
			while (to > path && *--to != '/')
				;
		} else if (len && !(len == 1 && *at == '.')) {
			*to++ = '/';
			memmove(to, at, len);
			to += len;
		}
		at += len;
	}
	if (to == path)
		*to++ = '/';
	*to = 0;
}

/* The path below the root that a name means; false where that cannot be told. */
static bool resolve(const struct berth_lint_reading *r, const struct berth_lint_include *row,
		    const char *name, char *path, size_t size)
{
	size_t above = strlen(r->l->reader.above), len = 0;
	const char *base = "";

	/* Left over are variables, macros and quotes. */
	if (!*name || strpbrk(name, "$%`<>|{\"'("))
		return false;
	/* nft(8): "./" is where nft was started. */
	if (row->format == BERTH_LINT_NETFILTER && *name == '.')
		return false;
	if (*name != '/' && !find_base(r, row, &base, &len))
		return false;
	if ((size_t)snprintf(path, size, "%.*s/%s", (int)len, base, name) >= size)
		return false;
	normalise(path);
	/* The root is a directory of a host: what the host has there, is here. */
	if (*name == '/' && above && !strncmp(path, r->l->reader.above, above) &&
	    path[above] == '/')
		memmove(path, path + above, strlen(path + above) + 1);
	return true;
}

/* ---- following ---- */

/* An include that is being followed. */
struct following {
	struct berth_lint_reading *by;
	const struct berth_lint_include *row;
	const char *prefix;
	unsigned line;
};

/* is_missing: a file that could be written. */
static void complain(const struct following *f, const char *path, const char *what, bool is_missing)
{
	struct berth_lint *l = f->by->l;
	struct berth_lint_spot spot = berth_lint_spot_at(f->by, f->line);
	struct berth_lint_finding *found = berth_lint_find(l, BERTH_LINT_RULE_INCLUDE, &spot);

	if (!found)
		return;
	found->text = berth_lint_format(&l->arena, "%s includes %.512s: %s", f->by->place->service,
					path, what);
	berth_lint_ways_include(l, is_missing ? path : NULL, found);
}

static bool may_follow(const struct following *f, const char *path)
{
	const struct berth_lint_reading *r;

	for (r = f->by; r; r = r->by)
		if (!strcmp(berth_lint_path_of(r), path)) {
			complain(f, path, "the file includes itself", false);
			return false;
		}
	if (f->by->depth == DEPTH_MAX) {
		complain(f, path, "files include each other too deep, and the rest is not read",
			 false);
		return false;
	}
	if (f->by->l->followed == FOLLOWED_MAX) {
		complain(f, path, "too many files are included, and the rest is not read", false);
		f->by->l->followed++;
	}
	return f->by->l->followed < FOLLOWED_MAX;
}

static void take_file(void *arg, const char *path, const char *text, size_t len)
{
	const struct following *f = arg;
	struct berth_lint *l = f->by->l;
	struct berth_lint_reading r = *f->by;

	if (!may_follow(f, path))
		return;
	l->followed++;
	r.by = f->by;
	r.depth++;
	r.prefix = f->prefix;
	r.name =
		berth_lint_format(&l->arena, "%.*s%.900s", (int)l->reader.shown, f->by->name, path);
	if (!berth_lint_note_read(&r))
		return;
	l->files++;
	berth_lint_read(&r, text, len);
}

/* The files of a directory; part: their names. */
static int open_directory(const struct following *f, const char *path, const char *part)
{
	const struct berth_lint_reader *reader = &f->by->l->reader;
	char glob[1024];

	if ((size_t)snprintf(glob, sizeof(glob), "%s/%s", path[1] ? path : "", part) >=
	    sizeof(glob))
		return -ENAMETOOLONG;
	return reader->each(reader->arg, glob, take_file, (void *)f);
}

static void open_one(const struct following *f, const char *name)
{
	const struct berth_lint_reader *reader = &f->by->l->reader;
	/* dnsmasq: "DIRECTORY,*.ext"; ",.ext", which leaves files out, is passed over. */
	const char *comma = strcmp(f->row->key, "conf-dir") ? NULL : strchr(name, ','),
		   *part = f->row->part;
	char path[1024], bare[1024];
	bool is_pattern;
	int n;

	snprintf(bare, sizeof(bare), "%.*s", (int)(comma ? comma - name : 1023), name);
	if (comma && comma[1] == '*' && !strchr(comma, '/'))
		part = comma + 1;
	if (!resolve(f->by, f->row, bare, path, sizeof(path)))
		return;
	is_pattern = strpbrk(path, "*?[") != NULL;
	n = reader->each(reader->arg, path, take_file, (void *)f);
	if (n == -EISDIR && part)
		n = open_directory(f, path, part), is_pattern = true;
	if (!reader->is_host || n > 0)
		return;
	if (is_pattern ? f->row->missing == ALWAYS && !n : f->row->missing != QUIET)
		complain(f, path, is_pattern ? "there is no such file" : strerror(-n),
			 !is_pattern && n == -ENOENT);
}

/* The blocks around a setting: its path without the last part. */
static const char *prefix_of(struct berth_lint_reading *r, const char *path)
{
	const char *slash = strrchr(path, '/');

	/* A document of its own. */
	if (r->place->format == BERTH_LINT_YAML)
		return "";
	/* FreeSWITCH's element around it is none of the file's. */
	if (slash && r->place->format == BERTH_LINT_XML)
		slash = memrchr(path, '/', (size_t)(slash - path));
	return slash ? berth_lint_keep(&r->l->arena, path, (size_t)(slash - path)) : "";
}

static void follow_row(struct berth_lint_reading *r, const struct berth_lint_include *row,
		       const char *path, const char *value, unsigned line)
{
	struct following f = { r, row, prefix_of(r, path), line };
	char text[BERTH_LINT_VALUE_MAX], option[512];
	const char *at = berth_lint_expand(r, value, text, sizeof(text));

	if (row->option) {
		if (!berth_lint_find_option(at, row->option, option, sizeof(option)))
			return;
		at = option;
	}
	while (*(at += strspn(at, " \t\"'"))) {
		const char *marks = row->is_list ? " \t\"')" : "\"')";
		size_t len = strcspn(at, marks);
		char name[1024];

		snprintf(name, sizeof(name), "%.*s", (int)len, at);
		while (len && len < sizeof(name) && strchr(" \t", name[len - 1]))
			name[--len] = 0;
		open_one(&f, name);
		if (!row->is_list)
			return;
		at += strcspn(at, marks);
		at += strspn(at, ")");
	}
}

/* True for a setting that says what names are relative to. */
static bool take_base(struct berth_lint_reading *r, const char *path, const char *value)
{
	size_t n;

	for (n = 0; n < sizeof(directories) / sizeof(*directories); n++)
		if (!strcmp(directories[n].service, r->place->service) &&
		    berth_lint_which_key(directories[n].key, path, false) >= 0) {
			value += strspn(value, "\"'");
			r->l->include_base_of = r->place;
			r->l->include_base = *value != '/' ? NULL
							   : berth_lint_keep(&r->l->arena, value,
									     strcspn(value, "\"'"));
			return true;
		}
	return false;
}

void berth_lint_follow(struct berth_lint_reading *r, const char *path, const char *value,
		       unsigned line)
{
	const struct berth_lint_include *i;

	if (!r->l->reader.each || take_base(r, path, value))
		return;
	for (i = r->includes;
	     i->service && i->format == r->place->format && !strcmp(i->service, r->place->service);
	     i++)
		if (berth_lint_which_key(i->key, path, false) >= 0) {
			follow_row(r, i, path, value, line);
			return;
		}
}
