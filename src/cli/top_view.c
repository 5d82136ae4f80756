/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of lanes, and the selected row that stays selected while rows move. */
#include <stdlib.h>
#include <string.h>

#include "src/cli/top.h"

static double eta_of(const struct top_lane *l)
{
	double eta = l->has_rate ? berth_headroom_eta_s(&l->row->h, l->rate) : -1;

	return eta < 0 ? 1e300 : eta;
}

/* < 0 where a comes before b. */
static int compare_by(const struct top_lane *a, const struct top_lane *b, enum top_sort sort)
{
	const struct berth_headroom *x = &a->row->h, *y = &b->row->h;

	switch (sort) {
	case TOP_SORT_FREE:
		return (int)berth_headroom_free(x) - (int)berth_headroom_free(y);
	case TOP_SORT_RATE:
		return a->rate < b->rate ? 1 : a->rate > b->rate ? -1 : 0;
	case TOP_SORT_LEFT:
		return eta_of(a) < eta_of(b) ? -1 : eta_of(a) > eta_of(b);
	case TOP_SORT_WAIT:
		return (int)y->time_wait - (int)x->time_wait;
	case TOP_SORT_NAME:
		return a->row < b->row ? -1 : 1; /* the order of the sample */
	case TOP_SORT_SHARE:
	case TOP_SORT_COUNT:
		break;
	}
	return berth_headroom_compare(x, y);
}

static int compare(const void *a, const void *b, void *sort)
{
	const struct top_lane *x = a, *y = b;
	int d = compare_by(x, y, *(const enum top_sort *)sort);

	if (!d)
		d = berth_headroom_compare(&x->row->h, &y->row->h);
	return d ? d : x->row < y->row ? -1 : x->row > y->row;
}

static bool same_lane(const struct berth_headroom_row *a, const struct berth_headroom_row *b)
{
	return a->netns == b->netns && a->protocol == b->protocol && a->wide == b->wide &&
	       a->pool == b->pool && a->dport == b->dport && !memcmp(a->src, b->src, 16) &&
	       !memcmp(a->dst, b->dst, 16);
}

static bool is_chosen(const struct top_model *m, const struct top_view *v, enum top_pane p,
		      size_t i)
{
	return p == TOP_LANES ? same_lane(m->lane[i].row, &v->lane)
			      : m->listener[i].socket.inode == v->listener;
}

void top_view_sort(struct top_model *m, struct top_view *v)
{
	const bool chosen[TOP_PANES] = { v->lane.h.capacity, v->listener, false };
	enum top_pane p;
	size_t i, n;

	if (m->lanes)
		qsort_r(m->lane, m->lanes, sizeof(*m->lane), compare, &v->sort);
	for (p = TOP_LANES; p < TOP_PANES; p++)
		for (i = n = 0; chosen[p] && i < top_frame_rows(m, p); i++)
			if (top_frame_passes(m, v, p, i)) {
				if (is_chosen(m, v, p, i))
					v->at[p] = n;
				n++;
			}
}

void top_view_choose(const struct top_model *m, struct top_view *v)
{
	long i = v->at[v->pane] ? top_frame_selected(m, v) : -1;

	/* The first row stays the first, whatever it is: who wants to see the worst has it there. */
	if (v->pane == TOP_LANES)
		v->lane = i < 0 ? (struct berth_headroom_row){ 0 } : *m->lane[i].row;
	if (v->pane == TOP_LISTENERS)
		v->listener = i < 0 ? 0 : m->listener[i].socket.inode;
}
