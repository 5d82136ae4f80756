/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads listeners from /proc/net, and who owns them from the descriptors of each process. */
#include "src/kernel/listeners.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/auto.h"

struct list {
	struct berth_listener *at;
	size_t count, room;
};

/* /proc/net/tcp has each word of an address in host order. */
static bool is_loopback(const char *address)
{
	return strlen(address) == 8 ? !strcmp(address + 6, "7F")
				    : !strcmp(address, "00000000000000000000000001000000");
}

static int add(struct list *l, const struct berth_listener *one)
{
	if (l->count == l->room) {
		size_t more = l->room ? l->room * 2 : 64;
		void *grown = reallocarray(l->at, more, sizeof(*l->at));

		if (!grown)
			return -ENOMEM;
		l->at = grown;
		l->room = more;
	}
	l->at[l->count++] = *one;
	return 0;
}

/* Adds the sockets of one table that are in this state. */
static int read_table(struct list *l, const char *path, unsigned wanted, bool is_udp)
{
	berth_auto_file FILE *f = fopen(path, "re");
	char line[512], address[64], peer[64];
	unsigned port, peer_port, state;
	unsigned long inode;

	/* A host without IPv6 has no such table. */
	if (!f)
		return errno == ENOENT ? 0 : -errno;
	while (fgets(line, sizeof(line), f)) {
		struct berth_listener one = { .is_udp = is_udp };

		if (sscanf(line, " %*d: %63[0-9A-F]:%x %63[0-9A-F]:%x %x %*s %*s %*s %*u %*u %lu",
			   address, &port, peer, &peer_port, &state, &inode) != 6 ||
		    state != wanted || !port)
			continue;
		one.inode = (uint32_t)inode;
		one.port = (uint16_t)port;
		one.loopback = is_loopback(address);
		if (add(l, &one))
			return -ENOMEM;
	}
	return 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct berth_listener *x = a, *y = b;

	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static void read_command(const char *pid, char out[16])
{
	char path[64];
	berth_auto_file FILE *f = NULL;

	memset(out, 0, 16);
	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(out, 16, f))
		out[0] = 0;
	out[strcspn(out, "\n")] = 0;
}

/* Names the listeners that a process has open. One that has gone meanwhile has none. */
static void name_owned(struct list *l, const char *pid, const char command[16])
{
	char path[64], target[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		struct berth_listener key, *found;

		if (n <= 0)
			continue;
		target[n] = 0;
		if (sscanf(target, "socket:[%u]", &key.inode) != 1)
			continue;
		found = bsearch(&key, l->at, l->count, sizeof(key), by_inode);
		if (found && !found->command[0])
			memcpy(found->command, command, sizeof(found->command));
	}
	if (dir)
		closedir(dir);
}

/* Looks at the descriptors of each process whose command is wanted. */
static void name_all(struct list *l, bool (*wanted)(void *arg, const char *command), void *arg)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	char command[16];

	while (dir && (e = readdir(dir))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		read_command(e->d_name, command);
		if (command[0] && wanted(arg, command))
			name_owned(l, e->d_name, command);
	}
	if (dir)
		closedir(dir);
}

int berth_listeners_read(bool (*wanted)(void *arg, const char *command), void *arg,
			 struct berth_listener **out_list)
{
	struct list l = { 0 };
	/* States: TCP_LISTEN is 10; an unconnected UDP socket is TCP_CLOSE, 7. */
	int err = read_table(&l, "/proc/net/tcp", 10, false);

	err = err ? err : read_table(&l, "/proc/net/tcp6", 10, false);
	err = err ? err : read_table(&l, "/proc/net/udp", 7, true);
	err = err ? err : read_table(&l, "/proc/net/udp6", 7, true);
	if (err) {
		free(l.at);
		return err;
	}
	if (l.count) {
		qsort(l.at, l.count, sizeof(*l.at), by_inode);
		name_all(&l, wanted, arg);
	}
	*out_list = l.at;
	return (int)l.count;
}
