/* SPDX-License-Identifier: BSD-2-Clause */
/* berth top on a terminal: draws frames with ncurses and turns keys into changes of the view. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Names of curses that collide with ours would be silent. */
#define NCURSES_NOMACROS
#include <curses.h>

#include "src/cli/cli.h"
#include "src/cli/top.h"

#define KEY_WAIT_MS 200 /* the ring of refusals is emptied that often */
#define ESCAPE 27

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

/* Signals that end a program end the loop, which gives the terminal back. */
static void catch_signals(void)
{
	static const int number[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction sa = { .sa_handler = on_signal };
	size_t i;

	for (i = 0; i < sizeof(number) / sizeof(*number); i++)
		sigaction(number[i], &sa, NULL);
}

/* ---- drawing ---- */

static attr_t attribute_of(enum top_look look, bool colour)
{
	switch (look) {
	case TOP_TITLE:
		return A_BOLD;
	case TOP_HEADING:
		return A_REVERSE;
	case TOP_WARN:
		return colour ? (attr_t)COLOR_PAIR(1) : A_NORMAL;
	case TOP_BAD:
		return colour ? (attr_t)COLOR_PAIR(2) | A_BOLD : A_BOLD;
	case TOP_DIM:
		return A_DIM;
	case TOP_PLAIN:
		break;
	}
	return A_NORMAL;
}

static void draw_line(const struct top_line *l, int row, bool colour)
{
	attr_t attr = attribute_of(l->look, colour) | (l->selected ? A_STANDOUT : A_NORMAL);

	wmove(stdscr, row, 0);
	wattrset(stdscr, (int)attr);
	waddstr(stdscr, l->text ? l->text : "");
	/* A bar goes to the edge. */
	if (l->look == TOP_HEADING || l->selected)
		while (getcury(stdscr) == row && getcurx(stdscr) < getmaxx(stdscr) - 1)
			waddch(stdscr, ' ');
	wattrset(stdscr, A_NORMAL);
	wclrtoeol(stdscr);
}

static int draw(const struct top_model *m, struct top_view *v, bool colour)
{
	int rows = getmaxy(stdscr), columns = getmaxx(stdscr), i;
	struct top_frame f;

	if (rows < 1 || columns < 1)
		return 0;
	if (top_frame_make(m, v, (size_t)rows, (size_t)columns, &f))
		return -ENOMEM;
	for (i = 0; i < rows; i++)
		draw_line(&f.line[i], i, colour);
	top_frame_free(&f);
	wrefresh(stdscr);
	return 0;
}

/* ---- keys ---- */

static void move_to(const struct top_model *m, struct top_view *v, long at)
{
	long last = (long)v->count[v->pane] - 1;

	v->at[v->pane] = (size_t)(at > last ? (last < 0 ? 0 : last) : at < 0 ? 0 : at);
	top_view_choose(m, v);
}

static void order(struct top_model *m, struct top_view *v, int step)
{
	v->sort = (enum top_sort)(((int)v->sort + step + TOP_SORT_COUNT) % TOP_SORT_COUNT);
	top_view_sort(m, v);
}

static void open_detail(const struct top_model *m, struct top_view *v)
{
	free(v->detail);
	v->detail = top_detail(m, v);
	v->scroll = 0;
	if (v->detail)
		v->mode = TOP_DETAIL;
}

/* False: the user wants to end. */
static bool on_main_key(struct top_model *m, struct top_view *v, int key)
{
	long at = (long)v->at[v->pane], page = (long)v->page[v->pane];

	switch (key) {
	case 'q':
		return false;
	case '\t':
		v->pane = (v->pane + 1) % TOP_PANES;
		break;
	case KEY_BTAB:
		v->pane = (v->pane + TOP_PANES - 1) % TOP_PANES;
		break;
	case KEY_UP:
		move_to(m, v, at - 1);
		break;
	case KEY_DOWN:
		move_to(m, v, at + 1);
		break;
	case KEY_PPAGE:
		move_to(m, v, at - page);
		break;
	case KEY_NPAGE:
		move_to(m, v, at + page);
		break;
	case KEY_HOME:
		move_to(m, v, 0);
		break;
	case KEY_END:
		move_to(m, v, (long)v->count[v->pane]);
		break;
	case 's':
	case '>':
		order(m, v, 1);
		break;
	case '<':
		order(m, v, -1);
		break;
	case '/':
		v->mode = TOP_ASK;
		break;
	case ' ':
		v->frozen = !v->frozen;
		break;
	case '\n':
	case '\r':
	case KEY_ENTER:
		open_detail(m, v);
		break;
	case '?':
	case 'h':
		v->mode = TOP_HELP;
		break;
	}
	return true;
}

static void on_ask_key(struct top_model *m, struct top_view *v, int key)
{
	size_t n = strlen(v->filter);

	if (key == '\n' || key == '\r' || key == KEY_ENTER) {
		v->mode = TOP_MAIN;
	} else if (key == ESCAPE) {
		v->filter[0] = '\0';
		v->mode = TOP_MAIN;
	} else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && n) {
		v->filter[n - 1] = '\0';
	} else if (key >= ' ' && key < 127 && n < TOP_FILTER_MAX) {
		v->filter[n] = (char)key;
		v->filter[n + 1] = '\0';
	}
	top_view_sort(m, v);
}

