/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of places, setting by setting: of each a file is written whose ports lie in the ephemeral range, and it must be
 * found on its line; then one whose ports do not, and nothing may be. A new row is tried without a line here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "place_file.h"
#include "src/lint/lint.h"

/* Of 32768-60999 a range has 100 ports, a single port is one; their twins have none. */
static const struct berth_range inside = { 32700, 32867 }, inside_one = { 33000, 33000 },
				outside = { 62000, 62099 }, outside_one = { 62000, 62000 };
#define SHARED 100u

static unsigned failures; /* all are told, not the first one only */

/* A listener of another program, which a pool of source ports must not hold. */
static const struct berth_lint_key probe_keys[] = { { "port", BERTH_LINT_PORT, BERTH_LINT_BOTH },
						    { NULL } };
static const struct berth_lint_place probe = { "probe",          NULL, NULL,      "/etc/probe",
					       BERTH_LINT_LINES, 0,    probe_keys };

/* ---- reading it back ---- */

static void begin_file(struct file *f, const struct berth_lint_place *place)
{
	unsigned i;

	memset(f, 0, sizeof(*f));
	f->place = place;
	/* The first name that is no glob: a place's own file. */
	for (i = 0; place->files && nth(place->files, i, f->name, sizeof(f->name)); i++)
		if (!strchr(f->name, '*'))
			return;
	if (place->files)
		nth(place->files, 0, f->name, sizeof(f->name));
	else
		strcpy(f->name, "/etc/systemd/system/x.socket");
	fill_stars(f->name);
}

/* Reads the file, and a listener of another program where port is not 0. */
static void judge(struct berth_lint *l, struct file *f, unsigned listener)
{
	char text[32];

	write_file(f);
	berth_lint_init(l, NULL, NULL);
	berth_lint_add(l, f->place, f->name, f->place == &berth_lint_unit ? "x.socket" : NULL,
		       f->text, strlen(f->text));
	if (listener) {
		snprintf(text, sizeof(text), "port %u\n", listener);
		berth_lint_add(l, &probe, "/etc/probe", NULL, text, strlen(text));
	}
	berth_lint_collect(l);
	assert_int_equal(berth_lint_judge(l, NULL, NULL), 0);
}

/* The finding that stands on a line of the file; NULL where there is none. Defaults stand on no line. */
static const struct berth_lint_finding *found_at(const struct berth_lint *l, const struct file *f,
						 enum berth_lint_rule rule, unsigned line)
{
	size_t i;

	for (i = 0; i < l->finding_count; i++)
		if (l->findings[i].rule == rule && l->findings[i].spot.line == line &&
		    !strcmp(l->findings[i].spot.file, f->name))
			return &l->findings[i];
	return NULL;
}

static void fail_with(const struct file *f, const struct berth_lint *l, const char *what)
{
	size_t i;

	for (i = 0; i < l->finding_count; i++)
		print_error("%s:%u: %s\n", l->findings[i].spot.file, l->findings[i].spot.line,
			    l->findings[i].text);
	print_error("%s, %s: %s:\n%s", f->place->service, f->name, what, f->text);
	failures++;
}

/* True where nothing but defaults is found in the file. */
static bool is_silent(const struct berth_lint *l, const struct file *f)
{
	size_t i;

	for (i = 0; i < l->finding_count; i++)
		if (l->findings[i].level != BERTH_LINT_NOTE && l->findings[i].spot.line &&
		    !strcmp(l->findings[i].spot.file, f->name))
			return false;
	return true;
}

/* ---- what is tried ---- */

/* A key that is none, and only the default counts: a blank, which keys do not have but in ini, keeps it from being found. */
static bool is_default_only(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	assert_true(p->format == BERTH_LINT_INI ||
		    !strchr(k->key, ' ') == !(k->flags & BERTH_LINT_FIXED));
	return k->flags & BERTH_LINT_FIXED;
}

