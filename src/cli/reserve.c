/* SPDX-License-Identifier: BSD-2-Clause */
/* berth reserve: ports that are never to be assigned, and who said so. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "src/base/auto.h"
#include "src/base/text.h"
#include "src/cli/cli.h"
#include "src/cli/keepers.h"
#include "src/kernel/ledger.h"
#include "src/kernel/netns.h"
#include "src/kernel/reserved.h"

struct want {
	const char *owner, *why, *netns;
	char here[NAME_MAX + 1]; /* the caller's namespace, as the ledger names it */
	uint64_t until_s;
	bool dry_run, json;
	unsigned rows;
};

static int set_owner(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct want *)into)->owner = value;
	return 0;
}

static int set_why(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct want *)into)->why = value;
	return 0;
}

/* What --netns names, else the caller's. */
static const char *netns_of(const struct want *want)
{
	return want->netns ? want->netns : want->here;
}

static int set_netns(void *into, const char *value, struct berth_why *why)
{
	if (*value != '/' && strchr(value, '/'))
		return berth_why(why, -EINVAL,
				 "--netns: \"%s\": write a name, or the path from \"/\" on", value);
	((struct want *)into)->netns = value;
	return 0;
}

/* "+90m" and the like from now on; 0: not that. */
static uint64_t after(const char *text)
{
	static const char units[] = "smhdw";
	static const uint32_t seconds[] = { 1, 60, 3600, 86400, 604800 };
	char *end;
	unsigned long n = strtoul(text + 1, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (text[0] != '+' || !isdigit((unsigned char)text[1]) || !unit || end[1] || n > 100000)
		return 0;
	return (uint64_t)time(NULL) + n * seconds[unit - units];
}

/* A date in local time; 0: not that, or no day of the calendar. What is before 1970 is 1. */
static uint64_t at_date(const char *text)
{
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S" };
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, forms[i], &tm);
		int day = tm.tm_mday;
		time_t at;

		if (!end || *end)
			continue;
		at = mktime(&tm);
		if (tm.tm_mday != day)
			return 0;
		return at > 0 ? (uint64_t)at : 1;
	}
	return 0;
}

static int set_until(void *into, const char *value, struct berth_why *why)
{
	struct want *want = into;

	want->until_s = after(value);
	if (!want->until_s)
		want->until_s = at_date(value);
	if (!want->until_s)
		return berth_why(
			why, -EINVAL,
			"--until: \"%s\" is no date; write 2030-12-31, 2030-12-31T18:00 or +12h (s, m, h, d, w)",
			value);
	if (want->until_s <= (uint64_t)time(NULL))
		return berth_why(why, -EINVAL, "--until: %s is over already", value);
	return 0;
}

BERTH_OPT_FLAG(dry_run, struct want, dry_run)
BERTH_OPT_FLAG(json, struct want, json)

const struct berth_opt berth_reserve_opts[] = {
	{ "owner", "OWNER", NULL,
	  "The reservation ends with its owner: pid:NUMBER a process, unit:NAME a unit of systemd, path:/PATH a file.",
	  NULL, set_owner },
	{ "until", "DATE", NULL, "It ends then: 2030-12-31, 2030-12-31T18:00, or +12h from now.",
	  NULL, set_until },
	{ "why", "TEXT", NULL, "The reason, for those who read the list.", NULL, set_why },
	{ "netns", "NAME", "this one",
	  "The network namespace, as \"ip netns\" names it, or a path. One with a name keeps its reservations while it is "
	  "away, and has them again when it is back.",
	  NULL, set_netns },
	{ "dry-run", NULL, NULL, "Say what would be reserved in the end; change nothing.", NULL,
	  set_dry_run },
	{ "json", NULL, NULL,
	  "JSON Lines, one object a reservation: ports, netns, owner, by, why, made, until (Unix times, null without), "
	  "source: berth, or kernel for what somebody else has put into ip_local_reserved_ports.",
	  NULL, set_json },
	{ NULL },
};

/* ---- list ---- */

static void format_date(uint64_t at_s, char out[32])
{
	time_t at = (time_t)at_s;
	struct tm tm;

	strftime(out, 32, "%F %H:%M", localtime_r(&at, &tm));
}

static json_t *date_or_null(uint64_t at_s)
{
	return at_s ? json_integer((json_int_t)at_s) : json_null();
}

