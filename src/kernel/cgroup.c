/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds, makes, enters and removes cgroups of version 2. */
#include "src/kernel/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/kernel/file.h"
#include "src/kernel/proctext.h"

/* Where the caller's cgroup lies in the file system. */
static int own_path(char *out_path, size_t size)
{
	berth_auto_free char *mounts = NULL, *groups = NULL;
	char mount[BERTH_CGROUP_PATH_MAX], own[BERTH_CGROUP_PATH_MAX];
	bool rw;
	int err = berth_file_read("/proc/self/mounts", &mounts);

	if (!err)
		err = berth_file_read("/proc/self/cgroup", &groups);
	if (!err)
		err = berth_mounts_find(mounts, "cgroup2", mount, sizeof(mount), &rw);
	if (!err)
		err = berth_own_cgroup_parse(groups, own, sizeof(own));
	if (err)
		return err;
	return snprintf(out_path, size, "%s%s", mount, own) < (int)size ? 0 : -ENAMETOOLONG;
}

int berth_cgroup_make(const char *id, char *out_path, size_t size, int *out_fd,
		      struct berth_why *why)
{
	char own[BERTH_CGROUP_PATH_MAX];
	int err = own_path(own, sizeof(own));

	if (err == -ENOENT)
		return berth_why(
			why, err,
			"cgroup v2: not mounted on this host; mount it: mkdir -p /sys/fs/cgroup/unified "
			"&& mount -t cgroup2 none /sys/fs/cgroup/unified, or use --via preload");
	if (!err && snprintf(out_path, size, "%s/berth-%s", own, id) >= (int)size)
		err = -ENAMETOOLONG;
	if (err)
		return berth_why(why, err, "cgroup v2: cannot tell the own cgroup (%s)",
				 strerror(-err));
	if (mkdir(out_path, 0755) && errno != EEXIST)
		return berth_why(
			why, -errno,
			"%s: the kernel refused to make the cgroup (%s); run as root or in a "
			"delegated cgroup, or use --via preload",
			out_path, strerror(errno));
	*out_fd = open(out_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*out_fd < 0)
		return berth_why(why, -errno, "%s: %s", out_path, strerror(errno));
	return 0;
}

int berth_cgroup_enter(int cgroup_fd)
{
	int fd = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, "0", 1) != 1)
		err = -errno;
	close(fd);
	return err;
}

bool berth_cgroup_is_populated(const char *path)
{
	char events[BERTH_CGROUP_PATH_MAX + 16];
	berth_auto_free char *text = NULL;

	snprintf(events, sizeof(events), "%s/cgroup.events", path);
	return !berth_file_read(events, &text) && strstr(text, "populated 1");
}

int berth_cgroup_remove(const char *path)
{
	char below[BERTH_CGROUP_PATH_MAX];
	struct dirent *e;
	DIR *dir;

	if (!rmdir(path) || errno == ENOENT)
		return 0;
	if (errno != EBUSY)
		return -errno;
	if (berth_cgroup_is_populated(path))
		return -EBUSY;
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (e->d_type == DT_DIR && e->d_name[0] != '.' &&
		    snprintf(below, sizeof(below), "%s/%s", path, e->d_name) < (int)sizeof(below))
			berth_cgroup_remove(below);
	}
	if (dir)
		closedir(dir);
	return rmdir(path) && errno != ENOENT ? -errno : 0;
}
