/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any file as one of any place: settings and complaints have lines of the file, findings are whole. The first byte says
 * which format, the second which place (0: the format alone).
 */
#include <string.h>

#include "fuzz.h"
#include "src/lint/lint.h"

struct told {
	unsigned lines, settings;
};

static void item(void *arg, const char *path, const char *value, unsigned line)
{
	struct told *t = arg;

	REQUIRE(line >= 1 && line <= t->lines);
	REQUIRE(path && strlen(path) < BERTH_LINT_VALUE_MAX && value);
	t->settings++;
}

static void malformed(void *arg, unsigned line, const char *what)
{
	struct told *t = arg;

	REQUIRE(line >= 1 && line <= t->lines + 1 && *what);
}

static void check_all(const struct berth_lint_place *place, const char *text, size_t size)
{
	struct berth_lint l;
	size_t i;

	berth_lint_init(&l, NULL, NULL);
	berth_lint_add(&l, place, "/etc/file", NULL, text, size);
	berth_lint_collect(&l);
	for (i = 0; i < l.decl_count; i++) {
		REQUIRE(l.decls[i].ports.ports.first <= l.decls[i].ports.ports.last);
		REQUIRE(l.decls[i].ports.ports.first && l.decls[i].ports.protocols);
	}
	REQUIRE(!berth_lint_judge(&l, NULL, NULL));
	for (i = 0; i < l.finding_count; i++)
		REQUIRE(l.findings[i].text && *l.findings[i].text && l.findings[i].spot.file);
	berth_lint_fini(&l);
}

/* The n-th place of a format; NULL where it has none. */
static const struct berth_lint_place *place_of(enum berth_lint_format format, unsigned n)
{
	const struct berth_lint_place *p, *found = NULL;

	if (format == BERTH_LINT_SYSCTL)
		return &berth_lint_sysctl;
	if (format == BERTH_LINT_UNIT)
		return &berth_lint_unit;
	if (format == BERTH_LINT_YAML && n % 4 == 1)
		return &berth_lint_kubernetes;
	if (format == BERTH_LINT_YAML && n % 4 == 2)
		return &berth_lint_compose;
	for (p = berth_lint_places; p->service; p++)
		if (p->format == format && (!found || n-- > 0))
			found = p;
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told told = { 1, 0 };
	struct berth_lint_sink sink = { &told, item, malformed };
	const struct berth_lint_place *place;
	enum berth_lint_format format;
	char *text;
	size_t i;

	if (size < 2)
		return 0;
	format = (enum berth_lint_format)(data[0] % BERTH_LINT_FORMAT_COUNT);
	place = data[1] ? place_of(format, data[1]) : NULL;
	/* Without a NUL behind it, so that the sanitizer sees who reads on. */
	text = malloc(size - 2 ? size - 2 : 1);
	REQUIRE(text);
	memcpy(text, data + 2, size - 2);
	for (i = 2; i < size; i++)
		told.lines += data[i] == '\n';
	berth_lint_parse(format, text, size - 2, &sink);
	if (place)
		check_all(place, text, size - 2);
	free(text);
	return 0;
}