static void row_json(const struct berth_reservation *r, const char *source)
{
	json_t *o = json_pack("{s:s s:s s:s s:s s:s s:o s:o s:s}", "ports", r->ports, "netns",
			      r->netns, "owner", r->owner, "by", r->by, "why", r->why, "made",
			      date_or_null(r->made_s), "until", date_or_null(r->until_s), "source",
			      source);

	json_dumpf(o, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	putchar('\n');
	json_decref(o);
}

static void put(const char *text, size_t width)
{
	size_t shown =
		berth_text_print_safe(stdout, *text ? text : "-", strlen(*text ? text : "-"));

	printf("%*s", shown < width ? (int)(width - shown) : 1, "");
}

static void row_text(const struct berth_reservation *r, bool first)
{
	char until[32] = "-";

	if (first)
		printf("%-24s%-12s%-28s%-18s%-12s%s\n", "PORTS", "BY", "OWNER", "UNTIL", "NETNS",
		       "WHY");
	if (r->until_s)
		format_date(r->until_s, until);
	put(r->ports, 24);
	put(r->by, 12);
	put(r->owner, 28);
	put(until, 18);
	put(r->netns, 12);
	berth_text_print_safe(stdout, r->why, strlen(r->why));
	putchar('\n');
}

static int show(const struct berth_reservation *r, void *arg)
{
	struct want *want = arg;

	if (want->netns && strcmp(want->netns, r->netns))
		return 0;
	if (want->json)
		row_json(r, "berth");
	else
		row_text(r, !want->rows);
	want->rows++;
	return 0;
}

/* What the kernel has and berth did not put there. */
static void show_others(struct want *want, const struct berth_ledger *l)
{
	static struct berth_portset now, ours;
	struct berth_reservation r = { .netns = netns_of(want),
				       .owner = "",
				       .by = "",
				       .why = "in ip_local_reserved_ports, not by berth" };
	berth_auto_free char *text = NULL;
	int32_t p;
	size_t n;

	if (berth_reserved_read(r.netns, &now, NULL))
		return;
	berth_ledger_applied(l, r.netns, &ours);
	for (p = berth_portset_next(&ours, 0); p >= 0;
	     p = p == 65535 ? -1 : berth_portset_next(&ours, (uint32_t)p + 1))
		berth_portset_remove(&now, (uint32_t)p);
	n = berth_portset_format(&now, NULL, 0) + 1;
	text = malloc(n);
	if (!now.count || !text)
		return;
	berth_portset_format(&now, text, n);
	r.ports = text;
	if (want->json)
		row_json(&r, "kernel");
	else
		row_text(&r, !want->rows);
	want->rows++;
}

/* ---- changes ---- */

static int read_ports(int argc, char **argv, int at, struct berth_portset *out,
		      struct berth_why *why)
{
	struct berth_range_error error;

	if (at + 1 != argc)
		return berth_why(
			why, -EINVAL,
			"name the ports in one word, e.g. berth reserve add 5432,6000-6009");
	if (berth_portset_parse(argv[at], out, &error))
		return berth_why(why, -EINVAL,
				 "%s at character %zu, \"%.12s\"; write e.g. 5432,6000-6009",
				 error.what, error.at + 1, argv[at] + error.at);
	return out->count ? 0 : berth_why(why, -EINVAL, "no port is left in \"%s\"", argv[at]);
}

static int finish(const struct want *want, struct berth_ledger *l, struct berth_why *why)
{
	static struct berth_portset ports;
	berth_auto_free char *text = NULL;
	char later[PATH_MAX];
	int err;
	size_t n;

	if (want->dry_run) {
		berth_ledger_ports(l, netns_of(want), &ports);
		n = berth_portset_format(&ports, NULL, 0) + 1;
		text = malloc(n);
		if (text)
			berth_portset_format(&ports, text, n);
		printf("%s\n", text ? text : "");
		return 0;
	}
	err = berth_ledger_commit(l, later, why);
	if (!err && later[0])
		fprintf(stderr,
			"berth reserve: %s sets ip_local_reserved_ports after " BERTH_RESERVED_FILE
			", so after a boot its value holds until berth reserve is called again\n",
			later);
	return err;
}

static int add(struct want *want, struct berth_ledger *l, int argc, char **argv, int at,
	       struct berth_why *why)
{
	static struct berth_portset ports;
	struct berth_reservation r = { .netns = netns_of(want),
				       .owner = "",
				       .why = want->why ? want->why : "",
				       .until_s = want->until_s };
	char owner[PATH_MAX];
	int err = read_ports(argc, argv, at, &ports, why);

	r.ports = argv[at];
	if (!err && !berth_reserved_has_netns(r.netns))
		err = berth_why(why, -ENOENT,
				"--netns: there is no network namespace \"%s\"; see \"ip netns\"",
				r.netns);
	if (!err && want->owner)
		err = berth_ledger_owner(want->owner, owner, sizeof(owner), why);
	if (!err && want->owner)
		r.owner = owner;
	if (!err)
		err = berth_ledger_add(l, &r, why);
	if (!err)
		err = finish(want, l, why);
	if (!err && !want->dry_run)
		berth_keepers_name("reserve", r.netns, &ports);
	return err;
}

static int take_out(struct want *want, struct berth_ledger *l, int argc, char **argv, int at,
		    struct berth_why *why)
{
	static struct berth_portset ports;
	int err = read_ports(argc, argv, at, &ports, why);
	unsigned removed;

	if (err)
		return err;
	removed = berth_ledger_remove(l, netns_of(want), &ports);
	err = finish(want, l, why);
	if (!err && removed < ports.count) {
		fprintf(stderr,
			"berth reserve: %u of %u ports were reserved by berth; see \"berth reserve list\"\n",
			removed, ports.count);
		return BERTH_EXIT_FINDINGS;
	}
	return err;
}

static int list(struct want *want, struct berth_ledger *l, int argc, char **argv, int at,
		struct berth_why *why)
{
	(void)argv;
	if (at < argc)
		return berth_why(why, -EINVAL,
				 "list takes no operand; --netns chooses a namespace");
	if ((berth_ledger_swept(l) || berth_ledger_waits(l)) && !geteuid() && !want->dry_run &&
	    finish(want, l, why))
		return -EIO;
	berth_ledger_each(l, show, want);
	show_others(want, l);
	if (!want->rows && !want->json)
		fputs("no port is reserved\n", stderr);
	return want->rows ? BERTH_EXIT_OK : BERTH_EXIT_FINDINGS;
}

static const struct {
	const char *name;
	bool writes;
	int (*act)(struct want *want, struct berth_ledger *l, int argc, char **argv, int at,
		   struct berth_why *why);
} actions[] = { { "list", false, list }, { "add", true, add }, { "remove", true, take_out } };

/* The row of a word; no word is the first row. Negative with the sentence where there is none. */
static int find_action(const char *name, struct berth_why *why)
{
	unsigned i;

	for (i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (!name || !strcmp(name, actions[i].name))
			return (int)i;
	return berth_why(why, -EINVAL, "\"%s\": choose one of list, add PORTS, remove PORTS", name);
}

/* To write where something is to be changed, or could be: what is over is taken out by root who reads the list. */
static int open_ledger(struct want *want, bool writes, struct berth_ledger **out_ledger,
		       struct berth_why *why)
{
	int err = berth_ledger_open(!want->dry_run && (writes || !geteuid()), out_ledger, why);

	if (err != -EROFS || writes)
		return err;
	want->dry_run = true;
	return berth_ledger_open(false, out_ledger, why);
}

int berth_reserve_main(int argc, char **argv)
{
	struct want want = { 0 };
	struct berth_ledger *l = NULL;
	struct berth_why why;
	int rest, i, err;
	int words = berth_opt_words(berth_reserve_opts, argc, argv, &want, &rest, &why);

	berth_netns_name("/proc/self/ns/net", want.here);
	if (words >= 0 && rest < argc)
		words = berth_why(&why, -EINVAL, "\"%s\": no program is run here", argv[rest]);
	i = words < 0 ? words : find_action(words ? argv[0] : NULL, &why);
	err = i < 0 ? i : 0;
	if (!err)
		err = open_ledger(&want, actions[i].writes, &l, &why);
	if (!err)
		err = actions[i].act(&want, l, words, argv, 1, &why);
	berth_ledger_close(l);
	return err < 0 ? berth_complain("reserve", &why, BERTH_EXIT_FAILURE) : err;
}
