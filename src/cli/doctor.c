/* SPDX-License-Identifier: BSD-2-Clause */
/* berth doctor: what this host offers, what a lack costs, and the command that mends it. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "src/cli/cli.h"
#include "src/cli/default_pool.h"
#include "src/kernel/probe.h"
#include "src/preload/launch.h"

#define NAME_WIDTH 28 /* the longest name of a fact, bpf_skc_to_tcp_timewait_sock */
#define HEALTH_WIDTH 8
#define INDENT (HEALTH_WIDTH + 2)
#define NARROWEST 60
#define NARROW_POOL 16384u /* fewer ports than half of the kernel's default range */

struct options {
	bool json;
};

/* All facts, and what follows from them. */
struct report {
	struct berth_fact *facts;
	size_t count;
	enum berth_health verdict;
	size_t tally[BERTH_HEALTH_COUNT];
	const char *via; /* the path that `berth run --via auto` takes */
};

BERTH_OPT_FLAG(json, struct options, json)

const struct berth_opt berth_doctor_opts[] = {
	{ .name = "json",
	  .help = "One JSON object: verdict (ok, degraded, missing), via (what berth run would take: bpf, preload) and "
		  "rows (name, need, value, verdict, and cost and remedy, null where all is well).",
	  .set = set_json },
	{ 0 },
};

/* The worst health of the facts that stand in the way of one path, or of any path. */
static enum berth_health worst(const struct report *report, enum berth_need need, bool any)
{
	enum berth_health health = BERTH_HEALTH_OK;

	for (size_t i = 0; i < report->count; i++) {
		const struct berth_fact *fact = &report->facts[i];
		bool counts = any ? fact->need != BERTH_NEED_SPARE : fact->need == need;

		if (counts && fact->health > health)
			health = fact->health;
	}
	return health;
}

/* Writes one text of a fact, all of which have the same size, cut where it is too long. */
static void put(char *into, const char *text)
{
	const size_t size = sizeof(((struct berth_fact *)NULL)->value);

	snprintf(into, size, "%.*s", (int)size - 1, text);
}

/* The library of the preload path: found by its launcher, which the probes of the kernel do not know. */
static void find_library(struct berth_fact *out_fact)
{
	char path[PATH_MAX], *mend;
	struct berth_why why;

	*out_fact = (struct berth_fact){ .name = "preload library", .need = BERTH_NEED_PRELOAD };
	if (!berth_preload_check_library(path, &why)) {
		put(out_fact->value, path);
		return;
	}
	out_fact->health = BERTH_HEALTH_MISSING;
	put(out_fact->cost, "`berth run --via preload` does not work");
	/* A sentence is "what: why; how to mend it". */
	mend = strrchr(why.text, ';');
	if (mend) {
		put(out_fact->remedy, mend + strlen("; "));
		*mend = '\0';
	}
	put(out_fact->value, why.text);
}

/* The pool of a run: of what is declared the probes of the kernel do not know either. */
static void find_pool(struct berth_fact *out_fact)
{
	static struct berth_portset ports;
	struct berth_why why;
	int from = berth_default_pool(&ports, &why);

	*out_fact = (struct berth_fact){ .name = "default pool", .need = BERTH_NEED_USEFUL };
	if (!from && ports.count >= NARROW_POOL) {
		snprintf(out_fact->value, sizeof(out_fact->value),
			 "%u ports beside the ephemeral range", ports.count);
		return;
	}
	out_fact->health = BERTH_HEALTH_DEGRADED;
	if (from < 0)
		put(out_fact->value, why.text);
	else
		snprintf(out_fact->value, sizeof(out_fact->value),
			 "%u ports %s the ephemeral range", ports.count,
			 from ? "out of" : "beside");
	put(out_fact->cost,
	    from > 0 ? "ports under berth are taken away from programs that are not"
		     : "`berth run` without --ports has few ports toward one destination");
	put(out_fact->remedy,
	    "berth run --ports SET, or sysctl -w net.ipv4.ip_local_port_range='32768 60999'");
}

/* Finds all facts; false where memory ran out. The facts are the caller's to free. */
static bool examine(struct report *report)
{
	size_t probes = berth_probe_count();

	*report = (struct report){ .count = probes + 2 };
	report->facts = calloc(report->count, sizeof(*report->facts));
	if (!report->facts)
		return false;
	for (size_t i = 0; i < probes; i++)
		berth_probe_fact(i, &report->facts[i]);
	find_pool(&report->facts[probes]);
	find_library(&report->facts[probes + 1]);
	for (size_t i = 0; i < report->count; i++)
		report->tally[report->facts[i].health]++;
	report->verdict = worst(report, BERTH_NEED_BPF, true);
	report->via = worst(report, BERTH_NEED_BPF, false) == BERTH_HEALTH_OK ? "bpf" : "preload";
	return true;
}

/* A text, or null where there is none. */
static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

