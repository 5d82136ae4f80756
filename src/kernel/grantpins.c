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

void berth_grantpins_detach(const char *path)
{
	berth_auto_fd int fd = bpf_obj_get(path);

	if (fd >= 0)
		bpf_link_detach(fd);
	unlink(path);
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
	for (i = 0; i < BERTH_GRANT_HOOKS; i++) {
		berth_grantpins_path(dirname, berth_grant_hook_name[i], path, sizeof(path));
		berth_grantpins_detach(path);
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
