/* SPDX-License-Identifier: BSD-2-Clause */
/* berth services: what a port means, URL schemes, and the habits of operating systems. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "src/base/auto.h"
#include "src/base/text.h"
#include "src/cli/cli.h"
#include "src/kernel/file.h"
#include "src/kernel/proctext.h"
#include "src/registry/import.h"
#include "src/registry/schemes.h"
#include "src/registry/services.h"
#include "src/registry/systems.h"

struct view {
	bool json, schemes, systems, dry_run;
	int transport; /* -1: all */
	const char *import;
	bool knows_ephemeral;
	struct berth_range ephemeral; /* of this network namespace */
	unsigned rows, scheme_rows;
	struct berth_services services;
};

BERTH_OPT_FLAG(json, struct view, json)
BERTH_OPT_FLAG(schemes, struct view, schemes)
BERTH_OPT_FLAG(systems, struct view, systems)
BERTH_OPT_FLAG(dry_run, struct view, dry_run)

static int set_protocol(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct view *)into)->transport = berth_transport_find(value, strlen(value));
	return 0;
}

static int set_import(void *into, const char *value, struct berth_why *why)
{
	(void)why;
	((struct view *)into)->import = value;
	return 0;
}

const struct berth_opt berth_services_opts[] = {
	{ "protocol", "NAME", NULL, "Only services of this transport protocol.",
	  "tcp|udp|sctp|dccp|udplite", set_protocol },
	{ "schemes", NULL, NULL,
	  "Default ports of URL schemes instead, with who says so; operands are schemes.", NULL,
	  set_schemes },
	{ "systems", NULL, NULL,
	  "Instead, from which ports operating systems and network stacks choose on their own, and how; operands "
	  "are beginnings of their names.",
	  NULL, set_systems },
	{ "import", "FILE", NULL,
	  "Stores a newer registry: IANA's service-names-port-numbers.csv. It is checked as a whole first; "
	  "what is refused changes nothing. Root's is /var/lib/berth/services.csv and the host's, another "
	  "user's $XDG_DATA_HOME/berth/services.csv; removing the file undoes it.",
	  NULL, set_import },
	{ "dry-run", NULL, NULL, "With --import: checks the file and says where it would go.", NULL,
	  set_dry_run },
	{ "json", NULL, NULL,
	  "JSON Lines, one object a row: port, protocol, name, aliases, description, class (system, user, dynamic), "
	  "ephemeral (true in this host's ephemeral range, null where that is unknown), source (iana, import, "
	  "/etc/services), line (there). --schemes: scheme, port, protocols, source. --systems: name, first, "
	  "last, choice, source.",
	  NULL, set_json },
	{ NULL },
};

/* ---- rows ---- */

static const char *const source_name[] = { "iana", "import", "/etc/services" };

static void print_json(const char *key, const char *text)
{
	printf("\"%s\":", key);
	berth_text_print_json(stdout, text, strlen(text));
}

/* Prints text that a file chose, then spaces up to the width, one at least. */
static void print_column(const char *text, size_t width)
{
	size_t shown = berth_text_print_safe(stdout, text, strlen(text));

	printf("%*s", shown < width ? (int)(width - shown) : 1, "");
}

static bool is_ephemeral(const struct view *view, uint16_t port)
{
	return view->knows_ephemeral && port >= view->ephemeral.first &&
	       port <= view->ephemeral.last;
}

static void service_json(const struct view *view, const struct berth_service *s)
{
	unsigned i;

	printf("{\"port\":%u,\"protocol\":\"%s\",", s->port, berth_transport_name(s->transport));
	print_json("name", s->name);
	fputs(",\"aliases\":[", stdout);
	for (i = 0; i < s->aliases; i++) {
		fputs(i ? "," : "", stdout);
		berth_text_print_json(stdout, s->alias[i], strlen(s->alias[i]));
	}
	fputs("],", stdout);
	print_json("description", s->description);
	printf(",\"class\":\"%s\",\"ephemeral\":%s,\"source\":\"%s\",\"line\":",
	       berth_port_class(s->port),
	       !view->knows_ephemeral        ? "null"
	       : is_ephemeral(view, s->port) ? "true"
					     : "false",
	       source_name[s->source]);
	if (s->line)
		printf("%u}\n", s->line);
	else
		puts("null}");
}

static void service_text(const struct view *view, const struct berth_service *s)
{
	char class[32];
	unsigned i;

	if (!view->rows)
		printf("%5s %-8s %-14s %-13s %-16s %s\n", "PORT", "PROTOCOL", "CLASS", "SOURCE",
		       "NAME", "DESCRIPTION (ALIASES)");
	snprintf(class, sizeof(class), "%s%s", berth_port_class(s->port),
		 is_ephemeral(view, s->port) ? ",ephemeral" : "");
	printf("%5u %-8s %-14s %-13s ", s->port, berth_transport_name(s->transport), class,
	       source_name[s->source]);
	print_column(s->name, 17);
	berth_text_print_safe(stdout, s->description, strlen(s->description));
	for (i = 0; i < s->aliases; i++) {
		fputs(i ? ", " : *s->description ? " (" : "(", stdout);
		berth_text_print_safe(stdout, s->alias[i], strlen(s->alias[i]));
	}
	puts(s->aliases ? ")" : "");
}

