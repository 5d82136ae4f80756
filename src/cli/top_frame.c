/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames of berth top: the model as lines of text for a size. No terminal here. */
#include <errno.h>
#include <langinfo.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "src/base/auto.h"
#include "src/base/text.h"
#include "src/cli/top.h"

#define WIDE 100 /* columns from which on rows have more fields */

const char *const top_sort_name[TOP_SORT_COUNT] = {
#define NAME(id, name) [TOP_SORT_##id] = name,
	TOP_SORTS(NAME)
#undef NAME
};

/* ---- lines ---- */

/* Columns that a character takes; -1 where the terminal's character set has none of it. */
static int width_of(unsigned c, bool unicode)
{
	int w = c < 0x80 ? 1 : unicode ? wcwidth((wchar_t)c) : -1;

	return w;
}

/* Cuts safe text to so many columns; returns the bytes that fit. What the terminal cannot show becomes "?". */
static size_t fit(char *text, size_t columns)
{
	bool unicode = !strcmp(nl_langinfo(CODESET), "UTF-8");
	size_t len = strlen(text), from = 0, to = 0, used = 0, n;
	unsigned c;
	int w;

	while (from < len && (n = berth_text_char(text + from, len - from, &c))) {
		w = width_of(c, unicode);
		if (used + (size_t)(w < 0 ? 1 : w) > columns)
			break;
		used += (size_t)(w < 0 ? 1 : w);
		if (w < 0) {
			text[to++] = '?';
		} else {
			memmove(text + to, text + from, n);
			to += n;
		}
		from += n;
	}
	text[to] = '\0';
	return from;
}

/* The stream of one text, closed by end_text(). */
struct text {
	char *bytes;
	size_t size;
	FILE *out;
};

static FILE *begin_text(struct text *t)
{
	*t = (struct text){ 0 };
	t->out = open_memstream(&t->bytes, &t->size);
	return t->out;
}

/* NULL where there is no memory. */
static char *end_text(struct text *t)
{
	if (fclose(t->out)) {
		free(t->bytes);
		return NULL;
	}
	return t->bytes;
}

/* Puts a text (which it frees) into the next line; what does not fit is left out. */
static void put(struct top_frame *f, size_t *at, char *text, enum top_look look, bool selected)
{
	if (*at >= f->rows || !text) {
		free(text);
		return;
	}
	fit(text, f->columns);
	f->line[(*at)++] = (struct top_line){ text, look, selected };
}

