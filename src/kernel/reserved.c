/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads, writes and persists the ports that the kernel never chooses. */
#include "src/kernel/reserved.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/kernel/file.h"
#include "src/kernel/netns.h"

#define SYSCTL "/proc/sys/net/ipv4/ip_local_reserved_ports"

/* ---- the kernel ---- */

static void netns_path(const char *netns, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s%s", strchr(netns, '/') ? "" : "/run/netns/", netns);
}

bool berth_reserved_has_netns(const char *netns)
{
	char path[PATH_MAX];

	netns_path(netns, path);
	return !*netns || !access(path, F_OK);
}

/* Enters the namespace; *out_home is a descriptor of the one to go back to, -1: nothing was done. */
static int enter(const char *netns, int *out_home, struct berth_why *why)
{
	berth_auto_fd int home = -1, there = -1;
	char path[PATH_MAX], own[NAME_MAX + 1];

	*out_home = -1;
	berth_netns_name("/proc/thread-self/ns/net", own);
	if (!*netns && !*own)
		return 0;
	if (*netns)
		netns_path(netns, path);
	else
		strcpy(path, "/proc/1/ns/net");
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (there < 0)
		return berth_why(why, -errno, "--netns: %s: %s; see \"ip netns\"", path,
				 strerror(errno));
	if (home < 0 || setns(there, CLONE_NEWNET))
		return berth_why(why, -errno,
				 "--netns: %s: the kernel refused to enter it (%s); run as root",
				 path, strerror(errno));
	*out_home = berth_take_fd(&home);
	return 0;
}

static void leave(int home)
{
	if (home < 0)
		return;
	/* What follows would be done to the wrong namespace. */
	if (setns(home, CLONE_NEWNET))
		abort();
	close(home);
}

static int read_here(struct berth_portset *out_ports)
{
	berth_auto_free char *text = NULL;
	struct berth_range_error error;
	int err = berth_file_read(SYSCTL, &text);

	if (err)
		return err;
	text[strcspn(text, "\n")] = '\0';
	return berth_portset_parse(text, out_ports, &error);
}

int berth_reserved_read(const char *netns, struct berth_portset *out_ports, struct berth_why *why)
{
	int home, err = enter(netns, &home, why);

	if (err)
		return err;
	err = read_here(out_ports);
	leave(home);
	return err ? berth_why(why, err, SYSCTL ": %s", strerror(-err)) : 0;
}

/* The text form, to be freed, with a newline; NULL without memory. */
static char *format(const struct berth_portset *ports)
{
	size_t n = berth_portset_format(ports, NULL, 0);
	char *text = malloc(n + 2);

	if (!text)
		return NULL;
	berth_portset_format(ports, text, n + 1);
	memcpy(text + n, "\n", 2);
	return text;
}

/* The kernel takes a page at a time; what comes at a later offset is added to what came before. */
static int write_all(int fd, const char *text)
{
	size_t n = strlen(text);
	ssize_t done;

	for (; n; text += done, n -= (size_t)done) {
		done = write(fd, text, n);
		if (done <= 0)
			return done ? -errno : -EIO;
	}
	return 0;
}

int berth_reserved_write(const char *netns, const struct berth_portset *ports,
			 struct berth_why *why)
{
	berth_auto_free char *text = format(ports);
	berth_auto_fd int fd = -1;
	int home, err = text ? enter(netns, &home, why) : berth_why(why, -ENOMEM, "no memory");

	if (err)
		return err;
	fd = open(SYSCTL, O_WRONLY | O_CLOEXEC);
	err = fd < 0 ? -errno : write_all(fd, text);
	leave(home);
	return err ? berth_why(why, err,
			       SYSCTL ": the kernel refused to write it (%s); run as root",
			       strerror(-err))
		   : 0;
}

/* ---- files ---- */

static const char *const folders[] = { "/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d",
				       "/usr/lib/sysctl.d", "/lib/sysctl.d" };

