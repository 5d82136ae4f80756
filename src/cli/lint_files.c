/* SPDX-License-Identifier: BSD-2-Clause */
/* berth lint: finds the files of the table below a root, or knows files of a tree by their names. */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/cli/lint.h"

#define DEPTH_MAX 32 /* directories of a tree */

struct gather {
	struct berth_lint *l;
	struct berth_tree *t;
	const char *shown;
	const struct berth_lint_place *place;
	const char *scope;
	const char *
		above; /* what stands in front of the tree's root: its last parts may say what a file is */
	unsigned added;
};

static void malformed_file(struct gather *g, const char *name, int err)
{
	struct berth_lint_spot spot = { .file = berth_lint_keep(&g->l->arena, name, strlen(name)) };
	struct berth_lint_finding *f = berth_lint_find(g->l, BERTH_LINT_RULE_SYNTAX, &spot);

	/* Who is not root cannot read everything; what could be read counts. */
	if (f && err == -EACCES)
		f->level = BERTH_LINT_NOTE;
	if (f)
		f->text = berth_lint_format(&g->l->arena, "cannot be read: %s",
					    err == -EFBIG ? "larger than 4 MB" : strerror(-err));
}

/* Reads one file of the place at hand; one that is not there is no matter. */
static void add_file(void *arg, const char *path)
{
	struct gather *g = arg;
	char name[PATH_MAX];
	const char *text;
	size_t len;
	int err = berth_tree_read(g->t, path, &text, &len);

	if (err == -ENOENT || err == -EISDIR || err == -ENOTDIR)
		return;
	snprintf(name, sizeof(name), "%s%s", g->shown, path);
	if (err) {
		malformed_file(g, name, err);
		return;
	}
	berth_lint_add(g->l, g->place, name, g->scope, text, len);
	g->added++;
}

/* Files that others include, for the reader of struct berth_lint. */
struct parts {
	struct gather *g;
	void (*fn)(void *with, const char *path, const char *text, size_t len);
	void *with;
	int read, err;
};

static void read_part(void *arg, const char *path)
{
	struct parts *p = arg;
	/* A text of its own: the file that includes this one is still being read. */
	struct berth_tree t = { .fd = p->g->t->fd, .plain = p->g->t->plain };
	char name[PATH_MAX];
	const char *text;
	size_t len;
	int err = berth_tree_read(&t, path, &text, &len);

	if (!err)
		p->fn(p->with, path, text, len);
	free(t.text);
	p->read += !err;
	p->err = err ? err : p->err;
	/* Of what is not there the one who includes it is told. */
	if (!err || err == -ENOENT || err == -EISDIR || err == -ENOTDIR)
		return;
	p->read++;
	snprintf(name, sizeof(name), "%s%s", p->g->shown, path);
	malformed_file(p->g, name, err);
}

static int each_part(void *arg, const char *pattern,
		     void (*fn)(void *with, const char *path, const char *text, size_t len),
		     void *with)
{
	struct parts p = { arg, fn, with, 0, 0 };

	berth_tree_glob(p.g->t, pattern, read_part, &p);
	return p.read || strpbrk(pattern, "*?[") ? p.read : p.err;
}

/* Has includes followed in the tree of g, which lasts until all is read. */
static void follow_includes(struct gather *g, bool is_host)
{
	g->l->reader = (struct berth_lint_reader){ .each = each_part,
						   .arg = g,
						   .shown = strlen(g->shown),
						   .above = g->above ? g->above : "",
						   .is_host = is_host };
}

/* Each glob of "a|b". */
static void add_globs(struct gather *g, const char *globs)
{
	char one[512];

	while (*globs) {
		size_t len = strcspn(globs, "|");

		snprintf(one, sizeof(one), "%.*s", (int)len, globs);
		berth_tree_glob(g->t, one, add_file, g);
		globs += len + (globs[len] == '|');
	}
}

