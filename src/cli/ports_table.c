/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows as a table. The first rows are held back until it is known how wide columns must be; later ones have that width
 * at least, so memory does not grow with the number of rows. On a terminal, columns that do not fit are left out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/base/text.h"
#include "src/cli/ports.h"

#define COLUMNS_MAX 32u
#define HELD 400u

struct cell {
	char *text; /* safe for a terminal */
	size_t width;
};

struct ports_table {
	const struct ports_field *field[COLUMNS_MAX];
	size_t width[COLUMNS_MAX];
	size_t columns, held;
	struct cell cell[HELD][COLUMNS_MAX];
	char mark[HELD];
	bool open; /* the heading is printed */
	bool marks;
	bool colour;
	size_t screen; /* characters in a line; 0: any */
};

static size_t screen_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize w;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (columns && atoi(columns) > 0)
		return (size_t)atoi(columns);
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || !w.ws_col ? 80 : w.ws_col;
}

static int add_column(struct ports_table *t, const char *name, size_t n, struct berth_why *why)
{
	const struct ports_field *f = ports_field_find(name, n);

	if (!f)
		return ports_field_refuse("--columns", name, n, why);
	if (t->columns == COLUMNS_MAX)
		return berth_why(why, -EINVAL, "--columns: more than %u columns", COLUMNS_MAX);
	t->field[t->columns++] = f;
	return 0;
}

struct ports_table *ports_table_new(const char *columns, bool marks, struct berth_why *why)
{
	struct ports_table *t = calloc(1, sizeof(*t));
	const struct ports_field *f;
	const char *no_colour = getenv("NO_COLOR");
	int err = 0;

	if (!t) {
		berth_why(why, -ENOMEM, "no memory");
		return NULL;
	}
	t->colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
	t->screen = columns ? 0 : screen_width();
	t->marks = marks;
	for (f = ports_fields; !columns && f->name; f++)
		if (f->column)
			t->field[t->columns++] = f;
	if (columns && !*columns)
		err = add_column(t, "", 0, why);
	while (columns && *columns && !err) {
		err = add_column(t, columns, strcspn(columns, ","), why);
		columns += strcspn(columns, ",");
		columns += *columns == ',';
	}
	if (!err)
		return t;
	free(t);
	return NULL;
}

/* ---- one cell ---- */

static struct cell cell_of(const struct ports_field *f, const struct ports_row *row)
{
	struct ports_value v = { PORTS_NONE };
	struct cell c = { NULL, 0 };
	const char *bytes;
	size_t n, size = 0;
	FILE *out;

	f->get(row, &v);
	bytes = ports_value_text(&v, &n);
	out = open_memstream(&c.text, &size);
	if (!out)
		return c;
	if (v.kind == PORTS_NONE || !n)
		c.width = (size_t)fprintf(out, "-");
	else if (v.kind == PORTS_FOREIGN)
		c.width = berth_text_print_safe(out, bytes, n);
	else
		c.width = fwrite(bytes, 1, n, out);
	fclose(out);
	return c;
}

static bool is_last(const struct ports_table *t, size_t i)
{
	return i + 1 == t->columns;
}

static const char *heading(const struct ports_field *f, char *buf, size_t size)
{
	size_t i;

	if (f->column)
		return f->column;
	for (i = 0; f->name[i] && i + 1 < size; i++)
		buf[i] = (char)(f->name[i] >= 'a' && f->name[i] <= 'z' ? f->name[i] - 32
								       : f->name[i]);
	buf[i] = '\0';
	return buf;
}

static void print_cell(const struct ports_table *t, size_t i, const char *text, size_t width)
{
	bool right = !strcmp(t->field[i]->type, "number");
	size_t pad = t->width[i] > width ? t->width[i] - width : 0;
	bool red = t->colour && !strcmp(t->field[i]->name, "exposure") && !strcmp(text, "public");

	if (i)
		putchar(' ');
	if (right)
		printf("%*s", (int)pad, "");
	printf("%s%s%s", red ? "\033[31m" : "", text, red ? "\033[0m" : "");
	if (!right && !is_last(t, i))
		printf("%*s", (int)pad, "");
}

static void print_row(const struct ports_table *t, size_t row)
{
	struct cell *cell = (struct cell *)t->cell[row];
	size_t i;

	if (t->marks)
		printf("%c ", t->mark[row]);
	for (i = 0; i < t->columns; i++)
		print_cell(t, i, cell[i].text ? cell[i].text : "-", cell[i].width);
	putchar('\n');
	for (i = 0; i < COLUMNS_MAX; i++) {
		free(cell[i].text);
		cell[i].text = NULL;
	}
}

/* Widths by what is held back, then the heading. Leaves out columns at the right that the screen has no room for. */
static void open_table(struct ports_table *t)
{
	size_t i, r, used = t->marks ? 2 : 0, fits = 0;
	char buf[32];

	for (i = 0; i < t->columns; i++) {
		t->width[i] = strlen(heading(t->field[i], buf, sizeof(buf)));
		for (r = 0; r < t->held; r++)
			if (t->cell[r][i].width > t->width[i])
				t->width[i] = t->cell[r][i].width;
		used += t->width[i] + (i > 0);
		if (!t->screen || used <= t->screen || !fits)
			fits = i + 1;
		else
			break;
	}
	t->columns = fits;
	if (t->colour)
		fputs("\033[1m", stdout);
	if (t->marks)
		fputs("  ", stdout);
	for (i = 0; i < t->columns; i++)
		print_cell(t, i, heading(t->field[i], buf, sizeof(buf)),
			   strlen(heading(t->field[i], buf, sizeof(buf))));
	fputs(t->colour ? "\033[0m\n" : "\n", stdout);
	t->open = true;
}

void ports_table_flush(struct ports_table *t)
{
	size_t r;

	if (!t->open && t->held)
		open_table(t);
	for (r = 0; r < t->held; r++)
		print_row(t, r);
	t->held = 0;
	fflush(stdout);
}

void ports_table_row(struct ports_table *t, const struct ports_row *row, char mark)
{
	size_t at = t->open ? 0 : t->held, i;
	struct cell *cell = t->cell[at];

	t->mark[at] = mark;
	for (i = 0; i < t->columns; i++)
		cell[i] = cell_of(t->field[i], row);
	if (t->open) {
		print_row(t, 0);
		return;
	}
	if (++t->held == HELD) {
		open_table(t);
		for (i = 0; i < HELD; i++)
			print_row(t, i);
		t->held = 0;
	}
}

void ports_table_free(struct ports_table *t)
{
	size_t r, i;

	for (r = 0; t && r < HELD; r++)
		for (i = 0; i < COLUMNS_MAX; i++)
			free(t->cell[r][i].text);
	free(t);
}
