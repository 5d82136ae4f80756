/* SPDX-License-Identifier: BSD-2-Clause */
/* berth lint: ports that configuration files declare, against each other and against the kernel's. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "src/base/auto.h"
#include "src/base/near.h"
#include "src/base/text.h"
#include "src/cli/cli.h"
#include "src/cli/lint.h"
#include "src/kernel/file.h"
#include "src/kernel/proctext.h"
#include "src/kernel/sockets.h"

struct view {
	bool json, sarif, live, notes, fix, dry, places;
	const char *root, *explain;
	struct berth_services services;
	char name[64];
};

BERTH_OPT_FLAG(json, struct view, json)
BERTH_OPT_FLAG(sarif, struct view, sarif)
BERTH_OPT_FLAG(live, struct view, live)
BERTH_OPT_FLAG(notes, struct view, notes)
BERTH_OPT_FLAG(fix, struct view, fix)
BERTH_OPT_FLAG(dry, struct view, dry)
BERTH_OPT_FLAG(places, struct view, places)

static int set_root(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct view *)into)->root = value;
	return 0;
}

static int set_explain(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct view *)into)->explain = value;
	return 0;
}

const struct berth_opt berth_lint_opts[] = {
	{ "root", "DIR", "/",
	  "The root directory of a host or of an image; links stay inside of it.", NULL, set_root },
	{ "live", NULL, NULL,
	  "Judges by the ranges that this kernel has, tells where they are not what sysctl.d says, and where a "
	  "program listens outside of the range that its file declares.",
	  NULL, set_live },
	{ "notes", NULL, NULL,
	  "Also shows notes: what is no fault, but good to know. They do not count for the exit status.",
	  NULL, set_notes },
	{ "fix", NULL, NULL,
	  "Reserves the ports that lie in the ephemeral range: shows the difference, then writes "
	  "/etc/sysctl.d/99-berth.conf below the root.",
	  NULL, set_fix },
	{ "dry-run", NULL, NULL, "With --fix: shows the difference only.", NULL, set_dry },
	{ "explain", "RULE", NULL,
	  "Says what a rule is about, and reads nothing; \"all\" for all of them.", NULL,
	  set_explain },
	{ "places", NULL, NULL, "Lists the files that are known, and reads nothing.", NULL,
	  set_places },
	{ "json", NULL, NULL,
	  "JSON Lines, one object a finding: rule, level (error, warning, note), file, line (null for a program's "
	  "default), text, why, ways (a list), suppressed (the reason given in the file, else null). With --explain: rule, "
	  "level, what, why. With --places: service, format, files, package.",
	  NULL, set_json },
	{ "sarif", NULL, NULL, "One object in SARIF 2.1.0, for CI.", NULL, set_sarif },
	{ NULL },
};

/* ---- the registry ---- */

struct wanted {
	uint8_t protocols;
	uint16_t port;
};

static void take_named(const struct berth_service *s, void *arg)
{
	struct wanted *w = arg;
	uint8_t protocol = s->transport == BERTH_TRANSPORT_TCP   ? BERTH_LINT_TCP
			   : s->transport == BERTH_TRANSPORT_UDP ? BERTH_LINT_UDP
								 : 0;

	if (!w->port && (!w->protocols || w->protocols & protocol))
		w->port = s->port;
}

uint16_t berth_lint_port_named(void *services, const char *name, uint8_t protocols)
{
	struct wanted w = { protocols, 0 };

	berth_services_named(services, name, take_named, &w);
	return w.port;
}

static const char *name_of(void *arg, uint16_t port, uint8_t protocols, bool *out_is_local)
{
	struct view *view = arg;
	struct berth_service s;

	if (!(protocols & BERTH_LINT_TCP &&
	      berth_services_get(&view->services, port, BERTH_TRANSPORT_TCP, &s)) &&
	    !(protocols & BERTH_LINT_UDP &&
	      berth_services_get(&view->services, port, BERTH_TRANSPORT_UDP, &s)))
		return NULL;
	*out_is_local = s.source == BERTH_SERVICES_ETC;
	snprintf(view->name, sizeof(view->name), "%s", s.name);
	return view->name;
}

/* ---- the running host ---- */

struct host {
	struct berth_lint_live live;
	struct berth_lint_listener *listeners;
	size_t room;
	struct berth_lint *lint;
};

static void host_fini(struct host *h)
{
	free(h->listeners);
}

