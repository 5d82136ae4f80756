/* SPDX-License-Identifier: BSD-2-Clause */
/* berth audit: judges how source ports are chosen. */
#include <arpa/inet.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

#include "src/base/auto.h"
#include "src/cli/audit_plot.h"
#include "src/cli/audit_row.h"
#include "src/cli/cli.h"
#include "src/core/habits.h"
#include "src/kernel/capture.h"
#include "src/kernel/file.h"
#include "src/kernel/ownports.h"
#include "src/kernel/proctext.h"
#include "src/sim/flows.h"
#include "src/sim/streams.h"

#define STREAMS 262144u
#define CHUNKS 262144u      /* 34 MB, with the streams 56 MB; what is used is touched */
#define FLOWS 524288u       /* 12 MB */
#define DESTINATIONS_MIN 3u /* below it a host is not judged over all of them */

struct view {
	const char *pcap, *live;
	bool self, json, all;
	double seconds;
	size_t samples, least, most;
	bool knows_range;
	struct berth_range range; /* what the ports are chosen from */
	struct berth_range of_habit[BERTH_HABIT_COUNT];
	struct berth_streams *streams;
	struct berth_flows *flows;
	uint64_t frames, choices;
	uint64_t lost;   /* frames that the kernel had no room for */
	uint64_t unread; /* frames of a link that is not known */
	int unread_link; /* the last of them */
	double began_s;
	unsigned rows, judged, findings;
	struct berth_audit_plot plot;
};

/* ---- options ---- */

static int set_pcap(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct view *)into)->pcap = value;
	return 0;
}

static int set_live(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct view *)into)->live = value;
	return 0;
}

static int set_plot(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct view *)into)->plot.path = value;
	return 0;
}

BERTH_OPT_FLAG(self, struct view, self)
BERTH_OPT_FLAG(all, struct view, all)
BERTH_OPT_FLAG(json, struct view, json)

static int read_number(const char *value, unsigned long low, unsigned long high, size_t *out,
		       struct berth_why *why)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || n < low || n > high)
		return berth_why(why, -EINVAL, "\"%s\": a number from %lu to %lu is wanted", value,
				 low, high);
	*out = n;
	return 0;
}

static int set_samples(void *into, const char *value, struct berth_why *why)
{
	return read_number(value, 2, BERTH_JUDGE_MAX, &((struct view *)into)->samples, why);
}

static int set_least(void *into, const char *value, struct berth_why *why)
{
	return read_number(value, 1, BERTH_JUDGE_MAX, &((struct view *)into)->least, why);
}

static int set_seconds(void *into, const char *value, struct berth_why *why)
{
	size_t n = 0;
	int error = read_number(value, 1, 86400 * 365, &n, why);

	if (!error)
		((struct view *)into)->seconds = (double)n;
	return error;
}

static int set_range(void *into, const char *value, struct berth_why *why)
{
	struct view *view = into;
	struct berth_range_error error;
	struct berth_portset set;

	if (berth_portset_parse(value, &set, &error))
		return berth_why(why, -EINVAL, "\"%s\": %s at character %zu", value, error.what,
				 error.at + 1);
	if (!set.count)
		return berth_why(why, -EINVAL, "\"%s\": no port is in it", value);
	view->range.first = (uint16_t)berth_portset_next(&set, 0);
	view->range.last = (uint16_t)berth_portset_kth(&set, set.count - 1);
	if (berth_range_len(view->range) != set.count)
		return berth_why(why, -EINVAL, "\"%s\": one range is wanted, without holes", value);
	view->knows_range = true;
	return 0;
}

const struct berth_opt berth_audit_opts[] = {
	{ "self", NULL, NULL,
	  "Opens sockets on the loopback in five ways, over IPv4 and over IPv6, and judges the ports they get; what is "
	  "done where neither --pcap nor --live is given.",
	  NULL, set_self },
	{ "samples", "N", "600", "With --self: sockets for each way.", NULL, set_samples },
	{ "pcap", "FILE", NULL,
	  "Reads a capture, pcap or pcapng, of any size; \"-\" is standard input.", NULL,
	  set_pcap },
	{ "live", "IFACE", NULL, "Listens on an interface until interrupted. Needs CAP_NET_RAW.",
	  NULL, set_live },
	{ "seconds", "N", NULL, "With --live: so long.", NULL, set_seconds },
	{ "range", "FIRST-LAST", NULL,
	  "What the ports are chosen from, for the chi-square; default: what was seen.", NULL,
	  set_range },
	{ "least", "N", "8", "Leaves out rows of fewer ports.", NULL, set_least },
	{ "all", NULL, NULL, "Shows every row; else the twenty of most ports.", NULL, set_all },
	{ "plot", "FILE", NULL, "Writes an SVG of ports over time.", NULL, set_plot },
	{ "json", NULL, NULL,
	  "JSON Lines, one object a row: host, protocol, destination (null over all), seen, n (judged), first, last, "
	  "unique, holes (parts of the range that chance does not leave empty), odd, gcd, rising, sigma, lag1, runs_z, shape, "
	  "finding; null where it cannot be told: unique_expected, chi2, chi2_p, oarc, oarc_bits, bits_low, bits_high; "
	  "system (null: none known).",
	  NULL, set_json },
	{ NULL },
};

