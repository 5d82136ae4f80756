/* SPDX-License-Identifier: BSD-2-Clause */
/* Completion scripts for shells, out of the rows of opt.h. */
#include <string.h>

#include "opt.h"

/* Text between single quotes of a shell; end: how that shell writes a single quote inside of them.
 */
static void quoted(FILE *out, const char *text, const char *quote)
{
	for (; *text; text++)
		if (*text == '\'')
			fputs(quote, out);
		else
			fputc(*text == '\n' ? ' ' : *text, out);
}

/* The words of a row with blanks between. */
static void spaced(FILE *out, const char *values)
{
	for (; *values; values++)
		fputc(*values == '|' ? ' ' : *values, out);
}

static bool takes(const struct berth_opt *opt, const char *arg)
{
	return opt->arg && !opt->values && !strcmp(opt->arg, arg);
}

/* Two words lead to a program where the operands name one. */
static bool runs_program(const struct berth_verb *verb)
{
	return strstr(verb->operands, "PROGRAM") != NULL;
}

/* The names of the verbs that have one word. */
static void names(FILE *out, const struct berth_verb *verbs)
{
	const char *blank = "";

	for (; verbs->name; verbs++) {
		if (berth_opt_second_word(verbs))
			continue;
		fprintf(out, "%s%s", blank, verbs->name);
		blank = " ";
	}
}

/* Operands that are words: "bash|zsh|fish", or verbs. */
static bool has_words(const struct berth_verb *verb)
{
	return (*verb->operands >= 'a' && *verb->operands <= 'z') ||
	       !strcmp(verb->operands, "[VERB]");
}

static bool has_files(const struct berth_verb *verb)
{
	return strstr(verb->operands, "FILE") || strstr(verb->operands, "PATH");
}

static void operand_words(FILE *out, const struct berth_verb *verbs, const struct berth_verb *verb)
{
	if (*verb->operands == '[')
		names(out, verbs);
	else
		spaced(out, verb->operands);
}

static void bash_verb(FILE *out, const struct berth_verb *verbs, const struct berth_verb *verb)
{
	const struct berth_verb *below = verb;
	const struct berth_opt *opt;

	for (opt = verb->opts; opt->name; opt++) {
		if (!opt->arg)
			continue;
		fprintf(out, "\t'%s':--%s) ", verb->name, opt->name);
		if (opt->values) {
			fputs("COMPREPLY=($(compgen -W '", out);
			spaced(out, opt->values);
			fputs("' -- \"$cur\")); ", out);
		} else if (takes(opt, "DIR")) {
			fputs("compopt -o dirnames +o default; ", out);
		}
		fputs("return ;;\n", out);
	}
	fprintf(out, "\t'%s':*) words='", verb->name);
	if (has_words(verb))
		operand_words(out, verbs, verb);
	for (opt = verb->opts; opt->name; opt++)
		fprintf(out, "%s--%s", opt == verb->opts ? "" : " ", opt->name);
	fprintf(out, "%s' ;", runs_program(verb) ? " --" : "");
	for (; (below = berth_opt_next_below(below, verb)); below++)
		fprintf(out, " ((COMP_CWORD == 2)) && words+=' %s' ;",
			berth_opt_second_word(below));
	fputs(";\n", out);
}

/* Two words become the name of the verb, in the shells that tell verbs apart by case. */
static void join_words(FILE *out, const struct berth_verb *verbs)
{
	const struct berth_verb *verb;

	for (verb = verbs; verb->name; verb++)
		if (berth_opt_second_word(verb))
			fprintf(out, "\t'%s') verb='%s' ;;\n", verb->name, verb->name);
}

/* What returns without words leaves it to the shell, which knows files best. */
static void bash(FILE *out, const struct berth_verb *verbs)
{
	const struct berth_verb *verb;

	fputs("_berth()\n{\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} "
	      "words i\n"
	      "\tCOMPREPLY=()\n"
	      "\tif ((COMP_CWORD == 1)); then\n\t\tCOMPREPLY=($(compgen -W '",
	      out);
	names(out, verbs);
	fputs("' -- \"$cur\"))\n\t\treturn\n\tfi\n"
	      "\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	      "\t\t[[ ${COMP_WORDS[i]} == -- ]] || continue\n"
	      "\t\t((i + 1 < COMP_CWORD)) || COMPREPLY=($(compgen -c -- \"$cur\"))\n"
	      "\t\treturn\n\tdone\n"
	      "\tif [[ $cur == = ]]; then\n\t\tcur=\n"
	      "\telif [[ $prev == = ]]; then\n\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n\tfi\n"
	      "\tlocal verb=${COMP_WORDS[1]}\n"
	      "\t((COMP_CWORD == 2)) || case \"$verb ${COMP_WORDS[2]}\" in\n",
	      out);
	join_words(out, verbs);
	fputs("\tesac\n\tcase $verb:$prev in\n", out);
	for (verb = verbs; verb->name; verb++)
		bash_verb(out, verbs, verb);
	fputs("\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
	      "complete -o default -F _berth berth\n",
	      out);
}

/* As quoted(), and what _arguments takes for the end of a text made plain. */
static void zsh_text(FILE *out, const char *text)
{
	char one[3] = "";

	for (; *text; text++) {
		snprintf(one, sizeof(one), strchr("[]:\\", *text) ? "\\%c" : "%c", *text);
		quoted(out, one, "'\\''");
	}
}

