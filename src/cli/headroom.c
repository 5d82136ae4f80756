/* SPDX-License-Identifier: BSD-2-Clause */
/* berth headroom: how many ports are left for each lane. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/cli/cli.h"
#include "src/cli/destination.h"
#include "src/cli/lane.h"

#define SCREEN_ROWS 20 /* on a terminal */

struct wish {
	struct berth_headroom_query query;
	const char *destination; /* NULL: all */
	bool json, watch, has_alert, has_limit;
	double every_s;
	uint32_t alert;      /* permille */
	unsigned long limit; /* rows; 0: all */
};

/* ---- options ---- */

BERTH_OPT_FLAG(json, struct wish, json)
BERTH_OPT_FLAG(watch, struct wish, watch)
BERTH_OPT_FLAG(all_namespaces, struct wish, query.all_namespaces)

static int set_every(void *into, const char *value, struct berth_why *why)
{
	return lane_parse_every(value, &((struct wish *)into)->every_s, why);
}

static int set_protocol(void *into, const char *value, struct berth_why *why)
{
	struct berth_headroom_query *q = &((struct wish *)into)->query;

	(void)why;
	q->no_tcp = !strcmp(value, "udp");
	q->no_udp = !strcmp(value, "tcp");
	return 0;
}

static int set_source(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct wish *)into)->query.source = !strcmp(value, "bpf")    ? BERTH_SOCKETS_BPF
					      : !strcmp(value, "diag") ? BERTH_SOCKETS_DIAG
								       : BERTH_SOCKETS_ANY;
	return 0;
}

static int set_limit(void *into, const char *value, struct berth_why *why)
{
	struct wish *w = into;
	char *end;

	w->limit = strtoul(value, &end, 10);
	w->has_limit = true;
	if (*end || *value < '0' || *value > '9')
		return berth_why(why, -EINVAL, "--limit %s: write a number of rows, 0 for all",
				 value);
	return 0;
}

static int set_alert(void *into, const char *value, struct berth_why *why)
{
	struct wish *w = into;
	char *end;
	double percent = strtod(value, &end);

	if (*end == '%')
		end++;
	if (end == value || *end || !(percent > 0 && percent <= 100))
		return berth_why(why, -EINVAL, "--alert %s: write a part of the ports, as in 80%%",
				 value);
	w->alert = (uint32_t)(percent * 10 + 0.5);
	w->has_alert = true;
	return 0;
}

const struct berth_opt berth_headroom_opts[] = {
	{ "watch", NULL, NULL,
	  "Go on, and show how many ports a second each lane takes (net), and when it has none left at that rate.",
	  NULL, set_watch },
	{ "every", "SECONDS", "1", "How often --watch looks.", NULL, set_every },
	{ "alert", "SHARE", NULL,
	  "Exit with 1 where a row uses this part of its ports or more, as in 80%. With --watch: as soon as one does.",
	  NULL, set_alert },
	{ "protocol", "PROTOCOL", "all", "Only lanes of this protocol.", "all|tcp|udp",
	  set_protocol },
	{ "all-namespaces", NULL, NULL, "Every network namespace, not only this one; needs root.",
	  NULL, set_all_namespaces },
	{ "limit", "COUNT", NULL,
	  "Only the worst rows; 0: all. Without it 20 on a terminal, all elsewhere.", NULL,
	  set_limit },
	{ "json", NULL, NULL,
	  "JSON Lines, one object a row: netns (inode), protocol, choice (kernel, berth), run (pid of a run with the pool), "
	  "scope (lane, namespace), source, destination, port, capacity, used, time_wait, reusable (of time_wait: not in "
	  "used), free, share (used part, 0 to 1), slow_at, slow; with --watch also time (Unix), rate (a second) and "
	  "exhausted_in (seconds; null: never at this rate), both not in the first look.",
	  NULL, set_json },
	{ "source", "SOURCE", "auto",
	  "Count by programs in the kernel, or by sock_diag, which needs no privilege and cannot tell a connection whose "
	  "port was bound explicitly from one of the kernel's choice.",
	  "auto|bpf|diag", set_source },
	{ NULL },
};

/* ---- rows ---- */

/* How fast a row grew since an earlier sample; false where there is none. */
static bool rate_of(const struct berth_headroom_sample *now,
		    const struct berth_headroom_sample *before,
		    const struct berth_headroom_row *row, double *out_rate)
{
	const struct berth_headroom_row *old = berth_headroom_same(before, row);

	if (!before->at_ns)
		return false;
	*out_rate = berth_headroom_rate(old ? old->h.used : 0, row->h.used,
					(double)(now->at_ns - before->at_ns) / 1e9);
	return true;
}

static void print_json(const struct wish *w, const struct berth_headroom_row *row,
		       const double *rate)
{
	lane_json(stdout, row, w->watch ? time(NULL) : 0, rate);
	putchar('\n');
}

static void print_heading(const struct wish *w)
{
	printf("%6s %6s %6s %9s ", "SHARE", "USED", "FREE", "TIME-WAIT");
	if (w->watch)
		printf("%8s %6s ", "RATE/S", "LEFT");
	if (w->query.all_namespaces)
		printf("%10s ", "NETNS");
	printf("%-5s %-6s %-12s %s\n", "PROTO", "SEARCH", "CHOICE", "LANE");
}

