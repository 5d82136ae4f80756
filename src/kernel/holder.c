/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads /proc/PID/exe and /proc/PID/cgroup once a process, names of users once a user. */
#include "src/kernel/holder.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/kernel/file.h"
#include "src/kernel/keyset.h"
#include "src/kernel/proctext.h"

struct berth_holders {
	struct berth_keyset by_pid; /* -> index */
	struct berth_holder **holder;
	size_t count, room;
	struct berth_keyset by_uid; /* uid + 1 -> index in user */
	char **user;
	size_t users;
};

struct berth_holders *berth_holders_new(void)
{
	return calloc(1, sizeof(struct berth_holders));
}

static void free_holder(struct berth_holder *h)
{
	if (!h)
		return;
	free(h->exe);
	free(h->cgroup);
	free(h->unit);
	free(h->container);
	free(h);
}

void berth_holders_free(struct berth_holders *h)
{
	size_t i;

	if (!h)
		return;
	for (i = 0; i < h->count; i++)
		free_holder(h->holder[i]);
	for (i = 0; i < h->users; i++)
		free(h->user[i]);
	free(h->holder);
	free(h->user);
	berth_keyset_free(&h->by_pid);
	berth_keyset_free(&h->by_uid);
	free(h);
}

const char *berth_holders_user(struct berth_holders *h, uint32_t uid)
{
	const uint32_t *found = berth_keyset_find(&h->by_uid, (uint64_t)uid + 1);
	struct passwd pw, *is = NULL;
	char buf[4096], number[16], **more;

	if (found)
		return h->user[*found];
	if (getpwuid_r(uid, &pw, buf, sizeof(buf), &is))
		is = NULL;
	snprintf(number, sizeof(number), "%u", uid);
	more = reallocarray(h->user, h->users + 1, sizeof(*more));
	if (!more)
		return NULL;
	h->user = more;
	more[h->users] = strdup(is ? is->pw_name : number);
	if (!more[h->users] ||
	    berth_keyset_add(&h->by_uid, (uint64_t)uid + 1, (uint32_t)h->users) < 0) {
		free(more[h->users]);
		return NULL;
	}
	return h->user[h->users++];
}

/* ---- cgroups ---- */

static bool ends(const char *word, size_t n, const char *suffix)
{
	size_t m = strlen(suffix);

	return n > m && !memcmp(word + n - m, suffix, m);
}

static bool is_hex(const char *word, size_t n)
{
	return n == 64 && strspn(word, "0123456789abcdef") >= n;
}

/* The container that one component of a path names, e.g. "docker-<64 digits>.scope". */
static void container_of(const char *word, size_t n, const char *before, size_t before_n, char *out,
			 size_t size)
{
	static const struct {
		const char *prefix, *kind;
		bool hex;
	} table[] = {
		{ "docker-", "docker", true },
		{ "libpod-", "podman", true },
		{ "cri-containerd-", "containerd", true },
		{ "crio-", "crio", true },
		{ "machine-", "machine", false },
		{ "lxc.payload.", "lxc", false },
	};
	size_t i, scope = ends(word, n, ".scope") ? strlen(".scope") : 0, m;

	for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
		m = strlen(table[i].prefix);
		if (n <= m + scope || memcmp(word, table[i].prefix, m))
			continue;
		if (table[i].hex && !is_hex(word + m, n - m - scope))
			continue;
		snprintf(out, size, "%s:%.*s", table[i].kind,
			 table[i].hex ? 12 : (int)(n - m - scope), word + m);
		return;
	}
	if (is_hex(word, n))
		snprintf(out, size, "%s:%.12s",
			 before_n == 6 && !memcmp(before, "docker", 6) ? "docker" : "container",
			 word);
	else if (before_n == 3 && !memcmp(before, "lxc", 3))
		snprintf(out, size, "lxc:%.*s", (int)n, word);
}

