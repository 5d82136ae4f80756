/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that the kernel refuses for want of a port, as they happen: connect() and bind() of the whole host. */
#ifndef BERTH_KERNEL_REFUSALS_H
#define BERTH_KERNEL_REFUSALS_H

#include <stdint.h>

#include "abi/refusal.h"
#include "src/base/why.h"

struct berth_refusals;

/*
 * Begins to listen. The tracepoints are found in a tracefs that nobody else sees. Needs CAP_BPF and CAP_PERFMON, and
 * CAP_SYS_ADMIN for tracefs. Returns 0; -EPERM, -EACCES: not permitted; -ENOENT: the kernel has no such tracepoints; other
 * -errno.
 */
int berth_refusals_open(struct berth_refusals **out_refusals, struct berth_why *why);

typedef void (*berth_refusals_fn)(const struct berth_refusal *refusal, void *arg);

/*
 * Calls fn for each refusal since the last time, the oldest first; does not wait. Returns how many were lost since the
 * beginning because nobody asked in time.
 */
uint64_t berth_refusals_read(struct berth_refusals *r, berth_refusals_fn fn, void *arg);

/* NULL is allowed. */
void berth_refusals_close(struct berth_refusals *r);

#endif
