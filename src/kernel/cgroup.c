/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds, makes, enters and removes cgroups of version 2. */
#include "src/kernel/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/kernel/file.h"

/* Undoes the octal escapes of /proc/mounts ("\040" is a space). */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++, to++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to = *s;
		}
	}
	*to = 0;
}

int berth_cgroup_mount_of(const char *mounts, char *out_path, size_t size)
{
	const char *line = mounts;
	char path[BERTH_CGROUP_PATH_MAX], type[32];

	while (line && *line) {
		if (sscanf(line, "%*s %4095s %31s", path, type) == 2 && !strcmp(type, "cgroup2")) {
			unescape(path);
			if (snprintf(out_path, size, "%s", path) >= (int)size)
				return -ENAMETOOLONG;
			return 0;
		}
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return -ENOENT;
}

/* The caller's cgroup as a path below the mount: "" for the root, and where it lies outside of the mount. */
static int own_path(char *out_path, size_t size)
{
	berth_auto_free char *text = NULL;
	char *line, *end;
	int err = berth_file_read("/proc/self/cgroup", &text);

	if (err)
		return err;
	out_path[0] = 0;
	line = !strncmp(text, "0::", 3) ? text : strstr(text, "\n0::");
	if (!line)
		return -ENOENT;
	line = strchr(line, ':') + 2;
	end = strchr(line, '\n');
	if (end)
		*end = 0;
	if (!strcmp(line, "/") || !strncmp(line, "/..", 3))
		return 0;
	return snprintf(out_path, size, "%s", line) >= (int)size ? -ENAMETOOLONG : 0;
}

int berth_cgroup_make(const char *id, char *out_path, size_t size, int *out_fd, struct berth_why *why)
{
	berth_auto_free char *mounts = NULL;
	char mount[BERTH_CGROUP_PATH_MAX], own[BERTH_CGROUP_PATH_MAX];
	int err = berth_file_read("/proc/self/mounts", &mounts);

	if (!err)
		err = berth_cgroup_mount_of(mounts, mount, sizeof(mount));
	if (err)
		return berth_why(why, err,
				 "cgroup v2: not mounted on this host; mount it: mkdir -p /sys/fs/cgroup/unified "
				 "&& mount -t cgroup2 none /sys/fs/cgroup/unified, or use --via preload");
	err = own_path(own, sizeof(own));
	if (err || snprintf(out_path, size, "%s%s/berth-%s", mount, own, id) >= (int)size)
		return berth_why(why, err ? err : -ENAMETOOLONG, "cgroup v2: cannot tell the own cgroup (%s)",
				 strerror(err ? -err : ENAMETOOLONG));
	if (mkdir(out_path, 0755) && errno != EEXIST)
		return berth_why(why, -errno,
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
