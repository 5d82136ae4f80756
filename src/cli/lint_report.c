/* SPDX-License-Identifier: BSD-2-Clause */
/* berth lint: findings as text, JSON Lines and SARIF. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "src/base/text.h"
#include "src/cli/lint.h"

static void safe(const char *text)
{
	berth_text_print_safe(stdout, text, strlen(text));
}

static void json(const char *text)
{
	berth_text_print_json(stdout, text, strlen(text));
}

static bool is_shown(const struct berth_lint_finding *f, bool notes)
{
	return notes || f->level > BERTH_LINT_NOTE;
}

/* told: the rules whose reason was given already. */
static void print_one(const struct berth_lint_finding *f, bool *told)
{
	int i;

	safe(f->spot.file);
	if (f->spot.line)
		printf(":%u", f->spot.line);
	printf(": %s: ", berth_lint_level_name(f->level));
	safe(f->text);
	printf(" [%s]\n", berth_lint_rules[f->rule].name);
	if (!told[f->rule])
		printf("    why: %s\n", berth_lint_rules[f->rule].why);
	told[f->rule] = true;
	for (i = 0; i < BERTH_LINT_WAYS && f->way[i]; i++) {
		fputs("    way: ", stdout);
		safe(f->way[i]);
		putchar('\n');
	}
}

void berth_lint_print_text(const struct berth_lint *l, bool notes)
{
	bool told[BERTH_LINT_RULE_COUNT] = { false };
	size_t i;

	for (i = 0; i < l->finding_count; i++)
		if (is_shown(&l->findings[i], notes) && !l->findings[i].suppressed)
			print_one(&l->findings[i], told);
}

static void print_line(unsigned line)
{
	if (line)
		printf("%u", line);
	else
		fputs("null", stdout);
}

void berth_lint_print_json(const struct berth_lint *l, bool notes)
{
	size_t i;
	int w;

	for (i = 0; i < l->finding_count; i++) {
		const struct berth_lint_finding *f = &l->findings[i];

		if (!is_shown(f, notes))
			continue;
		printf("{\"rule\":\"%s\",\"level\":\"%s\",\"file\":",
		       berth_lint_rules[f->rule].name, berth_lint_level_name(f->level));
		json(f->spot.file);
		fputs(",\"line\":", stdout);
		print_line(f->spot.line);
		fputs(",\"text\":", stdout);
		json(f->text);
		fputs(",\"why\":", stdout);
		json(berth_lint_rules[f->rule].why);
		fputs(",\"ways\":[", stdout);
		for (w = 0; w < BERTH_LINT_WAYS && f->way[w]; w++) {
			fputs(w ? "," : "", stdout);
			json(f->way[w]);
		}
		fputs("],\"suppressed\":", stdout);
		if (f->suppressed)
			json(f->suppressed);
		else
			fputs("null", stdout);
		puts("}");
	}
}

/* A path as a URI reference (RFC 3986). */
static void print_uri(const char *path)
{
	putchar('"');
	for (; *path; path++) {
		if (isalnum((unsigned char)*path) || strchr("/-._~", *path))
			putchar(*path);
		else
			printf("%%%02X", (unsigned char)*path);
	}
	putchar('"');
}

static void print_rules(void)
{
	unsigned i;

	for (i = 0; i < BERTH_LINT_RULE_COUNT; i++) {
		printf("%s{\"id\":\"%s\",\"shortDescription\":{\"text\":", i ? "," : "",
		       berth_lint_rules[i].name);
		json(berth_lint_rules[i].what);
		fputs("},\"fullDescription\":{\"text\":", stdout);
		json(berth_lint_rules[i].why);
		printf("},\"defaultConfiguration\":{\"level\":\"%s\"}}",
		       berth_lint_level_name(berth_lint_rules[i].level));
	}
}

/* What a viewer shows: the finding and, below it, its ways out. */
static void print_message(const struct berth_lint_finding *f)
{
	char text[8192];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s", f->text);
	int w;

	for (w = 0; w < BERTH_LINT_WAYS && f->way[w] && len < sizeof(text); w++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "\nway: %s", f->way[w]);
	json(text);
}

/* Either each result has suppressions or none has (SARIF 2.1.0, 3.27.23). */
static void print_result(const struct berth_lint_finding *f)
{
	int w;

	printf("{\"ruleId\":\"%s\",\"ruleIndex\":%u,\"level\":\"%s\",\"message\":{\"text\":",
	       berth_lint_rules[f->rule].name, f->rule, berth_lint_level_name(f->level));
	print_message(f);
	fputs("},\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":", stdout);
	print_uri(f->spot.file);
	printf("},\"region\":{\"startLine\":%u}}}]", f->spot.line ? f->spot.line : 1);
	fputs(",\"properties\":{\"ways\":[", stdout);
	for (w = 0; w < BERTH_LINT_WAYS && f->way[w]; w++) {
		fputs(w ? "," : "", stdout);
		json(f->way[w]);
	}
	fputs("]},\"suppressions\":[", stdout);
	if (f->suppressed) {
		fputs("{\"kind\":\"inSource\",\"justification\":", stdout);
		json(f->suppressed);
		putchar('}');
	}
	fputs("]}", stdout);
}

void berth_lint_print_sarif(const struct berth_lint *l, bool notes)
{
	bool first = true;
	size_t i;

	fputs("{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\"tool\":"
	      "{\"driver\":{\"name\":\"berth lint\",\"version\":\"" BERTH_VERSION "\",\"rules\":[",
	      stdout);
	print_rules();
	fputs("]}},\"results\":[", stdout);
	for (i = 0; i < l->finding_count; i++) {
		if (!is_shown(&l->findings[i], notes))
			continue;
		fputs(first ? "" : ",", stdout);
		print_result(&l->findings[i]);
		first = false;
	}
	puts("]}]}");
}
