/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads files below a root directory by openat2(2), which keeps links inside of it. */
#include "src/kernel/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/base/auto.h"

#define FILE_MAX ((size_t)4 << 20)

static int open_below(const struct berth_tree *t, const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned)(flags | O_CLOEXEC),
				.resolve = RESOLVE_IN_ROOT };

	if (t->plain)
		return openat(t->fd, path[1] ? path + 1 : ".", flags | O_CLOEXEC);
	return (int)syscall(SYS_openat2, t->fd, path, &how, sizeof(how));
}

int berth_tree_init(struct berth_tree *t, const char *root)
{
	int fd;

	*t = (struct berth_tree){ .fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) };
	if (t->fd < 0)
		return -errno;
	fd = open_below(t, "/", O_PATH | O_DIRECTORY);
	if (fd >= 0)
		close(fd);
	else if ((errno == ENOSYS || errno == EPERM) && !strcmp(root, "/"))
		t->plain = true;
	else
		return errno == EPERM ? -ENOSYS : -errno;
	return 0;
}

void berth_tree_fini(struct berth_tree *t)
{
	if (t->fd >= 0)
		close(t->fd);
	free(t->text);
}

static int make_room(struct berth_tree *t, size_t size)
{
	char *more;

	if (size <= t->room)
		return 0;
	more = realloc(t->text, size);
	if (!more)
		return -ENOMEM;
	t->text = more;
	t->room = size;
	return 0;
}

int berth_tree_read(struct berth_tree *t, const char *path, const char **out_text, size_t *out_len)
{
	/* O_NONBLOCK: a FIFO must not hold us up. */
	berth_auto_fd int fd = open_below(t, path, O_RDONLY | O_NONBLOCK);
	size_t len = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EISDIR;
	if ((size_t)st.st_size > FILE_MAX)
		return -EFBIG;
	do {
		if (len > FILE_MAX)
			return -EFBIG;
		if (make_room(t, len + (st.st_size > 4096 ? (size_t)st.st_size : 4096) + 1))
			return -ENOMEM;
		n = read(fd, t->text + len, t->room - len - 1);
		if (n < 0)
			return -errno;
		len += (size_t)n;
	} while (n);
	t->text[len] = 0;
	*out_text = t->text;
	*out_len = len;
	return 0;
}

bool berth_tree_has(const struct berth_tree *t, const char *path)
{
	berth_auto_fd int fd = open_below(t, path, O_PATH | O_NOFOLLOW);

	return fd >= 0;
}

bool berth_tree_is_link(const struct berth_tree *t, const char *path)
{
	berth_auto_fd int fd = open_below(t, path, O_PATH | O_NOFOLLOW);
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && S_ISLNK(st.st_mode);
}

int berth_tree_read_link(const struct berth_tree *t, const char *path, char *buf, size_t size)
{
	berth_auto_fd int fd = open_below(t, path, O_PATH | O_NOFOLLOW);
	ssize_t len = fd < 0 ? -1 : readlinkat(fd, "", buf, size - 1);

	/* Of an empty path readlinkat(2) says ENOENT where the descriptor is no link. */
	if (len < 0)
		return fd >= 0 && errno == ENOENT ? -EINVAL : -errno;
	buf[len] = 0;
	return (int)len;
}

/* What editors and dpkg leave behind. */
static bool is_left_behind(const char *name)
{
	static const char *const ends[] = { "~",         ".bak",      ".orig",      ".rej",
					    ".swp",      ".dpkg-old", ".dpkg-dist", ".dpkg-new",
					    ".dpkg-tmp", ".ucf-dist", ".ucf-old",   ".rpmsave",
					    ".rpmnew" };
	size_t len = strlen(name), i;

	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		size_t n = strlen(ends[i]);

		if (len > n && !strcmp(name + len - n, ends[i]))
			return true;
	}
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of a directory that match a part of a glob, sorted. Returns how many; free each, and the list. */
static size_t list(const struct berth_tree *t, const char *directory, const char *part,
		   char ***out_names)
{
	int fd = open_below(t, *directory ? directory : "/", O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t count = 0, room = 0;
	char **names = NULL;
	struct dirent *e;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && (e = readdir(dir))) {
		if (fnmatch(part, e->d_name, FNM_PERIOD) || is_left_behind(e->d_name))
			continue;
		if (count == room) {
			size_t more = room ? room * 2 : 32;
			char **grown = reallocarray(names, more, sizeof(*names));

			if (!grown)
				break;
			names = grown;
			room = more;
		}
		names[count] = strdup(e->d_name);
		if (!names[count])
			break;
		count++;
	}
	if (dir)
		closedir(dir);
	if (count)
		qsort(names, count, sizeof(*names), by_name);
	*out_names = names;
	return count;
}

/* Goes on with what follows a prefix without wildcards. */
static void walk(const struct berth_tree *t, const char *prefix, const char *rest,
		 void (*fn)(void *arg, const char *path), void *arg)
{
	char path[PATH_MAX], part[NAME_MAX + 1];
	const char *wild = strpbrk(rest, "*?["), *slash, *end;
	char **names;
	size_t count, i;

	if (!wild) {
		snprintf(path, sizeof(path), "%s%s", prefix, rest);
		fn(arg, path);
		return;
	}
	for (slash = wild; slash > rest && *slash != '/'; slash--)
		;
	end = wild + strcspn(wild, "/");
	snprintf(path, sizeof(path), "%s%.*s", prefix, (int)(slash - rest), rest);
	snprintf(part, sizeof(part), "%.*s", (int)(end - slash - 1), slash + 1);
	count = list(t, path, part, &names);
	for (i = 0; i < count; i++) {
		char next[PATH_MAX];

		if ((size_t)snprintf(next, sizeof(next), "%s/%s", path, names[i]) < sizeof(next))
			walk(t, next, end, fn, arg);
		free(names[i]);
	}
	free(names);
}

void berth_tree_glob(const struct berth_tree *t, const char *glob,
		     void (*fn)(void *arg, const char *path), void *arg)
{
	walk(t, "", glob, fn, arg);
}

int berth_tree_write(const struct berth_tree *t, const char *directory, const char *name,
		     const char *text)
{
	berth_auto_fd int dir = open_below(t, directory, O_RDONLY | O_DIRECTORY);
	berth_auto_fd int fd = -1;
	size_t len = strlen(text);
	char fresh[NAME_MAX + 1];

	if (dir < 0)
		return -errno;
	snprintf(fresh, sizeof(fresh), ".%.200s.new", name);
	unlinkat(dir, fresh, 0);
	fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len || fsync(fd) || renameat(dir, fresh, dir, name)) {
		int err = errno ? -errno : -EIO;

		unlinkat(dir, fresh, 0);
		return err;
	}
	return 0;
}