/* The value of the line where it sets the key, else NULL. */
static char *value_of(char *line)
{
	static const char *const keys[] = { "net.ipv4.ip_local_reserved_ports",
					    "net/ipv4/ip_local_reserved_ports" };
	size_t i, n = strlen(keys[0]);

	line += strspn(line, " \t-");
	for (i = 0; i < 2; i++) {
		char *rest = line + n;

		if (strncmp(line, keys[i], n))
			continue;
		rest += strspn(rest, " \t");
		if (*rest != '=')
			continue;
		rest++;
		return rest + strspn(rest, " \t");
	}
	return NULL;
}

static void add_all(struct berth_portset *to, const struct berth_portset *from)
{
	int32_t p;

	for (p = berth_portset_next(from, 0); p >= 0;
	     p = p == 65535 ? -1 : berth_portset_next(from, (uint32_t)p + 1))
		berth_portset_add(to, (uint32_t)p);
}

/* Adds the ports of one file; true where it sets the key. A value that cannot be read counts as none. */
static bool add_file(const char *path, struct berth_portset *ports)
{
	static struct berth_portset one;
	berth_auto_free char *text = NULL;
	struct berth_range_error error;
	char *rest, *line, *value;
	bool sets = false;

	if (berth_file_read(path, &text))
		return false;
	for (rest = text; (line = strsep(&rest, "\n"));) {
		value = value_of(line);
		if (!value)
			continue;
		sets = true;
		value[strcspn(value, " \t\r#;")] = '\0';
		if (!berth_portset_parse(value, &one, &error))
			add_all(ports, &one);
	}
	return sets;
}

void berth_reserved_of_files(struct berth_portset *out_ports, char *out_later)
{
	const char *own = strrchr(BERTH_RESERVED_FILE, '/') + 1;
	char path[PATH_MAX];
	size_t i;

	*out_ports = (struct berth_portset){ 0 };
	*out_later = '\0';
	for (i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		struct dirent *e;
		DIR *dir = opendir(folders[i]);

		while (dir && (e = readdir(dir))) {
			size_t n = strlen(e->d_name);

			if (n < 6 || strcmp(e->d_name + n - 5, ".conf") || !strcmp(e->d_name, own))
				continue;
			snprintf(path, sizeof(path), "%s/%s", folders[i], e->d_name);
			if (add_file(path, out_ports) && strcmp(e->d_name, own) > 0)
				strcpy(out_later, path);
		}
		if (dir)
			closedir(dir);
	}
	if (add_file("/etc/sysctl.conf", out_ports))
		strcpy(out_later, "/etc/sysctl.conf");
}

/* Writes a file anew and puts it in place in one step. */
static int replace_file(const char *path, const char *head, const char *text)
{
	char fresh[PATH_MAX];
	berth_auto_fd int fd = -1;
	int err;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	err = write_all(fd, head);
	if (!err)
		err = write_all(fd, text);
	if (!err && (fsync(fd) || rename(fresh, path)))
		err = -errno;
	if (err)
		unlink(fresh);
	return err;
}

int berth_reserved_persist(const struct berth_portset *ports, struct berth_why *why)
{
	static const char head[] =
		"# Written by \"berth reserve\", which keeps what other files reserve: see "
		"\"berth reserve list\".\nnet.ipv4.ip_local_reserved_ports = ";
	berth_auto_free char *text = format(ports);
	int err = text ? 0 : -ENOMEM;

	if (!err && !ports->count)
		err = unlink(BERTH_RESERVED_FILE) && errno != ENOENT ? -errno : 0;
	else if (!err && mkdir("/etc/sysctl.d", 0755) && errno != EEXIST)
		err = -errno;
	else if (!err)
		err = replace_file(BERTH_RESERVED_FILE, head, text);
	return err ? berth_why(why, err,
			       BERTH_RESERVED_FILE
			       ": cannot write it (%s); the ports are reserved until "
			       "the next boot only",
			       strerror(-err))
		   : 0;
}
