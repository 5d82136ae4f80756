/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options as rows: parser, help, completion and man page are made from one table.
 */
#ifndef BERTH_BASE_OPT_H
#define BERTH_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "why.h"

struct berth_opt {
	const char *name;    /* without the dashes; ends the table where NULL */
	const char *arg;     /* name of the value, e.g. "FILE"; NULL: a flag */
	const char *initial; /* default, as help shows it; NULL: none */
	const char *help;    /* one or two sentences */
	const char *values;  /* the words it may have, separated by '|'; NULL: anything */
	/*
	 * Stores the value (NULL for a flag) in the command's own struct.
	 * Returns 0, or negative with the sentence in why.
	 */
	int (*set)(void *into, const char *value, struct berth_why *why);
};

/* Defines set_NAME(): the set of a flag, which makes a bool member of the command's struct true. */
#define BERTH_OPT_FLAG(name, type, member)                                                         \
	static int set_##name(void *into, const char *value, struct berth_why *why)                \
	{                                                                                          \
		(void)value, (void)why;                                                            \
		((type *)into)->member = true;                                                     \
		return 0;                                                                          \
	}

struct berth_verb {
	const char *
		name; /* two words for one below another: "ports free", in a row after that of "ports" */
	const char *summary; /* one line, no full stop */
	const char
		*operands; /* what follows the options, e.g. "-- PROGRAM [ARG...]"; "" for none */
	const char *about; /* paragraphs for help and man page, separated by '\n' */
	const struct berth_opt *opts;
	/* Runs the verb; argv[0] is its name, or the second word of it. Returns the exit status of the process. */
	int (*main)(int argc, char **argv);
};

/*
 * The verb that the words name, in a table that ends with a row without name: two words before one. NULL where there is
 * none; else out_words says how many of them are its name.
 */
const struct berth_verb *berth_opt_find_verb(const struct berth_verb *verbs, int count,
					     char **words, int *out_words);

/* The second word of a verb's name; NULL where it has one only. */
const char *berth_opt_second_word(const struct berth_verb *verb);

/* The first verb below parent ("ports free" below "ports"), from verb on; NULL at the end. */
const struct berth_verb *berth_opt_next_below(const struct berth_verb *verb,
					      const struct berth_verb *parent);

/* A variable of the environment that a verb reads or sets; a table of them ends with a row without name. */
struct berth_variable {
	const char *name;
	const char *help; /* one or two sentences */
};

/*
 * Parses argv[1..] up to "--" or the first word that is no option ("-" is none); "--name value" and
 * "--name=value". A separate word that begins with "--" is not taken for a value: it was forgotten.
 * Returns the index of the first operand, or negative with the sentence in why: -EINVAL.
 * "--help" is not handled here; ask berth_opt_asks_help() first.
 */
int berth_opt_parse(const struct berth_opt *opts, int argc, char **argv, void *into,
		    struct berth_why *why);

/*
 * As berth_opt_parse(), with options and operands in any order up to "--". Moves the operands to the front of argv, a
 * NULL behind them, and returns how many there are; *out_rest is the index of the first word behind "--", argc where
 * there is none. With out_rest NULL the words behind "--" are operands, too.
 */
int berth_opt_words(const struct berth_opt *opts, int argc, char **argv, void *into, int *out_rest,
		    struct berth_why *why);

/*
 * Whether "--help" or "-h" stands in argv[1..] where an option could: up to "--", as no option's value, and not behind the
 * program of a verb whose operands are one.
 */
bool berth_opt_asks_help(const struct berth_verb *verb, int argc, char **argv);

/* Prints usage, about and options of a verb. */
void berth_opt_help(FILE *out, const struct berth_verb *verb);

/*
 * Prints a man page in mdoc(7) for all verbs of a table that ends with a row without name, and the variables that
 * they know. Its date is SOURCE_DATE_EPOCH where the environment has it, else today.
 */
void berth_opt_man(FILE *out, const struct berth_verb *verbs,
		   const struct berth_variable *variables);

/*
 * Prints a completion script for bash, zsh or fish; returns false for another shell. Options whose arg is
 * FILE, PATH or DIR complete file names, those with values these; after "--" a program where operands
 * names PROGRAM.
 */
bool berth_opt_completion(FILE *out, const struct berth_verb *verbs, const char *shell);

#endif
