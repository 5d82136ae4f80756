/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds the users, groups, cgroups and units that rules name. */
#ifndef BERTH_KERNEL_SUBJECT_H
#define BERTH_KERNEL_SUBJECT_H

#include "src/core/grantrule.h"
#include "src/kernel/grantset.h"

/*
 * Finds what a name of the given kind stands for: a user or group by name or number, a cgroup by its path
 * below the root of cgroup v2, whether it is there or not, a unit by its place in whatever slice, or, where it
 * does not run, by the one where systemd puts units without Slice=. key: of berth_grant_hash_path().
 * Returns 0; -ENOENT: nobody has the name; -EINVAL: no path; -ENOTSUP: a cgroup namespace hides the root.
 */
int berth_subject_find(enum berth_grantrule_kind kind, const char *name, const uint64_t key[2],
		       struct berth_grant_id *out_id);

/* The word of a kind: "user", "group", "cgroup", "unit". */
const char *berth_subject_kind(enum berth_grantrule_kind kind);

#endif
