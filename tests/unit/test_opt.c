/* SPDX-License-Identifier: BSD-2-Clause */
/* Option tables: what is parsed, what is refused in which words, and what is made of the rows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "src/base/auto.h"
#include "src/base/opt.h"

struct into {
	const char *ports, *policy, *stats;
	int verbose;
};

static int set_ports(void *into, const char *value, struct berth_why *why)
{
	if (!strcmp(value, "bad"))
		return berth_why(why, -ERANGE, "--ports %s: refused", value);
	((struct into *)into)->ports = value;
	return 0;
}

static int set_policy(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct into *)into)->policy = value;
	return 0;
}

static int set_stats(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct into *)into)->stats = value;
	return 0;
}

static int set_verbose(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	assert_null(value);
	((struct into *)into)->verbose++;
	return 0;
}

static const struct berth_opt opts[] = {
	{ "ports", "SET", "1024-65535", "Ports to use. It's a set: see 'sets' [below] \\ here.",
	  NULL, set_ports },
	{ "policy", "NAME", "uniform", "How the next port is chosen.", "uniform|random|double-hash",
	  set_policy },
	{ "stats", "FILE", NULL, "Writes the counters there at the end.", NULL, set_stats },
	{ "an-option-with-a-long-name", "DIR", NULL, "Long.", NULL, set_stats },
	{ "verbose", NULL, NULL, "Says more.", NULL, set_verbose },
	{ 0 },
};
static const struct berth_opt no_opts[] = { { 0 } };
static const struct berth_verb verbs[] = {
	{ "run", "runs a program with ports of berth", "-- PROGRAM [ARG...]",
	  "Runs a program. Each connection that it opens gets its port from berth, in constant time, "
	  "whatever the number of ports in use may be.\n.Dotted 'paragraph' with a back\\slash.",
	  opts, NULL },
	{ "status", "shows what runs", "", "Shows runs in progress.", no_opts, NULL },
	{ "status end", "ends what runs", "", "Ends runs in progress.", opts, NULL },
	{ 0 },
};

#define PARSE(into, why, ...)                                                                      \
	berth_opt_parse(opts, (int)(sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *)),           \
			(char *[]){ __VA_ARGS__ }, into, why)

static void test_parse(void **state)
{
	struct into got = { 0 };
	struct berth_why why = { "" };

	(void)state;
	assert_int_equal(PARSE(&got, &why, "run", "--ports", "1-2", "--policy=random", "--verbose",
			       "--", "--stats"),
			 6);
	assert_string_equal(got.ports, "1-2");
	assert_string_equal(got.policy, "random");
	assert_int_equal(got.verbose, 1);
	assert_null(got.stats);
	assert_int_equal(PARSE(&got, &why, "run", "--stats", "-", "-", "--verbose"), 3);
	assert_string_equal(got.stats, "-");
	assert_int_equal(PARSE(&got, &why, "run", "--stats=--x=y", "--ports="), 3);
	assert_string_equal(got.stats, "--x=y");
	assert_string_equal(got.ports, "");
	assert_int_equal(PARSE(&got, &why, "run"), 1);
	assert_int_equal(PARSE(&got, &why, "run", "curl", "--verbose"), 1);
	assert_int_equal(got.verbose, 1);
	assert_string_equal(why.text, "");
}

/* Operands are found wherever they stand; what is behind "--" is one where nobody asks for it. */
static void test_words(void **state)
{
	char *given[] = { "run", "a", "--verbose", "b", "--", "--ports", "c", NULL };
	char *argv[8];
	struct into got = { 0 };
	struct berth_why why = { "" };
	int rest;

	(void)state;
	memcpy(argv, given, sizeof(given));
	assert_int_equal(berth_opt_words(opts, 7, argv, &got, &rest, &why), 2);
	assert_int_equal(rest, 5);
	assert_string_equal(argv[0], "a");
	assert_string_equal(argv[1], "b");
	assert_null(argv[2]);
	assert_string_equal(argv[rest], "--ports");
	assert_int_equal(got.verbose, 1);
	memcpy(argv, given, sizeof(given));
	assert_int_equal(berth_opt_words(opts, 7, argv, &got, NULL, &why), 4);
	assert_string_equal(argv[2], "--ports");
	assert_string_equal(argv[3], "c");
	assert_null(argv[4]);
	assert_null(got.ports);
	memcpy(argv, given, sizeof(given));
	assert_int_equal(berth_opt_words(opts, 1, argv, &got, &rest, &why), 0);
	assert_int_equal(rest, 1);
	assert_null(argv[0]);
	argv[0] = "run";
	argv[1] = "--polcy";
	assert_true(berth_opt_words(opts, 2, argv, &got, &rest, &why) < 0);
}

