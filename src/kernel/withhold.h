/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps ports from runs in progress: berth run sees at its next choice what was reserved since. */
#ifndef BERTH_KERNEL_WITHHOLD_H
#define BERTH_KERNEL_WITHHOLD_H

#include <stdbool.h>

#include "src/core/portset.h"
#include "src/kernel/runs.h"

/* Gives the ports that are reserved in a namespace, "" the host's. */
typedef void (*berth_withhold_ports)(const void *arg, const char *netns,
				     struct berth_portset *out_ports);

/*
 * Withholds the ports of its namespace, and no others, from every run of the registry, one whose berth was killed included: what
 * was withheld before and is not any more, runs may assign again. Takes the lock of the registry. Needs
 * CAP_SYS_ADMIN where runs go through BPF, as all that opens maps by their ids; a run that cannot be reached keeps its pool.
 */
void berth_withhold(berth_withhold_ports ports_of, const void *arg);

/* True where berth_withhold() reaches the run: one of this version, whose memory is still there. */
bool berth_withhold_reaches(const struct berth_run *run);

#endif