void berth_cgroup_owner(const char *path, char *out_unit, size_t unit_size, char *out_container,
			size_t container_size)
{
	const char *before = "";
	size_t before_n = 0, n;

	*out_unit = *out_container = '\0';
	while (*path) {
		path += *path == '/';
		n = strcspn(path, "/");
		if (ends(path, n, ".service") || ends(path, n, ".scope"))
			snprintf(out_unit, unit_size, "%.*s", (int)n, path);
		container_of(path, n, before, before_n, out_container, container_size);
		before = path;
		before_n = n;
		path += n;
	}
}

/* The path of systemd's hierarchy on a host with cgroup v1: the line that names it. */
static int systemd_path(const char *text, char *out, size_t size)
{
	const char *at = strstr(text, ":name=systemd:");
	size_t n;

	if (!at)
		return -ENOENT;
	at += strlen(":name=systemd:");
	n = strcspn(at, "\n");
	if (n >= size)
		return -ENAMETOOLONG;
	memcpy(out, at, n);
	out[n] = '\0';
	return 0;
}

static void read_cgroup(struct berth_holder *h, char *path, size_t size)
{
	berth_auto_free char *text = NULL;
	char name[64];

	path[0] = '\0';
	snprintf(name, sizeof(name), "/proc/%u/cgroup", h->pid);
	if (berth_file_read(name, &text))
		return;
	if (berth_own_cgroup_parse(text, path, size) || !*path)
		if (systemd_path(text, path, size))
			path[0] = '\0';
}

static void read_exe(struct berth_holder *h, char *exe, size_t size)
{
	char name[64];
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/%u/exe", h->pid);
	n = readlink(name, exe, size - 1);
	exe[n < 0 ? 0 : n] = '\0';
}

static struct berth_holder *look(struct berth_holders *all, const struct berth_task *t)
{
	struct berth_holder *h = calloc(1, sizeof(*h));
	char exe[4096], path[4096], unit[512], container[512];

	if (!h)
		return NULL;
	h->index = (uint32_t)all->count;
	h->pid = t->pid;
	h->uid = t->uid;
	h->start_ns = t->start_ns / 10000000 * 10000000;
	memcpy(h->program, t->comm, sizeof(h->program) - 1);
	read_exe(h, exe, sizeof(exe));
	read_cgroup(h, path, sizeof(path));
	berth_cgroup_owner(path, unit, sizeof(unit), container, sizeof(container));
	h->exe = strdup(exe);
	h->cgroup = strdup(path);
	h->unit = strdup(unit);
	h->container = strdup(container);
	h->user = berth_holders_user(all, t->uid);
	if (h->exe && h->cgroup && h->unit && h->container && h->user)
		return h;
	free_holder(h);
	return NULL;
}

const struct berth_holder *berth_holders_get(struct berth_holders *all,
					     const struct berth_task *task)
{
	const uint32_t *found = berth_keyset_find(&all->by_pid, task->pid);
	struct berth_holder **more, *h;

	if (found)
		return all->holder[*found];
	if (all->count == all->room) {
		more = reallocarray(all->holder, all->room ? all->room * 2 : 64, sizeof(*more));
		if (!more)
			return NULL;
		all->holder = more;
		all->room = all->room ? all->room * 2 : 64;
	}
	h = look(all, task);
	if (!h || berth_keyset_add(&all->by_pid, task->pid, h->index) < 0) {
		free_holder(h);
		return NULL;
	}
	all->holder[all->count++] = h;
	return h;
}

pid_t berth_holder_parent(pid_t pid)
{
	berth_auto_free char *text = NULL;
	char name[64];
	const char *line;
	int parent = 0;

	snprintf(name, sizeof(name), "/proc/%d/status", (int)pid);
	if (berth_file_read(name, &text))
		return 0;
	line = strstr(text, "\nPPid:");
	return line && sscanf(line, "\nPPid: %d", &parent) == 1 ? parent : 0;
}