/*
 * One object:
 *   verdict  "ok", "degraded" or "missing": the worst of the rows, without those of need "spare"
 *   via      "bpf" or "preload": the path that `berth run --via auto` takes here
 *   rows     a list of objects:
 *     name     the fact; stable
 *     need     "bpf", "preload": that path fails without it; "useful": something is slower or
 *              smaller without it; "spare": nothing uses it yet
 *     value    what was found, words for a person
 *     verdict  "ok", "degraded" or "missing"
 *     cost     what it costs, null where the verdict is "ok"
 *     remedy   the command or step that mends it, null where the verdict is "ok"
 */
static bool print_json(const struct report *report)
{
	json_t *rows = json_array(), *all;
	bool printed;

	for (size_t i = 0; i < report->count; i++) {
		const struct berth_fact *fact = &report->facts[i];

		json_array_append_new(rows,
				      json_pack("{ss ss ss ss so so}", "name", fact->name, "need",
						berth_need_name(fact->need), "value", fact->value,
						"verdict", berth_health_name(fact->health), "cost",
						text_or_null(fact->cost), "remedy",
						text_or_null(fact->remedy)));
	}
	all = json_pack("{ss ss so}", "verdict", berth_health_name(report->verdict), "via",
			report->via, "rows", rows);
	printed = all && json_dumpf(all, stdout, JSON_INDENT(2)) == 0 && putchar('\n') == '\n';
	json_decref(all);
	return printed;
}

/* Columns of the terminal; 0 where stdout is none: lines are then as long as they are. */
static size_t terminal_width(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return 0;
	return size.ws_col < NARROWEST ? NARROWEST : size.ws_col;
}

/* Prints text from column indent on, broken at spaces to stay within width (0: not broken). */
static void print_wrapped(const char *text, size_t indent, size_t width)
{
	size_t room = width > indent ? width - indent : 0, len = strlen(text);

	while (room && len > room) {
		size_t cut = room;

		while (cut && text[cut] != ' ')
			cut--;
		if (!cut)
			cut = room;
		printf("%.*s\n%*s", (int)cut, text, (int)indent, "");
		text += cut + (text[cut] == ' ');
		len = strlen(text);
	}
	printf("%s\n", text);
}

static void print_row(const struct berth_fact *fact, size_t width, bool colour)
{
	static const char *const colours[] = { "\033[32m", "\033[33m", "\033[31m" };

	printf("%s%-*s%s  %-*s  ", colour ? colours[fact->health] : "", HEALTH_WIDTH,
	       berth_health_name(fact->health), colour ? "\033[0m" : "", NAME_WIDTH, fact->name);
	print_wrapped(fact->value, INDENT + NAME_WIDTH + 2, width);
}

static void print_advice(const struct berth_fact *fact, size_t width)
{
	printf("%*scosts: ", INDENT, "");
	print_wrapped(fact->cost, INDENT + 7, width);
	/* Not broken: it is there to be copied. */
	printf("%*smend:  %s\n", INDENT, "", fact->remedy);
}

/* True where two facts cost the same and are mended by the same step. */
static bool same_advice(const struct berth_fact *a, const struct berth_fact *b)
{
	return a->health != BERTH_HEALTH_OK && !strcmp(a->cost, b->cost) &&
	       !strcmp(a->remedy, b->remedy);
}

/* One line for each fact; a cost and remedy that neighbours share are said once, below the last. */
static void print_table(const struct report *report)
{
	const char *no_colour = getenv("NO_COLOR");
	bool colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
	size_t width = terminal_width();

	for (size_t i = 0; i < report->count; i++) {
		const struct berth_fact *fact = &report->facts[i];
		bool last = i + 1 == report->count;

		print_row(fact, width, colour);
		if (fact->health != BERTH_HEALTH_OK && (last || !same_advice(fact + 1, fact)))
			print_advice(fact, width);
	}
	printf("\n%zu ok, %zu degraded, %zu missing; `berth run` takes the %s path here\n",
	       report->tally[BERTH_HEALTH_OK], report->tally[BERTH_HEALTH_DEGRADED],
	       report->tally[BERTH_HEALTH_MISSING], report->via);
}

int berth_doctor_main(int argc, char **argv)
{
	struct options options = { 0 };
	struct report report;
	struct berth_why why;
	bool printed = true;
	int first = berth_opt_parse(berth_doctor_opts, argc, argv, &options, &why);

	if (first >= 0 && first < argc)
		first = berth_why(&why, -EINVAL,
				  "unexpected word \"%s\"; see \"berth help doctor\"", argv[first]);
	if (first < 0)
		return berth_complain("doctor", &why, BERTH_EXIT_FAILURE);
	if (!examine(&report)) {
		berth_why(&why, -ENOMEM, "no memory for the report");
		return berth_complain("doctor", &why, BERTH_EXIT_FAILURE);
	}
	if (options.json)
		printed = print_json(&report);
	else
		print_table(&report);
	free(report.facts);
	if (!printed) {
		berth_why(&why, -EIO, "cannot write to standard output: %s", strerror(errno));
		return berth_complain("doctor", &why, BERTH_EXIT_FAILURE);
	}
	return report.verdict == BERTH_HEALTH_OK ? BERTH_EXIT_OK : BERTH_EXIT_FINDINGS;
}
