/* SPDX-License-Identifier: BSD-2-Clause */
/* berth doctor: what this host offers to berth, what a lack costs, and the command that mends it. */
#ifndef BERTH_CLI_DOCTOR_H
#define BERTH_CLI_DOCTOR_H

#include "../base/opt.h"

extern const struct berth_opt berth_doctor_opts[];

/* What help and the man page say below the summary. */
extern const char berth_doctor_about[];

/*
 * Prints one row for each fact of src/kernel/probe.h.
 * Returns the exit status: 0 all is there, 1 something is degraded or missing (rows that nothing uses yet
 * do not count), 2 usage or output failed.
 */
int berth_doctor_main(int argc, char **argv);

#endif