static void print_row(const struct wish *w, const struct berth_headroom_row *row,
		      const double *rate)
{
	char share[LANE_TEXT], eta[LANE_TEXT], choice[LANE_TEXT], name[LANE_TEXT];
	const struct berth_headroom *h = &row->h;

	printf("%6s %6u %6u %9u ", lane_share(h, share), h->used, berth_headroom_free(h),
	       h->time_wait);
	if (w->watch && rate)
		printf("%+8.1f %6s ", *rate, lane_eta(berth_headroom_eta_s(h, *rate), eta));
	else if (w->watch)
		printf("%8s %6s ", "-", "-");
	if (w->query.all_namespaces)
		printf("%10u ", row->netns);
	printf("%-5s %-6s %-12s %s\n", lane_protocol(row), berth_headroom_is_slow(h) ? "slow" : "-",
	       lane_choice(row, choice), lane_name(row, name));
}

/* Words for what has no row: toward a destination without a lane all is free. */
static void say_free(const struct wish *w, const struct berth_headroom_sample *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		if (!s->row[i].wide)
			return;
	for (i = 0; i < s->netns_count && !w->query.no_tcp; i++)
		fprintf(stderr,
			"berth headroom: no lane%s%s in namespace %u; the kernel can choose from %u ports (%u-%u, %u "
			"reserved, %u bound by somebody)\n",
			w->destination ? " toward " : "", w->destination ? w->destination : "",
			s->netns[i].netns, s->netns[i].capacity, s->netns[i].first,
			s->netns[i].last, s->netns[i].reserved, s->netns[i].bound);
}

/* Shows one sample. True where a row reaches --alert. */
static bool show(const struct wish *w, const struct berth_headroom_sample *s,
		 const struct berth_headroom_sample *before)
{
	const struct berth_headroom_row **row = berth_headroom_worst(s);
	size_t i, n = w->limit && w->limit < s->count ? w->limit : s->count;
	bool alert = false;
	double rate;

	if (!row)
		return false;
	if (!w->json && n)
		print_heading(w);
	for (i = 0; i < s->count; i++)
		alert = alert || (w->has_alert && berth_headroom_permille(&row[i]->h) >= w->alert);
	for (i = 0; i < n; i++) {
		const double *r = rate_of(s, before, row[i], &rate) ? &rate : NULL;

		if (w->json)
			print_json(w, row[i], r);
		else
			print_row(w, row[i], r);
	}
	free(row);
	fflush(stdout);
	if (n < s->count)
		fprintf(stderr, "berth headroom: %zu more rows use less; --limit 0 shows them\n",
			s->count - n);
	if (s->uncounted)
		fprintf(stderr,
			"berth headroom: %llu sockets are in lanes beyond the million that are counted; name a "
			"destination\n",
			(unsigned long long)s->uncounted);
	if (!before->at_ns && s->source == BERTH_SOCKETS_DIAG &&
	    w->query.source == BERTH_SOCKETS_ANY)
		fputs("berth headroom: counted by sock_diag, which takes a connection that was bound to a port for one of the "
		      "kernel's choice; root has BPF, see \"berth doctor\"\n",
		      stderr);
	if (!before->at_ns && (w->destination || !w->query.all_namespaces))
		say_free(w, s);
	return alert;
}

static int look(const struct wish *w, struct berth_headroom_reader *reader)
{
	struct berth_headroom_sample before = { 0 }, now = { 0 };
	struct berth_why why;
	bool alert = false, more;
	int err;

	do {
		err = berth_headroom_read(reader, &now, &why);
		if (err)
			break;
		if (before.at_ns && !w->json)
			putchar('\n');
		alert = show(w, &now, &before);
		berth_headroom_sample_fini(&before);
		before = now;
		more = w->watch && !alert && !ferror(stdout) && !lane_wait(w->every_s);
	} while (more);
	berth_headroom_sample_fini(&before);
	if (err)
		return berth_complain("headroom", &why, BERTH_EXIT_FAILURE);
	return alert ? BERTH_EXIT_FINDINGS : BERTH_EXIT_OK;
}

static int parse(int argc, char **argv, struct wish *w, struct berth_why *why)
{
	int words = berth_opt_words(berth_headroom_opts, argc, argv, w, NULL, why);

	if (words > 1)
		return berth_why(why, -EINVAL,
				 "\"%s\": one destination is enough; a prefix names many", argv[1]);
	if (words < 1)
		return words;
	w->destination = argv[0];
	return destination_parse(argv[0], &w->query.ask, why);
}

int berth_headroom_main(int argc, char **argv)
{
	struct wish w = { .every_s = 1 };
	struct berth_headroom_reader *reader;
	struct berth_why why;
	sigset_t set;
	int err = parse(argc, argv, &w, &why), status;

	if (!err)
		err = berth_headroom_open(&w.query, &reader, &why);
	if (err)
		return berth_complain("headroom", &why, BERTH_EXIT_FAILURE);
	if (!w.has_limit && !w.json && isatty(STDOUT_FILENO))
		w.limit = SCREEN_ROWS;
	if (w.watch) {
		sigemptyset(&set);
		sigaddset(&set, SIGINT);
		sigaddset(&set, SIGTERM);
		sigprocmask(SIG_BLOCK, &set, NULL);
	}
	status = look(&w, reader);
	berth_headroom_close(reader);
	return status;
}