static int read_sysctl(struct berth_lint_live *live, struct berth_why *why)
{
	berth_auto_free char *range = NULL, *reserved = NULL;
	struct berth_range_error error;
	int err = berth_file_read("/proc/sys/net/ipv4/ip_local_port_range", &range);

	if (!err)
		err = berth_local_range_parse(range, &live->ephemeral);
	if (!err)
		err = berth_file_read("/proc/sys/net/ipv4/ip_local_reserved_ports", &reserved);
	if (err)
		return berth_why(why, err, "--live: cannot read the kernel's ranges: %s",
				 strerror(-err));
	reserved[strcspn(reserved, "\n")] = 0;
	if (berth_portset_parse(reserved, &live->reserved, &error))
		return berth_why(why, -EINVAL, "--live: ip_local_reserved_ports: %s", error.what);
	live->has_sysctl = true;
	return 0;
}

/* Keeps a listener whose command is one that a file declares ports for. */
static int on_socket(const struct berth_socket *socket, const struct berth_task *task, void *arg)
{
	static const uint8_t loop6[16] = { [15] = 1 };
	struct host *h = arg;
	struct berth_lint_listener *one;
	bool is_udp = socket->protocol == IPPROTO_UDP;

	if (!task || !socket->lport || (is_udp && socket->pport) ||
	    !berth_lint_knows(h->lint, task->comm))
		return 0;
	one = berth_lint_grow(h->lint, (void **)&h->listeners, &h->live.listener_count, &h->room,
			      sizeof(*h->listeners));
	if (!one)
		return -ENOMEM;
	one->command = berth_lint_keep(&h->lint->arena, task->comm,
				       strnlen(task->comm, sizeof(task->comm)));
	one->port = socket->lport;
	one->protocol = is_udp ? BERTH_LINT_UDP : BERTH_LINT_TCP;
	one->loopback = !memcmp(socket->local, loop6, 16) ||
			(socket->family == AF_INET && socket->local[12] == 127);
	return 0;
}

/* After berth_lint_collect(): it keeps the listeners of programs that are declared. */
static int read_host(struct berth_lint *l, struct host *h, struct berth_why *why)
{
	struct berth_sockets_query query = {
		.ask = { .states = 1u << BERTH_STATE_LISTEN | 1u << BERTH_STATE_CLOSE,
			 .protocols = 2,
			 .protocol = { IPPROTO_TCP, IPPROTO_UDP },
			 .brief = 1 },
	};
	int err = read_sysctl(&h->live, why);

	h->lint = l;
	if (!err)
		err = berth_sockets_read(&query, on_socket, h, NULL, why);
	h->live.listeners = h->listeners;
	return err;
}

/* ---- the verb ---- */

static void explain_one(const struct berth_lint_rule_text *r, bool in_json)
{
	if (!in_json) {
		printf("%s (%s): %s\n    %s\n", r->name, berth_lint_level_name(r->level), r->what,
		       r->why);
		return;
	}
	printf("{\"rule\":\"%s\",\"level\":\"%s\",\"what\":", r->name,
	       berth_lint_level_name(r->level));
	berth_text_print_json(stdout, r->what, strlen(r->what));
	fputs(",\"why\":", stdout);
	berth_text_print_json(stdout, r->why, strlen(r->why));
	puts("}");
}

static int explain(const char *name, bool in_json, struct berth_why *why)
{
	struct berth_near near = { 0 };
	bool any = false;
	size_t i;

	for (i = 0; i < BERTH_LINT_RULE_COUNT; i++) {
		const struct berth_lint_rule_text *r = &berth_lint_rules[i];

		if (!strcmp(name, "all") || !strcmp(name, r->name)) {
			explain_one(r, in_json);
			any = true;
		}
		berth_near_consider(name, r->name, strlen(r->name), &near);
	}
	if (any)
		return BERTH_EXIT_OK;
	return berth_why(why, -EINVAL, "--explain: there is no rule \"%s\"; %s%.*s%s", name,
			 near.text ? "did you mean " : "\"all\" shows all of them", (int)near.len,
			 near.text ? near.text : "", near.text ? "?" : "");
}

static void list_places(const struct view *view)
{
	const struct berth_lint_place *p;

	for (p = berth_lint_places; p->service; p++) {
		if (view->json)
			printf("{\"service\":\"%s\",\"format\":\"%s\",\"files\":\"%s\",\"package\":%s%s%s}\n",
			       p->service, berth_lint_format_name(p->format), p->files,
			       p->package ? "\"" : "", p->package ? p->package : "null",
			       p->package ? "\"" : "");
		else
			printf("%-26s %-11s %s\n", p->service, berth_lint_format_name(p->format),
			       p->files);
	}
}