/* ---- a row ---- */

static int habit_of(const struct view *view, const struct berth_audit_row *row,
		    const struct berth_judgement *j)
{
	return berth_judge_habit(j, view->of_habit, row->one, *row->protocol == 'u');
}

/* Counts the row for the exit status. Returns whether it is a finding. */
static bool count(struct view *view, const struct berth_audit_row *row,
		  const struct berth_judgement *j)
{
	bool finding = berth_audit_is_finding(row, j, habit_of(view, row, j));

	view->judged += j->shape != BERTH_SHAPE_TOO_FEW;
	view->findings += finding;
	return finding;
}

static void show(struct view *view, const struct berth_audit_row *row,
		 const struct berth_judgement *j)
{
	int habit = habit_of(view, row, j);

	if (view->json)
		berth_audit_row_json(row, j, habit);
	else
		berth_audit_row_text(row, j, habit, !view->rows);
	view->rows++;
}

/* ---- this host ---- */

static int audit_self(struct view *view, struct berth_why *why)
{
	static uint16_t port[BERTH_OWN_COUNT][BERTH_JUDGE_MAX];
	struct berth_judgement j[BERTH_OWN_COUNT];
	berth_auto_free char *text = NULL;
	struct berth_range own;
	/* Those of IPv6 come last. */
	int ways = berth_own_has_six() ? BERTH_OWN_COUNT : BERTH_OWN_TCP6_ONE, way, n, i;

	if (!view->knows_range &&
	    !berth_file_read("/proc/sys/net/ipv4/ip_local_port_range", &text) &&
	    !berth_local_range_parse(text, &own)) {
		view->of_habit[BERTH_HABIT_LINUX] = view->of_habit[BERTH_HABIT_LINUX_BIND] =
			view->of_habit[BERTH_HABIT_LINUX_UDP] = own;
	}
	for (way = 0; way < ways; way++) {
		n = berth_own_ports((enum berth_own_way)way, view->samples, port[way], why);
		if (n < 0)
			return n;
		berth_judge(port[way], (size_t)n, view->knows_range ? &view->range : NULL, &j[way]);
		for (i = 0; i < n; i++)
			berth_audit_plot_add(&view->plot, i, port[way][i],
					     berth_own_rows[way].name);
	}
	for (way = 0; way < ways; way++) {
		const struct berth_own_row *how = &berth_own_rows[way];
		struct berth_audit_row row = { .host = "self",
					       .protocol = how->datagram ? "udp" : "tcp",
					       .destination = how->name,
					       .seen = j[way].n,
					       .one = !how->many };

		/* Behind the way to one destination stands that to many. */
		row.hidden = !how->many && !how->datagram && j[way + 1].shape == BERTH_SHAPE_RANDOM;
		if (j[way].n < view->least)
			continue;
		count(view, &row, &j[way]);
		show(view, &row, &j[way]);
	}
	if (ways < BERTH_OWN_COUNT)
		fprintf(stderr, "this host has no ::1: only IPv4 is judged\n");
	return 0;
}

/* ---- captures ---- */

static void address_text(const uint8_t address[16], char out[INET6_ADDRSTRLEN])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (!memcmp(address, mapped, 12))
		inet_ntop(AF_INET, address + 12, out, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, address, out, INET6_ADDRSTRLEN);
}

static int link_of(int dlt)
{
	switch (dlt) {
	case DLT_EN10MB:
		return BERTH_FRAME_ETHERNET;
	case DLT_LINUX_SLL:
		return BERTH_FRAME_COOKED;
	case DLT_LINUX_SLL2:
		return BERTH_FRAME_COOKED2;
	case DLT_RAW:
	case DLT_IPV4:
	case DLT_IPV6:
		return BERTH_FRAME_IP;
	case DLT_NULL:
	case DLT_LOOP:
		return BERTH_FRAME_LOOP;
	case DLT_PPP:
	case DLT_PPP_SERIAL:
		return BERTH_FRAME_PPP;
	default:
		return -1;
	}
}