static void test_refusals(void **state)
{
	static const struct {
		char *argv[4];
		int code;
		const char *text;
	} rows[] = {
		{ { "run", "--polcy", "random" },
		  -EINVAL,
		  "--polcy: no such option; did you mean --policy?" },
		{ { "run", "--opts=1" }, -EINVAL, "--opts: no such option; did you mean --ports?" },
		{ { "run", "--verb" }, -EINVAL, "--verb: no such option; did you mean --verbose?" },
		{ { "run", "--zebra" },
		  -EINVAL,
		  "--zebra: no such option; --help shows all of them" },
		{ { "run", "-v" }, -EINVAL, "-v: no such option; --help shows all of them" },
		{ { "run", "-stats" }, -EINVAL, "-stats: no such option; did you mean --stats?" },
		{ { "run", "--ports" }, -EINVAL, "--ports: SET is missing; write --ports SET" },
		{ { "run", "--ports", "--verbose" },
		  -EINVAL,
		  "--ports: SET is missing before '--verbose'; write --ports=--verbose if it is meant" },
		{ { "run", "--verbose=2" }, -EINVAL, "--verbose: takes no value; leave '=2' out" },
		{ { "run", "--policy", "uniformm" },
		  -EINVAL,
		  "--policy uniformm: not one of uniform, random, double-hash; did you mean uniform?" },
		{ { "run", "--policy", "fifo" },
		  -EINVAL,
		  "--policy 'fifo': no such NAME; choose one of uniform, random, double-hash" },
		{ { "run", "--ports=bad" }, -ERANGE, "--ports bad: refused" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct into got = { 0 };
		struct berth_why why = { "" };
		int argc = 0;

		while (argc < 4 && rows[i].argv[argc])
			argc++;
		assert_int_equal(berth_opt_parse(opts, argc, (char **)rows[i].argv, &got, &why),
				 rows[i].code);
		assert_string_equal(why.text, rows[i].text);
		assert_int_equal(berth_opt_parse(opts, argc, (char **)rows[i].argv, &got, NULL),
				 rows[i].code);
	}
}

/* What print writes, into text of the caller. */
static void printed(char **text, void (*print)(FILE *out))
{
	size_t size;
	FILE *out = open_memstream(text, &size);

	assert_non_null(out);
	print(out);
	assert_int_equal(fclose(out), 0);
}

static void print_help(FILE *out)
{
	berth_opt_help(out, &verbs[0]);
}

static void print_man(FILE *out)
{
	static const struct berth_variable variables[] = {
		{ "BERTH_SOMETHING", "'Tis read. Where set." }, { NULL, NULL }
	};

	berth_opt_man(out, verbs, variables);
}

static size_t longest_line(const char *text)
{
	size_t longest = 0, n;

	for (; *text; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		longest = n > longest ? n : longest;
	}
	return longest;
}

static void test_help(void **state)
{
	berth_auto_free char *text = NULL;
	size_t i;

	(void)state;
	printed(&text, print_help);
	assert_non_null(strstr(
		text, "Usage: berth run [OPTION...] -- PROGRAM [ARG...]\n\nRuns a program."));
	assert_non_null(strstr(text, "One of: uniform, random,"));
	assert_non_null(strstr(
		text, "  --an-option-with-a-long-name DIR\n                          Long."));
	for (i = 0; opts[i].name; i++)
		assert_non_null(strstr(text, opts[i].name));
	assert_true(longest_line(text) <= 79);
}

/* The status of a shell command that gets text on its standard input; 127: there is no such program. */
static int feed(const char *command, const char *text)
{
	FILE *pipe = popen(command, "w");
	int status;

	assert_non_null(pipe);
	fputs(text, pipe);
	status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_man(void **state)
{
	berth_auto_free char *text = NULL, *broken = NULL;
	int status;

	(void)state;
	setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
	printed(&text, print_man);
	assert_non_null(strstr(text, ".Dd November 14, 2023\n"));
	assert_non_null(strstr(text, "\n\\&.Dotted"));
	assert_non_null(strstr(text, ".It Ev BERTH_SOMETHING\n\\&'Tis read.\nWhere set.\n"));
	status = feed("mandoc -Tlint -Wstyle", text);
	if (status == 127) {
		print_message("skipped: mandoc is not installed\n");
		skip();
	}
	assert_int_equal(status, 0);
	assert_true(asprintf(&broken, "%s.El\n.Unknown\n", text) > 0);
	assert_int_not_equal(feed("mandoc -Tlint -Wstyle >/dev/null", broken), 0);
}

static const char *shell;

static void print_completion(FILE *out)
{
	assert_true(berth_opt_completion(out, verbs, shell));
}

/* Each script is read by its shell without running (-n), and a broken one is refused. */
static void check_syntax(const char *name)
{
	berth_auto_free char *text = NULL, *broken = NULL;
	char command[64];
	int status;

	shell = name;
	printed(&text, print_completion);
	snprintf(command, sizeof(command), "%s -n %s", name,
		 strcmp(name, "fish") ? "" : "/dev/stdin");
	status = feed(command, text);
	if (status == 127) {
		print_message("skipped: %s is not installed\n", name);
		skip();
	}
	assert_int_equal(status, 0);
	assert_true(asprintf(&broken, "%s'", text) > 0);
	strcat(command, " 2>/dev/null");
	assert_int_not_equal(feed(command, broken), 0);
}

static void test_zsh(void **state)
{
	(void)state;
	check_syntax("zsh");
}

static void test_fish(void **state)
{
	(void)state;
	check_syntax("fish");
}

/* Completes a line in bash; words: the words of the line, the last one being typed. */
static void bash_completes(const char *script, const char *words, const char *expected)
{
	berth_auto_free char *text = NULL;

	assert_true(
		asprintf(
			&text,
			"set -u\n%s\nCOMP_WORDS=(%s)\nCOMP_CWORD=$((${#COMP_WORDS[@]}-1))\n_berth\n"
			"got=\"${COMPREPLY[*]:-}\"\n[[ $got == '%s' ]] || { echo \"%s: $got\"; exit 1; }\n",
			script, words, expected, words) > 0);
	assert_int_equal(feed("bash", text), 0);
}

static void test_bash(void **state)
{
	berth_auto_free char *text = NULL;

	(void)state;
	check_syntax("bash");
	shell = "bash";
	printed(&text, print_completion);
	bash_completes(text, "berth ''", "run status");
	bash_completes(text, "berth run --po", "--ports --policy");
	bash_completes(text, "berth run --policy d", "double-hash");
	bash_completes(text, "berth run --policy = r", "random");
	bash_completes(text, "berth run --policy =", "uniform random double-hash");
	/* Files are the shell's own matter: it ends the names of directories with a slash. */
	bash_completes(text, "berth run --stats /dev/nul", "");
	bash_completes(text, "berth run -- cat /dev/nul", "");
	bash_completes(text, "berth status --", "");
	bash_completes(text, "berth status e", "end");
	bash_completes(text, "berth status x e", "");
	bash_completes(text, "berth status end --ver", "--verbose");
	bash_completes(text, "berth status end --policy d", "double-hash");
	assert_false(berth_opt_completion(stderr, verbs, "tcsh"));
}

/* How many words of the line name the verb; 0 where none does. */
static int words_of(const char *expected, int count, char **words)
{
	int used = 0;
	const struct berth_verb *v = berth_opt_find_verb(verbs, count, words, &used);

	assert_string_equal(v ? v->name : "none", expected);
	return used;
}

static void test_verbs(void **state)
{
	(void)state;
	assert_int_equal(words_of("run", 1, (char *[]){ "run" }), 1);
	assert_int_equal(words_of("status", 2, (char *[]){ "status", "ending" }), 1);
	assert_int_equal(words_of("status end", 3, (char *[]){ "status", "end", "x" }), 2);
	assert_int_equal(words_of("none", 2, (char *[]){ "end", "status" }), 0);
	assert_int_equal(words_of("none", 1, (char *[]){ "status end" }), 0);
	assert_int_equal(words_of("none", 0, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),    cmocka_unit_test(test_words),
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_help),
		cmocka_unit_test(test_man),      cmocka_unit_test(test_bash),
		cmocka_unit_test(test_zsh),      cmocka_unit_test(test_fish),
		cmocka_unit_test(test_verbs),
	};

	/* A shell that is not there has ended before it is fed. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