static void show_service(const struct berth_service *s, void *arg)
{
	struct view *view = arg;

	if (view->transport >= 0 && s->transport != (enum berth_transport)view->transport)
		return;
	if (view->json)
		service_json(view, s);
	else
		service_text(view, s);
	view->rows++;
}

/* ---- operands ---- */

/* Says that an operand was not found; text is the person's own and may still be hostile: a script's. */
static void not_found(const char *operand, const char *what, const char *near)
{
	char safe[256], near_safe[128];

	berth_text_safe(operand, strlen(operand), safe, sizeof(safe));
	berth_text_safe(near ? near : "", near ? strlen(near) : 0, near_safe, sizeof(near_safe));
	fprintf(stderr, "berth services: %s: %s%s%s%s\n", safe, what, near ? "; did you mean " : "",
		near_safe, near ? "?" : "");
}

/* From service to service; where one is not of the set, over to the set's next port. */
static void show_set(struct view *view, const struct berth_portset *set)
{
	struct berth_service s;
	unsigned transport = 0;
	int32_t port = 0;

	while (port >= 0 && berth_services_next(&view->services, (uint32_t)port, transport, &s)) {
		if (berth_portset_has(set, s.port)) {
			show_service(&s, view);
			port = s.port;
			transport = s.transport + 1u;
		} else {
			port = berth_portset_next(set, s.port);
			transport = 0;
		}
	}
}

static void show_scheme(struct view *view, const struct berth_scheme *scheme)
{
	const char *quote = view->json ? "\"" : "";
	char protocols[64] = "";
	int t, n = 0;

	if (view->transport >= 0 && !(scheme->transports >> view->transport & 1))
		return;
	for (t = 0; t < BERTH_TRANSPORT_COUNT; t++)
		if (scheme->transports >> t & 1)
			n += snprintf(protocols + n, sizeof(protocols) - (size_t)n, "%s%s%s%s",
				      n ? "," : "", quote,
				      berth_transport_name((enum berth_transport)t), quote);
	if (!view->json && !view->scheme_rows)
		printf("%-13s %5s %-12s %s\n", "SCHEME", "PORT", "PROTOCOL", "SOURCE");
	if (view->json)
		printf("{\"scheme\":\"%s\",\"port\":%u,\"protocols\":[%s],\"source\":\"%s\"}\n",
		       scheme->name, scheme->port, protocols, scheme->source);
	else
		printf("%-13s %5u %-12s %s\n", scheme->name, scheme->port, protocols,
		       scheme->source);
	view->scheme_rows++;
}

/* A scheme by its name, which may have ":" and more behind it. Returns 0, or 1 where it is not known. */
static int show_scheme_named(struct view *view, const char *name)
{
	size_t len = strcspn(name, ":");
	const struct berth_scheme *scheme = berth_scheme_find(name, len);
	berth_auto_free char *alone = strndup(name, len);
	unsigned before = view->scheme_rows;

	if (scheme)
		show_scheme(view, scheme);
	if (view->scheme_rows == before)
		not_found(alone ? alone : "", "no default port is known of this scheme",
			  scheme || !alone ? NULL : berth_scheme_near(alone));
	return view->scheme_rows == before;
}

/* One operand: a port or a set of ports, "SCHEME:", or a name. Returns 0 where it was shown, 1 where nothing was. */
static int show_operand(struct view *view, const char *operand, struct berth_why *why)
{
	unsigned before = view->rows;
	struct berth_range_error error;
	struct berth_portset set;

	if (!operand[strspn(operand, "0123456789-,! ")]) {
		if (berth_portset_parse(operand, &set, &error))
			return berth_why(why, -EINVAL, "\"%s\": %s at character %zu", operand,
					 error.what, error.at + 1);
		show_set(view, &set);
		if (view->rows == before)
			not_found(operand, "no service has a port of these", NULL);
	} else if (strchr(operand, ':')) {
		return show_scheme_named(view, operand);
	} else if (berth_services_named(&view->services, operand, show_service, view) < 0) {
		return berth_why(why, -ENOMEM, "no memory");
	} else if (view->rows == before) {
		not_found(operand, "no service has this name",
			  berth_services_near(&view->services, operand));
	}
	return view->rows == before;
}

static int show_services(struct view *view, char **operands, struct berth_why *why)
{
	struct berth_portset all = { 0 };
	int missing = 0, one;

	if (!*operands) {
		berth_portset_add_range(&all, (struct berth_range){ 1, 65535 });
		show_set(view, &all);
	}
	for (; *operands; operands++) {
		one = show_operand(view, *operands, why);
		if (one < 0)
			return one;
		missing |= one;
	}
	return missing;
}