/* ---- sysctl.d and units: names of several directories, the first of which wins ---- */

struct names {
	struct name {
		const char *name; /* the last part of the path */
		char *path;
		size_t order;
	} * at;
	size_t count, room;
};

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void add_name(void *arg, const char *path)
{
	struct names *n = arg;
	struct name *grown;

	if (n->count == n->room) {
		grown = reallocarray(n->at, n->room ? 2 * n->room : 16, sizeof(*n->at));
		if (!grown)
			return;
		n->at = grown;
		n->room = n->room ? 2 * n->room : 16;
	}
	grown = &n->at[n->count];
	grown->path = strdup(path);
	if (!grown->path)
		return;
	grown->name = base_of(grown->path);
	grown->order = n->count++;
}

static int by_base(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->order > y->order) - (x->order < y->order);
}

/* Of names that are alike the first is left. */
static void take_out_twins(struct names *n)
{
	size_t count = 0, i;

	for (i = 0; i < n->count; i++)
		if (count && !strcmp(n->at[count - 1].name, n->at[i].name))
			free(n->at[i].path);
		else
			n->at[count++] = n->at[i];
	n->count = count;
}

static void free_names(struct names *n)
{
	while (n->count--)
		free(n->at[n->count].path);
	free(n->at);
	free(n);
}

/* Names that match in directories "a|b", sorted; where two have one, the path is the first's. */
static struct names *names_in(const struct berth_tree *t, const char *directories, const char *part)
{
	struct names *n = calloc(1, sizeof(*n));
	char glob[512];

	while (n && *directories) {
		size_t len = strcspn(directories, "|");

		snprintf(glob, sizeof(glob), "%.*s/%s", (int)len, directories, part);
		berth_tree_glob(t, glob, add_name, n);
		directories += len + (directories[len] == '|');
	}
	if (n && n->count) {
		qsort(n->at, n->count, sizeof(*n->at), by_base);
		take_out_twins(n);
	}
	return n;
}

/* sysctl.d(5): sorted by name, whatever the directory; /etc/sysctl.conf comes last. */
static void add_sysctl(struct gather *g)
{
	struct names *n = names_in(
		g->t,
		"/etc/sysctl.d|/run/sysctl.d|/usr/local/lib/sysctl.d|/usr/lib/sysctl.d|/lib/sysctl.d",
		"*.conf");
	size_t i;

	g->place = &berth_lint_sysctl;
	for (i = 0; n && i < n->count; i++)
		add_file(g, n->at[i].path);
	if (n)
		free_names(n);
	add_file(g, "/etc/sysctl.conf");
}

#define UNIT_DIRECTORIES                                                                           \
	"/etc/systemd/system|/run/systemd/system|/usr/local/lib/systemd/system|/usr/lib/systemd/system|/lib/systemd/system"

#define WANTS_DIRECTORIES                                                                          \
	"/etc/systemd/system/*.wants|/etc/systemd/system/*.requires|/usr/lib/systemd/system/*.wants|/lib/systemd/system/*.wants"

/* podman-systemd.unit(5) */
#define QUADLET_DIRECTORIES                                                                        \
	"/run/containers/systemd|/etc/containers/systemd|/etc/containers/systemd/*|/usr/share/containers/systemd"

static int by_name(const void *name, const void *at)
{
	return strcmp(name, ((const struct name *)at)->name);
}

/* True where an instance of a template is among the names: "a@b.service" of "a@.service". */
static bool has_instance(const struct names *n, const char *name)
{
	size_t head = strcspn(name, "@") + 1, tail = strlen(name + head), len, i;

	for (i = 0; i < n->count; i++) {
		len = strlen(n->at[i].name);
		if (len > head + tail && !strncmp(n->at[i].name, name, head) &&
		    !strcmp(n->at[i].name + len - tail, name + head))
			return true;
	}
	return false;
}

