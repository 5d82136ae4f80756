/* SPDX-License-Identifier: BSD-2-Clause */
/* What src/kernel/grant.h's parts share: the directory of a version, and its pins. */
#ifndef BERTH_KERNEL_GRANTPINS_H
#define BERTH_KERNEL_GRANTPINS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/kernel/grant.h"

#define BERTH_GRANT_FIRST_GUARD 2 /* hooks from here on are for deny rules only */

/* Where the BPF file system is. Borrowed. */
const char *berth_grantpins_bpffs(const struct berth_grant_place_spec *place);

/* The directory of a version. 0, -ENAMETOOLONG. */
int berth_grantpins_dir(const struct berth_grant_place_spec *place, uint32_t version,
			char out[PATH_MAX]);

/* The path of a pin in the directory. */
void berth_grantpins_path(const char *dir, const char *name, char *out, size_t size);

/*
 * Opens the directory above all versions and locks it, until the descriptor is closed. make: makes it where it is
 * missing. -ENODEV: no BPF file system; other -errno.
 */
int berth_grantpins_open(const struct berth_grant_place_spec *place, bool make, int *out_fd,
			 struct berth_why *why);

/* Finds the highest version above ours and the lowest below; 0: none. Both are one more than the number. */
void berth_grantpins_versions(const struct berth_grant_place_spec *place, uint32_t *out_newer,
			      uint32_t *out_older);

/* What is pinned for rules that are not in force yet has this behind its name. */
#define BERTH_GRANT_NEXT "_new"

/* True where the rules need the hook. */
bool berth_grantpins_needs(const struct berth_grant_about *about, int hook);

/* Reads the pinned description of rules, of that name. 0 or -errno. */
int berth_grantpins_about(const char *dir, const char *name, struct berth_grant_about *out_about);

/* Whose turn it is, 0: nobody's. */
uint64_t berth_grantpins_turn(const char *dir);

/* Gives the turn: from now on those programs decide, at all hooks, and no others. 0 or -errno. */
int berth_grantpins_set_turn(const char *dir, uint64_t turn);

/*
 * Finishes what a load has begun, in this process or in one that was killed: where the turn is that of the rules pinned
 * as next, they take the place of those before; otherwise they are taken away. 0, or -errno where a pin cannot be moved;
 * then what is in force stays so.
 */
int berth_grantpins_settle(const char *dir, struct berth_why *why);

/* Detaches the links of a version and removes its pins. 0 or -errno. */
int berth_grantpins_remove(const struct berth_grant_place_spec *place, uint32_t version,
			   struct berth_why *why);

/* Pins a map under a name, in place of what has it. 0 or -errno. */
int berth_grantpins_pin(int fd, const char *dir, const char *name);

/* The sentence for a version that is newer (one more than its number). -EEXIST. */
int berth_grantpins_refuse_newer(const struct berth_grant_place_spec *place, uint32_t newer,
				 struct berth_why *why);

#endif
