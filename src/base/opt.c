/* SPDX-License-Identifier: BSD-2-Clause */
/* Parser, help and man page, out of the rows of opt.h. */
#include "opt.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "near.h"

#define WIDTH 79     /* of help and of the source of the man page */
#define NAME_MAX_ 32 /* twice that much of a wrong name is repeated */

/* ---- words ---- */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

struct word {
	const char *text;
	size_t len;
};

/* The next of the words that '|' separates; false at the end. */
static bool next_word(const char **values, struct word *out_word)
{
	if (!**values)
		return false;
	out_word->text = *values;
	out_word->len = strcspn(*values, "|");
	*values += out_word->len + ((*values)[out_word->len] == '|');
	return true;
}

/* Appends to a text of limited size; what does not fit is cut. */
static void append(char *text, size_t size, const char *more, size_t n)
{
	size_t len = strlen(text);

	n = least(n, size - 1 - len);
	memcpy(text + len, more, n);
	text[len + n] = '\0';
}

static void append_values(char *text, size_t size, const char *values)
{
	struct word w;
	bool any = false;

	while (next_word(&values, &w)) {
		if (any)
			append(text, size, ", ", 2);
		append(text, size, w.text, w.len);
		any = true;
	}
}

/* ---- verbs ---- */

/* Whether a verb of two words is below one of one. */
static bool is_below(const struct berth_verb *verb, const struct berth_verb *parent)
{
	size_t n = strlen(parent->name);

	return !strncmp(verb->name, parent->name, n) && verb->name[n] == ' ';
}

const char *berth_opt_second_word(const struct berth_verb *verb)
{
	const char *blank = strchr(verb->name, ' ');

	return blank ? blank + 1 : NULL;
}

const struct berth_verb *berth_opt_next_below(const struct berth_verb *verb,
					      const struct berth_verb *parent)
{
	for (; verb->name; verb++)
		if (is_below(verb, parent))
			return verb;
	return NULL;
}

const struct berth_verb *berth_opt_find_verb(const struct berth_verb *verbs, int count,
					     char **words, int *out_words)
{
	const struct berth_verb *parent, *verb;

	for (parent = verbs; parent->name && count > 0; parent++) {
		if (berth_opt_second_word(parent) || strcmp(parent->name, words[0]))
			continue;
		*out_words = 1;
		for (verb = parent; count > 1 && (verb = berth_opt_next_below(verb, parent));
		     verb++)
			if (!strcmp(berth_opt_second_word(verb), words[1])) {
				*out_words = 2;
				return verb;
			}
		return parent;
	}
	return NULL;
}

/* ---- parser ---- */

static int refuse_name(const struct berth_opt *opts, const char *name, struct berth_why *why)
{
	struct berth_near best = { 0 };
	const char *dashes = name[0] == '-' ? "" : "--";

	for (; opts->name; opts++)
		berth_near_consider(name + strspn(name, "-"), opts->name, strlen(opts->name),
				    &best);
	if (best.text)
		return berth_why(why, -EINVAL, "%s%s: no such option; did you mean --%s?", dashes,
				 name, best.text);
	return berth_why(why, -EINVAL, "%s%s: no such option; --help shows all of them", dashes,
			 name);
}

/* 0 where value is among the words of the row, or the row has none. */
static int check_value(const struct berth_opt *opt, const char *value, struct berth_why *why)
{
	const char *values = opt->values;
	char list[256] = "";
	struct berth_near best = { 0 };
	size_t n = strlen(value);
	struct word w;

	if (!values)
		return 0;
	while (next_word(&values, &w)) {
		if (w.len == n && !memcmp(w.text, value, n))
			return 0;
		berth_near_consider(value, w.text, w.len, &best);
	}
	append_values(list, sizeof(list), opt->values);
	if (best.text)
		return berth_why(why, -EINVAL, "--%s %s: not one of %s; did you mean %.*s?",
				 opt->name, value, list, (int)best.len, best.text);
	return berth_why(why, -EINVAL, "--%s '%s': no such %s; choose one of %s", opt->name, value,
			 opt->arg, list);
}

