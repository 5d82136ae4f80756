/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of the registry: where a newer one is kept, and how it gets there. */
#ifndef BERTH_REGISTRY_IMPORT_H
#define BERTH_REGISTRY_IMPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/why.h"

#define BERTH_SERVICES_PATH_MAX 4096

/*
 * Where the imported registry of this user is: root's and the host's is /var/lib/berth/services.csv, another
 * user's $XDG_DATA_HOME/berth/services.csv (~/.local/share where that is not set to an absolute path); where
 * such a user has none, the host's is read.
 * Returns 0, -ENOENT where nothing was imported, -ENAMETOOLONG.
 */
int berth_services_import_path(char *out_path, size_t size);

/*
 * Reads a regular file or a pipe of 64 MB at most; the caller frees. Behind the bytes there is a NUL.
 * Returns 0 or -errno; -EFBIG where it is larger.
 */
int berth_services_read(const char *path, char **out_text, size_t *out_len);

/*
 * Checks that a file is IANA's CSV, all of it, and puts it in the place of the one before at once: whoever
 * reads finds the old one or the new one. What was there stays where anything fails. check_only: stores
 * nothing. Returns how many rows assign a port, with the place in out_path (size bytes); negative with the
 * sentence in why.
 */
int berth_services_import(const char *file, bool check_only, char *out_path, size_t size,
			  struct berth_why *why);

#endif