static bool is_listener(const struct berth_lint_key *k)
{
	return (k->shape == BERTH_LINT_PORT || is_range(k)) &&
	       !(k->flags & (BERTH_LINT_SOURCE | BERTH_LINT_AVOID));
}

/* Where a setting means two ports, its own and one far from it, neither may lie in the ephemeral range. */
static struct berth_range twin_of(const struct berth_lint_key *k)
{
	if (is_range(k))
		return outside;
	return k->offset < 1000 ? outside_one : (struct berth_range){ 30000, 30000 };
}

static void try_listener(const struct berth_lint_place *p, const struct berth_lint_key *k,
			 unsigned which, unsigned option)
{
	const struct berth_lint_finding *finding;
	struct berth_lint l;
	struct file f;
	char count[32];
	unsigned n;

	begin_file(&f, p);
	write_conditions(&f, k->when, false);
	n = f.count;
	write_ports(&f, k, which, option, is_range(k) ? inside : inside_one);
	judge(&l, &f, 0);
	finding = found_at(&l, &f, BERTH_LINT_RULE_EPHEMERAL, f.at[n].line);
	snprintf(count, sizeof(count), " in %u port", is_range(k) ? SHARED : 1);
	if (!finding || !strstr(finding->text, count))
		fail_with(&f, &l, "the overlap is not found");
	berth_lint_fini(&l);

	begin_file(&f, p);
	write_conditions(&f, k->when, false);
	write_ports(&f, k, which, option, twin_of(k));
	judge(&l, &f, 0);
	if (!is_silent(&l, &f))
		fail_with(&f, &l, "the repaired twin is not silent");
	berth_lint_fini(&l);
}

/* What another setting switches off declares nothing. */
static void try_condition(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	struct berth_lint l;
	struct file f;

	begin_file(&f, p);
	write_conditions(&f, k->when, true);
	write_ports(&f, k, 0, 0, is_range(k) ? inside : inside_one);
	judge(&l, &f, 0);
	if (found_at(&l, &f, BERTH_LINT_RULE_EPHEMERAL, f.at[f.count - 1].line))
		fail_with(&f, &l, "found, though the condition does not hold");
	berth_lint_fini(&l);
}

static void try_source(const struct berth_lint_place *p, const struct berth_lint_key *k,
		       unsigned which, unsigned option)
{
	struct berth_lint l;
	struct file f;

	begin_file(&f, p);
	write_ports(&f, k, which, option, is_range(k) ? inside : inside_one);
	judge(&l, &f, inside_one.first - (is_range(k) ? 200u : 0));
	if (!found_at(&l, &f, BERTH_LINT_RULE_SOURCE, f.at[0].line))
		fail_with(&f, &l, "the listener in the pool is not found");
	berth_lint_fini(&l);

	begin_file(&f, p);
	write_ports(&f, k, which, option, is_range(k) ? outside : outside_one);
	judge(&l, &f, inside_one.first);
	if (!is_silent(&l, &f))
		fail_with(&f, &l, "the repaired twin is not silent");
	berth_lint_fini(&l);
}

/* A range of the place without the ports that are left out of it. */
static void try_left_out(const struct berth_lint_place *p, const struct berth_lint_key *k,
			 unsigned which)
{
	const struct berth_lint_key *range = p->keys;
	struct berth_lint l;
	struct file f;

	while (range->key && (!is_listener(range) || !is_range(range)))
		range++;
	assert_non_null(range->key);
	begin_file(&f, p);
	write_ports(&f, range, 0, 0, inside);
	write_ports(&f, k, which, 0, inside);
	judge(&l, &f, 0);
	if (found_at(&l, &f, BERTH_LINT_RULE_EPHEMERAL, f.at[0].line))
		fail_with(&f, &l, "ports that are left out are found");
	berth_lint_fini(&l);
	begin_file(&f, p);
	write_ports(&f, range, 0, 0, inside);
	write_ports(&f, k, which, 0, outside);
	judge(&l, &f, 0);
	if (!found_at(&l, &f, BERTH_LINT_RULE_EPHEMERAL, f.at[0].line))
		fail_with(&f, &l, "the overlap is not found");
	berth_lint_fini(&l);
}