static const struct berth_opt *find_opt(const struct berth_opt *opts, struct word w)
{
	for (; opts->name; opts++)
		if (strlen(opts->name) == w.len && !memcmp(opts->name, w.text, w.len))
			return opts;
	return NULL;
}

/* A sentence that does not begin with the option gets its name before it. */
static void name_option(const struct berth_opt *opt, struct berth_why *why)
{
	struct berth_why bare = *why;

	if (strncmp(bare.text, "--", 2))
		berth_why(why, 0, "--%s: %.*s", opt->name,
			  (int)(sizeof(bare.text) - strlen(opt->name) - 5), bare.text);
}

/* Takes the option at argv[i] and its value; returns how many words they were. */
static int take_opt(const struct berth_opt *opts, char **argv, int i, int argc, void *into,
		    struct berth_why *why)
{
	const char *name = argv[i] + 2, *value = NULL;
	struct word w = { name, strcspn(name, "=") };
	const struct berth_opt *opt = argv[i][1] == '-' ? find_opt(opts, w) : NULL;
	char given[NAME_MAX_ * 2];
	int used = 1, err;

	if (!opt) {
		if (argv[i][1] != '-')
			return refuse_name(opts, argv[i], why);
		snprintf(given, sizeof(given), "%.*s", (int)least(w.len, sizeof(given)), name);
		return refuse_name(opts, given, why);
	}
	if (name[w.len] == '=')
		value = name + w.len + 1;
	if (!opt->arg && value)
		return berth_why(why, -EINVAL, "--%s: takes no value; leave '=%s' out", opt->name,
				 value);
	if (opt->arg && !value) {
		if (i + 1 == argc)
			return berth_why(why, -EINVAL, "--%s: %s is missing; write --%s %s",
					 opt->name, opt->arg, opt->name, opt->arg);
		value = argv[i + 1];
		if (!strncmp(value, "--", 2))
			return berth_why(
				why, -EINVAL,
				"--%s: %s is missing before '%s'; write --%s=%s if it is meant",
				opt->name, opt->arg, value, opt->name, value);
		used = 2;
	}
	if (value) {
		err = check_value(opt, value, why);
		if (err)
			return err;
	}
	err = opt->set(into, value, why);
	if (err < 0 && why)
		name_option(opt, why);
	return err < 0 ? err : used;
}

int berth_opt_parse(const struct berth_opt *opts, int argc, char **argv, void *into,
		    struct berth_why *why)
{
	int i = 1, used;

	while (i < argc && argv[i][0] == '-' && argv[i][1]) {
		if (!strcmp(argv[i], "--"))
			return i + 1;
		used = take_opt(opts, argv, i, argc, into, why);
		if (used < 0)
			return used;
		i += used;
	}
	return i < argc ? i : argc;
}

int berth_opt_words(const struct berth_opt *opts, int argc, char **argv, void *into, int *out_rest,
		    struct berth_why *why)
{
	int before = 0, operands = 0;
	bool ended;

	if (out_rest)
		*out_rest = argc;
	/* The parser passes over its first word: the verb, then the operand that was just taken. */
	do {
		int at = berth_opt_parse(opts, argc - before, argv + before, into, why);

		if (at < 0)
			return at;
		before += at;
		ended = at > 1 && !strcmp(argv[before - 1], "--");
		if (ended && out_rest) {
			*out_rest = before;
			break;
		}
		if (before < argc)
			argv[operands++] = argv[before];
		while (ended && ++before < argc)
			argv[operands++] = argv[before];
	} while (before + 1 < argc);
	argv[operands] = NULL;
	return operands;
}

