/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of berth lint: finding files, reporting, mending. */
#ifndef BERTH_CLI_LINT_H
#define BERTH_CLI_LINT_H

#include "src/base/why.h"
#include "src/kernel/tree.h"
#include "src/lint/lint.h"
#include "src/registry/services.h"

/* Reads all places below a root; shown is put in front of the names in reports: "" for "/". */
void berth_lint_read_root(struct berth_lint *l, struct berth_tree *t, const char *shown);

/* Reads a file, or all files below a directory that are known by their names. Returns 0 or -errno. */
int berth_lint_read_path(struct berth_lint *l, const char *path, struct berth_why *why);

/* For berth_lint_init(), with a struct berth_services. */
uint16_t berth_lint_port_named(void *services, const char *name, uint8_t protocols);

/* Print findings; notes: those too that are no more than notes. SARIF 2.1.0 is one object, JSON one a line. */
void berth_lint_print_text(const struct berth_lint *l, bool notes);
void berth_lint_print_json(const struct berth_lint *l, bool notes);
void berth_lint_print_sarif(const struct berth_lint *l, bool notes);

/* Shows what etc/sysctl.d/99-berth.conf would be, and writes it unless dry. Returns 0, 1 where nothing is to do, or -errno. */
int berth_lint_fix(const struct berth_lint *l, struct berth_tree *t, const char *shown, bool dry,
		   struct berth_why *why);

#endif
