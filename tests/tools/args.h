/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Command lines of the test and measuring programs: one row an option, operands left for the
 * caller.
 */
#ifndef BERTH_TESTS_ARGS_H
#define BERTH_TESTS_ARGS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum arg_kind { ARG_FLAG, ARG_NUMBER, ARG_REAL, ARG_TEXT };

/*
 * into points at bool, unsigned long, double or const char * by kind; a row without name ends a
 * table.
 */
struct arg {
	const char *name;
	enum arg_kind kind;
	void *into;
	const char *help;
};

/* Prints the options of a table and leaves with status. */
static inline _Noreturn void args_usage(const char *program, const char *operands,
					const struct arg *rows, int status)
{
	FILE *out = status ? stderr : stdout;

	fprintf(out, "usage: %s [options] %s\n", program, operands);
	for (; rows->name; rows++)
		fprintf(out, "  --%-16s %s\n", rows->name, rows->help);
	exit(status);
}

static inline bool args_store(const struct arg *row, const char *value)
{
	char *end = NULL;

	switch (row->kind) {
	case ARG_FLAG:
		*(bool *)row->into = true;
		return true;
	case ARG_TEXT:
		*(const char **)row->into = value;
		return true;
	case ARG_NUMBER:
		*(unsigned long *)row->into = strtoul(value, &end, 10);
		break;
	case ARG_REAL:
		*(double *)row->into = strtod(value, &end);
		break;
	}
	return end != value && !*end;
}

/*
 * Reads options up to the first operand and returns its index; a wrong one ends the program with 2.
 */
static inline int args_parse(const char *operands, const struct arg *rows, int argc, char **argv)
{
	const struct arg *row;
	int i;

	for (i = 1; i < argc && !strncmp(argv[i], "--", 2); i++) {
		const char *name = argv[i] + 2;

		if (!*name)
			return i + 1;
		for (row = rows; row->name && strcmp(row->name, name); row++)
			;
		if (!row->name)
			args_usage(argv[0], operands, rows, strcmp(name, "help") ? 2 : 0);
		if (row->kind != ARG_FLAG && i + 1 == argc)
			args_usage(argv[0], operands, rows, 2);
		if (!args_store(row, row->kind == ARG_FLAG ? NULL : argv[++i])) {
			fprintf(stderr, "%s: --%s: not a number: %s\n", argv[0], name, argv[i]);
			exit(2);
		}
	}
	return i;
}

#endif