/* A pool of the place without the ports that are avoided. */
static void try_avoid(const struct berth_lint_place *p, const struct berth_lint_key *k,
		      unsigned which)
{
	const struct berth_range taken = { 32800, 32800 };
	const struct berth_lint_key *pool = p->keys;
	struct berth_lint l;
	struct file f;

	while (pool->key &&
	       (!(pool->flags & BERTH_LINT_SOURCE) || !is_range(pool) || is_default_only(p, pool)))
		pool++;
	if (!pool->key)
		fail_msg("%s: %s: nothing sends from ports", p->service, k->key);
	begin_file(&f, p);
	write_ports(&f, pool, 0, 0, inside);
	write_ports(&f, k, which, 0, taken);
	judge(&l, &f, taken.first);
	if (found_at(&l, &f, BERTH_LINT_RULE_SOURCE, f.at[0].line))
		fail_with(&f, &l, "a port that is avoided is found");
	berth_lint_fini(&l);
	begin_file(&f, p);
	write_ports(&f, pool, 0, 0, inside);
	write_ports(&f, k, which, 0, outside_one);
	judge(&l, &f, taken.first);
	if (!found_at(&l, &f, BERTH_LINT_RULE_SOURCE, f.at[0].line))
		fail_with(&f, &l, "the listener in the pool is not found");
	berth_lint_fini(&l);
}

/* The first setting of the place that another one may go with. */
static const struct berth_lint_key *first_listener(const struct berth_lint_place *p,
						   bool wants_range)
{
	const struct berth_lint_key *k;

	for (k = p->keys; k->key; k++)
		if (is_listener(k) && !(k->flags & BERTH_LINT_SECOND) && !is_default_only(p, k) &&
		    (!wants_range || is_range(k)))
			return k;
	fail_msg("%s: no port that this setting goes with", p->service);
	return NULL;
}

static void try_address(const struct berth_lint_place *p, const struct berth_lint_key *k,
			unsigned which)
{
	const struct berth_lint_key *port = first_listener(p, false);
	struct berth_lint l;
	struct file f;
	size_t i;

	begin_file(&f, p);
	add_setting(&f, k->key, which, "192.0.2.77");
	write_conditions(&f, port->when, false);
	write_ports(&f, port, 0, 0, is_range(port) ? outside : outside_one);
	judge(&l, &f, 0);
	for (i = 0; i < l.decl_count; i++)
		if (l.decls[i].spot.line && l.decls[i].ports.address.kind == BERTH_LINT_V4 &&
		    l.decls[i].ports.address.bytes[3] == 77)
			break;
	if (i == l.decl_count)
		fail_with(&f, &l, "its ports are not at the address");
	berth_lint_fini(&l);
}

static void try_clients(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	const struct berth_lint_key *range = first_listener(p, true);
	unsigned enough = berth_range_len(outside) / (unsigned)(k->offset ? k->offset : 1);
	struct berth_lint l;
	struct file f;
	char number[16];

	begin_file(&f, p);
	snprintf(number, sizeof(number), "%u", enough + 1);
	add_setting(&f, k->key, 0, number);
	write_conditions(&f, range->when, false);
	write_ports(&f, range, 0, 0, outside);
	judge(&l, &f, 0);
	if (!found_at(&l, &f, BERTH_LINT_RULE_CLIENTS, f.at[0].line))
		fail_with(&f, &l, "the range is too small, and that is not found");
	berth_lint_fini(&l);
	begin_file(&f, p);
	snprintf(number, sizeof(number), "%u", enough);
	add_setting(&f, k->key, 0, number);
	write_conditions(&f, range->when, false);
	write_ports(&f, range, 0, 0, outside);
	judge(&l, &f, 0);
	if (!is_silent(&l, &f))
		fail_with(&f, &l, "the range is large enough");
	berth_lint_fini(&l);
}