/* True where a unit is started: an administrator wrote it, or it is one of those that are wanted. NULL: all are. */
static bool is_wanted(const struct names *wanted, const char *name, const char *path)
{
	if (!wanted || !strncmp(path, "/etc/", 5))
		return true;
	if (!wanted->count)
		return false;
	return strstr(name, "@.") ? has_instance(wanted, name)
				  : bsearch(name, wanted->at, wanted->count, sizeof(*wanted->at),
					    by_name) != NULL;
}

/* True for a link to a unit of another name, or to /dev/null; "systemctl link" makes one to a file of the same name. */
static bool is_alias(const struct berth_tree *t, const char *name, const char *path)
{
	char target[PATH_MAX];

	return berth_tree_read_link(t, path, target, sizeof(target)) >= 0 &&
	       strcmp(base_of(target), name) != 0;
}

static void add_unit(struct gather *g, const char *name, const char *path, const char *directories,
		     const struct names *wanted)
{
	struct names *drop_ins;
	char part[512];
	size_t i;

	/* A link to /dev/null masks a unit; an alias is of a unit that is read under its own name. */
	if (is_alias(g->t, name, path) || !is_wanted(wanted, name, path))
		return;
	g->scope = name;
	add_file(g, path);
	snprintf(part, sizeof(part), "%s.d/*.conf", name);
	drop_ins = names_in(g->t, directories, part);
	for (i = 0; drop_ins && i < drop_ins->count; i++)
		add_file(g, drop_ins->at[i].path);
	if (drop_ins)
		free_names(drop_ins);
	g->scope = NULL;
}

static void add_units_of(struct gather *g, const char *directories, const char *part,
			 const struct names *wanted)
{
	struct names *n = names_in(g->t, directories, part);
	size_t i;

	for (i = 0; n && i < n->count; i++)
		add_unit(g, n->at[i].name, n->at[i].path, directories, wanted);
	if (n)
		free_names(n);
}

static void add_units(struct gather *g)
{
	static const char *const quadlets[] = { "*.container", "*.pod", "*.kube" };
	struct names *wanted = names_in(g->t, WANTS_DIRECTORIES, "*");
	size_t i;

	g->place = &berth_lint_unit;
	add_units_of(g, UNIT_DIRECTORIES, "*.socket", wanted);
	add_units_of(g, UNIT_DIRECTORIES, "*.service", wanted);
	add_units_of(g, "/etc/systemd/network", "*.netdev", NULL);
	for (i = 0; i < sizeof(quadlets) / sizeof(*quadlets); i++)
		add_units_of(g, QUADLET_DIRECTORIES, quadlets[i], NULL);
	if (wanted)
		free_names(wanted);
}

/* ---- a root ---- */

/* What shows that this host takes ports with bindresvport(), and which it spares. */
static void read_rpc(struct gather *g)
{
	static const char *const signs[] = { "/etc/nfs.conf", "/etc/default/nfs-common",
					     "/etc/yp.conf" };
	const char *text;
	size_t len, i;

	for (i = 0; i < sizeof(signs) / sizeof(*signs); i++)
		g->l->has_rpc = g->l->has_rpc || berth_tree_has(g->t, signs[i]);
	if (!berth_tree_read(g->t, "/etc/bindresvport.blacklist", &text, &len))
		berth_lint_add_spared(g->l, text, len);
}

void berth_lint_read_root(struct berth_lint *l, struct berth_tree *t, const char *shown)
{
	struct gather g = { .l = l, .t = t, .shown = shown };

	follow_includes(&g, true);
	for (g.place = berth_lint_places; g.place->service; g.place++)
		add_globs(&g, g.place->files);
	g.place = &berth_lint_kubernetes;
	add_globs(&g, g.place->files);
	add_sysctl(&g);
	add_units(&g);
	read_rpc(&g);
	l->reader.each = NULL;
}

/* ---- a tree of files ---- */