static void zsh_opt(FILE *out, const struct berth_opt *opt)
{
	fprintf(out, " \\\n\t\t\t'--%s%s[", opt->name, opt->arg ? "=" : "");
	zsh_text(out, opt->help);
	fputc(']', out);
	if (opt->arg) {
		fputc(':', out);
		zsh_text(out, opt->arg);
		fputc(':', out);
	}
	if (opt->values) {
		fputc('(', out);
		spaced(out, opt->values);
		fputc(')', out);
	} else if (takes(opt, "FILE") || takes(opt, "PATH")) {
		fputs("_files", out);
	} else if (takes(opt, "DIR")) {
		fputs("_files -/", out);
	}
	fputc('\'', out);
}

static void zsh_operands(FILE *out, const struct berth_verb *verbs, const struct berth_verb *verb)
{
	const struct berth_verb *below = verb;
	const char *before = "(";

	if (runs_program(verb)) {
		fputs(" \\\n\t\t\t'*:::program:_normal'\n", out);
		return;
	}
	fputs(" \\\n\t\t\t'*:operand:", out);
	if (has_words(verb)) {
		fputc('(', out);
		operand_words(out, verbs, verb);
		fputs(")'\n", out);
		return;
	}
	if (has_files(verb))
		fputs("_files", out);
	for (; (below = berth_opt_next_below(below, verb)); below++, before = " ")
		fprintf(out, "%s%s", before, berth_opt_second_word(below));
	fputs(*before == ' ' ? ")'\n" : "'\n", out);
}

static void zsh(FILE *out, const struct berth_verb *verbs)
{
	const struct berth_verb *verb;
	const struct berth_opt *opt;

	fputs("#compdef berth\n_berth()\n{\n\tlocal -a verbs=(\n", out);
	for (verb = verbs; verb->name; verb++) {
		if (berth_opt_second_word(verb))
			continue;
		fprintf(out, "\t\t'%s:", verb->name);
		zsh_text(out, verb->summary);
		fputs("'\n", out);
	}
	fputs("\t)\n\tif ((CURRENT == 2)); then\n\t\t_describe verb verbs\n\t\treturn\n\tfi\n"
	      "\tlocal verb=$words[2]\n\tshift words\n\t((CURRENT--))\n"
	      "\t((CURRENT == 2)) || case \"$verb $words[2]\" in\n",
	      out);
	join_words(out, verbs);
	fputs("\tesac\n\t[[ $verb == *' '* ]] && { shift words; ((CURRENT--)) }\n\tcase $verb in\n",
	      out);
	for (verb = verbs; verb->name; verb++) {
		fprintf(out, "\t'%s')\n\t\t_arguments -S", verb->name);
		for (opt = verb->opts; opt->name; opt++)
			zsh_opt(out, opt);
		zsh_operands(out, verbs, verb);
		fputs("\t\t;;\n", out);
	}
	/* Loaded by name the file is the function's body; read in, it registers the function. */
	fputs("\tesac\n}\nif [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n\t_berth \"$@\"\n"
	      "else\n\tcompdef _berth berth\nfi\n",
	      out);
}

static void fish_opt(FILE *out, const struct berth_verb *verb, const struct berth_opt *opt)
{
	fprintf(out, "complete -c berth -n '__berth_in %s' -l %s", verb->name, opt->name);
	if (opt->values) {
		fputs(" -x -a '", out);
		spaced(out, opt->values);
		fputc('\'', out);
	} else if (takes(opt, "FILE") || takes(opt, "PATH") || takes(opt, "DIR")) {
		fputs(" -r -F", out);
	} else if (opt->arg) {
		fputs(" -x", out);
	}
	fputs(" -d '", out);
	quoted(out, opt->help, "\\'");
	fputs("'\n", out);
}

static void fish(FILE *out, const struct berth_verb *verbs)
{
	const struct berth_verb *verb;
	const struct berth_opt *opt;

	fputs("function __berth_in\n\tset -l words (commandline -opc)\n"
	      "\tset -l last (math (count $argv) + 1)\n"
	      "\ttest (count $words) -ge $last; and test \"$words[2..$last]\" = \"$argv\"; and not "
	      "contains -- -- $words\n"
	      "end\nfunction __berth_program\n\tset -l words (commandline -opc)\n"
	      "\ttest (count $words) -ge 3; and test $words[2] = $argv[1]; and test $words[-1] = "
	      "--\n"
	      "end\nfunction __berth_first\n\ttest (count (commandline -opc)) -eq 1\nend\n"
	      "complete -c berth -f\n",
	      out);
	for (verb = verbs; verb->name; verb++) {
		const char *second = berth_opt_second_word(verb);

		if (second)
			fprintf(out,
				"complete -c berth -n '__berth_in %.*s; and test (count "
				"(commandline -opc)) -eq 2' -a %s -d '",
				(int)(second - verb->name - 1), verb->name, second);
		else
			fprintf(out, "complete -c berth -n __berth_first -a %s -d '", verb->name);
		quoted(out, verb->summary, "\\'");
		fputs("'\n", out);
		for (opt = verb->opts; opt->name; opt++)
			fish_opt(out, verb, opt);
		if (has_words(verb)) {
			fprintf(out, "complete -c berth -n '__berth_in %s' -a '", verb->name);
			operand_words(out, verbs, verb);
			fputs("'\n", out);
		}
		if (has_files(verb))
			fprintf(out, "complete -c berth -n '__berth_in %s' -F\n", verb->name);
		if (runs_program(verb))
			fprintf(out,
				"complete -c berth -n '__berth_program %s' "
				"-a '(__fish_complete_command)'\n",
				verb->name);
	}
}

static const struct {
	const char *name;
	void (*print)(FILE *out, const struct berth_verb *verbs);
} shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };

bool berth_opt_completion(FILE *out, const struct berth_verb *verbs, const char *shell)
{
	size_t i;

	for (i = 0; i < sizeof(shells) / sizeof(*shells); i++) {
		if (strcmp(shells[i].name, shell))
			continue;
		shells[i].print(out, verbs);
		return true;
	}
	return false;
}
