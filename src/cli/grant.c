/* SPDX-License-Identifier: BSD-2-Clause */
/* berth grant: who may bind which port. */
#include <arpa/inet.h>
#include <errno.h>
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
#include "src/core/grantrule.h"
#include "src/core/range.h"
#include "src/kernel/authbind.h"
#include "src/kernel/file.h"
#include "src/kernel/grant.h"
#include "src/kernel/ledger.h"
#include "src/kernel/netns.h"
#include "src/kernel/reserved.h"

struct want {
	bool status, remove, dry_run, json;
	struct berth_grant_place_spec place;
	struct berth_grant_options options;
	struct berth_grant_rules rules;
	bool given; /* rules by an option */
};

static int set_rule(void *into, const char *value, struct berth_why *why)
{
	((struct want *)into)->given = true;
	return berth_grant_rules_add(&((struct want *)into)->rules, "--rule", value, why);
}

static int set_authbind(void *into, const char *value, struct berth_why *why)
{
	((struct want *)into)->given = true;
	return berth_authbind_add(&((struct want *)into)->rules, value, why);
}

BERTH_OPT_FLAG(status, struct want, status)
BERTH_OPT_FLAG(remove, struct want, remove)
BERTH_OPT_FLAG(observe, struct want, options.observe)
BERTH_OPT_FLAG(every_netns, struct want, options.every_netns)
BERTH_OPT_FLAG(dry_run, struct want, dry_run)

static int set_cgroup(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct want *)into)->place.cgroup = value;
	return 0;
}

static int set_bpffs(void *into, const char *value, struct berth_why *why)
{
	/* The ledger names the pins as the owner of their ports, for whoever reads it from anywhere. */
	if (*value != '/')
		return berth_why(why, -EINVAL, "--bpffs: \"%s\": write the path from \"/\" on",
				 value);
	((struct want *)into)->place.bpffs = value;
	return 0;
}

BERTH_OPT_FLAG(json, struct want, json)

const struct berth_opt berth_grant_opts[] = {
	{ "rule", "RULE", NULL, "A rule; may be repeated.", NULL, set_rule },
	{ "authbind", "DIR", NULL,
	  "The rules of a folder like /etc/authbind: byport, byaddr and byuid. --dry-run shows what becomes of them.",
	  NULL, set_authbind },
	{ "status", NULL, NULL, "Show what is in force; so does the verb alone.", NULL,
	  set_status },
	{ "remove", NULL, NULL, "Take all rules out of force.", NULL, set_remove },
	{ "observe", NULL, NULL, "Enforce nothing: only count what would be granted and refused.",
	  NULL, set_observe },
	{ "every-netns", NULL, NULL,
	  "The rules hold in each network namespace, not only in this one.", NULL,
	  set_every_netns },
	{ "cgroup", "DIR", "the root of cgroup v2",
	  "The rules hold for sockets that processes in this cgroup and below make there.", NULL,
	  set_cgroup },
	{ "bpffs", "DIR", "/sys/fs/bpf", "The BPF file system in which the rules are pinned.", NULL,
	  set_bpffs },
	{ "dry-run", NULL, NULL, "Check the rules and print them; change nothing.", NULL,
	  set_dry_run },
	{ "json", NULL, NULL,
	  "One object: state (in-force, partial, none), abi, rules (list), observe, every_netns, cgroup, loaded "
	  "(Unix time), hooks, counters, recent (refusals), newer and older (versions pinned beside, or null); "
	  "with --dry-run rules alone.",
	  NULL, set_json },
	{ NULL },
};

/* ---- what is in force ---- */

static const char *const counter_name[] = {
#define NAME(id, name, text) name,
	BERTH_GRANT_COUNTERS(NAME)
#undef NAME
};

static const char *state_of(const struct berth_grant_status *s)
{
	int i;

	if (!s->pinned)
		return "none";
	if (!s->text || !s->decides)
		return "partial"; /* whoever loaded or removed them was killed */
	for (i = 0; i < BERTH_GRANT_HOOKS; i++)
		if (strcmp(s->hook[i], "attached") && strcmp(s->hook[i], "unneeded"))
			return "partial";
	return "in-force";
}