bool berth_opt_asks_help(const struct berth_verb *verb, int argc, char **argv)
{
	const struct berth_opt *opt;
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
		if (argv[i][0] != '-' && !strncmp(verb->operands, "-- ", 3))
			return false;
		if (strncmp(argv[i], "--", 2))
			continue;
		opt = find_opt(verb->opts, (struct word){ argv[i] + 2, strlen(argv[i] + 2) });
		i += opt && opt->arg;
	}
	return false;
}

/* ---- help ---- */

/* Prints words with a line break before the one that would pass the width; column: where it stands.
 */
static void wrap(FILE *out, const char *text, size_t indent, size_t column)
{
	while (*text) {
		size_t n = strcspn(text, " \n");

		if (column > indent && column + 1 + n > WIDTH)
			column = (size_t)fprintf(out, "\n%*s", (int)indent, "") - 1;
		else if (column > indent)
			column += (size_t)fprintf(out, " ");
		else if (column < indent)
			column += (size_t)fprintf(out, "%*s", (int)(indent - column), "");
		column += (size_t)fprintf(out, "%.*s", (int)n, text);
		text += n;
		if (*text == '\n') {
			fputs(text[1] ? "\n\n" : "", out);
			column = 0;
		}
		text += *text ? 1 : 0;
	}
	fputc('\n', out);
}

/* What help and man page say of an option: its sentences, its words, its default. */
static void describe(const struct berth_opt *opt, char *text, size_t size)
{
	text[0] = '\0';
	append(text, size, opt->help, strlen(opt->help));
	if (opt->values) {
		append(text, size, " One of: ", 9);
		append_values(text, size, opt->values);
		append(text, size, ".", 1);
	}
	if (opt->initial) {
		append(text, size, " Default: ", 10);
		append(text, size, opt->initial, strlen(opt->initial));
		append(text, size, ".", 1);
	}
}

void berth_opt_help(FILE *out, const struct berth_verb *verb)
{
	const struct berth_opt *opt;
	char text[1024];
	size_t column;

	fprintf(out, "Usage: berth %s%s%s%s\n\n", verb->name,
		verb->opts->name ? " [OPTION...]" : "", *verb->operands ? " " : "", verb->operands);
	wrap(out, verb->about, 0, 0);
	if (verb->opts->name)
		fputs("\nOptions:\n", out);
	for (opt = verb->opts; opt->name; opt++) {
		column = (size_t)fprintf(out, "  --%s%s%s", opt->name, opt->arg ? " " : "",
					 opt->arg ? opt->arg : "");
		if (column >= 26) {
			fputc('\n', out);
			column = 0;
		}
		describe(opt, text, sizeof(text));
		column += (size_t)fprintf(out, "%*s", (int)(26 - column), "");
		wrap(out, text, 26, 26);
	}
}

/* ---- man page ---- */

/* One word in running text of mdoc(7): no request by accident, no escape by accident. */
static size_t man_word(FILE *out, const char *word, size_t n, bool line_start)
{
	size_t i, column = 0;

	if (line_start && (word[0] == '.' || word[0] == '\''))
		column += (size_t)fprintf(out, "\\&");
	for (i = 0; i < n; i++)
		column += (size_t)(word[i] == '\\' ? fprintf(out, "\\e")
						   : fprintf(out, "%c", word[i]));
	return column;
}

/* Running text: a new line for each sentence, a paragraph for each '\n'. */
static void man_text(FILE *out, const char *text)
{
	size_t column = 0;
	bool stop = false;

	while (*text) {
		size_t n = strcspn(text, " \n");

		if (n && column && (stop || column + 1 + n > WIDTH - 4)) {
			fputc('\n', out);
			column = 0;
		}
		if (n && column)
			column += (size_t)fprintf(out, " ");
		if (n) {
			column += man_word(out, text, n, column == 0);
			stop = strchr(".!?", text[n - 1]) != NULL;
		}
		text += n;
		if (*text == '\n' && text[1] && column) {
			fputs("\n.Pp\n", out);
			column = 0;
		}
		text += *text ? 1 : 0;
	}
	if (column)
		fputc('\n', out);
}

