/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of berth top share: what was seen (model), what is looked at (view), and the lines of a frame.
 *
 * The model reads the host and knows no screen; a frame is made out of model and view for a size, and is printed
 * (--batch) or drawn (ncurses) as it is. No byte that a program chose is in a frame but through src/base/text.h.
 */
#ifndef BERTH_CLI_TOP_H
#define BERTH_CLI_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "src/base/why.h"
#include "src/cli/lane.h"
#include "src/kernel/headroom.h"
#include "src/kernel/holder.h"
#include "src/kernel/refusals.h"

/* ---- the model ---- */

struct top_lane {
	const struct berth_headroom_row *row;
	double rate;
	bool has_rate;
};

struct top_listener {
	struct berth_socket socket;
	struct berth_task task; /* pid 0: not known */
	uint32_t holders;
};

#define TOP_REFUSALS 64u

/* One refusal, or several alike. */
struct top_refusal {
	struct berth_refusal r;
	uint64_t times;
};

/* Counters of the namespace (/proc/net/snmp) and of berth's runs, and what they grew by a second. */
struct top_rates {
	uint64_t opened, accepted, assigned, refused;
	double opened_s, accepted_s, assigned_s, refused_s;
	unsigned runs;
};

struct top_model {
	struct berth_headroom_query query;
	uint32_t netns; /* the caller's */
	struct berth_headroom_reader *reader;
	struct berth_refusals *tracing; /* NULL: not permitted, and why_not says why */
	struct berth_why why_not;
	struct berth_headroom_sample sample;
	struct top_lane *lane;
	size_t lanes;
	struct top_listener *listener;
	size_t listeners;
	struct top_refusal refusal[TOP_REFUSALS]; /* the newest first */
	size_t refusals;
	uint64_t refusals_seen, refusals_lost;
	struct top_rates rates;
};

/* Opens what the model reads. 0 or -errno. */
int top_model_open(struct top_model *m, const struct berth_headroom_query *query,
		   struct berth_why *why);

/* Looks once. 0 or -errno; the model is then as it was. */
int top_model_look(struct top_model *m, struct berth_why *why);

/* Takes in the refusals since the last time. */
void top_model_take_refusals(struct top_model *m);

void top_model_close(struct top_model *m);

/* Why a call was refused, in a few words. */
const char *top_refusal_word(const struct berth_refusal *r);

/* The frame as one JSON object and a newline. */
void top_model_json(FILE *out, const struct top_model *m);

/* ---- what is looked at ---- */

enum top_pane { TOP_LANES, TOP_LISTENERS, TOP_REFUSED, TOP_PANES };

/* One row an order of lanes: enumerator, name in option and title. */
#define TOP_SORTS(X)                                                                               \
	X(SHARE, "share")                                                                          \
	X(FREE, "free")                                                                            \
	X(RATE, "rate")                                                                            \
	X(LEFT, "left")                                                                            \
	X(WAIT, "time-wait")                                                                       \
	X(NAME, "lane")

#define TOP_SORT_ENUM(id, name) TOP_SORT_##id,
enum top_sort { TOP_SORTS(TOP_SORT_ENUM) TOP_SORT_COUNT };
#undef TOP_SORT_ENUM

extern const char *const top_sort_name[TOP_SORT_COUNT];

#define TOP_FILTER_MAX 60

enum top_mode { TOP_MAIN, TOP_HELP, TOP_DETAIL, TOP_ASK };

struct top_view {
	enum top_mode mode;
	enum top_pane pane;
	enum top_sort sort;
	bool frozen, marked; /* marked: the selected row is shown as such */
	char filter[TOP_FILTER_MAX + 1];
	size_t at[TOP_PANES];    /* the selected row of each pane, of those that pass the filter */
	size_t first[TOP_PANES]; /* the row at the top of each pane */
	size_t count[TOP_PANES]; /* rows that pass; set by top_frame_make() */
	size_t page[TOP_PANES];  /* rows that the pane shows; likewise */
	struct berth_headroom_row lane; /* that is selected; capacity 0: none */
	uint64_t listener;              /* inode of the one that is selected, or 0 */
	char *detail;                   /* text of TOP_DETAIL, safe for a terminal */
	size_t scroll;
	double every_s;
};

/*
 * Puts the lanes into the view's order; the selected lane and listener stay selected, where they were before is in
 * chosen (top_view_choose() after each move).
 */
void top_view_sort(struct top_model *m, struct top_view *v);

/* Remembers which row is selected: rows move from look to look. */
void top_view_choose(const struct top_model *m, struct top_view *v);

/* ---- frames ---- */

enum top_look { TOP_PLAIN, TOP_TITLE, TOP_HEADING, TOP_WARN, TOP_BAD, TOP_DIM };

struct top_line {
	char *text; /* UTF-8 that is safe for a terminal; columns of the frame at most */
	enum top_look look;
	bool selected;
};

struct top_frame {
	size_t rows, columns;
	struct top_line *line; /* rows of them */
};

/* Makes a frame of a size. Sets what the view says of panes. 0 or -ENOMEM; for top_frame_free(). */
int top_frame_make(const struct top_model *m, struct top_view *v, size_t rows, size_t columns,
		   struct top_frame *out_frame);
void top_frame_free(struct top_frame *f);

/* Prints it, without blanks at the end of lines, and an empty line behind it. */
void top_frame_print(FILE *out, const struct top_frame *f);

/* How many rows a pane has, and whether one of them passes the filter. */
size_t top_frame_rows(const struct top_model *m, enum top_pane pane);
bool top_frame_passes(const struct top_model *m, const struct top_view *v, enum top_pane pane,
		      size_t i);

/* The selected row of the view's pane in the model: an index, or -1 where there is none. */
long top_frame_selected(const struct top_model *m, const struct top_view *v);

/* ---- details ---- */

/* Who holds the sockets of the selected row, as text of many lines that is safe for a terminal; the caller frees. */
char *top_detail(const struct top_model *m, const struct top_view *v);

/* ---- the screen ---- */

/* Until the user ends it. Exit status. */
int top_screen(struct top_model *m, struct top_view *v);

#endif
