/* SPDX-License-Identifier: BSD-2-Clause */
/* berth sim: a workload against ways of choosing ports. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "src/base/auto.h"
#include "src/base/near.h"
#include "src/cli/cli.h"
#include "src/cli/sim_row.h"
#include "src/sim/scenario.h"
#include "src/sim/track.h"

#define THREADS_MAX 64u

struct view {
	const struct berth_scenario *scenario;
	struct berth_sim_load load;
	const char *policies;
	const char *ports, *reserved; /* NULL: the policy's own, nothing */
	const char *plot;
	bool json, csv, list, distribution;
	uint32_t threads; /* 0: one for each processor */
};

/* ---- options ---- */

static int read_double(const char *value, double low, double high, double *out,
		       struct berth_why *why)
{
	char *end;
	double x = strtod(value, &end);

	if (end == value || *end || !(x >= low && x <= high))
		return berth_why(why, -EINVAL, "\"%s\": a number from %g to %g is wanted", value,
				 low, high);
	*out = x;
	return 0;
}

/* Numbers up to 2^53, "1e9" as well as "1000000000". */
static int read_count(const char *value, double low, double high, uint64_t *out,
		      struct berth_why *why)
{
	double x = 0;
	int error = read_double(value, low, high, &x, why);

	if (!error && x != (double)(uint64_t)x)
		error = berth_why(why, -EINVAL, "\"%s\": a whole number is wanted", value);
	if (!error)
		*out = (uint64_t)x;
	return error;
}

#define SET_COUNT(name, field, low, high)                                                          \
	static int set_##name(void *into, const char *value, struct berth_why *why)                \
	{                                                                                          \
		uint64_t n = 0;                                                                    \
		int error = read_count(value, low, high, &n, why);                                 \
                                                                                                   \
		if (!error)                                                                        \
			((struct view *)into)->field =                                             \
				(__typeof__(((struct view *)into)->field))n;                       \
		return error;                                                                      \
	}
#define SET_DOUBLE(name, field, low, high)                                                         \
	static int set_##name(void *into, const char *value, struct berth_why *why)                \
	{                                                                                          \
		return read_double(value, low, high, &((struct view *)into)->field, why);          \
	}
#define SET_WORD(name, field)                                                                      \
	static int set_##name(void *into, const char *value, struct berth_why *why)                \
	{                                                                                          \
		(void)why;                                                                         \
		((struct view *)into)->field = value;                                              \
		return 0;                                                                          \
	}

SET_COUNT(hosts, load.hosts, 1, 1e7)
SET_COUNT(connections, load.connections, 1, 1e13)
SET_COUNT(destinations, load.destinations, 1, 65535)
SET_COUNT(counters, load.counters, 1, BERTH_HABIT_TABLE)
SET_COUNT(rekey, load.rekey_s, 0, 1e6)
SET_COUNT(seed, load.seed, 0, 0x1p53)
SET_COUNT(threads, threads, 1, THREADS_MAX)
SET_DOUBLE(popularity, load.popularity, 0, 10)
SET_DOUBLE(rate, load.rate_per_s, 1e-6, 1e8)
SET_DOUBLE(life, load.life_s, 0, 1e6)
SET_DOUBLE(close_client, load.close_client, 0, 1)
SET_DOUBLE(close_server, load.close_server, 0, 1)
SET_DOUBLE(time_wait, load.time_wait_s, 0, 1e6)
BERTH_OPT_FLAG(even, struct view, load.even)
BERTH_OPT_FLAG(json, struct view, json)
BERTH_OPT_FLAG(csv, struct view, csv)
BERTH_OPT_FLAG(list, struct view, list)
BERTH_OPT_FLAG(distribution, struct view, distribution)
SET_WORD(policy, policies)
SET_WORD(ports, ports)
SET_WORD(reserved, reserved)
SET_WORD(plot, plot)

static int set_life_kind(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct view *)into)->load.life = !strcmp(value, "fixed")         ? BERTH_LIFE_FIXED
					   : !strcmp(value, "exponential") ? BERTH_LIFE_EXPONENTIAL
									   : BERTH_LIFE_PARETO;
	return 0;
}

/* near: the name that was probably meant; its text is NULL where none was. */
static int refuse_name(const char *kind, const char *name, size_t len,
		       const struct berth_near *near, struct berth_why *why)
{
	if (near->text)
		return berth_why(why, -EINVAL, "there is no %s \"%.*s\"; did you mean %.*s?", kind,
				 (int)len, name, (int)near->len, near->text);
	return berth_why(why, -EINVAL, "there is no %s \"%.*s\"; \"berth sim --list\" shows them",
			 kind, (int)len, name);
}