/* An argument of a macro; \& keeps it from being taken for a macro itself. */
static void man_arg(FILE *out, const char *macro, const char *word, size_t n)
{
	fprintf(out, " %s%s\\&", *macro ? macro : "", *macro ? " " : "");
	man_word(out, word, n, false);
}

/* Operands such as "-- PROGRAM [ARG...]" as macros on the line of .Nm. */
static void man_operands(FILE *out, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, " "), dots, close = 0;

		for (; n && *text == '['; text++, n--)
			fputs(" Oo", out);
		while (n && text[n - 1 - close] == ']')
			close++;
		dots = n - close > 3 && !memcmp(text + n - close - 3, "...", 3) ? 3 : 0;
		if (*text == '-')
			man_arg(out, "Fl", text + 1, n - close - dots - 1);
		else
			man_arg(out, "Ar", text, n - close - dots);
		if (dots)
			fputs(" ...", out);
		for (text += n; close; close--)
			fputs(" Oc", out);
		text += *text ? 1 : 0;
	}
}

static void man_usage(FILE *out, const struct berth_verb *verb)
{
	fputs(".Nm", out);
	man_arg(out, "Cm", verb->name, strlen(verb->name));
	if (verb->opts->name)
		fputs(" Op Ar option ...", out);
	man_operands(out, verb->operands);
	fputc('\n', out);
}

static void man_verb(FILE *out, const struct berth_verb *verb)
{
	const struct berth_opt *opt;
	char text[1024];

	fprintf(out, ".Ss berth %s: %s\n", verb->name, verb->summary);
	man_text(out, verb->about);
	if (!verb->opts->name)
		return;
	fputs(".Bl -tag -width Ds\n", out);
	for (opt = verb->opts; opt->name; opt++) {
		fputs(".It", out);
		fputs(" Fl \\&-", out);
		man_word(out, opt->name, strlen(opt->name), false);
		if (opt->arg)
			man_arg(out, "Ar", opt->arg, strlen(opt->arg));
		fputc('\n', out);
		describe(opt, text, sizeof(text));
		man_text(out, text);
	}
	fputs(".El\n", out);
}

/* The date of the page: of the source where the build says it, else of today. */
static void man_date(FILE *out)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	time_t when = epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
	char month[16] = "January";
	struct tm tm = { .tm_mday = 1, .tm_year = 70 };

	gmtime_r(&when, &tm);
	strftime(month, sizeof(month), "%B", &tm);
	fprintf(out, ".Dd %s %d, %d\n", month, tm.tm_mday, tm.tm_year + 1900);
}

static void man_variables(FILE *out, const struct berth_variable *variable)
{
	fputs(".Sh ENVIRONMENT\n.Bl -tag -width Ds\n", out);
	for (; variable->name; variable++) {
		fprintf(out, ".It Ev %s\n", variable->name);
		man_text(out, variable->help);
	}
	fputs(".El\n", out);
}

void berth_opt_man(FILE *out, const struct berth_verb *verbs,
		   const struct berth_variable *variables)
{
	const struct berth_verb *verb;

	man_date(out);
	fputs(".Dt BERTH 1\n.Os\n.Sh NAME\n.Nm berth\n.Nd port authority of a Linux host\n"
	      ".Sh SYNOPSIS\n",
	      out);
	for (verb = verbs; verb->name; verb++)
		man_usage(out, verb);
	fputs(".Sh DESCRIPTION\nThe verbs of\n.Nm\nare these.\n", out);
	for (verb = verbs; verb->name; verb++)
		man_verb(out, verb);
	man_variables(out, variables);
	fputs(".Sh EXIT STATUS\n0 done or clean, 1 findings or nothing found, 2 usage or failure.\n"
	      ".Nm\n.Cm run\nends with the status of its program.\n",
	      out);
}
