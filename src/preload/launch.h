/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a program under the preload shim: what the command line calls.
 *
 *     berth_preload_check_program(argv[0], &why);
 *     berth_preload_prepare(&config, &pool, entries, &run, &why);
 *     child: berth_preload_enter(&run, &why); execvp(...);
 *     parent, when the child is gone: berth_preload_counters(&run, n); berth_preload_remove(&run);
 */
#ifndef BERTH_PRELOAD_LAUNCH_H
#define BERTH_PRELOAD_LAUNCH_H

#include <limits.h>

#include "abi/preload.h"
#include "src/base/why.h"

struct berth_preload {
	char path[128];         /* the shared file */
	char library[PATH_MAX]; /* libberth-preload.so */
	int fd;                 /* the shared file, locked while the run lasts */
	struct berth_preload_file *file;
};

/*
 * Looks program up as execvp() does and reads whether the loader will put the shim into it; of a
 * script its interpreter is looked at. Returns 0, or negative with the sentence in why:
 *   -ENOENT   there is no such program (exit status 127)
 *   -EACCES   there is one that may not be executed (126)
 *   -ENOTSUP  it is static, of another architecture or C library, or gains privileges by exec
 *   other     it cannot be read
 */
int berth_preload_check_program(const char *program, struct berth_why *why);

/*
 * Finds the library as berth_preload_prepare() does and has the loader list what it needs, in a process of its
 * own; none of the library's code runs, so the caller may be more privileged than who set the environment.
 * Returns 0, or negative with the sentence in why: -ELIBBAD: the loader refuses it; other: it is not there.
 */
int berth_preload_check_library(char out_path[PATH_MAX], struct berth_why *why);

/*
 * Makes the shared file in /dev/shm, or in $XDG_RUNTIME_DIR where that is not to be had, readable
 * by this user alone, and finds the library: $BERTH_PRELOAD_LIB, else the build's own when the
 * caller was started from the build directory, else the installed one. Removes files of this
 * user's runs whose owner is gone. Of config everything counts; where netns is 0 the caller's own
 * namespace is filled in. entries may be NULL where config->entries is 0. Returns 0, or negative
 * with the sentence in why; out is to be given to berth_preload_remove() after success only.
 */
int berth_preload_prepare(const struct berth_assign_config *config,
			  const struct berth_portset *pool, const struct berth_pool_entry *entries,
			  struct berth_preload *out, struct berth_why *why);

/*
 * Sets LD_PRELOAD (what is in it stays) and BERTH_PRELOAD in the caller's environment: in the
 * child, before exec. Returns 0 or -ENOMEM.
 */
int berth_preload_enter(const struct berth_preload *run, struct berth_why *why);

/* The counters as they are now; indexed by enum berth_verdict. */
void berth_preload_counters(const struct berth_preload *run, uint64_t out[BERTH_VERDICT_COUNT]);

/*
 * As berth_preload_counters(), out of the shared file of any run. Returns 0, or -errno; -EPROTO:
 * no such file's form.
 */
int berth_preload_read(const char *path, uint64_t out[BERTH_VERDICT_COUNT]);

/*
 * Unlinks the shared file. Programs that still run keep it mapped, those that they execute from
 * then on do without.
 */
void berth_preload_remove(struct berth_preload *run);

#endif