/* 0 is off, the default, or a port that the kernel picks. */
static void try_zero(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	unsigned declared = 0, line;
	struct berth_lint l;
	struct file f;
	size_t i;

	begin_file(&f, p);
	write_conditions(&f, k->when, false);
	line = f.count;
	write_ports(&f, k, 0, 0, (struct berth_range){ 0, 0 });
	judge(&l, &f, 0);
	for (i = 0; i < l.decl_count; i++)
		if (l.decls[i].key == k && l.decls[i].spot.line == f.at[line].line) {
			assert_true(l.decls[i].ports.floating);
			declared++;
		}
	if (declared != !(k->flags & (BERTH_LINT_ZERO_OFF | BERTH_LINT_ZERO_INITIAL)))
		fail_with(&f, &l, "0 does not mean that");
	berth_lint_fini(&l);
}

/* What holds where the file says nothing. */
static void try_default(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	struct berth_lint l;
	struct file f;
	size_t i;

	begin_file(&f, p);
	write_conditions(&f, k->when, false);
	judge(&l, &f, 0);
	for (i = 0; i < l.decl_count; i++)
		if (l.decls[i].key == k && l.decls[i].implied && !l.decls[i].spot.line)
			break;
	if (i == l.decl_count)
		fail_with(&f, &l, k->initial);
	berth_lint_fini(&l);
}

/* Each of the names that a setting has, and of its option's. */
static void try_names(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	char name[256];
	unsigned which, option;

	for (which = 0; nth(k->key, which, name, sizeof(name)); which++) {
		for (option = 0; nth(k->option ? k->option : "", option, name, sizeof(name));
		     option++) {
			if (k->flags & BERTH_LINT_LEFT_OUT)
				try_left_out(p, k, which);
			else if (k->flags & BERTH_LINT_AVOID)
				try_avoid(p, k, which);
			else if (k->flags & BERTH_LINT_SOURCE)
				try_source(p, k, which, option);
			else
				try_listener(p, k, which, option);
			if (k->shape == BERTH_LINT_PAIR)
				return;
		}
	}
}

/* True where another row has the setting whatever else is set. */
static bool has_other_row(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	const struct berth_lint_key *other;

	for (other = p->keys; other->key; other++)
		if (other != k && !other->when && other->shape == k->shape &&
		    !strcmp(other->key, k->key))
			return true;
	return false;
}

static void try_key(const struct berth_lint_place *p, const struct berth_lint_key *k)
{
	char name[256];
	unsigned which;
	bool has_ports = k->shape == BERTH_LINT_PORT || is_range(k);

	if (k->initial && has_ports && !(k->flags & BERTH_LINT_ZERO_OFF && *k->initial == '0') &&
	    p != &berth_lint_unit)
		try_default(p, k);
	if (is_default_only(p, k)) {
		assert_non_null(k->initial);
		return;
	}
	if (has_ports)
		try_names(p, k);
	if (has_ports && k->when && !has_other_row(p, k))
		try_condition(p, k);
	if (k->shape == BERTH_LINT_PORT && !k->offset && is_listener(k) &&
	    !(k->flags & BERTH_LINT_NUMBER))
		try_zero(p, k);
	if (k->shape == BERTH_LINT_CLIENTS)
		try_clients(p, k);
	for (which = 0; k->shape == BERTH_LINT_ADDRESS && nth(k->key, which, name, sizeof(name));
	     which++)
		try_address(p, k, which);
}

static void try_place(const struct berth_lint_place *p)
{
	const struct berth_lint_key *k;

	for (k = p->keys; k->key; k++)
		try_key(p, k);
}

static void test_rows(void **state)
{
	const struct berth_lint_place *p;

	(void)state;
	failures = 0;
	for (p = berth_lint_places; p->service; p++)
		try_place(p);
	assert_int_equal(failures, 0);
}

static void test_known_by_content(void **state)
{
	(void)state;
	failures = 0;
	try_place(&berth_lint_unit);
	try_place(&berth_lint_kubernetes);
	try_place(&berth_lint_compose);
	assert_int_equal(failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_known_by_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