static const char *link_name(int dlt)
{
	static char number[16];
	const char *name = pcap_datalink_val_to_name(dlt);

	snprintf(number, sizeof(number), "%d", dlt);
	return name ? name : number;
}

/* A file may have any time; what is no time of this world wraps. */
static uint32_t milliseconds(double time_s)
{
	return time_s >= 0 && time_s < 1e15 ? (uint32_t)(uint64_t)(time_s * 1000) : 0;
}

static int on_frame(const uint8_t *bytes, size_t len, int dlt, double time_s, void *arg)
{
	struct view *view = arg;
	struct berth_frame frame;
	char host[INET6_ADDRSTRLEN], series[INET6_ADDRSTRLEN + 8];
	int link = link_of(dlt);
	uint32_t now_ms;
	bool new_socket;

	view->frames++;
	if (link < 0) {
		view->unread++;
		view->unread_link = dlt;
		return 0;
	}
	if (!berth_frame_read((enum berth_frame_link)link, bytes, len, &frame))
		return 0;
	now_ms = milliseconds(time_s);
	new_socket = berth_flows_opens_socket(view->flows, &frame, now_ms);
	if (!berth_flows_opens(view->flows, &frame, now_ms))
		return 0;
	berth_streams_add(view->streams, &frame, new_socket);
	if (!view->choices++)
		view->began_s = time_s;
	if (view->plot.path) {
		address_text(frame.source, host);
		snprintf(series, sizeof(series), "%s %s", host,
			 frame.protocol == 6 ? "tcp" : "udp");
		berth_audit_plot_add(&view->plot, time_s - view->began_s, frame.source_port,
				     series);
	}
	return 0;
}

static bool same_host(const struct berth_stream *a, const struct berth_stream *b)
{
	return a->protocol == b->protocol && !memcmp(a->source, b->source, 16);
}

/* Hosts by the ports that they have over all destinations, and each host's destinations behind it. */
static int by_host(const void *x, const void *y)
{
	const struct berth_stream *a = *(const struct berth_stream *const *)x;
	const struct berth_stream *b = *(const struct berth_stream *const *)y;
	int order = memcmp(a->source, b->source, 16);

	if (!order)
		order = (int)a->protocol - (int)b->protocol;
	if (!order)
		order = (int)b->all - (int)a->all;
	if (!order)
		order = (a->seen < b->seen) - (a->seen > b->seen);
	return order;
}

static int by_seen(const void *x, const void *y)
{
	const struct berth_stream *a = *(const struct berth_stream *const *)x;
	const struct berth_stream *b = *(const struct berth_stream *const *)y;

	return (a->seen < b->seen) - (a->seen > b->seen);
}

static void judge_stream(const struct view *view, const struct berth_stream *s,
			 struct berth_judgement *out)
{
	static uint16_t port[BERTH_JUDGE_MAX];
	size_t n = berth_streams_ports(view->streams, s, port);

	berth_judge(port, n, view->knows_range ? &view->range : NULL, out);
}

/*
 * True where the destinations of the host, whose rows stand behind its own, have most of its ports and each is a walk
 * of Linux: a few walks in turn look as if each port depended on the one before, though each begins anywhere.
 */
static bool is_walks(const struct view *view, const struct berth_stream **row, size_t n)
{
	uint64_t seen = 0;
	size_t i;

	for (i = 1; i < n && same_host(row[0], row[i]); i++) {
		struct berth_judgement j;

		judge_stream(view, row[i], &j);
		if (j.shape != BERTH_SHAPE_TOO_FEW &&
		    berth_judge_habit(&j, view->of_habit, true, row[i]->protocol == 17) !=
			    BERTH_HABIT_LINUX)
			return false;
		seen += row[i]->seen;
	}
	return seen > row[0]->seen / 2;
}

/* A row, and what stands around it says of it. */
struct placed {
	const struct berth_stream *s;
	bool hidden, walks, finding;
};

static void address_of(const struct berth_stream *s, char from[INET6_ADDRSTRLEN],
		       char destination[INET6_ADDRSTRLEN + 8])
{
	char to[INET6_ADDRSTRLEN];

	address_text(s->source, from);
	address_text(s->destination, to);
	if (s->all)
		strcpy(destination, "*");
	else
		snprintf(destination, INET6_ADDRSTRLEN + 8, strchr(to, ':') ? "[%s]:%u" : "%s:%u",
			 to, s->destination_port);
}

