/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of a host, or of an image that lies in a directory: symbolic links, absolute ones too, stay inside of it.
 */
#ifndef BERTH_KERNEL_TREE_H
#define BERTH_KERNEL_TREE_H

#include <stdbool.h>
#include <stddef.h>

struct berth_tree {
	int fd;
	bool plain; /* openat2(2) is refused here (an old sandbox); then "/" alone can be a root */
	char *text; /* what was read last */
	size_t room;
};

/* Opens a root directory. Returns 0 or -errno: -ENOSYS where openat2(2) is needed and refused. berth_tree_fini() closes. */
int berth_tree_init(struct berth_tree *t, const char *root);
void berth_tree_fini(struct berth_tree *t);

/*
 * Reads a regular file, 4 MB at most; path begins with '/' and is below the root. The text is the tree's, until the
 * next call. Returns 0 or -errno: -EFBIG, -EISDIR for what is no regular file, ...
 */
int berth_tree_read(struct berth_tree *t, const char *path, const char **out_text, size_t *out_len);

/* True where there is something, a link that leads nowhere too. */
bool berth_tree_has(const struct berth_tree *t, const char *path);

/* True where the last part of the path is a symbolic link. */
bool berth_tree_is_link(const struct berth_tree *t, const char *path);

/*
 * Writes what a symbolic link holds, as it stands, to buf, cut at its size. Returns its length or -errno: -EINVAL for
 * what is no link.
 */
int berth_tree_read_link(const struct berth_tree *t, const char *path, char *buf, size_t size);

/*
 * Calls fn for each path that a glob means ('*', '?' and "[...]" within a part), in the order of names; hidden files and what
 * editors and dpkg leave behind are none. A glob without a wildcard is taken as it stands, whether it is there or not.
 */
void berth_tree_glob(const struct berth_tree *t, const char *glob,
		     void (*fn)(void *arg, const char *path), void *arg);

/*
 * Replaces a file below the root by one with this text, at once: a reader sees the old one or the new one. Its directory is
 * there. Returns 0 or -errno.
 */
int berth_tree_write(const struct berth_tree *t, const char *directory, const char *name,
		     const char *text);

#endif
