/* SPDX-License-Identifier: BSD-2-Clause */
/* The verbs of the command line: main.c has their table, each has a file of its own. */
#ifndef BERTH_CLI_CLI_H
#define BERTH_CLI_CLI_H

#include "src/base/opt.h"

/* Exit statuses that are the same for each verb. */
enum { BERTH_EXIT_OK = 0, BERTH_EXIT_FINDINGS = 1, BERTH_EXIT_FAILURE = 2 };

extern const struct berth_opt berth_grant_opts[];
extern const struct berth_opt berth_hold_opts[];
extern const struct berth_opt berth_reserve_opts[];
extern const struct berth_opt berth_explain_opts[];
extern const struct berth_opt berth_run_opts[];
extern const struct berth_opt berth_services_opts[];
extern const struct berth_opt berth_lint_opts[];
extern const struct berth_opt berth_sim_opts[];
extern const struct berth_opt berth_ports_opts[];
extern const struct berth_opt berth_ports_free_opts[];
extern const struct berth_opt berth_headroom_opts[];
extern const struct berth_opt berth_top_opts[];
extern const struct berth_opt berth_status_opts[];
extern const struct berth_opt berth_audit_opts[];
extern const struct berth_opt berth_doctor_opts[];

/* Ends with the status of the program; 126 and 127 as a shell does; 2 where berth itself failed. */
int berth_run_main(int argc, char **argv);
int berth_grant_main(int argc, char **argv);
int berth_hold_main(int argc, char **argv);
int berth_reserve_main(int argc, char **argv);
int berth_explain_main(int argc, char **argv);
int berth_services_main(int argc, char **argv);
int berth_lint_main(int argc, char **argv);
int berth_sim_main(int argc, char **argv);
int berth_ports_main(int argc, char **argv);
int berth_headroom_main(int argc, char **argv);
int berth_top_main(int argc, char **argv);
int berth_ports_free_main(int argc, char **argv);
int berth_status_main(int argc, char **argv);
int berth_audit_main(int argc, char **argv);
int berth_doctor_main(int argc, char **argv);

/* Prints "berth VERB: sentence" on stderr and returns status. */
int berth_complain(const char *verb, const struct berth_why *why, int status);

#endif