static int summary(const struct view *view, const struct berth_lint *l)
{
	unsigned bad = 0, notes = 0, quiet = 0;
	size_t i;

	for (i = 0; i < l->finding_count; i++) {
		const struct berth_lint_finding *f = &l->findings[i];

		quiet += f->suppressed != NULL;
		notes += !f->suppressed && f->level == BERTH_LINT_NOTE;
		bad += !f->suppressed && f->level != BERTH_LINT_NOTE;
	}
	if (!view->json && !view->sarif)
		fprintf(stderr,
			"berth lint: %u file%s, %zu declarations; %u finding%s, %u note%s%s, %u suppressed\n",
			l->files, l->files == 1 ? "" : "s", l->decl_count, bad, bad == 1 ? "" : "s",
			notes, notes == 1 ? "" : "s", notes && !view->notes ? " (--notes)" : "",
			quiet);
	return bad ? BERTH_EXIT_FINDINGS : BERTH_EXIT_OK;
}

static int check_words(const struct view *view, const char *path, struct berth_why *why)
{
	if (path && view->root)
		return berth_why(why, -EINVAL, "--root: a PATH is named already; only one of them");
	if (view->fix && path)
		return berth_why(why, -EINVAL,
				 "--fix: it writes to a root; use --root DIR instead of a PATH");
	if (view->dry && !view->fix)
		return berth_why(why, -EINVAL, "--dry-run: only --fix changes anything");
	if (view->json && view->sarif)
		return berth_why(why, -EINVAL, "--json, --sarif: only one at a time");
	return 0;
}

/* An image's names are its own; none where it has no list. */
static int take_names(struct view *view, struct berth_tree *t, struct berth_why *why)
{
	const char *text = "";
	size_t len = 0;
	berth_auto_free char *copy = NULL;

	berth_tree_read(t, "/etc/services", &text, &len);
	copy = strndup(text, len);
	if (!copy || berth_services_set_etc(&view->services, copy, strlen(copy)) == -ENOMEM)
		return berth_why(why, -ENOMEM, "no memory");
	return 0;
}

static int read_files(struct view *view, struct berth_lint *l, struct berth_tree *t,
		      const char *path, const char *shown, struct berth_why *why)
{
	int err;

	if (path)
		return berth_lint_read_path(l, path, why);
	err = berth_tree_init(t, view->root ? view->root : "/");
	if (err)
		return berth_why(why, err, "--root: cannot open %s: %s", view->root,
				 strerror(-err));
	err = view->root ? take_names(view, t, why) : 0;
	if (!err)
		berth_lint_read_root(l, t, shown);
	return err;
}

static int lint(struct view *view, const char *path, struct berth_why *why)
{
	struct berth_lint_registry registry = { name_of, view };
	struct berth_tree t = { .fd = -1 };
	struct host host = { 0 };
	struct berth_lint l;
	char shown[4096] = "";
	size_t len;
	int err;

	snprintf(shown, sizeof(shown), "%s", view->root ? view->root : "");
	for (len = strlen(shown); len && shown[len - 1] == '/';)
		shown[--len] = 0;
	berth_services_init(&view->services, NULL, NULL);
	berth_lint_init(&l, berth_lint_port_named, &view->services);
	err = read_files(view, &l, &t, path, shown, why);
	if (!err)
		berth_lint_collect(&l);
	if (!err && view->live)
		err = read_host(&l, &host, why);
	if (!err) {
		err = berth_lint_judge(&l, view->live ? &host.live : NULL, &registry);
		if (err)
			berth_why(why, err, "no memory");
	}
	if (!err && view->fix) {
		err = berth_lint_fix(&l, &t, shown, view->dry, why);
		if (err == 1)
			fputs("berth lint: nothing to reserve\n", stderr);
		err = err < 0 ? err : BERTH_EXIT_OK;
	} else if (!err) {
		(view->sarif  ? berth_lint_print_sarif
		 : view->json ? berth_lint_print_json
			      : berth_lint_print_text)(&l, view->notes);
		err = summary(view, &l);
	}
	host_fini(&host);
	berth_lint_fini(&l);
	berth_services_fini(&view->services);
	berth_tree_fini(&t);
	return err;
}

int berth_lint_main(int argc, char **argv)
{
	struct view view = { 0 };
	struct berth_why why;
	int words = berth_opt_words(berth_lint_opts, argc, argv, &view, NULL, &why);
	int status = words < 0 ? words : 0;
	const char *path = argv[0];

	if (words > 1)
		status = berth_why(&why, -EINVAL, "one PATH at a time");
	if (!status)
		status = check_words(&view, path, &why);
	if (!status && view.explain) {
		status = explain(view.explain, view.json, &why);
	} else if (!status && view.places) {
		list_places(&view);
	} else if (!status) {
		status = lint(&view, path, &why);
	}
	if (status < 0)
		return berth_complain("lint", &why, BERTH_EXIT_FAILURE);
	return status;
}