static void format_addr(const struct berth_grant_event *e, char out[INET6_ADDRSTRLEN])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (!memcmp(e->addr, mapped, sizeof(mapped)))
		inet_ntop(AF_INET, e->addr + 12, out, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, e->addr, out, INET6_ADDRSTRLEN);
}

/* Unix time of an event, whose clock is that of the kernel's uptime. */
static time_t when(const struct berth_grant_event *e)
{
	struct timespec mono, real;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &real);
	return real.tv_sec - mono.tv_sec + (time_t)(e->at_ns / 1000000000u);
}

static json_t *text_value(const char *text, size_t n)
{
	char safe[64];

	berth_text_safe(text, n, safe, sizeof(safe));
	return json_string(safe);
}

static json_t *recent_json(const struct berth_grant_status *s)
{
	json_t *list = json_array();
	uint32_t i;

	for (i = 0; i < s->recent_count; i++) {
		const struct berth_grant_event *e = &s->recent[i];
		char addr[INET6_ADDRSTRLEN];

		format_addr(e, addr);
		json_array_append_new(
			list,
			json_pack("{s:I s:s s:s s:i s:I s:i s:o s:b s:b}", "time",
				  (json_int_t)when(e), "protocol", e->protocol ? "udp" : "tcp",
				  "address", addr, "port", (int)e->port, "uid", (json_int_t)e->uid,
				  "pid", (int)e->pid, "command",
				  text_value(e->comm, strnlen(e->comm, sizeof(e->comm))), "chosen",
				  (int)e->chosen, "observed", (int)e->observed));
	}
	return list;
}

/* A line as it is; what is no UTF-8, in the form that is safe for a terminal. */
static json_t *line_value(const char *line, size_t n)
{
	static char safe[4 * BERTH_GRANTRULE_LINE_MAX];
	json_t *value = json_stringn(line, n);

	if (value)
		return value;
	berth_text_safe(line, n, safe, sizeof(safe));
	return json_string(safe);
}

static json_t *rules_json(const char *text)
{
	json_t *list = json_array();

	while (text && *text) {
		size_t n = strcspn(text, "\n");

		json_array_append_new(list, line_value(text, n));
		text += n + (text[n] == '\n');
	}
	return list;
}

