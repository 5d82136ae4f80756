/* SPDX-License-Identifier: BSD-2-Clause */
/* berth status: runs in progress and their counters. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "src/base/auto.h"
#include "src/base/text.h"
#include "src/cli/cli.h"
#include "src/kernel/assign.h"
#include "src/kernel/cgroup.h"
#include "src/kernel/runs.h"
#include "src/preload/launch.h"

struct view {
	bool json;
	unsigned rows;
};

BERTH_OPT_FLAG(json, struct view, json)

const struct berth_opt berth_status_opts[] = {
	{ "json", NULL, NULL,
	  "JSON Lines, one object a run: id, pid, state (running, orphan, ended), via, command, pool, ports, policy, "
	  "started (Unix time), counters.",
	  NULL, set_json },
	{ NULL },
};

static const char *const verdict_name[] = {
#define NAME(id, name, text) name,
	BERTH_VERDICTS(NAME)
#undef NAME
};

/* False where the counters cannot be read: another user's, or gone. */
static bool read_counters(const struct berth_run *run, uint64_t v[BERTH_VERDICT_COUNT])
{
	uint32_t id = run->map_ids[BERTH_SHARED_MAP_COUNT];

	if (run->shm[0])
		return !berth_preload_read(run->shm, v);
	return id && !berth_assign_read_id(id, v);
}

static void row_json(const struct berth_run *run, const char *state, const uint64_t *v)
{
	json_t *o = json_pack("{s:s s:i s:s s:s s:s s:s s:s s:s s:I}", "id", run->id, "pid",
			      (int)run->pid, "state", state, "via", run->via, "command",
			      run->command, "pool", run->pool, "ports", run->ports, "policy",
			      run->policy, "started", (json_int_t)run->started_s);
	json_t *c = v ? json_object() : json_null();
	int i;

	for (i = 0; v && i < BERTH_VERDICT_COUNT; i++)
		json_object_set_new(c, verdict_name[i], json_integer((json_int_t)v[i]));
	json_object_set_new(o, "counters", c);
	/* ASCII: the command is a stranger's text, and a terminal obeys C1 and marks of direction. */
	json_dumpf(o, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	putchar('\n');
	json_decref(o);
}

static void row_text(const struct berth_run *run, const char *state, const uint64_t *v, bool first)
{
	if (first)
		printf("%8s %-8s %-8s %-16s %12s %12s %10s %10s  %s\n", "PID", "STATE", "VIA",
		       "POLICY", "ASSIGNED", "RELEASED", "EXHAUSTED", "FALLBACK", "COMMAND");
	printf("%8d %-8s %-8s %-16s ", (int)run->pid, state, run->via, run->policy);
	if (v)
		printf("%12llu %12llu %10llu %10llu  ",
		       (unsigned long long)v[BERTH_VERDICT_ASSIGNED],
		       (unsigned long long)v[BERTH_VERDICT_RELEASED],
		       (unsigned long long)v[BERTH_VERDICT_EXHAUSTED],
		       (unsigned long long)v[BERTH_VERDICT_FALLBACK]);
	else
		printf("%12s %12s %10s %10s  ", "-", "-", "-", "-");
	/* Another program chose it. */
	berth_text_print_safe(stdout, run->command, strnlen(run->command, 200));
	putchar('\n');
}

static int show(const struct berth_run *run, bool alive, void *arg)
{
	uint64_t v[BERTH_VERDICT_COUNT];
	struct view *view = arg;
	const char *state = alive                                    ? "running"
			    : berth_cgroup_is_populated(run->cgroup) ? "orphan"
								     : "ended";
	const uint64_t *counters = read_counters(run, v) ? v : NULL;

	if (view->json)
		row_json(run, state, counters);
	else
		row_text(run, state, counters, !view->rows);
	view->rows++;
	return 0;
}

int berth_status_main(int argc, char **argv)
{
	struct view view = { 0 };
	struct berth_why why;
	int at = berth_opt_parse(berth_status_opts, argc, argv, &view, &why);

	if (at >= 0 && at < argc)
		at = berth_why(&why, -1, "\"%s\": status takes no operand", argv[at]);
	if (at < 0)
		return berth_complain("status", &why, BERTH_EXIT_FAILURE);
	berth_runs_each(show, &view);
	if (!view.rows && !view.json)
		fputs("no run in progress\n", stderr);
	return view.rows ? BERTH_EXIT_OK : BERTH_EXIT_FINDINGS;
}