/* The last parts of a path, count of them. */
static const char *tail_of(const char *path, unsigned count)
{
	const char *at = path + strlen(path);

	while (at > path && (at[-1] != '/' || --count))
		at--;
	return at;
}

/* How many parts of a glob must match: where the name says too little, its directory's does, or the one above. */
static unsigned telling_parts(const char *glob)
{
	static const char *const plain[] = { "config", "resources", "config.yaml", "rules.v4",
					     "rules.v6" };
	static const char *const named[] = { "default/", "applications.d/", "etc/" };
	static const char *const common[] = { "conf.d/", "sites-enabled/", "conf-enabled/",
					      "main/",   "config.d/",      "conf/",
					      "*/",      "server/",        "default/*" };
	const char *base = base_of(glob), *parent = tail_of(glob, 2);
	bool says_little = strcspn(base, "*?") < 3;
	size_t i;

	for (i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		says_little = says_little || !strcmp(base, plain[i]);
	/* These have the name of a program, which may lie about as well. */
	for (i = 0; i < sizeof(named) / sizeof(*named); i++)
		says_little = says_little ||
			      (!strncmp(parent, named[i], strlen(named[i])) && !strchr(base, '.'));
	if (!says_little)
		return 1;
	for (i = 0; i < sizeof(common) / sizeof(*common); i++)
		if (!strncmp(parent, common[i], strlen(common[i])))
			return 3;
	return 2;
}

static bool is_file_of(const char *globs, const char *path)
{
	char last = path[strlen(path) - 1], glob[512];

	while (*globs) {
		size_t len = strcspn(globs, "|");
		const char *end = globs + len;
		unsigned parts;

		globs = end + (*end == '|');
		/* Most globs end with another letter. */
		if (end[-1] != '*' && end[-1] != last)
			continue;
		snprintf(glob, sizeof(glob), "%.*s", (int)len, end - len);
		parts = telling_parts(glob);
		if (!fnmatch(tail_of(glob, parts), tail_of(path, parts), FNM_PATHNAME | FNM_PERIOD))
			return true;
	}
	return false;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len > n && !strcmp(text + len - n, end);
}

/* The unit that a path belongs to: its own name, or that of the directory of drop-ins. */
static bool unit_of(const char *path, char *out, size_t size)
{
	static const char *const kinds[] = { ".socket", ".netdev", ".container",
					     ".pod",    ".kube",   ".service" };
	const char *base = base_of(path), *parent = tail_of(path, 2);
	size_t i, n;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		n = (size_t)(base - parent);
		if (ends_with(base, kinds[i])) {
			snprintf(out, size, "%.*s", (int)size - 1, base);
			return true;
		}
		if (ends_with(base, ".conf") && n > strlen(kinds[i]) + 3 &&
		    !memcmp(base - 3 - strlen(kinds[i]), kinds[i], strlen(kinds[i])) &&
		    !memcmp(base - 3, ".d/", 3)) {
			snprintf(out, size, "%.*s", (int)n - 3, parent);
			return true;
		}
	}
	return false;
}

static bool is_sysctl(const char *path)
{
	return !fnmatch("*/sysctl.d/*.conf", path, 0) || !strcmp(base_of(path), "sysctl.conf");
}

/* Perl's manuals have the ends of Quadlet's names, too. */
static bool is_manual(const struct gather *g, const char *path)
{
	static const char section[] = "[Pod]";
	const char *text;
	size_t len;

	return ends_with(path, ".pod") && (berth_tree_read(g->t, path, &text, &len) ||
					   !memmem(text, len, section, strlen(section)));
}

