/* SPDX-License-Identifier: BSD-2-Clause */
/* The directories of the BPF file system in which rules are pinned, one a version. */
#include "src/kernel/grantpins.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/magic.h>

#include "src/base/auto.h"

#define BPFFS "/sys/fs/bpf"
#define VERSION_PREFIX "grant-v"

const char *const berth_grant_hook_name[BERTH_GRANT_HOOKS] = { "bind4", "bind6", "post_bind4",
							       "post_bind6" };

const char *berth_grantpins_bpffs(const struct berth_grant_place_spec *place)
{
	return place->bpffs ? place->bpffs : BPFFS;
}

int berth_grantpins_dir(const struct berth_grant_place_spec *place, uint32_t version,
			char out[PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s/berth/" VERSION_PREFIX "%u",
			berth_grantpins_bpffs(place), version) < PATH_MAX
		       ? 0
		       : -ENAMETOOLONG;
}

void berth_grant_dir(const struct berth_grant_place_spec *place, char *out, size_t size)
{
	snprintf(out, size, "path:%s/berth/" VERSION_PREFIX "%u", berth_grantpins_bpffs(place),
		 BERTH_GRANT_ABI);
}

void berth_grantpins_path(const char *dir, const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", dir, name);
}

/* False where the directory was removed, by whoever had the lock, while it was waited for. */
static bool is_at(int fd, const char *path)
{
	struct stat locked, there;

	return !fstat(fd, &locked) && !stat(path, &there) && locked.st_dev == there.st_dev &&
	       locked.st_ino == there.st_ino;
}

int berth_grantpins_open(const struct berth_grant_place_spec *place, bool make, int *out_fd,
			 struct berth_why *why)
{
	const char *bpffs = berth_grantpins_bpffs(place);
	berth_auto_fd int fd = -1;
	char home[PATH_MAX];
	struct statfs fs;

	if (statfs(bpffs, &fs) || fs.f_type != BPF_FS_MAGIC)
		return berth_why(why, -ENODEV,
				 "%s: no BPF file system is mounted there; mount -t bpf bpf %s",
				 bpffs, bpffs);
	snprintf(home, sizeof(home), "%s/berth", bpffs);
	do {
		if (fd >= 0)
			close(berth_take_fd(&fd));
		if (make && mkdir(home, 0755) && errno != EEXIST)
			return berth_why(why, -errno,
					 "%s: the kernel refused to make it (%s); run as root",
					 home, strerror(errno));
		fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || flock(fd, LOCK_EX))
			return berth_why(why, -errno, "%s: %s", home, strerror(errno));
	} while (!is_at(fd, home));
	*out_fd = berth_take_fd(&fd);
	return 0;
}

/* The number of a directory's name, 0 where it is not one of ours. */
static uint32_t version_of(const char *name)
{
	const size_t n = strlen(VERSION_PREFIX);
	char *end;
	unsigned long v;

	if (strncmp(name, VERSION_PREFIX, n) || name[n] < '0' || name[n] > '9')
		return 0;
	v = strtoul(name + n, &end, 10);
	/* Version 0 was never given; as any other it is told from ours. */
	return *end || v >= UINT32_MAX ? 0 : (uint32_t)v + 1;
}

void berth_grantpins_versions(const struct berth_grant_place_spec *place, uint32_t *out_newer,
			      uint32_t *out_older)
{
	char home[PATH_MAX];
	struct dirent *e;
	DIR *dir;

	*out_newer = *out_older = 0;
	snprintf(home, sizeof(home), "%s/berth", berth_grantpins_bpffs(place));
	dir = opendir(home);
	while (dir && (e = readdir(dir))) {
		uint32_t v = version_of(e->d_name);

		if (v > BERTH_GRANT_ABI + 1)
			*out_newer = v > *out_newer ? v : *out_newer;
		else if (v && v < BERTH_GRANT_ABI + 1)
			*out_older = !*out_older || v < *out_older ? v : *out_older;
	}
	if (dir)
		closedir(dir);
}

/* Detaches the link pinned at the path, if there is one, and unpins it. */
static void detach(const char *path)
{
	berth_auto_fd int fd = bpf_obj_get(path);

	if (fd >= 0)
		bpf_link_detach(fd);
	unlink(path);
}

bool berth_grantpins_needs(const struct berth_grant_about *about, int hook)
{
	return hook < BERTH_GRANT_FIRST_GUARD || about->guards ||
	       (about->lopsided && hook == BERTH_GRANT_HOOKS - 1);
}

int berth_grantpins_about(const char *dir, const char *name, struct berth_grant_about *out_about)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info), zero = 0;
	char path[PATH_MAX + 32];
	berth_auto_fd int fd = -1;

	berth_grantpins_path(dir, name, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	if (info.value_size != sizeof(*out_about))
		return -EPROTO;
	if (bpf_map_lookup_elem(fd, &zero, out_about))
		return -errno;
	out_about->cgroup[PATH_MAX - 1] = '\0';
	return 0;
}

static int open_turn(const char *dir)
{
	char path[PATH_MAX + 32];

	berth_grantpins_path(dir, "turn", path, sizeof(path));
	return bpf_obj_get(path);
}

uint64_t berth_grantpins_turn(const char *dir)
{
	berth_auto_fd int fd = open_turn(dir);
	uint64_t turn = 0;
	uint32_t zero = 0;

	return fd < 0 || bpf_map_lookup_elem(fd, &zero, &turn) ? 0 : turn;
}