static struct berth_audit_row row_of(const struct placed *p, const char *from,
				     const char *destination)
{
	return (struct berth_audit_row){ .host = from,
					 .protocol = p->s->protocol == 6 ? "tcp" : "udp",
					 .destination = destination,
					 .seen = p->s->seen,
					 .one = !p->s->all,
					 .hidden = p->hidden,
					 .walks = p->walks };
}

/* Judges all rows, and leaves in *out those that say something of their own. Returns how many. */
static size_t judge_streams(struct view *view, const struct berth_stream **row, size_t n,
			    struct placed *out)
{
	const struct berth_stream *host = NULL;
	struct berth_judgement j;
	bool hidden = false;
	size_t i, m = 0;

	for (i = 0; i < n; i++) {
		const struct berth_stream *s = row[i];
		struct placed p = { .s = s };
		struct berth_audit_row shown;

		judge_stream(view, s, &j);
		if (s->all) {
			host = s;
			p.walks = is_walks(view, row + i, n - i);
			hidden = s->protocol == 6 && s->destinations >= DESTINATIONS_MIN &&
				 j.shape == BERTH_SHAPE_RANDOM;
			/* Of one or two destinations the row shows their walks, and nothing of its own. */
			if (s->destinations < DESTINATIONS_MIN && i + 1 < n &&
			    same_host(s, row[i + 1]))
				continue;
		} else {
			p.hidden = hidden && host && same_host(host, s);
		}
		shown = row_of(&p, "", s->all ? "*" : "");
		p.finding = count(view, &shown, &j);
		out[m++] = p;
	}
	return m;
}

static int by_ports(const void *x, const void *y)
{
	return by_seen(&((const struct placed *)x)->s, &((const struct placed *)y)->s);
}

static int by_place(const void *x, const void *y)
{
	return by_host(&((const struct placed *)x)->s, &((const struct placed *)y)->s);
}

static void show_streams(struct view *view, struct placed *p, size_t n)
{
	char from[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN + 8];
	size_t i, host_width = 0, destination_width = 0, len;

	qsort(p, n, sizeof(*p), by_place);
	for (i = 0; i < n; i++) {
		address_of(p[i].s, from, destination);
		len = strlen(from);
		host_width = len > host_width ? len : host_width;
		len = strlen(destination);
		destination_width = len > destination_width ? len : destination_width;
	}
	for (i = 0; i < n; i++) {
		struct berth_judgement j;
		struct berth_audit_row row = row_of(&p[i], from, destination);

		row.host_width = (int)host_width;
		row.destination_width = (int)destination_width;
		address_of(p[i].s, from, destination);
		judge_stream(view, p[i].s, &j);
		show(view, &row, &j);
	}
}

/* Words behind the rows: what was read, and whatever the rows do not show. */
static void say_what_was_read(const struct view *view, size_t left, size_t left_findings)
{
	uint64_t evicted_ports, evicted = berth_streams_evicted(view->streams, &evicted_ports),
				lost = berth_flows_lost(view->flows);

	fprintf(stderr, "%llu frames, %llu ports chosen", (unsigned long long)view->frames,
		(unsigned long long)view->choices);
	if (view->judged > view->most)
		fprintf(stderr, "; %u of %u rows have a finding, by chance one in 10,000 has",
			view->findings, view->judged);
	if (left)
		fprintf(stderr,
			"; %zu smaller rows not shown, %zu of them with a finding, --all shows them",
			left, left_findings);
	if (evicted)
		fprintf(stderr, "; %llu rows with %llu ports were given up: too many at a time",
			(unsigned long long)evicted, (unsigned long long)evicted_ports);
	if (lost)
		fprintf(stderr,
			"; %llu flows were forgotten early: what they sent again may count twice",
			(unsigned long long)lost);
	if (view->lost)
		fprintf(stderr, "; %llu frames were lost: the kernel had no room for them",
			(unsigned long long)view->lost);
	if (view->unread)
		fprintf(stderr, "; %llu frames of link type %s were not read",
			(unsigned long long)view->unread, link_name(view->unread_link));
	fputc('\n', stderr);
}