static int set_scenario(void *into, const char *value, struct berth_why *why)
{
	const struct berth_scenario *s = berth_scenario_find(value);
	struct berth_near near = { 0 };

	if (!s) {
		for (s = berth_scenarios; s->name; s++)
			berth_near_consider(value, s->name, strlen(s->name), &near);
		return refuse_name("scenario", value, strlen(value), &near, why);
	}
	((struct view *)into)->scenario = s;
	return 0;
}

const struct berth_opt berth_sim_opts[] = {
	{ "scenario", "NAME", "plain", "The workload; the options below change it.", NULL,
	  set_scenario },
	{ "list", NULL, NULL, "Shows the scenarios and the policies, each with its source.", NULL,
	  set_list },
	{ "policy", "NAME[,NAME...]", NULL,
	  "What is played, one row each: names of --list, or \"all\". Default: the scenario's.",
	  NULL, set_policy },
	{ "ports", "SET", NULL,
	  "Ports to choose from: 1024-32767,!8080. Default: the scenario's, else those of the policy's system, else "
	  "1024-65535.",
	  NULL, set_ports },
	{ "reserved", "SET", NULL, "Ports never to be chosen.", NULL, set_reserved },
	{ "hosts", "N", NULL, "Hosts, each with keys and counters of its own.", NULL, set_hosts },
	{ "connections", "N", NULL,
	  "Connections of all hosts; 1e9 may be written. The first of each host fill it and are not in TRIED: as many as it takes, a quarter at most.",
	  NULL, set_connections },
	{ "destinations", "N", NULL, "Destinations of each host.", NULL, set_destinations },
	{ "popularity", "X", NULL, "Destination k has a share of 1/k^X: 0 all alike, 1 Zipf's law.",
	  NULL, set_popularity },
	{ "rate", "N", NULL, "Connections a second of each host, at random intervals (Poisson).",
	  NULL, set_rate },
	{ "even", NULL, NULL, "At even intervals instead.", NULL, set_even },
	{ "life", "SECONDS", NULL, "Mean life time of a connection.", NULL, set_life },
	{ "life-kind", "NAME", NULL, "How life times are spread; pareto has exponent 1.5.",
	  "fixed|exponential|pareto", set_life_kind },
	{ "close-client", "SHARE", NULL,
	  "Share of the connections that the client closes first: it keeps the pair in TIME_WAIT.",
	  NULL, set_close_client },
	{ "close-server", "SHARE", NULL,
	  "Share that the server closes first: it keeps the pair, and the client does not know. The rest is reset.",
	  NULL, set_close_server },
	{ "time-wait", "SECONDS", NULL, "Length of TIME_WAIT at both sides.", NULL, set_time_wait },
	{ "counters", "N", "65536",
	  "Counters of double-hash: RFC 6056 shows 10; the fewer, the more destinations share one.",
	  NULL, set_counters },
	{ "rekey", "SECONDS", "0",
	  "hash and double-hash have a new key so often, as in berth run; 0: never, as RFC 6056 has it.",
	  NULL, set_rekey },
	{ "seed", "N", "0", "Another seed, other random numbers; the same one, the same figures.",
	  NULL, set_seed },
	{ "threads", "N", NULL,
	  "Threads; the figures do not depend on it. Default: one for each processor.", NULL,
	  set_threads },
	{ "plot", "FILE", NULL,
	  "Writes an SVG: how far apart two uses of a pair are; track: how many devices are known again.",
	  NULL, set_plot },
	{ "distribution", NULL, NULL,
	  "With --json: adds reuse, how often pairs were used again how far apart: [distance at most, count]; and fresh, "
	  "how often one was used first, behind how many connections to its destination: [at most, count].",
	  NULL, set_distribution },
	{ "csv", NULL, NULL, "Comma-separated values, a line of names first.", NULL, set_csv },
	{ "json", NULL, NULL,
	  "JSON Lines, one object a policy: scenario, policy, range, ports, seed, hosts, tried, refused, missed, "
	  "collisions, tries, tries_max, occupancy, occupancy_max, cycle, reuse_min, reuse_1, reuse_50 (null: "
	  "later than was played), guess_blind, guess_other, guess_same (null: not known), seconds, cpu_seconds (of all threads). track: known_again, chance, pairs, "
	  "kept, connections. --list: scenario, text, policies, source; policy, text, shares_ports, system, source.",
	  NULL, set_json },
	{ NULL },
};

/* ---- one policy ---- */

static int read_set(const char *text, struct berth_portset *out, struct berth_why *why)
{
	struct berth_range_error error;

	if (berth_portset_parse(text, out, &error))
		return berth_why(why, -EINVAL, "\"%s\": %s at character %zu", text, error.what,
				 error.at + 1);
	return 0;
}

