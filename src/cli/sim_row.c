/* SPDX-License-Identifier: BSD-2-Clause */
/* What berth sim shows of a policy that was played: rows as JSON, CSV and a table, and the plot. */
#include "src/cli/sim_row.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "src/base/auto.h"
#include "src/base/svg.h"

static void json_number(const char *key, double value, bool known)
{
	if (known)
		printf(",\"%s\":%.9g", key, value);
	else
		printf(",\"%s\":null", key);
}

static const char *const sight_name[] = { "blind", "other", "same" };

static void json_bins(const char *key, const uint64_t *count)
{
	bool first = true;
	uint32_t i;

	printf(",\"%s\":[", key);
	for (i = 0; i < BERTH_SIM_REUSE_BINS; i++)
		if (count[i]) {
			printf("%s[%llu,%llu]", first ? "" : ",",
			       (unsigned long long)berth_sim_reuse_top(i),
			       (unsigned long long)count[i]);
			first = false;
		}
	putchar(']');
}

static void csv_number(const char *format, double value, bool known)
{
	putchar(',');
	if (known)
		printf(format, value);
}

void berth_sim_row_json(const struct berth_scenario *s, const struct berth_sim_outcome *o,
			bool distribution)
{
	const struct berth_sim_result *r = &o->result;
	char key[32];
	int i;

	printf("{\"scenario\":\"%s\",\"policy\":\"%s\",\"range\":\"%u-%u\",\"ports\":%u,\"seed\":%llu,"
	       "\"hosts\":%u",
	       s->name, berth_habit_row(o->load.habit).name, o->load.range.first,
	       o->load.range.last, o->load.pool.count, (unsigned long long)o->load.seed,
	       o->load.hosts);
	if (s->track) {
		json_number("known_again", o->track.known_again, true);
		json_number("chance", o->track.chance, true);
		json_number("pairs", o->track.pairs, true);
		json_number("kept", o->track.kept, true);
		json_number("connections", o->track.connections, true);
	} else {
		printf(",\"tried\":%llu", (unsigned long long)o->tally->tried);
		printf(",\"refused\":%llu", (unsigned long long)o->tally->refused);
		printf(",\"missed\":%llu", (unsigned long long)o->tally->missed);
		printf(",\"collisions\":%llu", (unsigned long long)o->tally->collisions);
		json_number("tries", r->tries, true);
		json_number("tries_max", (double)o->tally->tries_max, true);
		json_number("occupancy", r->occupancy, true);
		json_number("occupancy_max", r->occupancy_max, true);
		json_number("cycle", r->cycle, r->cycle > 0);
		json_number("reuse_min", (double)r->reuse_min, r->reuse_min);
		json_number("reuse_1", (double)r->reuse_1, r->reuse_1);
		json_number("reuse_50", (double)r->reuse_50, r->reuse_50);
		for (i = 0; i < BERTH_SIGHT_COUNT; i++) {
			snprintf(key, sizeof(key), "guess_%s", sight_name[i]);
			json_number(key, r->guess[i], r->guess[i] >= 0);
		}
	}
	if (distribution && !s->track) {
		json_bins("reuse", o->tally->reuse);
		json_bins("fresh", o->tally->fresh);
	}
	printf(",\"seconds\":%.3f,\"cpu_seconds\":%.3f}\n", o->seconds, o->cpu_seconds);
}

void berth_sim_row_csv(const struct berth_scenario *s, const struct berth_sim_outcome *o,
		       bool first)
{
	const struct berth_sim_result *r = &o->result;
	const char *name = berth_habit_row(o->load.habit).name;
	int i;

	if (s->track) {
		if (first)
			puts("policy,known_again,chance,pairs,kept,connections");
		printf("%s,%.6f,%.6f,%.2f,%.4f,%.0f\n", name, o->track.known_again, o->track.chance,
		       o->track.pairs, o->track.kept, o->track.connections);
		return;
	}
	if (first)
		puts("policy,first,last,ports,tried,refused,missed,collisions,tries,tries_max,occupancy,"
		     "occupancy_max,cycle,reuse_min,reuse_1,reuse_50,guess_blind,guess_other,guess_same");
	printf("%s,%u,%u,%u,%llu,%llu,%llu,%llu,%.4f,%llu,%.6f,%.6f", name, o->load.range.first,
	       o->load.range.last, o->load.pool.count, (unsigned long long)o->tally->tried,
	       (unsigned long long)o->tally->refused, (unsigned long long)o->tally->missed,
	       (unsigned long long)o->tally->collisions, r->tries,
	       (unsigned long long)o->tally->tries_max, r->occupancy, r->occupancy_max);
	csv_number("%.2f", r->cycle, r->cycle > 0);
	csv_number("%.0f", (double)r->reuse_min, r->reuse_min);
	csv_number("%.0f", (double)r->reuse_1, r->reuse_1);
	csv_number("%.0f", (double)r->reuse_50, r->reuse_50);
	for (i = 0; i < BERTH_SIGHT_COUNT; i++)
		csv_number("%.9f", r->guess[i], r->guess[i] >= 0);
	putchar('\n');
}

