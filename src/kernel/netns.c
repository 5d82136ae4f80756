/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds network namespaces through the processes in them and the mounts that keep them. */
#include "src/kernel/netns.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/kernel/file.h"

static uint32_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (uint32_t)st.st_ino;
}

uint32_t berth_netns_own(void)
{
	return inode_of("/proc/thread-self/ns/net");
}

static bool is_same(const struct stat *a, const char *path)
{
	struct stat b;

	return !stat(path, &b) && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

void berth_netns_name(const char *path, char out[NAME_MAX + 1])
{
	char named[sizeof("/run/netns/") + NAME_MAX];
	struct dirent *e;
	struct stat st;
	DIR *dir;

	*out = '\0';
	if (stat(path, &st) || is_same(&st, "/proc/1/ns/net"))
		return;
	dir = opendir("/run/netns");
	while (dir && !*out && (e = readdir(dir))) {
		snprintf(named, sizeof(named), "/run/netns/%s", e->d_name);
		if (is_same(&st, named))
			snprintf(out, NAME_MAX + 1, "%s", e->d_name);
	}
	if (dir)
		closedir(dir);
}

/* Takes a namespace into the list that is not there yet. One that may not be looked at is left out. */
static int add(struct berth_netns_list *list, const char *path)
{
	uint32_t inode = inode_of(path);
	struct berth_netns *more;
	struct stat st;
	size_t i;
	int fd;

	for (i = 0; i < list->count; i++)
		if (list->netns[i].inode == inode)
			return 0;
	if (!inode)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : 0;
	if (fstat(fd, &st) || (uint32_t)st.st_ino != inode) {
		close(fd);
		return 0;
	}
	more = realloc(list->netns, (list->count + 1) * sizeof(*more));
	if (!more) {
		close(fd);
		return -ENOMEM;
	}
	list->netns = more;
	more[list->count++] = (struct berth_netns){ inode, fd };
	return 0;
}

static int add_processes(struct berth_netns_list *list)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	char path[64];
	int err = dir ? 0 : -errno;

	while (!err && (e = readdir(dir))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/ns/net", e->d_name);
		err = add(list, path);
	}
	if (dir)
		closedir(dir);
	return err;
}

/* Lines "... ROOT MOUNTPOINT ... - nsfs ..." of mountinfo, where ROOT is net:[N]. */
static int add_mounts(struct berth_netns_list *list)
{
	berth_auto_free char *text = NULL;
	char *line, *rest = NULL, root[64], point[4096];
	int err = berth_file_read("/proc/thread-self/mountinfo", &text);

	if (err)
		return err == -EFBIG ? 0 : err;
	for (line = strtok_r(text, "\n", &rest); line && !err; line = strtok_r(NULL, "\n", &rest))
		if (sscanf(line, "%*s %*s %*s %63s %4095s", root, point) == 2 &&
		    !strncmp(root, "net:[", 5))
			err = add(list, point);
	return err;
}

int berth_netns_find(struct berth_netns_list *out_list, struct berth_why *why)
{
	struct berth_netns_list list = { 0 };
	int err = add(&list, "/proc/thread-self/ns/net");

	if (!err && !list.count)
		err = -EACCES;
	if (!err)
		err = add_processes(&list);
	if (!err)
		err = add_mounts(&list);
	if (err) {
		berth_netns_free(&list);
		return berth_why(why, err, "network namespaces: /proc does not tell them (%s)",
				 strerror(-err));
	}
	*out_list = list;
	return 0;
}

int berth_netns_enter(const struct berth_netns *netns)
{
	return setns(netns->fd, CLONE_NEWNET) ? -errno : 0;
}

void berth_netns_free(struct berth_netns_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		close(list->netns[i].fd);
	free(list->netns);
	*list = (struct berth_netns_list){ 0 };
}
