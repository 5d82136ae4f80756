/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules about bind() in the kernel: read, loaded, pinned, shown, removed.
 *
 * What is in force is the pins and nothing else: BPFFS/berth/grant-vN, N being BERTH_GRANT_ABI, holds a link
 * for each hook, the counters, and the text of the rules. No process of berth is needed.
 */
#ifndef BERTH_KERNEL_GRANT_H
#define BERTH_KERNEL_GRANT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi/grant.h"
#include "src/base/why.h"
#include "src/core/portset.h"

#define BERTH_GRANT_HOOKS 4

struct berth_grantset;

/* Where rules are kept and where they hold. */
struct berth_grant_place_spec {
	const char *bpffs;  /* NULL: /sys/fs/bpf */
	const char *cgroup; /* NULL: the root of cgroup v2, so for every process */
};

struct berth_grant_options {
	bool observe;     /* count, enforce nothing */
	bool every_netns; /* not only in the caller's network namespace */
	/* Called when all is pinned, just before the rules come into force; may be NULL. */
	void (*ready)(void *arg);
	void *arg;
};

/* Rules that were read and are to be loaded. Begins as berth_grant_rules_init(). */
struct berth_grant_rules {
	struct berth_grantset *set;
	uint64_t key[2];
	uint32_t count; /* rules */
	char *text;     /* their lines, without comments; NULL: none yet */
	size_t text_len;
	/* Called with a sentence where a rule cannot be applied as written; may be NULL. */
	void (*note)(void *arg, const char *sentence);
	void *arg;
};

/* 0, or -ENOMEM, -errno. */
int berth_grant_rules_init(struct berth_grant_rules *r, struct berth_why *why);

/*
 * Adds the rules of a text; name: of the file, for sentences. A name that nobody has is an error, but where
 * the rule says fail=open (the rule is left out) or fail=closed (nobody has the right that it gives): that is
 * told to note. Returns 0; -EINVAL: no rule, with the place; -ENOENT: no such name.
 */
int berth_grant_rules_add(struct berth_grant_rules *r, const char *name, const char *text,
			  struct berth_why *why);

/* Compiles without loading: whether they fit, and which ports have deny rules. 0 or -errno. */
int berth_grant_rules_check(const struct berth_grant_rules *r, struct berth_portset *out_guarded,
			    struct berth_why *why);

void berth_grant_rules_fini(struct berth_grant_rules *r);

/*
 * Puts the rules in force in place of those that are, at all hooks at once: whoever is killed in the middle leaves
 * either the old ones or the new. Pins of an older version are removed afterwards; -EEXIST: there are some of an
 * unknown, newer version, which are left alone.
 * out_upgraded: one more than the number of the older version whose pins were removed, or 0. Needs CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON.
 */
int berth_grant_load(const struct berth_grant_place_spec *place, const struct berth_grant_rules *r,
		     const struct berth_grant_options *o, uint32_t *out_upgraded,
		     struct berth_why *why);

/*
 * What is in force. A hook is "attached", "detached" (its cgroup is gone), "foreign" (another program is in its
 * link), "missing", or "unneeded" by the rules.
 */
struct berth_grant_status {
	bool pinned;                         /* the directory is there */
	bool decides;                        /* it is the turn of its programs */
	const char *hook[BERTH_GRANT_HOOKS]; /* see below */
	struct berth_grant_about {
		uint32_t abi, rules, observe, every_netns;
		uint32_t guards;   /* ports with a deny rule */
		uint32_t lopsided; /* some rule allows :: and not 0.0.0.0 */
		uint64_t turn;     /* of the programs; see abi/grant.h */
		uint64_t loaded_s; /* Unix time */
		uint64_t netns;
		char cgroup[PATH_MAX];
	} about;
	uint64_t counters[BERTH_GRANT_COUNTER_COUNT];
	char *text; /* the rules; freed by berth_grant_status_fini() */
	struct berth_grant_event recent[BERTH_GRANT_RECENT]; /* oldest first */
	uint32_t recent_count;
	/* One more than the number of a version that is pinned beside; 0: none. */
	uint32_t newer, older;
	char dir[PATH_MAX];
};

/* Writes "path:" and the directory of the pins of this version: their name as an owner of reservations. */
void berth_grant_dir(const struct berth_grant_place_spec *place, char *out, size_t size);

/* Names of the hooks, as of their pins. */
extern const char *const berth_grant_hook_name[BERTH_GRANT_HOOKS];

/* Reads the pins. 0, or -errno where the file system cannot be read. */
int berth_grant_status(const struct berth_grant_place_spec *place,
		       struct berth_grant_status *out_status, struct berth_why *why);

void berth_grant_status_fini(struct berth_grant_status *s);

/*
 * Takes the rules out of force, those of older versions too; what is of an unknown version stays.
 * Returns how many versions were removed, or -errno.
 */
int berth_grant_remove(const struct berth_grant_place_spec *place, struct berth_why *why);

#endif