static void on_detail_key(struct top_view *v, int key)
{
	switch (key) {
	case KEY_DOWN:
		v->scroll++;
		break;
	case KEY_UP:
		v->scroll -= v->scroll > 0;
		break;
	case KEY_NPAGE:
		v->scroll += 10;
		break;
	case KEY_PPAGE:
		v->scroll -= v->scroll < 10 ? v->scroll : 10;
		break;
	default:
		v->mode = TOP_MAIN;
	}
}

static bool on_key(struct top_model *m, struct top_view *v, int key)
{
	if (key == ERR || key == KEY_RESIZE)
		return true;
	if (v->mode == TOP_ASK)
		on_ask_key(m, v, key);
	else if (v->mode == TOP_DETAIL)
		on_detail_key(v, key);
	else if (v->mode == TOP_HELP)
		v->mode = TOP_MAIN;
	else
		return on_main_key(m, v, key);
	return true;
}

/* ---- the loop ---- */

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int loop(struct top_model *m, struct top_view *v, bool colour, struct berth_why *why)
{
	bool go_on = true, changed;
	double next = 0, left;
	int err = 0, ms, key = KEY_RESIZE;
	uint64_t seen;

	while (go_on && !ended && !err) {
		/* A frame of many lanes costs: one is made where there is something new to show. */
		changed = key != ERR;
		seen = m->refusals_seen;
		if (!v->frozen && now_s() >= next) {
			changed = true;
			err = top_model_look(m, why);
			top_view_sort(m, v);
			next = now_s() + v->every_s;
		} else if (!v->frozen) {
			top_model_take_refusals(m);
		}
		if (!err && (changed || seen != m->refusals_seen))
			err = draw(m, v, colour);
		left = next - now_s();
		ms = v->frozen || left * 1000 > KEY_WAIT_MS ? KEY_WAIT_MS
		     : left > 0                             ? (int)(left * 1000)
							    : 0;
		wtimeout(stdscr, ms);
		key = wgetch(stdscr);
		go_on = on_key(m, v, key);
	}
	return err;
}

static bool begin_colours(void)
{
	const char *no_colour = getenv("NO_COLOR");

	if ((no_colour && *no_colour) || !has_colors() || start_color() == ERR)
		return false;
	use_default_colors();
	init_pair(1, COLOR_YELLOW, -1);
	init_pair(2, COLOR_RED, -1);
	return true;
}

static SCREEN *begin_screen(struct berth_why *why)
{
	const char *term = getenv("TERM");
	SCREEN *screen = NULL;

	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
		berth_why(why, -ENOTTY,
			  "standard input or output is no terminal; print frames with --batch");
		return NULL;
	}
	if (term && *term && strcmp(term, "dumb"))
		screen = newterm(NULL, stdout, stdin);
	if (!screen)
		berth_why(
			why, -ENOTTY,
			"the terminal \"%.40s\" cannot place a cursor, or is not known; set TERM, or print frames "
			"with --batch",
			term ? term : "");
	return screen;
}

int top_screen(struct top_model *m, struct top_view *v)
{
	struct berth_why why;
	SCREEN *screen = begin_screen(&why);
	int err;

	if (!screen)
		return berth_complain("top", &why, BERTH_EXIT_FAILURE);
	catch_signals();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	v->marked = true;
	why.text[0] = '\0';
	err = loop(m, v, begin_colours(), &why);
	endwin();
	delscreen(screen);
	free(v->detail);
	if (err)
		return berth_complain("top", &why, BERTH_EXIT_FAILURE);
	return BERTH_EXIT_OK;
}