static void put_words(struct top_frame *f, size_t *at, enum top_look look, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void put_words(struct top_frame *f, size_t *at, enum top_look look, const char *format, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	put(f, at, n < 0 ? NULL : text, look, false);
}

/* ---- rows ---- */

static void put_comm(FILE *out, const char comm[16], uint32_t pid)
{
	berth_text_print_safe(out, comm, strnlen(comm, 16));
	fprintf(out, "[%u]", pid);
}

static const char *rate_text(const struct top_lane *l, char *buf)
{
	if (!l->has_rate)
		return "-";
	snprintf(buf, LANE_TEXT, l->rate >= 100 || l->rate <= -100 ? "%+.0f" : "%+.1f", l->rate);
	return buf;
}

/* Where the rows are of several namespaces: which one. */
static void put_netns(FILE *out, const struct top_model *m, uint32_t netns)
{
	if (m->query.all_namespaces)
		fprintf(out, "%u: ", netns);
}

static void lane_text(FILE *out, const struct top_model *m, const struct top_lane *l, bool wide)
{
	char share[LANE_TEXT], rate[LANE_TEXT], eta[LANE_TEXT], name[LANE_TEXT], choice[LANE_TEXT];
	const struct berth_headroom *h = &l->row->h;
	bool slow = berth_headroom_is_slow(h);

	fprintf(out, "%6s ", lane_share(h, share));
	if (wide)
		fprintf(out, "%6u ", h->used);
	fprintf(out, "%6u %6u %6s %6s %-5s ", berth_headroom_free(h), h->time_wait,
		rate_text(l, rate),
		l->has_rate ? lane_eta(berth_headroom_eta_s(h, l->rate), eta) : "-",
		lane_protocol(l->row));
	if (wide)
		fprintf(out, "%-6s %-13s ", slow ? "slow" : "-", lane_choice(l->row, choice));
	else
		fprintf(out, "%-6s ", slow ? "slow" : l->row->pool ? "berth" : "kernel");
	put_netns(out, m, l->row->netns);
	fputs(lane_name(l->row, name), out);
}

static void listener_text(FILE *out, const struct top_model *m, const struct top_listener *l,
			  bool wide)
{
	const struct berth_socket *s = &l->socket;
	char endpoint[LANE_TEXT], queue[32] = "-";

	if (s->state == BERTH_STATE_LISTEN)
		snprintf(queue, sizeof(queue), "%u/%u", s->rqueue, s->wqueue);
	fprintf(out, "%11s %-5s %-*s ", queue, berth_socket_protocol_name(s), wide ? 48 : 28,
		lane_endpoint(s->local, s->lport, endpoint));
	put_netns(out, m, s->netns);
	if (l->holders)
		put_comm(out, l->task.comm, l->task.pid);
	else
		fputc('-', out);
	if (l->holders > 1)
		fprintf(out, " and %u more", l->holders - 1);
}

static time_t unix_time(uint64_t since_boot_ns)
{
	struct timespec now, boot;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return now.tv_sec - boot.tv_sec + (time_t)(since_boot_ns / 1000000000);
}

static void clock_text(time_t at, char buf[16])
{
	struct tm tm;

	if (!localtime_r(&at, &tm) || !strftime(buf, 16, "%H:%M:%S", &tm))
		strcpy(buf, "-");
}

static void refusal_text(FILE *out, const struct top_model *m, const struct top_refusal *f,
			 bool wide)
{
	char when[16], endpoint[LANE_TEXT];

	clock_text(unix_time(f->r.at_ns), when);
	fprintf(out, "%-8s %6llu %-7s %-15s ", when, (unsigned long long)f->times,
		f->r.call == BERTH_REFUSED_BIND ? "bind" : "connect", top_refusal_word(&f->r));
	if (f->r.pid) {
		fprintf(out, "%-*s ", wide ? 48 : 22,
			lane_endpoint(f->r.addr, f->r.port, endpoint));
		put_netns(out, m, f->r.netns);
		put_comm(out, f->r.comm, f->r.pid);
	} else {
		fputs("by a run of berth; see \"berth status\"", out);
	}
}

size_t top_frame_rows(const struct top_model *m, enum top_pane pane)
{
	return pane == TOP_LANES ? m->lanes : pane == TOP_LISTENERS ? m->listeners : m->refusals;
}

/* One row as text, or NULL. */
static char *row_text(const struct top_model *m, enum top_pane pane, size_t i, bool wide)
{
	struct text t;

	if (!begin_text(&t))
		return NULL;
	if (pane == TOP_LANES)
		lane_text(t.out, m, &m->lane[i], wide);
	else if (pane == TOP_LISTENERS)
		listener_text(t.out, m, &m->listener[i], wide);
	else
		refusal_text(t.out, m, &m->refusal[i], wide);
	return end_text(&t);
}

static enum top_look look_of(const struct top_model *m, enum top_pane pane, size_t i)
{
	const struct berth_headroom *h;
	const struct berth_socket *s;

	if (pane == TOP_LANES) {
		h = &m->lane[i].row->h;
		return berth_headroom_permille(h) >= 900 ? TOP_BAD
		       : berth_headroom_is_slow(h)       ? TOP_WARN
							 : TOP_PLAIN;
	}
	s = pane == TOP_LISTENERS ? &m->listener[i].socket : NULL;
	return s && s->state == BERTH_STATE_LISTEN && s->rqueue > s->wqueue ? TOP_BAD : TOP_PLAIN;
}

/* The words are looked for in the row as it is shown on a wide screen; case does not matter. */
bool top_frame_passes(const struct top_model *m, const struct top_view *v, enum top_pane pane,
		      size_t i)
{
	berth_auto_free char *text = v->filter[0] ? row_text(m, pane, i, true) : NULL;

	return !v->filter[0] || (text && strcasestr(text, v->filter));
}

long top_frame_selected(const struct top_model *m, const struct top_view *v)
{
	size_t i, n = 0;

	for (i = 0; i < top_frame_rows(m, v->pane); i++)
		if (top_frame_passes(m, v, v->pane, i) && n++ == v->at[v->pane])
			return (long)i;
	return -1;
}

/* ---- panes ---- */

/* Keeps the selected row within the rows, and these within the pane. */
static void settle(struct top_view *v, enum top_pane p, size_t count, size_t page)
{
	v->count[p] = count;
	v->page[p] = page;
	if (v->at[p] >= count)
		v->at[p] = count ? count - 1 : 0;
	if (v->first[p] > v->at[p])
		v->first[p] = v->at[p];
	if (page && v->at[p] >= v->first[p] + page)
		v->first[p] = v->at[p] - page + 1;
	if (v->first[p] + page > count)
		v->first[p] = count > page ? count - page : 0;
}

static void put_heading(const struct top_model *m, const struct top_view *v, enum top_pane p,
			bool wide, struct top_frame *f, size_t *at)
{
	const char *mark = v->marked && v->pane == p ? "*" : "";
	char more[48] = "";

	if (v->count[p] > v->page[p])
		snprintf(more, sizeof(more), " %zu-%zu/%zu", v->first[p] + 1,
			 v->first[p] + v->page[p], v->count[p]);
	if (p == TOP_LANES)
		put_words(f, at, TOP_HEADING,
			  wide ? "%6s %6s %6s %6s %6s %6s %-5s %-6s %-13s %s%s%s"
			       : "%6s %.0s%6s %6s %6s %6s %-5s %.0s%-6s %s%s%s",
			  "SHARE", "USED", "FREE", "T-WAIT", "RATE/S", "LEFT", "PROTO", "SEARCH",
			  "CHOICE", mark, "LANE", more);
	else if (p == TOP_LISTENERS)
		put_words(f, at, TOP_HEADING, "%11s %-5s %-*s %sHELD BY%s", "QUEUE", "PROTO",
			  wide ? 48 : 28, "LISTENER", mark, more);
	else if (m->tracing)
		put_words(f, at, TOP_HEADING, "%-8s %6s %-7s %-15s %-*s %sPROGRAM%s", "REFUSED",
			  "TIMES", "CALL", "WHY", wide ? 48 : 22, "ADDRESS", mark, more);
	else
		put_words(f, at, TOP_HEADING, "REFUSED, by berth's runs only: %s%s", mark,
			  m->why_not.text);
}

static void put_pane(const struct top_model *m, struct top_view *v, enum top_pane p, size_t page,
		     struct top_frame *f, size_t *at)
{
	static const char *const none[] = { "no lane", "no listener", "none since the start" };
	size_t i, n = 0, count = 0, last = *at + page + 1;
	bool wide = f->columns >= WIDE;

	for (i = 0; i < top_frame_rows(m, p); i++)
		count += top_frame_passes(m, v, p, i);
	settle(v, p, count, page);
	put_heading(m, v, p, wide, f, at);
	for (i = 0; i < top_frame_rows(m, p) && n < v->first[p] + page; i++) {
		if (!top_frame_passes(m, v, p, i))
			continue;
		if (n >= v->first[p] && *at < last)
			put(f, at, row_text(m, p, i, wide), look_of(m, p, i),
			    v->marked && v->pane == p && n == v->at[p]);
		n++;
	}
	if (!count && page)
		put_words(f, at, TOP_DIM, "  %s",
			  v->filter[0] ? "nothing passes the filter" : none[p]);
	while (*at < last && *at < f->rows)
		put_words(f, at, TOP_PLAIN, "%s", "");
}

/* ---- the whole ---- */

static void put_title(const struct top_model *m, const struct top_view *v, struct top_frame *f,
		      size_t *at)
{
	const struct berth_headroom_netns *ns = m->sample.netns;
	char when[16];
	size_t i, capacity = 0;

	clock_text(time(NULL), when);
	put_words(f, at, TOP_TITLE, "berth top %s  every %gs  by %s%s%s%s%s", when, v->every_s,
		  top_sort_name[v->sort], v->filter[0] ? "  filter: " : "", v->filter,
		  v->frozen ? "  FROZEN" : "",
		  m->sample.uncounted ? "  MORE LANES THAN COUNTED" : "");
	for (i = 0; i < m->sample.netns_count; i++)
		capacity += ns[i].capacity;
	if (m->sample.netns_count == 1)
		put_words(f, at, TOP_PLAIN, "%u-%u: %u ports to choose, %u reserved, %u bound%s",
			  ns->first, ns->last, ns->capacity, ns->reserved, ns->bound,
			  m->sample.source == BERTH_SOCKETS_DIAG ? "; by sock_diag" : "");
	else
		put_words(f, at, TOP_PLAIN, "%zu namespaces, %zu ports to choose",
			  m->sample.netns_count, capacity);
	put_words(f, at, TOP_PLAIN,
		  "opened %.1f/s  accepted %.1f/s  runs %u: assigned %.1f/s, refused %.1f/s",
		  m->rates.opened_s, m->rates.accepted_s, m->rates.runs, m->rates.assigned_s,
		  m->rates.refused_s);
}

/* Rows for a pane out of those that are left: as many as it has, a quarter at most, one at least. */
static size_t share_of(size_t rows, size_t have)
{
	size_t quarter = rows / 4;

	have = have ? have : 1;
	return have < quarter ? have : quarter ? quarter : 1;
}

static void put_main(const struct top_model *m, struct top_view *v, struct top_frame *f, size_t *at)
{
	/* Three lines of title, a heading for each pane, the line of keys. */
	size_t rows = f->rows > 7 ? f->rows - 7 : 0, listeners = share_of(rows, m->listeners),
	       refusals = share_of(rows, m->refusals),
	       lanes = rows > listeners + refusals ? rows - listeners - refusals : 0;

	put_title(m, v, f, at);
	put_pane(m, v, TOP_LANES, lanes, f, at);
	put_pane(m, v, TOP_LISTENERS, listeners, f, at);
	put_pane(m, v, TOP_REFUSED, refusals, f, at);
}

static const char *const help[] = {
	"Keys",
	"  q                quit",
	"  Tab              next pane: lanes, listeners, refusals",
	"  arrows, PgUp, PgDn, Home, End   select a row",
	"  Enter            who holds the sockets of the row; any key goes back",
	"  s  > <           order of lanes: next, next, previous",
	"  /                show rows with this text only; empty: all",
	"  space            freeze, and go on",
	"  ?                this",
	"",
	"Lanes: the SHARE of the ports that is used, how many are FREE, sockets in",
	"TIME_WAIT, ports taken a second (net), the time LEFT at that rate. CHOICE says",
	"who chooses ports; slow: the kernel does, and searches half of its range first.",
	"Listeners: connections that wait to be accepted, and how many may.",
	"Refusals: connect() and bind() that got no port, all processes.",
};

/* Bytes of a text that go into a line: all that fit, better up to a space. */
static size_t line_len(const char *text, size_t len, size_t columns)
{
	berth_auto_free char *copy = strndup(text, len);
	size_t n = copy ? fit(copy, columns) : len, at;

	for (at = n; n < len && at > columns / 2; at--)
		if (text[at] == ' ')
			return at + 1;
	return n ? n : len;
}

/* A text from the line that the view is scrolled to; what is too long for a line goes on in the next. */
static void put_scrolled(const char *text, struct top_view *v, struct top_frame *f, size_t *at)
{
	const char *p, *end, *next;
	size_t line = 0;
	int indent;

	put_words(f, at, TOP_TITLE, "berth top: who holds it");
	for (p = text; *p && *at + 1 < f->rows; p = *end ? end + 1 : end) {
		end = p + strcspn(p, "\n");
		indent = 0;
		do {
			next = p + line_len(p, (size_t)(end - p), f->columns - (size_t)indent);
			if (line++ >= v->scroll && *at + 1 < f->rows)
				put_words(f, at, TOP_PLAIN, "%*s%.*s", indent, "", (int)(next - p),
					  p);
			p = next;
			indent = f->columns > 40 ? 13 : 0;
		} while (p < end);
	}
}

static const char *keys_of(enum top_mode mode)
{
	if (mode == TOP_DETAIL)
		return "arrows scroll  any other key goes back";
	if (mode == TOP_HELP)
		return "any key goes back";
	return "q quit  Tab pane  Enter holder  s sort  / filter  space freeze  ? help";
}

int top_frame_make(const struct top_model *m, struct top_view *v, size_t rows, size_t columns,
		   struct top_frame *out_frame)
{
	struct top_frame f = { rows, columns, calloc(rows + 1, sizeof(*f.line)) };
	size_t at = 0, i;

	if (!f.line)
		return -ENOMEM;
	if (v->mode == TOP_HELP)
		for (i = 0; i < sizeof(help) / sizeof(*help) && at + 1 < rows; i++)
			put_words(&f, &at, i ? TOP_PLAIN : TOP_TITLE, "%s", help[i]);
	else if (v->mode == TOP_DETAIL && v->detail)
		put_scrolled(v->detail, v, &f, &at);
	else
		put_main(m, v, &f, &at);
	while (at + 1 < rows)
		put_words(&f, &at, TOP_PLAIN, "%s", "");
	at = rows ? rows - 1 : 0;
	if (rows && f.line[at].text)
		free(f.line[at].text);
	if (v->mode == TOP_ASK)
		put_words(&f, &at, TOP_TITLE, "filter: %s_", v->filter);
	else
		put_words(&f, &at, TOP_DIM, "%s", v->marked ? keys_of(v->mode) : "");
	*out_frame = f;
	return 0;
}

void top_frame_print(FILE *out, const struct top_frame *f)
{
	size_t i, n;

	for (i = 0; i < f->rows; i++) {
		const char *text = f->line[i].text ? f->line[i].text : "";

		for (n = strlen(text); n && text[n - 1] == ' ';)
			n--;
		fprintf(out, "%.*s\n", (int)n, text);
	}
	fputc('\n', out);
	fflush(out);
}

void top_frame_free(struct top_frame *f)
{
	size_t i;

	for (i = 0; f->line && i < f->rows; i++)
		free(f->line[i].text);
	free(f->line);
	f->line = NULL;
}