/* Range and pool of the load: what was asked for, else the scenario's, else the system's. */
static int find_pool(const struct view *view, struct berth_sim_load *load, struct berth_why *why)
{
	struct berth_range own = berth_habit_row(load->habit).range;
	struct berth_portset reserved;
	int32_t p;

	load->range = view->scenario->range;
	if (!load->range.last)
		load->range = own.last ? own : (struct berth_range){ 1024, 65535 };
	memset(&load->pool, 0, sizeof(load->pool));
	if (view->ports) {
		if (read_set(view->ports, &load->pool, why))
			return -EINVAL;
		if (!load->pool.count)
			return berth_why(why, -EINVAL, "\"%s\": no port is in it", view->ports);
		load->range.first = (uint16_t)berth_portset_next(&load->pool, 0);
		load->range.last = (uint16_t)berth_portset_kth(&load->pool, load->pool.count - 1);
	} else {
		berth_portset_add_range(&load->pool, load->range);
	}
	if (view->reserved) {
		if (read_set(view->reserved, &reserved, why))
			return -EINVAL;
		for (p = berth_portset_next(&reserved, 0); p >= 0 && p < 65536;
		     p = p == 65535 ? -1 : berth_portset_next(&reserved, (uint32_t)p + 1))
			berth_portset_remove(&load->pool, (uint32_t)p);
	}
	return 0;
}

struct worker {
	const struct berth_sim_load *load;
	uint32_t first, step;
	void *memory;
	struct berth_sim_tally *tally;
	pthread_t thread;
	bool started;
};

static void *work(void *arg)
{
	struct worker *w = arg;

	berth_sim_play(w->load, w->first, w->step, w->memory, w->tally);
	return NULL;
}

/* Hosts in turn to the threads; what cannot be started as a thread is played here. */
static int play_hosts(const struct berth_sim_load *load, uint32_t threads,
		      struct berth_sim_tally *out, struct berth_why *why)
{
	struct worker w[THREADS_MAX] = { 0 };
	int error = 0;
	uint32_t i;