static int show_schemes_of(struct view *view, char **operands)
{
	const struct berth_scheme *scheme;
	int missing = 0;

	for (scheme = berth_schemes; !*operands && scheme->name; scheme++)
		show_scheme(view, scheme);
	for (; *operands; operands++)
		missing |= show_scheme_named(view, *operands);
	return missing;
}

static void show_system(const struct view *view, const struct berth_system *s, bool first)
{
	if (view->json) {
		printf("{");
		print_json("name", s->name);
		printf(",\"first\":%u,\"last\":%u,", s->range.first, s->range.last);
		print_json("choice", s->choice);
		printf(",");
		print_json("source", s->source);
		puts("}");
		return;
	}
	if (first)
		printf("%-14s %-11s %6s  %s\n", "SYSTEM", "RANGE", "PORTS", "CHOICE [SOURCE]");
	printf("%-14s %5u-%-5u %6u  %s [%s]\n", s->name, s->range.first, s->range.last,
	       berth_range_len(s->range), s->choice, s->source);
}

/* All systems, or those whose name begins with an operand, case ignored. */
static int show_systems_of(const struct view *view, char **operands)
{
	const struct berth_system *s;
	bool first = true;
	int missing = 0;

	do {
		const char *wanted = *operands ? *operands : "";
		bool any = false;

		for (s = berth_systems; s->name; s++) {
			if (strncasecmp(s->name, wanted, strlen(wanted)) != 0)
				continue;
			show_system(view, s, first);
			any = true;
			first = false;
		}
		if (!any) {
			not_found(wanted, "no such system; --systems alone shows all", NULL);
			missing = 1;
		}
	} while (*operands && *++operands);
	return missing;
}

/* ---- the verb ---- */

static int import_registry(const struct view *view, struct berth_why *why)
{
	char path[BERTH_SERVICES_PATH_MAX];
	int rows = berth_services_import(view->import, view->dry_run, path, sizeof(path), why);

	if (rows < 0)
		return rows;
	if (view->json) {
		printf("{\"rows\":%d,\"stored\":%s,", rows, view->dry_run ? "false" : "true");
		print_json("path", path);
		puts("}");
		return 0;
	}
	fprintf(stderr, "%d services %s ", rows, view->dry_run ? "would go to" : "stored in");
	berth_text_print_safe(stderr, path, strlen(path));
	fputc('\n', stderr);
	return 0;
}

static void read_ephemeral(struct view *view)
{
	berth_auto_free char *text = NULL;

	view->knows_ephemeral = !berth_file_read("/proc/sys/net/ipv4/ip_local_port_range", &text) &&
				!berth_local_range_parse(text, &view->ephemeral);
}

/* A line of a file that was passed over; the rest of the file counts. */
static void complain_line(void *arg, const char *file, unsigned line, const char *what)
{
	(void)arg;
	fputs("berth services: ", stderr);
	berth_text_print_safe(stderr, file, strlen(file));
	if (line)
		fprintf(stderr, ":%u", line);
	fprintf(stderr, ": %s; passed over\n", what);
}

static int check_words(const struct view *view, bool has_operands, struct berth_why *why)
{
	if ((view->schemes ? 1 : 0) + (view->systems ? 1 : 0) + (view->import ? 1 : 0) > 1)
		return berth_why(why, -EINVAL,
				 "--schemes, --systems, --import: only one at a time");
	if (view->import && has_operands)
		return berth_why(why, -EINVAL, "--import takes no operand besides its file");
	if (view->dry_run && !view->import)
		return berth_why(why, -EINVAL, "--dry-run: only --import changes anything");
	if (view->systems && view->transport >= 0)
		return berth_why(why, -EINVAL, "--protocol: systems choose alike for all of them");
	return 0;
}

int berth_services_main(int argc, char **argv)
{
	struct view view = { .transport = -1 };
	struct berth_why why;
	int words = berth_opt_words(berth_services_opts, argc, argv, &view, NULL, &why);
	int status = words < 0 ? words : check_words(&view, *argv, &why);

	if (status)
		return berth_complain("services", &why, BERTH_EXIT_FAILURE);
	if (view.import) {
		status = import_registry(&view, &why);
	} else if (view.systems) {
		status = show_systems_of(&view, argv);
	} else if (view.schemes) {
		status = show_schemes_of(&view, argv);
	} else {
		read_ephemeral(&view);
		berth_services_init(&view.services, complain_line, NULL);
		status = show_services(&view, argv, &why);
		berth_services_fini(&view.services);
	}
	if (status < 0)
		return berth_complain("services", &why, BERTH_EXIT_FAILURE);
	return status ? BERTH_EXIT_FINDINGS : BERTH_EXIT_OK;
}
