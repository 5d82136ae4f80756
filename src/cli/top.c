/* SPDX-License-Identifier: BSD-2-Clause */
/* berth top: the lanes of the host while they fill, its listeners and what is refused. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "src/cli/cli.h"
#include "src/cli/top.h"

#define SIZE_MAX_ 1000 /* rows and columns of a frame */

struct wish {
	struct berth_headroom_query query;
	struct top_view view;
	bool batch, json;
	unsigned long frames; /* 0: until a signal */
	size_t rows, columns;
};

BERTH_OPT_FLAG(batch, struct wish, batch)
BERTH_OPT_FLAG(json, struct wish, json)
BERTH_OPT_FLAG(all_namespaces, struct wish, query.all_namespaces)

static int set_frames(void *into, const char *value, struct berth_why *why)
{
	char *end;

	((struct wish *)into)->frames = strtoul(value, &end, 10);
	if (*end || *value < '1' || *value > '9')
		return berth_why(why, -EINVAL, "--frames %s: write how many", value);
	return 0;
}

static int set_every(void *into, const char *value, struct berth_why *why)
{
	return lane_parse_every(value, &((struct wish *)into)->view.every_s, why);
}

static int set_size(void *into, const char *value, struct berth_why *why)
{
	struct wish *w = into;
	unsigned columns, rows;
	char rest;

	if (sscanf(value, "%ux%u%c", &columns, &rows, &rest) != 2 || columns < 20 || rows < 8 ||
	    columns > SIZE_MAX_ || rows > SIZE_MAX_)
		return berth_why(why, -EINVAL, "--size %s: write COLUMNSxROWS, 20x8 to %dx%d",
				 value, SIZE_MAX_, SIZE_MAX_);
	w->columns = columns;
	w->rows = rows;
	return 0;
}

static int set_sort(void *into, const char *value, struct berth_why *why)
{
	enum top_sort s;

	(void)why;
	for (s = 0; s < TOP_SORT_COUNT; s++)
		if (!strcmp(top_sort_name[s], value))
			((struct wish *)into)->view.sort = s;
	return 0;
}

static int set_filter(void *into, const char *value, struct berth_why *why)
{
	struct top_view *v = &((struct wish *)into)->view;
	size_t i;

	if (strlen(value) > TOP_FILTER_MAX)
		return berth_why(why, -EINVAL, "--filter: more than %d characters", TOP_FILTER_MAX);
	for (i = 0; value[i]; i++)
		if (value[i] < ' ' || value[i] > '~')
			return berth_why(why, -EINVAL, "--filter: printable ASCII only");
	strcpy(v->filter, value);
	return 0;
}

static int set_protocol(void *into, const char *value, struct berth_why *why)
{
	struct berth_headroom_query *q = &((struct wish *)into)->query;

	(void)why;
	q->no_tcp = !strcmp(value, "udp");
	q->no_udp = !strcmp(value, "tcp");
	return 0;
}

#define SORT_WORD(id, name) "|" name

const struct berth_opt berth_top_opts[] = {
	{ "every", "SECONDS", "1", "How often to look.", NULL, set_every },
	{ "sort", "ORDER", "share", "The order of lanes.", &(TOP_SORTS(SORT_WORD))[1], set_sort },
	{ "filter", "TEXT", NULL, "Only rows that have this text; case does not matter.", NULL,
	  set_filter },
	{ "protocol", "PROTOCOL", "all", "Only lanes of this protocol.", "all|tcp|udp",
	  set_protocol },
	{ "all-namespaces", NULL, NULL, "Every network namespace, not only this one; needs root.",
	  NULL, set_all_namespaces },
	{ "batch", NULL, NULL, "Print frames to standard output: no terminal is needed.", NULL,
	  set_batch },
	{ "frames", "COUNT", NULL,
	  "How many frames --batch and --json print. Without it they go on.", NULL, set_frames },
	{ "size", "COLUMNSxROWS", "80x24", "The size of a frame of --batch.", NULL, set_size },
	{ "json", NULL, NULL,
	  "JSON Lines, one object a frame: time, lanes (as berth headroom --json), listeners (netns, protocol, address, "
	  "port, queue, backlog, pid, program), traced (calls of the whole host are), refusals_seen, refusals (time, "
	  "times, call, error, why, netns, address, port, pid, uid, program), runs, and a second: opened, accepted, "
	  "assigned, refused.",
	  NULL, set_json },
	{ NULL },
};

static int print_frame(const struct wish *w, struct top_model *m, struct top_view *v)
{
	struct top_frame f;

	if (w->json) {
		top_model_json(stdout, m);
		return 0;
	}
	if (top_frame_make(m, v, w->rows, w->columns, &f))
		return -ENOMEM;
	top_frame_print(stdout, &f);
	top_frame_free(&f);
	return 0;
}

static int batch(struct wish *w, struct top_model *m)
{
	struct berth_why why;
	unsigned long n = 0;
	sigset_t set;
	int err;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	do {
		err = top_model_look(m, &why);
		if (!err) {
			top_view_sort(m, &w->view);
			if (print_frame(w, m, &w->view))
				err = berth_why(&why, -ENOMEM, "no memory");
		}
		n++;
	} while (!err && !ferror(stdout) && n != w->frames && !lane_wait(w->view.every_s));
	return err ? berth_complain("top", &why, BERTH_EXIT_FAILURE) : BERTH_EXIT_OK;
}

int berth_top_main(int argc, char **argv)
{
	struct wish w = { .view = { .every_s = 1 }, .rows = 24, .columns = 80 };
	struct top_model m;
	struct berth_why why;
	int err = berth_opt_parse(berth_top_opts, argc, argv, &w, &why), status;

	if (err >= 0 && err < argc)
		err = berth_why(&why, -EINVAL, "\"%s\": top takes no operand", argv[err]);
	if (err >= 0 && w.frames && !w.batch && !w.json)
		err = berth_why(&why, -EINVAL, "--frames: only with --batch or --json");
	if (err >= 0) {
		/* How wide a character is; numbers stay as they are in C. */
		setlocale(LC_CTYPE, "");
		err = top_model_open(&m, &w.query, &why);
	}
	if (err < 0)
		return berth_complain("top", &why, BERTH_EXIT_FAILURE);
	status = w.batch || w.json ? batch(&w, &m) : top_screen(&m, &w.view);
	top_model_close(&m);
	return status;
}