	for (i = 0; i < threads; i++) {
		w[i] = (struct worker){ load, i, threads, calloc(1, berth_sim_memory(load)),
					calloc(1, sizeof(*out)) };
		if (!w[i].memory || !w[i].tally) {
			error = berth_why(why, -ENOMEM,
					  "no memory; fewer --destinations or --threads");
			break;
		}
		w[i].started = i && !pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (i = 0; i < threads; i++) {
		if (w[i].started)
			pthread_join(w[i].thread, NULL);
		else if (!error)
			work(&w[i]);
		if (!error)
			berth_sim_add(out, w[i].tally);
		free(w[i].memory);
		free(w[i].tally);
	}
	return error;
}

static double now_s(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int play_track(struct berth_sim_outcome *o, struct berth_why *why)
{
	berth_auto_free void *memory = calloc(1, berth_sim_track_memory(&o->load));

	if (!memory)
		return berth_why(why, -ENOMEM, "no memory; fewer --hosts");
	return berth_sim_track(&o->load, memory, &o->track, why);
}

static int play(const struct view *view, struct berth_sim_outcome *o, struct berth_why *why)
{
	uint32_t threads = view->threads ? view->threads : (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	double began = now_s(CLOCK_MONOTONIC), cpu = now_s(CLOCK_PROCESS_CPUTIME_ID);
	int error = find_pool(view, &o->load, why);

	threads = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
	threads = threads > o->load.hosts ? o->load.hosts : threads;
	if (!error && view->scenario->track) {
		error = play_track(o, why);
	} else if (!error) {
		error = berth_sim_check(&o->load, why);
		if (!error)
			error = play_hosts(&o->load, threads, o->tally, why);
		if (!error)
			berth_sim_figures(&o->load, o->tally, &o->result);
	}
	o->seconds = now_s(CLOCK_MONOTONIC) - began;
	o->cpu_seconds = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	return error;
}

/* ---- rows ---- */

static void show(const struct view *view, const struct berth_sim_outcome *o, bool first)
{
	if (view->json)
		berth_sim_row_json(view->scenario, o, view->distribution);
	else if (view->csv)
		berth_sim_row_csv(view->scenario, o, first);
	else
		berth_sim_row_text(view->scenario, o, first);
	fflush(stdout);
}

/* ---- the verb ---- */

static void list_all(const struct view *view)
{
	const struct berth_scenario *s;
	int i;

	for (s = berth_scenarios; s->name; s++)
		if (view->json)
			printf("{\"scenario\":\"%s\",\"text\":\"%s\",\"policies\":\"%s\",\"source\":\"%s\"}\n",
			       s->name, s->text, s->policies, s->source);
		else
			printf("%-20s %s [%s]\n", s->name, s->text, s->source);
	if (!view->json)
		putchar('\n');
	for (i = 0; i < BERTH_HABIT_COUNT; i++) {
		struct berth_habit_row row = berth_habit_row((enum berth_habit)i);

		if (view->json)
			printf("{\"policy\":\"%s\",\"text\":\"%s\",\"shares_ports\":%s,\"system\":\"%s\","
			       "\"source\":\"%s\"}\n",
			       row.name, row.text, row.share ? "true" : "false", row.system,
			       row.source);
		else
			printf("%-20s %s [%s]\n", row.name, row.text, row.source);
	}
}

static int find_policy(const char *name, size_t len, struct berth_why *why)
{
	int habit = berth_habit_find(name, len);

	struct berth_near near = { 0 };
	char given[64];
	int i;

	if (habit >= 0)
		return habit;
	snprintf(given, sizeof(given), "%.*s", (int)len, name);
	for (i = 0; i < BERTH_HABIT_COUNT; i++) {
		const char *known = berth_habit_row((enum berth_habit)i).name;

		berth_near_consider(given, known, strlen(known), &near);
	}
	return refuse_name("policy", name, len, &near, why);
}

/* Plays one policy after the other; at most as many as there are. */
static int play_all(const struct view *view, struct berth_sim_outcome *o, size_t *n,
		    struct berth_why *why)
{
	const char *at = view->policies;
	bool all = !strcmp(at, "all");
	int habit = -1, error;

	do {
		size_t len = strcspn(at, ",");

		habit = all ? habit + 1 : find_policy(at, len, why);
		if (habit < 0)
			return habit;
		o[*n].load = view->load;
		o[*n].load.habit = (enum berth_habit)habit;
		o[*n].tally = calloc(1, sizeof(*o->tally));
		if (!o[*n].tally)
			return berth_why(why, -ENOMEM, "no memory");
		error = play(view, &o[*n], why);
		if (error)
			return error;
		show(view, &o[*n], !*n);
		++*n;
		at += all ? 0 : len + (at[len] == ',');
	} while (*n < BERTH_HABIT_COUNT && (all || *at));
	return 0;
}

/* Nothing was changed that the scenario track does not look at. */
static bool is_like_track(const struct view *view)
{
	const struct berth_sim_load *own = &view->scenario->load, *load = &view->load;

	return load->connections == own->connections && load->even == own->even &&
	       load->life == own->life && !(load->popularity > 0) && !(load->life_s > 0) &&
	       !(load->close_client > 0) && !(load->close_server > 0) && !(load->time_wait_s > 0);
}

static int parse(struct view *view, int argc, char **argv, struct berth_why *why)
{
	int at;

	/* Twice: the second time options change what the scenario says. */
	view->scenario = berth_scenarios;
	at = berth_opt_parse(berth_sim_opts, argc, argv, view, why);
	if (at < 0)
		return at;
	view->load = view->scenario->load;
	view->policies = view->scenario->policies;
	at = berth_opt_parse(berth_sim_opts, argc, argv, view, why);
	if (at >= 0 && at < argc)
		return berth_why(why, -EINVAL, "\"%s\": sim takes no operand", argv[at]);
	if (at >= 0 && view->json && view->csv)
		return berth_why(why, -EINVAL, "--json, --csv: only one at a time");
	if (at >= 0 && view->distribution && (!view->json || view->scenario->track))
		return berth_why(why, -EINVAL,
				 "--distribution: only --json shows it, and not of track");
	if (at >= 0 && view->scenario->track && !is_like_track(view))
		return berth_why(
			why, -EINVAL,
			"track visits each device twice, whatever --connections, --popularity, --even, --life, "
			"--life-kind, --close-client, --close-server and --time-wait say");
	return at < 0 ? at : 0;
}

int berth_sim_main(int argc, char **argv)
{
	struct view view = { 0 };
	struct berth_sim_outcome *o = NULL;
	struct berth_why why;
	size_t n = 0, i;
	int error = parse(&view, argc, argv, &why);

	if (!error && view.list) {
		list_all(&view);
		return BERTH_EXIT_OK;
	}
	if (!error && !(o = calloc(BERTH_HABIT_COUNT, sizeof(*o))))
		error = berth_why(&why, -ENOMEM, "no memory");
	if (!error)
		error = play_all(&view, o, &n, &why);
	if (!error && view.plot)
		error = berth_sim_plot(view.scenario, o, n, view.plot, &why);
	for (i = 0; o && i < BERTH_HABIT_COUNT; i++)
		free(o[i].tally);
	free(o);
	return error ? berth_complain("sim", &why, BERTH_EXIT_FAILURE) : BERTH_EXIT_OK;
}
