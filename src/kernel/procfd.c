/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads /proc/PID/fd, and /proc/PID/task/TID/fd where a thread has a table of its own. */
#include "src/kernel/procfd.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/base/auto.h"

static int read_small(const char *path, char *buf, size_t size)
{
	berth_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	return 0;
}

/* The inode in "socket:[N]"; 0 where the link is something else. -EACCES: a process that is not ours to look into. */
static int inode_of(int dir_fd, const char *name, uint64_t *out_inode)
{
	char link[40];
	ssize_t n = readlinkat(dir_fd, name, link, sizeof(link) - 1);

	*out_inode = 0;
	if (n < 0)
		return errno == EACCES || errno == EPERM ? -EACCES : 0;
	if (n < 10 || memcmp(link, "socket:[", 8))
		return 0;
	link[n] = '\0';
	*out_inode = strtoull(link + 8, NULL, 10);
	return 0;
}

int berth_procfd_table(uint32_t pid, uint32_t thread, berth_procfd_fn fn, void *arg)
{
	char path[64];
	struct dirent *e;
	uint64_t inode = 0;
	int result = 0;
	DIR *dir;

	if (thread == pid)
		snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	else
		snprintf(path, sizeof(path), "/proc/%u/task/%u/fd", pid, thread);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (!result && (e = readdir(dir))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		result = inode_of(dirfd(dir), e->d_name, &inode);
		if (inode)
			result =
				fn(pid, thread, (uint32_t)strtoul(e->d_name, NULL, 10), inode, arg);
	}
	closedir(dir);
	return result;
}

static int is_gone(int err)
{
	return err == -ENOENT || err == -ESRCH;
}

/* Whether the thread has the table of its process; a process whose first thread ended has none itself. */
static bool shares_table(uint32_t pid, uint32_t thread)
{
	return !syscall(SYS_kcmp, (pid_t)pid, (pid_t)thread, KCMP_FILES, 0, 0);
}

static int each_thread(uint32_t pid, berth_procfd_fn fn, void *arg)
{
	char path[64];
	struct dirent *e;
	struct stat st;
	int result = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	/* The directory's links are two more than the threads. */
	if (stat(path, &st) || st.st_nlink <= 3)
		return 0;
	dir = opendir(path);
	while (dir && !result && (e = readdir(dir))) {
		uint32_t thread = (uint32_t)strtoul(e->d_name, NULL, 10);

		if (thread && thread != pid && !shares_table(pid, thread))
			result = berth_procfd_table(pid, thread, fn, arg);
		if (result < 0)
			result = 0;
	}
	if (dir)
		closedir(dir);
	return result;
}

static int each_of(uint32_t pid, berth_procfd_fn fn, void *arg, bool *out_hidden)
{
	int result = berth_procfd_table(pid, pid, fn, arg);

	if (result == -EACCES || result == -EPERM)
		*out_hidden = true;
	if (result < 0 && !is_gone(result) && result != -EACCES && result != -EPERM)
		return result;
	return result > 0 ? result : each_thread(pid, fn, arg);
}

int berth_procfd_each(uint32_t pid, berth_procfd_fn fn, void *arg, bool *out_hidden)
{
	struct dirent *e;
	int result = 0;
	DIR *dir;

	if (pid)
		return each_of(pid, fn, arg, out_hidden);
	dir = opendir("/proc");
	if (!dir)
		return -errno;
	while (!result && (e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]))
			result = each_of((uint32_t)strtoul(e->d_name, NULL, 10), fn, arg,
					 out_hidden);
	closedir(dir);
	return result;
}

/* "PID (NAME) STATE ...": the name may have anything in it, the last parenthesis ends it. */
static int read_stat(uint32_t pid, struct berth_task *t)
{
	char path[64], text[1024], *open_, *close_;
	unsigned long long ticks;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	if (read_small(path, text, sizeof(text)))
		return -ESRCH;
	open_ = strchr(text, '(');
	close_ = strrchr(text, ')');
	if (!open_ || !close_ ||
	    sscanf(close_ + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &ticks) != 1)
		return -ESRCH;
	n = (size_t)(close_ - open_ - 1);
	memset(t->comm, 0, sizeof(t->comm));
	memcpy(t->comm, open_ + 1, n < sizeof(t->comm) - 1 ? n : sizeof(t->comm) - 1);
	t->start_ns = ticks * (1000000000u / (unsigned long)sysconf(_SC_CLK_TCK));
	return 0;
}

int berth_procfd_task(uint32_t pid, struct berth_task *out_task)
{
	struct berth_task t = { .pid = pid, .thread = pid };
	char path[64], text[4096];
	const char *line;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	if (read_stat(pid, &t) || read_small(path, text, sizeof(text)))
		return -ESRCH;
	line = strstr(text, "\nUid:");
	if (!line || sscanf(line, "\nUid: %*u %u", &t.uid) != 1)
		return -ESRCH;
	*out_task = t;
	return 0;
}
