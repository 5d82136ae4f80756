/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of reservations, and what becomes of it in the kernel. */
#include "src/kernel/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "src/base/auto.h"
#include "src/kernel/file.h"
#include "src/kernel/reserved.h"
#include "src/kernel/withhold.h"

#define FOLDER "/var/lib/berth"
#define LEDGER FOLDER "/reservations.json"
#define LOCK FOLDER "/reservations.lock"
#define VERSION 1

struct berth_ledger {
	json_t *root; /* { version, entries: [...], applied: { netns: ports } } */
	int lock_fd;  /* -1: opened for reading */
	bool saved;   /* as it is now */
	unsigned swept;
};

/* ---- owners ---- */

/* When a process was started, in ticks since boot; 0 where there is none. */
static unsigned long long start_of(long pid)
{
	berth_auto_free char *text = NULL;
	unsigned long long start = 0;
	char path[64], *rest;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	if (berth_file_read(path, &text))
		return 0;
	/* The second field is a name that may hold anything; the 22nd is the start. */
	rest = strrchr(text, ')');
	if (rest)
		sscanf(rest + 1,
		       " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
		       &start);
	return start;
}

static bool has_unit(const char *name)
{
	/* As systemd.unit(5) has them: those of packages, of generators, and those started by hand. */
	static const char *const folders[] = {
		"/etc/systemd/system",           "/run/systemd/system",
		"/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
		"/lib/systemd/system",           "/run/systemd/transient",
		"/run/systemd/generator",        "/run/systemd/generator.early",
		"/run/systemd/generator.late",   "/etc/systemd/system.control",
		"/run/systemd/system.control",   "/etc/systemd/system.attached",
		"/run/systemd/system.attached"
	};
	char path[PATH_MAX];
	const char *at = strchr(name, '@');
	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], name);
		if (!access(path, F_OK))
			return true;
		if (!at)
			continue;
		/* An instance comes of its template. */
		snprintf(path, sizeof(path), "%s/%.*s@%s", folders[i], (int)(at - name), name,
			 strrchr(at, '.') ? strrchr(at, '.') : "");
		if (!access(path, F_OK))
			return true;
	}
	return false;
}

static bool is_alive(const char *owner)
{
	unsigned long long start;
	long pid;

	if (sscanf(owner, "pid:%ld:%llu", &pid, &start) == 2)
		return start_of(pid) == start;
	if (!strncmp(owner, "unit:", 5))
		return has_unit(owner + 5);
	if (!strncmp(owner, "path:", 5))
		return !access(owner + 5, F_OK);
	return true;
}

static int owner_pid(const char *text, char *out, size_t size, struct berth_why *why)
{
	char *end;
	long pid = strtol(text, &end, 10);
	unsigned long long start = *end || pid <= 0 ? 0 : start_of(pid);

	if (!start)
		return berth_why(why, -ESRCH, "--owner: there is no process %s", text);
	snprintf(out, size, "pid:%ld:%llu", pid, start);
	return 0;
}

int berth_ledger_owner(const char *text, char *out, size_t size, struct berth_why *why)
{
	if (!strncmp(text, "pid:", 4) || (text[0] >= '0' && text[0] <= '9'))
		return owner_pid(text + (text[0] == 'p' ? 4 : 0), out, size, why);
	if (!strncmp(text, "unit:", 5))
		snprintf(out, size, "%s%s", text, strchr(text, '.') ? "" : ".service");
	else if (!strncmp(text, "path:/", 6) || text[0] == '/')
		snprintf(out, size, "%s%s", text[0] == '/' ? "path:" : "", text);
	else
		return berth_why(why, -EINVAL,
				 "--owner: \"%s\": write pid:NUMBER, unit:NAME or path:/PATH",
				 text);
	return is_alive(out) ? 0
			     : berth_why(why, -ENOENT, "--owner: there is no %s on this host", out);
}