int berth_grantpins_set_turn(const char *dir, uint64_t turn)
{
	berth_auto_fd int fd = open_turn(dir);
	uint32_t zero = 0;

	return fd < 0 || bpf_map_update_elem(fd, &zero, &turn, BPF_ANY) ? -errno : 0;
}

static void next_path(const char *dir, const char *name, char out[PATH_MAX + 32])
{
	snprintf(out, PATH_MAX + 32, "%s/%s" BERTH_GRANT_NEXT, dir, name);
}

/* Puts what is pinned as next, if it is still there, in the place of what has the name. */
static int move_up(const char *dir, const char *name, struct berth_why *why)
{
	char path[PATH_MAX + 32], next[PATH_MAX + 32];

	berth_grantpins_path(dir, name, path, sizeof(path));
	next_path(dir, name, next);
	if (access(next, F_OK))
		return 0;
	detach(path); /* no link: unpinned only */
	return rename(next, path) ? berth_why(why, -errno, "%s: not to be replaced (%s); rm -r %s",
					      path, strerror(errno), path)
				  : 0;
}

/* The description goes last: while it is there, the rest may have to be done again. */
static int move_all_up(const char *dir, const struct berth_grant_about *about,
		       struct berth_why *why)
{
	char path[PATH_MAX + 32];
	int i, err = 0;

	for (i = 0; !err && i < BERTH_GRANT_HOOKS; i++) {
		berth_grantpins_path(dir, berth_grant_hook_name[i], path, sizeof(path));
		if (berth_grantpins_needs(about, i))
			err = move_up(dir, berth_grant_hook_name[i], why);
		else
			detach(path);
	}
	if (!err)
		err = move_up(dir, "rules", why);
	return err ? err : move_up(dir, "about", why);
}

int berth_grantpins_settle(const char *dir, struct berth_why *why)
{
	static const char *const rest[] = { "about", "rules" };
	struct berth_grant_about about;
	char path[PATH_MAX + 32];
	int i;

	if (!berth_grantpins_about(dir, "about" BERTH_GRANT_NEXT, &about) &&
	    about.turn == berth_grantpins_turn(dir))
		return move_all_up(dir, &about, why);
	for (i = 0; i < BERTH_GRANT_HOOKS; i++) {
		next_path(dir, berth_grant_hook_name[i], path);
		detach(path);
	}
	for (i = 0; i < 2; i++) {
		next_path(dir, rest[i], path);
		unlink(path);
	}
	return 0;
}

int berth_grantpins_remove(const struct berth_grant_place_spec *place, uint32_t version,
			   struct berth_why *why)
{
	char dirname[PATH_MAX], path[PATH_MAX + 256];
	struct dirent *e;
	DIR *dir;
	int i;

	if (berth_grantpins_dir(place, version, dirname))
		return -ENAMETOOLONG;
	/* All at once; an older version has no turns. */
	berth_grantpins_set_turn(dirname, 0);
	for (i = 0; i < BERTH_GRANT_HOOKS; i++) {
		berth_grantpins_path(dirname, berth_grant_hook_name[i], path, sizeof(path));
		detach(path);
	}
	dir = opendir(dirname);
	while (dir && (e = readdir(dir))) {
		berth_grantpins_path(dirname, e->d_name, path, sizeof(path));
		if (e->d_name[0] != '.')
			unlink(path);
	}
	if (dir)
		closedir(dir);
	if (rmdir(dirname) && errno != ENOENT)
		return berth_why(why, -errno, "%s: cannot remove it (%s); rm -r %s", dirname,
				 strerror(errno), dirname);
	return 0;
}

int berth_grantpins_pin(int fd, const char *dir, const char *name)
{
	char path[PATH_MAX + 32], fresh[PATH_MAX + 64];

	berth_grantpins_path(dir, name, path, sizeof(path));
	snprintf(fresh, sizeof(fresh), "%s_new", path);
	unlink(fresh);
	return bpf_obj_pin(fd, fresh) || rename(fresh, path) ? -errno : 0;
}

int berth_grantpins_refuse_newer(const struct berth_grant_place_spec *place, uint32_t newer,
				 struct berth_why *why)
{
	return berth_why(why, -EEXIST,
			 "%s/berth/" VERSION_PREFIX
			 "%u: pinned by a newer berth and left alone; remove it with "
			 "that one, or: rm -r %s/berth/" VERSION_PREFIX "%u",
			 berth_grantpins_bpffs(place), newer - 1, berth_grantpins_bpffs(place),
			 newer - 1);
}

int berth_grant_remove(const struct berth_grant_place_spec *place, struct berth_why *why)
{
	struct berth_grant_status s;
	berth_auto_fd int lock = -1;
	char home[PATH_MAX];
	int removed = 0, err;

	snprintf(home, sizeof(home), "%s/berth", berth_grantpins_bpffs(place));
	if (access(home, F_OK) && errno == ENOENT)
		return 0;
	err = berth_grantpins_open(place, false, &lock, why);
	if (err)
		return err == -ENOENT ? 0 : err; /* another has removed it meanwhile */
	err = berth_grant_status(place, &s, why);
	berth_grant_status_fini(&s);
	while (!err && s.older) {
		err = berth_grantpins_remove(place, s.older - 1, why);
		removed++;
		berth_grantpins_versions(place, &s.newer, &s.older);
	}
	if (!err && s.pinned) {
		err = berth_grantpins_remove(place, BERTH_GRANT_ABI, why);
		removed++;
	}
	if (!err)
		rmdir(home);
	return err ? err : removed;
}
