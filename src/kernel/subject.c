/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks the user database and the cgroup file system. */
#include "src/kernel/subject.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/auto.h"
#include "src/kernel/file.h"
#include "src/kernel/proctext.h"

#define ROOT_INODE 1 /* of the hierarchy's own root: kernfs numbers from there */

const char *berth_subject_kind(enum berth_grantrule_kind kind)
{
	static const char *const words[] = {
#define WORD(id, word) word,
		BERTH_GRANTRULE_KIND_ROWS(WORD)
#undef WORD
	};

	return words[kind];
}

/* A decimal number of 32 bits that fills the name. */
static bool is_number(const char *name, uint64_t *out)
{
	char *end;
	unsigned long long n;

	if (name[0] < '0' || name[0] > '9')
		return false;
	n = strtoull(name, &end, 10);
	*out = n;
	return !*end && n < UINT32_MAX;
}

static int find_user(const char *name, uint64_t *out)
{
	const struct passwd *p;

	if (is_number(name, out))
		return 0;
	p = getpwnam(name);
	if (!p)
		return -ENOENT;
	*out = p->pw_uid;
	return 0;
}

static int find_group(const char *name, uint64_t *out)
{
	const struct group *g;

	if (is_number(name, out))
		return 0;
	g = getgrnam(name);
	if (!g)
		return -ENOENT;
	*out = g->gr_gid;
	return 0;
}

/* Where cgroup v2 is mounted with its own root; -ENOTSUP where that is hidden. */
static int find_mount(char *out, size_t size)
{
	berth_auto_free char *mounts = NULL;
	struct stat st;
	bool rw;
	int err = berth_file_read("/proc/self/mounts", &mounts);

	if (!err)
		err = berth_mounts_find(mounts, "cgroup2", out, size, &rw);
	if (err)
		return err;
	return !stat(out, &st) && st.st_ino == ROOT_INODE ? 0 : -ENOTSUP;
}

static int find_cgroup(const char *path, const uint64_t key[2], uint64_t *out)
{
	char mount[PATH_MAX];
	int err = find_mount(mount, sizeof(mount));

	return err ? err : berth_grant_hash_path(key, path, out);
}

/* Looks for a directory of that name below the one at path, which it extends where found. */
static bool search(char *path, size_t size, const char *name)
{
	size_t len = strlen(path);
	DIR *dir = opendir(path);
	struct dirent *e;
	bool found = false;

	while (dir && !found && (e = readdir(dir))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		snprintf(path + len, size - len, "/%s", e->d_name);
		/* Units lie in slices; what lies in a unit belongs to whoever runs there. */
		found = !strcmp(e->d_name, name) ||
			(strlen(e->d_name) > 6 &&
			 !strcmp(e->d_name + strlen(e->d_name) - 6, ".slice") &&
			 search(path, size, name));
		if (!found)
			path[len] = '\0';
	}
	if (dir)
		closedir(dir);
	return found;
}

/*
 * Where systemd puts a unit that does not run: an instance of a template has a slice of its template, in whose name "-"
 * would be the edge of another slice (systemd.slice(5)) and is escaped (systemd.unit(5)).
 */
static void usual_place(const char *unit, char *out, size_t size)
{
	const char *at = strchr(unit, '@'), *c;
	char template[4 * NAME_MAX + 1] = "";
	size_t n = 0;

	for (c = unit; at && c < at; c++)
		n += (size_t)snprintf(template + n, sizeof(template) - n,
				      *c == '-' || *c == '\\' ? "\\x%02x" : "%c",
				      (unsigned char)*c);
	if (at)
		snprintf(out, size, "/system.slice/system-%s.slice/%s", template, unit);
	else
		snprintf(out, size, "/system.slice/%s", unit);
}

static int find_unit(const char *name, const uint64_t key[2], uint64_t *out)
{
	char path[PATH_MAX], unit[NAME_MAX + 1], mount[PATH_MAX];
	size_t skip;
	int err = find_mount(mount, sizeof(mount));

	if (err)
		return err;
	snprintf(unit, sizeof(unit), "%s%s", name, strchr(name, '.') ? "" : ".service");
	skip = strlen(mount);
	snprintf(path, sizeof(path), "%s", mount);
	if (search(path, sizeof(path), unit))
		return berth_grant_hash_path(key, path + skip, out);
	usual_place(unit, path, sizeof(path));
	return berth_grant_hash_path(key, path, out);
}

int berth_subject_find(enum berth_grantrule_kind kind, const char *name, const uint64_t key[2],
		       struct berth_grant_id *out_id)
{
	static const uint32_t kinds[] = { BERTH_GRANT_USER, BERTH_GRANT_GROUP, BERTH_GRANT_CGROUP,
					  BERTH_GRANT_CGROUP };
	uint64_t id = 0;
	int err = -EINVAL;

	switch (kind) {
	case BERTH_GRANTRULE_USER:
		err = find_user(name, &id);
		break;
	case BERTH_GRANTRULE_GROUP:
		err = find_group(name, &id);
		break;
	case BERTH_GRANTRULE_CGROUP:
		err = find_cgroup(name, key, &id);
		break;
	case BERTH_GRANTRULE_UNIT:
		err = find_unit(name, key, &id);
		break;
	case BERTH_GRANTRULE_KINDS:
		break;
	}
	if (!err)
		*out_id = (struct berth_grant_id){ kinds[kind], id };
	return err;
}
