/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any file as one of a format: settings and complaints have lines of the file, findings are whole. A target for each format: which
 * one is said by the program's name, or by the first folder's: "lint_ini". The first byte says which place (0: the format
 * alone); what the file includes is the file again.
 */
#include <string.h>

#include "fuzz.h"
#include "src/lint/lint.h"
#include "src/lint/ways.h"

#define PARTS 6 /* included files of an input */

static enum berth_lint_format format = BERTH_LINT_FORMAT_COUNT;

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

/* A variable holds its name, with a port behind it. */
static const char *variable(void *arg, const char *name, size_t len)
{
	static char text[64];

	(void)arg;
	REQUIRE(len > 0);
	snprintf(text, sizeof(text), "%.*s 4000", (int)(len < 32 ? len : 32), name);
	return len % 3 ? text : NULL;
}

struct parts {
	const char *text;
	size_t len;
	unsigned left;
};

static int each(void *arg, const char *pattern,
		void (*fn)(void *with, const char *path, const char *text, size_t len), void *with)
{
	struct parts *p = arg;

	/* Below the root, and nowhere else. */
	REQUIRE(*pattern == '/' && !strstr(pattern, "/../") && !strstr(pattern, "//"));
	if (!p->left)
		return strpbrk(pattern, "*?[") ? 0 : -2;
	p->left--;
	if (p->left % 3 == 1)
		return -21;
	fn(with, pattern, p->text, p->len);
	return 1;
}

static void check_all(const struct berth_lint_place *place, const char *text, size_t size,
		      unsigned lines)
{
	static const struct berth_lint_live live = { .has_sysctl = true,
						     .ephemeral = { 1024, 65535 } };
	struct parts parts = { text, size, PARTS };
	struct berth_portset set;
	struct berth_lint l;
	size_t i;

	berth_lint_init(&l, NULL, NULL);
	l.reader = (struct berth_lint_reader){ .each = each,
					       .arg = &parts,
					       .shown = 5,
					       .above = size % 2 ? "/etc" : "",
					       .is_host = true };
	berth_lint_add(&l, place, "/root/etc/file", NULL, text, size);
	berth_lint_collect(&l);
	for (i = 0; i < l.decl_count; i++) {
		REQUIRE(l.decls[i].ports.ports.first <= l.decls[i].ports.ports.last);
		REQUIRE(l.decls[i].ports.ports.first && l.decls[i].ports.protocols);
		REQUIRE(l.decls[i].spot.line <= lines);
	}
	REQUIRE(!berth_lint_judge(&l, size % 3 ? NULL : &live, NULL));
	for (i = 0; i < l.finding_count; i++) {
		REQUIRE(l.findings[i].text && *l.findings[i].text && l.findings[i].spot.file);
		REQUIRE(l.findings[i].spot.line <= lines + 1);
	}
	berth_lint_reservation(&l, &set);
	berth_lint_fini(&l);
}

/* The n-th place of the format; NULL where it has none. */
static const struct berth_lint_place *place_of(unsigned n)
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
		if (p->format == format && (!found || n > 0)) {
			n -= found != NULL;
			found = p;
		}
	return found;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const names[] = {
#define NAME(id, name, parser) #parser,
		BERTH_LINT_FORMATS(NAME)
#undef NAME
	};
	int i;

	for (i = 0; i < *argc && i < 2; i++) {
		const char *slash = strrchr((*argv)[i], '/'),
			   *base = slash ? slash + 1 : (*argv)[i];
		const char *at = strstr(base, "lint_");
		unsigned n;

		for (n = 0; at && n < BERTH_LINT_FORMAT_COUNT; n++)
			if (!strcmp(at + 5, names[n]))
				format = (enum berth_lint_format)n;
	}
	REQUIRE(format < BERTH_LINT_FORMAT_COUNT);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told told = { 1, 0 };
	struct berth_lint_sink sink = { &told, item, malformed, variable };
	const struct berth_lint_place *place;
	char *text;
	size_t i;

	if (!size)
		return 0;
	place = data[0] ? place_of(data[0] - 1u) : NULL;
	/* Without a NUL behind it, so that the sanitizer sees who reads on. */
	text = malloc(size - 1 ? size - 1 : 1);
	REQUIRE(text);
	memcpy(text, data + 1, size - 1);
	for (i = 1; i < size; i++)
		told.lines += data[i] == '\n';
	berth_lint_parse(format, text, size - 1, &sink);
	if (place)
		check_all(place, text, size - 1, told.lines);
	free(text);
	return 0;
}
