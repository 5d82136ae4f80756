/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the text of grant rules and finds who is named in them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "src/base/auto.h"
#include "src/kernel/grant.h"
#include "src/kernel/grantset.h"
#include "src/kernel/subject.h"

/* Where a line stands, for sentences. */
struct line {
	const char *file;
	unsigned number;
	const char *text;
};

int berth_grant_rules_init(struct berth_grant_rules *r, struct berth_why *why)
{
	*r = (struct berth_grant_rules){ 0 };
	if (getrandom(r->key, sizeof(r->key), 0) != sizeof(r->key))
		return berth_why(why, -errno, "getrandom: %s", strerror(errno));
	r->set = berth_grantset_new();
	r->text = calloc(1, 1);
	return r->set && r->text ? 0 : berth_why(why, -ENOMEM, "no memory for the rules");
}

void berth_grant_rules_fini(struct berth_grant_rules *r)
{
	berth_grantset_free(r->set);
	free(r->text);
	*r = (struct berth_grant_rules){ 0 };
}

/* Adds a line to the text of the rules, after a mark. */
static int keep_text(struct berth_grant_rules *r, const char *mark, const char *line)
{
	size_t n = strlen(mark) + strlen(line) + 1;
	char *more = realloc(r->text, r->text_len + n + 1);

	if (!more)
		return -ENOMEM;
	r->text = more;
	snprintf(more + r->text_len, n + 1, "%s%s\n", mark, line);
	r->text_len += n;
	return 0;
}

static int unknown(const struct line *at, const struct berth_grantrule_name *n, const char *name,
		   int err, struct berth_why *why)
{
	const char *kind = berth_subject_kind(n->kind);

	if (err == -ENOENT)
		return berth_why(
			why, err,
			"%s:%u:%u: there is no %s \"%s\" on this host; make it, or say with "
			"fail=open or fail=closed what holds without it",
			at->file, at->number, n->at + 1u, kind, name);
	if (err == -ENOTSUP)
		return berth_why(
			why, err,
			"%s:%u:%u: the root of cgroup v2 is not to be seen from inside a cgroup "
			"namespace; load the rules outside of the container",
			at->file, at->number, n->at + 1u);
	return berth_why(
		why, err,
		"%s:%u:%u: \"%s\" cannot be a %s (%s); at most 16 levels of 255 characters, without . and ..",
		at->file, at->number, n->at + 1u, name, kind, strerror(-err));
}

/* Says that a rule does not hold as written. */
static void tell(const struct berth_grant_rules *r, const struct line *at,
		 const struct berth_grantrule *rule, const char *kind, const char *name)
{
	const char *outcome = rule->fail == BERTH_GRANTRULE_FAIL_OPEN
				      ? "fails open: it is left out"
				      : "fails closed: nobody has that right";
	char sentence[512];

	snprintf(sentence, sizeof(sentence), "%.200s:%u: no %s \"%.200s\": the rule %s", at->file,
		 at->number, kind, name, outcome);
	if (r->note)
		r->note(r->arg, sentence);
}

/* Finds everybody whom the rule names, without those who are not there; *out_skip: the rule is to be left out. */
static int find_names(struct berth_grant_rules *r, const struct line *at,
		      const struct berth_grantrule *rule, struct berth_grant_id *ids,
		      uint32_t *out_count, bool *out_skip, struct berth_why *why)
{
	uint32_t i, n = 0;

	for (i = 0; i < rule->names; i++) {
		const struct berth_grantrule_name *name = &rule->name[i];
		char text[BERTH_GRANTRULE_LINE_MAX];
		int err;

		snprintf(text, sizeof(text), "%.*s", name->len, at->text + name->at);
		err = berth_subject_find(name->kind, text, r->key, &ids[n]);
		if (err == -ENOENT && rule->fail) {
			tell(r, at, rule, berth_subject_kind(name->kind), text);
			*out_skip = *out_skip || rule->fail == BERTH_GRANTRULE_FAIL_OPEN;
			continue;
		}
		if (err)
			return unknown(at, name, text, err, why);
		n++;
	}
	*out_count = n;
	return 0;
}

static int add_line(struct berth_grant_rules *r, const struct line *at, struct berth_why *why)
{
	struct berth_grant_id ids[BERTH_GRANTRULE_NAMES];
	static struct berth_portset ports;
	struct berth_grantrule_error error;
	struct berth_grantrule rule;
	uint32_t count = 0;
	bool skip = false;
	int err = berth_grantrule_parse(at->text, &rule, &ports, &error);

	if (err < 0)
		return berth_why(why, err, "%s:%u:%zu: %s, at \"%.24s\"; see \"berth help grant\"",
				 at->file, at->number, error.at + 1, error.what,
				 at->text + error.at);
	if (!err)
		return 0;
	err = find_names(r, at, &rule, ids, &count, &skip, why);
	if (err)
		return err;
	if (!skip)
		err = berth_grantset_add(r->set, &rule, &ports, ids, count, rule.names && !count);
	if (!err)
		err = keep_text(r, skip ? "# left out by fail=open: " : "", at->text);
	if (err)
		return berth_why(why, err, "no memory for the rules");
	r->count += !skip;
	return 0;
}

int berth_grant_rules_add(struct berth_grant_rules *r, const char *name, const char *text,
			  struct berth_why *why)
{
	berth_auto_free char *copy = strdup(text);
	char *rest = copy, *one;
	struct line at = { name, 0, NULL };
	int err = copy ? 0 : berth_why(why, -ENOMEM, "no memory for the rules");

	while (!err && (one = strsep(&rest, "\n"))) {
		at.number++;
		at.text = one;
		err = add_line(r, &at, why);
	}
	return err;
}

int berth_grant_rules_check(const struct berth_grant_rules *r, struct berth_portset *out_guarded,
			    struct berth_why *why)
{
	struct berth_grant_tables t = { 0 };
	int err = berth_grantset_compile(r->set, &t, why);

	if (err)
		return err;
	*out_guarded = t.guarded;
	berth_grant_tables_fini(&t);
	return 0;
}