static int show_captured(struct view *view, struct berth_why *why)
{
	uint32_t count = berth_streams_count(view->streams), i;
	berth_auto_free const struct berth_stream **row = calloc(count + 1, sizeof(*row));
	berth_auto_free struct placed *placed = calloc(count + 1, sizeof(*placed));
	size_t n = 0, left, findings = 0, k;

	if (!row || !placed)
		return berth_why(why, -ENOMEM, "no memory");
	for (i = 0; i < count; i++) {
		const struct berth_stream *s = berth_streams_get(view->streams, i);

		if (s && s->seen >= view->least)
			row[n++] = s;
	}
	qsort(row, n, sizeof(*row), by_host);
	n = judge_streams(view, row, n, placed);
	left = view->all || n <= view->most ? 0 : n - view->most;
	qsort(placed, n, sizeof(*placed), by_ports);
	for (k = n - left; k < n; k++)
		findings += placed[k].finding;
	show_streams(view, placed, n - left);
	say_what_was_read(view, left, findings);
	return 0;
}

static int audit_capture(struct view *view, struct berth_why *why)
{
	berth_auto_free void *memory = malloc(berth_streams_size(STREAMS, CHUNKS));
	berth_auto_free void *flows = malloc(berth_flows_size(FLOWS));
	int error;

	if (!memory || !flows)
		return berth_why(why, -ENOMEM, "no memory");
	view->streams = berth_streams_init(memory, STREAMS, CHUNKS);
	view->flows = berth_flows_init(flows, FLOWS);
	if (view->pcap)
		error = berth_capture_file(view->pcap, on_frame, view, why);
	else
		error = berth_capture_live(view->live, view->seconds, on_frame, view, &view->lost,
					   why);
	/* A file that is cut short is judged as far as it goes, and then complained of. */
	if (!error || view->choices) {
		struct berth_why ignored;

		show_captured(view, error ? &ignored : why);
	}
	if (!error && view->unread && view->unread == view->frames)
		error = berth_why(
			why, -EINVAL,
			"%s: frames of link type %s are not understood; Ethernet, IP, Linux cooked, BSD "
			"loopback and PPP are",
			view->pcap ? view->pcap : view->live, link_name(view->unread_link));
	return error;
}

/* ---- the verb ---- */

static void find_ranges(struct view *view)
{
	int i;

	for (i = 0; i < BERTH_HABIT_COUNT; i++)
		view->of_habit[i] = berth_habit_row((enum berth_habit)i).range;
}

static int parse(struct view *view, int argc, char **argv, struct berth_why *why)
{
	int at = berth_opt_parse(berth_audit_opts, argc, argv, view, why);

	if (at < 0)
		return at;
	if (at < argc)
		return berth_why(why, -EINVAL,
				 "\"%s\": audit takes no operand; a capture is named with --pcap",
				 argv[at]);
	if (view->self + !!view->pcap + !!view->live > 1)
		return berth_why(why, -EINVAL, "--self, --pcap, --live: only one at a time");
	if (view->seconds > 0 && !view->live)
		return berth_why(why, -EINVAL, "--seconds: only --live takes time");
	if (view->samples && (view->pcap || view->live))
		return berth_why(why, -EINVAL, "--samples: only --self opens sockets");
	if (view->all && !view->pcap && !view->live)
		return berth_why(why, -EINVAL, "--all: --self shows every row");
	view->samples = view->samples ? view->samples : 600;
	return 0;
}

int berth_audit_main(int argc, char **argv)
{
	struct view view = { .least = 8, .most = 20 };
	berth_auto_free void *points = calloc(BERTH_AUDIT_POINTS, sizeof(*view.plot.point));
	struct berth_why why;
	int error = points ? parse(&view, argc, argv, &why) : berth_why(&why, -ENOMEM, "no memory");

	if (!error) {
		view.plot.point = points;
		find_ranges(&view);
		error = view.pcap || view.live ? audit_capture(&view, &why)
					       : audit_self(&view, &why);
	}
	if (!error && view.plot.path)
		error = berth_audit_plot_write(&view.plot,
					       view.pcap || view.live ? "seconds" : "sockets",
					       view.pcap   ? view.pcap
					       : view.live ? view.live
							   : "this host, on the loopback",
					       &why);
	if (error)
		return berth_complain("audit", &why, BERTH_EXIT_FAILURE);
	if (view.plot.undrawn)
		fprintf(stderr, "%llu ports are not in the plot: it has room for %u, of %u hosts\n",
			(unsigned long long)view.plot.undrawn, BERTH_AUDIT_POINTS,
			BERTH_AUDIT_SERIES);
	if (!view.judged)
		fprintf(stderr, "nothing to judge: no row has %u ports\n",
			view.least > BERTH_JUDGE_MIN ? (unsigned)view.least : BERTH_JUDGE_MIN);
	return view.findings || !view.judged ? BERTH_EXIT_FINDINGS : BERTH_EXIT_OK;
}