static void print_json(const struct berth_grant_status *s)
{
	json_t *hooks = json_object(), *counters = json_object(), *all;
	int i;

	for (i = 0; i < BERTH_GRANT_HOOKS; i++)
		json_object_set_new(hooks, berth_grant_hook_name[i], json_string(s->hook[i]));
	for (i = 0; i < BERTH_GRANT_COUNTER_COUNT; i++)
		json_object_set_new(counters, counter_name[i],
				    json_integer((json_int_t)s->counters[i]));
	all = json_pack("{s:s s:i s:o s:b s:b s:s s:I s:o s:o s:o s:o s:o}", "state", state_of(s),
			"abi", (int)BERTH_GRANT_ABI, "rules", rules_json(s->text), "observe",
			(int)s->about.observe, "every_netns", (int)s->about.every_netns, "cgroup",
			s->about.cgroup, "loaded", (json_int_t)s->about.loaded_s, "hooks", hooks,
			"counters", counters, "recent", recent_json(s), "newer",
			s->newer ? json_integer(s->newer - 1) : json_null(), "older",
			s->older ? json_integer(s->older - 1) : json_null());
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

static void print_event(const struct berth_grant_event *e)
{
	char addr[INET6_ADDRSTRLEN], time_text[32];
	time_t at = when(e);
	struct tm tm;

	format_addr(e, addr);
	strftime(time_text, sizeof(time_text), "%F %T", localtime_r(&at, &tm));
	printf("%s  %s %s port %u  uid %u  pid %u  ", e->observed ? "would refuse" : "refused     ",
	       time_text, e->protocol ? "udp" : "tcp", e->port, e->uid, e->pid);
	berth_text_print_safe(stdout, e->comm, strnlen(e->comm, sizeof(e->comm)));
	printf("  at %s%s\n", addr, e->chosen ? ", chosen by the kernel" : "");
}

static void print_text(const struct berth_grant_status *s)
{
	char loaded[32];
	time_t at = (time_t)s->about.loaded_s;
	struct tm tm;
	uint32_t i;

	strftime(loaded, sizeof(loaded), "%F %T", localtime_r(&at, &tm));
	printf("%u rule%s %s in %s, for %s, since %s\n", s->about.rules,
	       s->about.rules == 1 ? "" : "s", s->about.observe ? "observed" : "enforced",
	       s->about.every_netns ? "every network namespace" : "one network namespace",
	       s->about.cgroup, loaded);
	for (i = 0; i < BERTH_GRANT_HOOKS; i++)
		printf("%s%s %s", i ? ", " : "hooks: ", berth_grant_hook_name[i], s->hook[i]);
	for (i = 0; i < BERTH_GRANT_COUNTER_COUNT; i++)
		printf("%s%s %llu", i ? ", " : "\ncounters: ", counter_name[i],
		       (unsigned long long)s->counters[i]);
	putchar('\n');
	if (s->text)
		fputs(s->text, stdout);
	for (i = 0; i < s->recent_count; i++)
		print_event(&s->recent[i]);
}

/* Exit status: 0 where everything is in force, and nothing of other versions is there. */
static int show(const struct want *want)
{
	struct berth_grant_status s;
	struct berth_why why;
	bool good;

	if (berth_grant_status(&want->place, &s, &why))
		return berth_complain("grant", &why, BERTH_EXIT_FAILURE);
	good = !strcmp(state_of(&s), "in-force") && !s.newer && !s.older;
	if (want->json)
		print_json(&s);
	else if (s.pinned)
		print_text(&s);
	else
		fprintf(stderr, "no rules %sin force\n",
			s.newer || s.older ? "of this version " : "");
	if (s.newer)
		fprintf(stderr,
			"berth grant: version %u is pinned beside, by a newer berth; it is left alone\n",
			s.newer - 1);
	if (s.older)
		fprintf(stderr,
			"berth grant: version %u is pinned beside, by an older berth; loading rules replaces "
			"it, --remove removes it\n",
			s.older - 1);
	berth_grant_status_fini(&s);
	return good ? BERTH_EXIT_OK : BERTH_EXIT_FINDINGS;
}

/* ---- what is to be ---- */

static void note(void *arg, const char *sentence)
{
	(void)arg;
	fprintf(stderr, "berth grant: %s\n", sentence);
}

/* Adds the rules of a file, or of stdin for "-". */
static int read_file(struct want *want, const char *path, struct berth_why *why)
{
	berth_auto_free char *text = NULL;
	int err = berth_file_read_text(strcmp(path, "-") ? path : "/dev/stdin", &text);

	if (err == -EILSEQ)
		return berth_why(
			why, err,
			"%s: no text: a byte of it is 0, and rules after it would be lost; write it again",
			path);
	if (err == -EFBIG)
		return berth_why(why, err, "%s: more than 1 MB; name several files instead", path);
	if (err)
		return berth_why(why, err, "%s: %s", path, strerror(-err));
	return berth_grant_rules_add(&want->rules, path, text, why);
}

/*
 * Enters the ports of the deny rules into the ledger of reservations, owned by the pins, or takes them out where
 * there are none: the kernel's own choice and the pools of berth then pass them over, those of runs in progress too.
 */
static int reserve(const struct want *want, struct berth_ledger *l,
		   const struct berth_portset *guarded, struct berth_why *why)
{
	char owner[PATH_MAX + 8], later[PATH_MAX], netns[NAME_MAX + 1];
	struct berth_reservation r = { .netns = netns, .why = "deny rule of berth grant" };
	size_t n = berth_portset_format(guarded, NULL, 0) + 1;
	berth_auto_free char *text = malloc(n);
	int err = text ? 0 : berth_why(why, -ENOMEM, "no memory");

	berth_netns_name("/proc/self/ns/net", netns);
	berth_grant_dir(&want->place, owner, sizeof(owner));
	berth_ledger_remove_owner(l, owner);
	if (!err && guarded->count) {
		berth_portset_format(guarded, text, n);
		r.ports = text;
		r.owner = owner;
		err = berth_ledger_add(l, &r, why);
	}
	return err ? err : berth_ledger_commit(l, later, why);
}

/* What holds although something was refused, before that. */
static int put_before(const char *what, int err, struct berth_why *why)
{
	struct berth_why cause = *why;

	return berth_why(why, err, "%s: %s", what, cause.text);
}

/* Rules on their way into force. */
struct change {
	const struct want *want;
	struct berth_ledger *ledger;
	struct berth_portset ports; /* denied by the new rules */
	char owner[PATH_MAX + 8];
};

static void unite(struct berth_portset *to, const struct berth_portset *from)
{
	int32_t p;

	for (p = berth_portset_next(from, 0); p >= 0;
	     p = p == 65535 ? -1 : berth_portset_next(from, (uint32_t)p + 1))
		berth_portset_add(to, (uint32_t)p);
}

static int add_owned(const struct berth_reservation *r, void *arg)
{
	static struct berth_portset ports;
	struct change *before = arg;
	struct berth_range_error error;

	if (!strcmp(r->owner, before->owner) && !berth_portset_parse(r->ports, &ports, &error))
		unite(&before->ports, &ports);
	return 0;
}

/*
 * Just before the rules come into force: reserves their ports beside those of the rules before, so that whoever is
 * killed now leaves no denied port to the kernel's choice. Where that fails, it fails afterwards, too, and is told.
 */
static void reserve_both(void *arg)
{
	static struct change both;
	const struct change *change = arg;
	struct berth_why why;
	uint32_t before;

	both = (struct change){ .want = change->want, .ledger = change->ledger };
	berth_grant_dir(&both.want->place, both.owner, sizeof(both.owner));
	berth_ledger_each(both.ledger, add_owned, &both);
	before = both.ports.count;
	unite(&both.ports, &change->ports);
	if (both.ports.count > before)
		reserve(both.want, both.ledger, &both.ports, &why);
}

/* Puts the rules in force. Ledger: NULL where it cannot be had, with the reason in why. */
static int enforce(struct want *want, struct berth_ledger *ledger, struct berth_portset *guarded,
		   uint32_t *out_upgraded, struct berth_why *why)
{
	static struct change change;
	struct berth_why refused;
	int err;

	if (want->options.observe)
		*guarded = (struct berth_portset){ 0 };
	change = (struct change){ .want = want, .ledger = ledger, .ports = *guarded };
	want->options.arg = &change;
	want->options.ready = ledger ? reserve_both : NULL;
	err = berth_grant_load(&want->place, &want->rules, &want->options, out_upgraded, &refused);
	if (err)
		*why = refused;
	if (err)
		return err;
	if (!ledger || reserve(want, ledger, guarded, why))
		return put_before("the rules are in force, but the kernel may choose their ports",
				  -EIO, why);
	return 0;
}

/* What --dry-run would put in force. */
static void print_rules(const struct want *want)
{
	json_t *all;

	if (!want->json) {
		fputs(want->rules.text, stdout);
		return;
	}
	all = json_pack("{s:o}", "rules", rules_json(want->rules.text));
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

static int load(struct want *want, struct berth_why *why)
{
	static struct berth_portset guarded;
	struct berth_ledger *ledger = NULL;
	char netns[NAME_MAX + 1];
	uint32_t upgraded = 0;
	int err = berth_grant_rules_check(&want->rules, &guarded, why);

	if (err)
		return err;
	if (want->dry_run) {
		print_rules(want);
		fprintf(stderr, "berth grant: rules that are good: %u; nothing was changed\n",
			want->rules.count);
		return 0;
	}
	/* Locked first: of two that load at once, the rules of one and the ports of the other would stay. */
	berth_ledger_open(true, &ledger, why);
	err = enforce(want, ledger, &guarded, &upgraded, why);
	berth_ledger_close(ledger);
	if (err)
		return err;
	berth_netns_name("/proc/self/ns/net", netns);
	berth_keepers_name("grant", want->options.every_netns ? NULL : netns, &guarded);
	fprintf(stderr, "berth grant: %u rule%s %s%s\n", want->rules.count,
		want->rules.count == 1 ? "" : "s", want->options.observe ? "observed" : "in force",
		upgraded ? "; those of an older version are removed" : "");
	return want->json ? show(want) : 0;
}

/* Takes the rules out of force and their ports out of the ledger. Returns whether there were any, or -errno. */
static int withdraw(const struct want *want, struct berth_why *why)
{
	static const struct berth_portset none;
	struct berth_ledger *ledger = NULL;
	struct berth_why closed, refused;
	int removed;

	berth_ledger_open(true, &ledger, &closed);
	removed = berth_grant_remove(&want->place, &refused);
	if (removed < 0)
		*why = refused;
	else if (ledger ? (removed || berth_ledger_swept(ledger)) &&
				  reserve(want, ledger, &none, &closed)
			: removed) {
		*why = closed;
		removed = put_before("the rules are out of force, but their ports stay reserved",
				     -EIO, why);
	}
	berth_ledger_close(ledger);
	return removed;
}

static int remove_all(const struct want *want)
{
	struct berth_grant_status s;
	struct berth_why why;
	int removed = 0, status = BERTH_EXIT_OK;

	if (berth_grant_status(&want->place, &s, &why))
		return berth_complain("grant", &why, BERTH_EXIT_FAILURE);
	if (s.newer) {
		berth_why(
			&why, 0,
			"version %u is pinned by a newer berth and left alone; remove it with that one",
			s.newer - 1);
		status = berth_complain("grant", &why, BERTH_EXIT_FINDINGS);
	}
	removed = want->dry_run ? s.pinned || s.older : withdraw(want, &why);
	if (removed < 0)
		status = berth_complain("grant", &why, BERTH_EXIT_FAILURE);
	if (!removed) {
		fputs("no rules in force\n", stderr);
		status = BERTH_EXIT_FINDINGS;
	}
	berth_grant_status_fini(&s);
	return status;
}

static int act(struct want *want, int argc, char **argv)
{
	struct berth_why why;
	int rest, words = berth_opt_words(berth_grant_opts, argc, argv, want, &rest, &why), i;
	int err = words < 0 ? words : 0;
	bool changes = want->given || words > 0;

	if (!err && rest < argc)
		err = berth_why(&why, -EINVAL, "\"%s\": no program is run here", argv[rest]);
	if (!err && changes + want->remove + want->status > 1)
		err = berth_why(&why, -EINVAL,
				"rules, --status and --remove are three things; choose one");
	if (!err && !changes && (want->options.observe || want->options.every_netns))
		err = berth_why(&why, -EINVAL,
				"--%s says how rules are loaded; name them: berth grant --%s FILE",
				want->options.observe ? "observe" : "every-netns",
				want->options.observe ? "observe" : "every-netns");
	for (i = 0; !err && i < words; i++)
		err = read_file(want, argv[i], &why);
	if (!err && want->remove)
		return remove_all(want);
	if (!err && !changes)
		return show(want);
	if (!err)
		err = load(want, &why);
	return err < 0 ? berth_complain("grant", &why, BERTH_EXIT_FAILURE) : err;
}

int berth_grant_main(int argc, char **argv)
{
	struct want want = { 0 };
	struct berth_why why;
	int status;

	if (berth_grant_rules_init(&want.rules, &why))
		return berth_complain("grant", &why, BERTH_EXIT_FAILURE);
	want.rules.note = note;
	status = act(&want, argc, argv);
	berth_grant_rules_fini(&want.rules);
	return status;
}