static void print_share(double share, int width)
{
	char words[32];

	if (share < 0)
		snprintf(words, sizeof(words), "-");
	else if (share == 0)
		snprintf(words, sizeof(words), "0");
	else if (share < 1e-4)
		snprintf(words, sizeof(words), "%.1e", share);
	else
		snprintf(words, sizeof(words), "%.4f", share);
	printf(" %*s", width, words);
}

static void print_count(uint64_t n, int width)
{
	if (n)
		printf(" %*llu", width, (unsigned long long)n);
	else
		printf(" %*s", width, "-");
}

void berth_sim_row_text(const struct berth_scenario *s, const struct berth_sim_outcome *o,
			bool first)
{
	const struct berth_sim_result *r = &o->result;
	const char *name = berth_habit_row(o->load.habit).name;

	if (s->track) {
		if (first)
			printf("%-20s %11s %8s %7s %7s %12s\n", "POLICY", "KNOWN AGAIN", "CHANCE",
			       "PAIRS", "KEPT", "CONNECTIONS");
		printf("%-20s %9.1f %% %6.1f %% %7.1f %5.0f %% %12.0f\n", name,
		       100 * o->track.known_again, 100 * o->track.chance, o->track.pairs,
		       100 * o->track.kept, o->track.connections);
		return;
	}
	if (first)
		printf("%-67s %17s %7s %23s\n%-20s %5s %10s %7s %7s %8s %7s %8s %8s %7s %7s %7s %7s\n",
		       "", "----- reuse -----", "", "------- guessed -------", "POLICY", "PORTS",
		       "TRIED", "REFUSED", "COLLIDE", "TRIES", "IN USE", "MIN", "MEDIAN", "CYCLE",
		       "BLIND", "OTHER", "SAME");
	printf("%-20s %5u %10llu", name, o->load.pool.count, (unsigned long long)o->tally->tried);
	print_share(r->refused, 7);
	print_share(r->collisions, 7);
	printf(" %8.2f %5.1f %%", r->tries, 100 * r->occupancy);
	print_count(r->reuse_min, 8);
	print_count(r->reuse_50, 8);
	print_count((uint64_t)(r->cycle + 0.5), 7);
	print_share(r->guess[BERTH_SIGHT_BLIND], 7);
	print_share(r->guess[BERTH_SIGHT_OTHER], 7);
	print_share(r->guess[BERTH_SIGHT_SAME], 7);
	putchar('\n');
}

/* ---- plot ---- */

/* Share of the pairs that are used again within so many connections, as far as it is known. */
static void plot_reuse(struct berth_svg *svg, const struct berth_sim_outcome *o, unsigned number)
{
	double x[BERTH_SIM_REUSE_BINS], y[BERTH_SIM_REUSE_BINS];
	char words[64];
	uint32_t i, n = berth_sim_reuse_share(o->tally, y);

	for (i = 0; i < n; i++)
		x[i] = (double)berth_sim_reuse_top(i);
	snprintf(words, sizeof(words), "%s%s", berth_habit_row(o->load.habit).name,
		 o->tally->reused ? "" : ": no pair twice");
	berth_svg_curve(svg, o->tally->reused ? n : 0, x, y, number, words);
}

static void plot_track(struct berth_svg *svg, const struct berth_sim_outcome *o, unsigned number)
{
	double at = number + 1, x[4] = { at - 0.3, at - 0.3, at + 0.3, at + 0.3 };
	double y[4] = { 0, o->track.known_again, o->track.known_again, 0 };

	berth_svg_curve(svg, 4, x, y, number, berth_habit_row(o->load.habit).name);
}

int berth_sim_plot(const struct berth_scenario *s, const struct berth_sim_outcome *o, size_t n,
		   const char *path, struct berth_why *why)
{
	berth_auto_file FILE *out = fopen(path, "we");
	struct berth_svg svg = { .out = out };
	size_t i;

	if (!out)
		return berth_why(why, -errno, "cannot write %s: %s", path, strerror(errno));
	if (s->track) {
		svg.x = (struct berth_svg_axis){ "policy", 0, (double)n + 1, false };
		svg.y = (struct berth_svg_axis){ "share of the devices that are known again", 0, 1,
						 false };
	} else {
		svg.x = (struct berth_svg_axis){
			"connections to one destination between two uses of a pair", 1, 1e6, true
		};
		svg.y = (struct berth_svg_axis){ "share of the pairs that are used again by then",
						 0, 1, false };
	}
	berth_svg_begin(&svg, s->track ? "Devices known again" : "How soon a pair is used again",
			s->name);
	for (i = 0; i < n; i++)
		(s->track ? plot_track : plot_reuse)(&svg, &o[i], (unsigned)i);
	berth_svg_end(&svg);
	if (fflush(out) || ferror(out))
		return berth_why(why, -EIO, "cannot write %s", path);
	return 0;
}