/* ---- the file ---- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static json_t *entries_of(const struct berth_ledger *l)
{
	return json_object_get(l->root, "entries");
}

static int refuse_write(const char *path, struct berth_why *why)
{
	int err = errno;

	return berth_why(why, -err, "%s: cannot write it: %s; %s", path, strerror(err),
			 err == EROFS ? "mount -o remount,rw its file system" : "run as root");
}

static int open_lock(int *out_fd, struct berth_why *why)
{
	berth_auto_fd int fd = -1;

	if (mkdir(FOLDER, 0755) && errno != EEXIST)
		return refuse_write(FOLDER, why);
	fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX))
		return refuse_write(LOCK, why);
	*out_fd = berth_take_fd(&fd);
	return 0;
}

static bool is_ports(const json_t *text)
{
	static struct berth_portset set;
	struct berth_range_error error;

	return json_is_string(text) && !berth_portset_parse(json_string_value(text), &set, &error);
}

static bool is_owner(const char *text)
{
	unsigned long long start;
	long pid;

	return !*text || sscanf(text, "pid:%ld:%llu", &pid, &start) == 2 ||
	       !strncmp(text, "unit:", 5) || !strncmp(text, "path:", 5);
}

/* True where each field is what berth writes: what is taken for less would be lost when the ledger is saved. */
static bool is_reservation(const json_t *e)
{
	static const char *const texts[] = { "netns", "owner", "by", "why" };
	static const char *const times[] = { "made", "until" };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (!json_is_string(json_object_get(e, texts[i])))
			return false;
	for (i = 0; i < sizeof(times) / sizeof(*times); i++)
		if (!json_is_integer(json_object_get(e, times[i])) ||
		    json_integer_value(json_object_get(e, times[i])) < 0)
			return false;
	return is_ports(json_object_get(e, "ports")) && *text_of(e, "ports") &&
	       is_owner(text_of(e, "owner"));
}

/* Says what is wrong in a ledger that something else wrote, which is not overwritten; false: nothing is. */
static bool has_fault(const json_t *root, char *out, size_t size)
{
	const json_t *entries = json_object_get(root, "entries"),
		     *applied = json_object_get(root, "applied"), *e;
	const char *name;
	size_t i;

	snprintf(out, size, "not a ledger of this version");
	if (json_integer_value(json_object_get(root, "version")) != VERSION ||
	    !json_is_array(entries) || !json_is_object(applied))
		return true;
	json_array_foreach(entries, i, e)
	{
		snprintf(out, size, "entry %zu is no reservation", i + 1);
		if (!is_reservation(e))
			return true;
	}
	json_object_foreach((json_t *)applied, name, e)
	{
		snprintf(out, size, "\"applied\" has no port set for \"%s\"", name);
		if (!is_ports(e))
			return true;
	}
	return false;
}

static int read_root(struct berth_ledger *l, struct berth_why *why)
{
	json_error_t error;
	char fault[128];

	l->root = json_load_file(LEDGER, 0, &error);
	if (!l->root && access(LEDGER, F_OK) && errno == ENOENT)
		l->root = json_pack("{s:i s:[] s:{}}", "version", VERSION, "entries", "applied");
	if (!l->root)
		snprintf(fault, sizeof(fault), "%s, line %d", error.text, error.line);
	if (l->root && !has_fault(l->root, fault, sizeof(fault)))
		return 0;
	return berth_why(why, -EINVAL,
			 LEDGER ": cannot read it (%s); mend it, or move it away and reserve again",
			 fault);
}

/* A namespace with a name comes again, as after a boot; what a path leads to does not. */
static bool is_over(const json_t *e, time_t now)
{
	json_int_t until = json_integer_value(json_object_get(e, "until"));
	const char *netns = text_of(e, "netns");

	return (until && until <= now) || !is_alive(text_of(e, "owner")) ||
	       (strchr(netns, '/') && !berth_reserved_has_netns(netns));
}

static void sweep(struct berth_ledger *l)
{
	json_t *entries = entries_of(l);
	time_t now = time(NULL);
	size_t i = 0;

	while (i < json_array_size(entries)) {
		if (!is_over(json_array_get(entries, i), now)) {
			i++;
			continue;
		}
		json_array_remove(entries, i);
		l->swept++;
	}
}

int berth_ledger_open(bool write, struct berth_ledger **out_ledger, struct berth_why *why)
{
	struct berth_ledger *l = calloc(1, sizeof(*l));
	int err = 0;

	if (!l)
		return berth_why(why, -ENOMEM, "no memory");
	l->lock_fd = -1;
	if (write)
		err = open_lock(&l->lock_fd, why);
	if (!err)
		err = read_root(l, why);
	if (err) {
		berth_ledger_close(l);
		return err;
	}
	sweep(l);
	*out_ledger = l;
	return 0;
}

unsigned berth_ledger_swept(const struct berth_ledger *l)
{
	return l->swept;
}

void berth_ledger_close(struct berth_ledger *l)
{
	if (!l)
		return;
	json_decref(l->root);
	if (l->lock_fd >= 0)
		close(l->lock_fd);
	free(l);
}