/* Adds a file of a tree as what its name says it is. name: as it is shown. */
static void add_known(struct gather *g, const char *path)
{
	const struct berth_lint_place *p;
	char unit[NAME_MAX + 1], whole[PATH_MAX];
	unsigned before = g->added;
	const char *text;
	size_t len;

	if ((size_t)snprintf(whole, sizeof(whole), "%s%s", g->above, path) >= sizeof(whole))
		return;
	for (p = berth_lint_places; p->service; p++)
		if (is_file_of(p->files, whole)) {
			g->place = p;
			add_file(g, path);
		}
	g->place = is_sysctl(whole)                              ? &berth_lint_sysctl
		   : is_file_of(berth_lint_compose.files, whole) ? &berth_lint_compose
								 : NULL;
	if (g->place)
		add_file(g, path);
	if (g->added == before && unit_of(whole, unit, sizeof(unit)) && !is_manual(g, path)) {
		g->place = &berth_lint_unit;
		g->scope = unit;
		add_file(g, path);
		g->scope = NULL;
	}
	if (g->added == before && (ends_with(path, ".yaml") || ends_with(path, ".yml")) &&
	    !berth_tree_read(g->t, path, &text, &len) && berth_lint_is_kubernetes(text, len)) {
		g->place = &berth_lint_kubernetes;
		add_file(g, path);
	}
}

struct descent {
	struct gather *g;
	unsigned depth;
};

static void descend(void *arg, const char *path)
{
	struct descent *d = arg;
	char glob[PATH_MAX];

	if (d->depth == DEPTH_MAX || berth_tree_is_link(d->g->t, path)) {
		/* A link to a file is read, one to a directory may lead round. */
		add_known(d->g, path);
		return;
	}
	if ((size_t)snprintf(glob, sizeof(glob), "%s/*", path) >= sizeof(glob))
		return;
	if (*path)
		add_known(d->g, path);
	d->depth++;
	berth_tree_glob(d->g->t, glob, descend, d);
	d->depth--;
}

/* A file alone: where it lies may say what it is. */
static int read_one(struct gather *g, const char *path, const char *real, struct berth_why *why)
{
	const char *text;
	size_t len;
	int err = berth_tree_init(g->t, "/");

	if (err)
		return berth_why(why, err, "/: %s", strerror(-err));
	err = berth_tree_read(g->t, real, &text, &len);
	if (err)
		return berth_why(why, err, "%s: %s", path,
				 err == -EISDIR  ? "neither a file nor a directory"
				 : err == -EFBIG ? "larger than 4 MB"
						 : strerror(-err));
	/* Of a file that lies about, from wherever it came, other files of this host are none. */
	if (!strncmp(real, "/etc/", 5))
		follow_includes(g, false);
	add_known(g, real);
	return g->added
		       ? 0
		       : berth_why(
				 why, -EINVAL,
				 "%s: no file of this name is known; \"berth lint --places\" lists those that are",
				 path);
}

static int read_tree(struct gather *g, const char *path, const char *real, struct berth_why *why)
{
	struct descent d = { g, 0 };
	char shown[PATH_MAX];
	int err = berth_tree_init(g->t, path);
	size_t len;

	if (!err && access(path, R_OK | X_OK))
		err = -errno;
	if (err)
		return berth_why(why, err, "%s: %s", path, strerror(-err));
	snprintf(shown, sizeof(shown), "%s", path);
	for (len = strlen(shown); len && shown[len - 1] == '/';)
		shown[--len] = 0;
	g->shown = shown;
	g->above = real;
	follow_includes(g, false);
	descend(&d, "");
	return 0;
}

int berth_lint_read_path(struct berth_lint *l, const char *path, struct berth_why *why)
{
	struct berth_tree t = { .fd = -1 };
	struct gather g = { .l = l, .t = &t, .shown = "", .above = "" };
	char *real = realpath(path, NULL);
	struct stat st;
	int err;

	if (!real || stat(real, &st))
		err = berth_why(why, -errno, "%s: %s", path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		err = read_tree(&g, path, real, why);
	else
		err = read_one(&g, path, real, why);
	l->reader.each = NULL;
	free(real);
	berth_tree_fini(&t);
	return err;
}