/* What is there stays where the new one cannot be written. */
static int save(struct berth_ledger *l, struct berth_why *why)
{
	berth_auto_fd int fd =
		open(LEDGER ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int err = 0;

	if (fd < 0 || json_dumpfd(l->root, fd, JSON_INDENT(1)) || fsync(fd) ||
	    rename(LEDGER ".new", LEDGER))
		err = errno ? -errno : -EIO;
	if (err && fd >= 0)
		unlink(LEDGER ".new");
	l->saved = l->saved || !err;
	return err ? berth_why(why, err, LEDGER ": cannot write it (%s)", strerror(-err)) : 0;
}

/* ---- reservations ---- */

static const char *who(char *buf, size_t size)
{
	const char *name = getenv("SUDO_USER");
	const struct passwd *p = getpwuid(getuid());

	if (!name || geteuid())
		name = p ? p->pw_name : NULL;
	if (name)
		snprintf(buf, size, "%s", name);
	else
		snprintf(buf, size, "%u", (unsigned)getuid());
	return buf;
}

int berth_ledger_add(struct berth_ledger *l, const struct berth_reservation *r,
		     struct berth_why *why)
{
	char by[64];
	json_t *e = json_pack("{s:s s:s s:s s:s s:s s:I s:I}", "ports", r->ports, "netns", r->netns,
			      "owner", r->owner, "by", who(by, sizeof(by)), "why", r->why, "made",
			      (json_int_t)time(NULL), "until", (json_int_t)r->until_s);

	if (!e)
		return berth_why(why, -EINVAL,
				 "a text of the reservation is not UTF-8; write it again");
	return json_array_append_new(entries_of(l), e) ? berth_why(why, -ENOMEM, "no memory") : 0;
}

/* The set as a JSON string. */
static json_t *format(const struct berth_portset *set)
{
	size_t n = berth_portset_format(set, NULL, 0) + 1;
	berth_auto_free char *text = malloc(n);

	if (!text)
		return NULL;
	berth_portset_format(set, text, n);
	return json_string(text);
}

/* Takes b out of a; returns how many ports that were. */
static unsigned subtract(struct berth_portset *a, const struct berth_portset *b)
{
	unsigned n = 0;
	int32_t p;

	for (p = berth_portset_next(b, 0); p >= 0;
	     p = p == 65535 ? -1 : berth_portset_next(b, (uint32_t)p + 1))
		n += berth_portset_remove(a, (uint32_t)p);
	return n;
}

static void unite(struct berth_portset *a, const struct berth_portset *b)
{
	int32_t p;

	for (p = berth_portset_next(b, 0); p >= 0;
	     p = p == 65535 ? -1 : berth_portset_next(b, (uint32_t)p + 1))
		berth_portset_add(a, (uint32_t)p);
}

/* The text was checked when the ledger was opened. */
static void parse(const char *text, struct berth_portset *out)
{
	struct berth_range_error error;

	if (berth_portset_parse(text, out, &error))
		*out = (struct berth_portset){ 0 };
}

unsigned berth_ledger_remove(struct berth_ledger *l, const char *netns,
			     const struct berth_portset *ports)
{
	static struct berth_portset set, found;
	json_t *entries = entries_of(l);
	size_t i = 0;

	found = (struct berth_portset){ 0 };
	while (i < json_array_size(entries)) {
		json_t *e = json_array_get(entries, i);
		struct berth_portset before;

		parse(text_of(e, "ports"), &set);
		before = set;
		if (!strcmp(text_of(e, "netns"), netns) && subtract(&set, ports)) {
			subtract(&before, &set);
			unite(&found, &before);
			json_object_set_new(e, "ports", format(&set));
		}
		if (set.count)
			i++;
		else
			json_array_remove(entries, i);
	}
	return found.count;
}

void berth_ledger_remove_owner(struct berth_ledger *l, const char *owner)
{
	json_t *entries = entries_of(l);
	size_t i = 0;

	while (i < json_array_size(entries)) {
		if (strcmp(text_of(json_array_get(entries, i), "owner"), owner))
			i++;
		else
			json_array_remove(entries, i);
	}
}

int berth_ledger_each(const struct berth_ledger *l,
		      int (*each)(const struct berth_reservation *r, void *arg), void *arg)
{
	const json_t *e;
	size_t i;
	int err;

	json_array_foreach(entries_of(l), i, e)
	{
		const struct berth_reservation r = {
			.ports = text_of(e, "ports"),
			.netns = text_of(e, "netns"),
			.owner = text_of(e, "owner"),
			.by = text_of(e, "by"),
			.why = text_of(e, "why"),
			.made_s = (uint64_t)json_integer_value(json_object_get(e, "made")),
			.until_s = (uint64_t)json_integer_value(json_object_get(e, "until")),
		};

		err = each(&r, arg);
		if (err)
			return err;
	}
	return 0;
}

/* Adds up the ports of a namespace; lasting: without those of processes, which do not outlive a boot. */
static void sum(const struct berth_ledger *l, const char *netns, bool lasting,
		struct berth_portset *out)
{
	static struct berth_portset one;
	const json_t *e;
	size_t i;

	*out = (struct berth_portset){ 0 };
	json_array_foreach(entries_of(l), i, e)
	{
		if (strcmp(text_of(e, "netns"), netns) ||
		    (lasting && !strncmp(text_of(e, "owner"), "pid:", 4)))
			continue;
		parse(text_of(e, "ports"), &one);
		unite(out, &one);
	}
}

void berth_ledger_ports(const struct berth_ledger *l, const char *netns,
			struct berth_portset *out_ports)
{
	sum(l, netns, false, out_ports);
}

void berth_ledger_applied(const struct berth_ledger *l, const char *netns,
			  struct berth_portset *out_ports)
{
	parse(text_of(json_object_get(l->root, "applied"), *netns ? netns : "-"), out_ports);
}

/* ---- the kernel ---- */

/*
 * Brings one namespace up to date. What is there and was not put there by berth is somebody else's, also where
 * berth reserves the same port later.
 */
static int apply(struct berth_ledger *l, const char *netns, struct berth_why *why)
{
	struct berth_portset now, before, ours, others, want;
	json_t *applied = json_object_get(l->root, "applied");
	int err = berth_reserved_read(netns, &now, why);
	char later[PATH_MAX];

	if (err)
		return err;
	berth_ledger_applied(l, netns, &ours);
	/* What somebody else's file sets is his, also where berth had the port first. */
	if (!*netns) {
		berth_reserved_of_files(&others, later);
		subtract(&ours, &others);
	}
	berth_ledger_ports(l, netns, &want);
	others = now;
	subtract(&others, &ours);
	before = ours;
	ours = want;
	subtract(&ours, &others);
	unite(&others, &want);
	if (memcmp(&others, &now, sizeof(now))) {
		/* Noted before it is done: a port that nobody knows to be berth's would stay for ever. */
		unite(&before, &ours);
		json_object_set_new(applied, *netns ? netns : "-", format(&before));
		err = save(l, why);
		if (!err)
			err = berth_reserved_write(netns, &others, why);
	}
	if (err)
		return err;
	if (ours.count)
		json_object_set_new(applied, *netns ? netns : "-", format(&ours));
	else
		json_object_del(applied, *netns ? netns : "-");
	return 0;
}

/* Every namespace that the ledger knows, of reservations and of what was applied. */
static int apply_all(struct berth_ledger *l, struct berth_why *why)
{
	json_t *seen = json_pack("{s:b}", "", 1), *applied = json_object_get(l->root, "applied");
	const char *name;
	json_t *e;
	void *next;
	size_t i;
	int err = 0, one;

	json_array_foreach(entries_of(l), i, e)
		json_object_set_new(seen, text_of(e, "netns"), json_true());
	json_object_foreach_safe(applied, next, name, e)
	{
		if (strcmp(name, "-") && berth_reserved_has_netns(name))
			json_object_set_new(seen, name, json_true());
		else if (strcmp(name, "-"))
			json_object_del(applied, name);
	}
	json_object_foreach(seen, name, e)
	{
		one = berth_reserved_has_netns(name) ? apply(l, name, why) : 0;
		err = err ? err : one;
	}
	json_decref(seen);
	return err;
}

bool berth_ledger_waits(const struct berth_ledger *l)
{
	static struct berth_portset now, want;
	const json_t *e;
	size_t i;

	json_array_foreach(entries_of(l), i, e)
	{
		const char *netns = text_of(e, "netns");

		if (!berth_reserved_has_netns(netns) || berth_reserved_read(netns, &now, NULL))
			continue;
		parse(text_of(e, "ports"), &want);
		if (subtract(&want, &now), want.count)
			return true;
	}
	return false;
}

/* What is to be there after a boot: what other files have, and the lasting reservations. */
static int persist(const struct berth_ledger *l, char *out_later, struct berth_why *why)
{
	static struct berth_portset lasting, others;

	berth_reserved_of_files(&others, out_later);
	sum(l, "", true, &lasting);
	if (!lasting.count) {
		*out_later = '\0';
		return berth_reserved_persist(&lasting, why);
	}
	unite(&lasting, &others);
	return berth_reserved_persist(&lasting, why);
}

static void ports_of(const void *ledger, const char *netns, struct berth_portset *out_ports)
{
	berth_ledger_ports(ledger, netns, out_ports);
}

int berth_ledger_commit(struct berth_ledger *l, char *out_later, struct berth_why *why)
{
	int err, saved, kept;

	*out_later = '\0';
	sweep(l); /* owners may have gone since it was opened */
	l->saved = false;
	err = apply_all(l, why);
	saved = save(l, err ? NULL : why);
	err = err ? err : saved;
	/* What is in no ledger would be reserved by nobody, or no more, after the next boot. */
	if (!l->saved)
		return err;
	/* After the file is saved: a run that begins meanwhile reads it under the lock of the registry. */
	berth_withhold(ports_of, l);
	kept = persist(l, out_later, err ? NULL : why);
	return err ? err : kept;
}
