/* SPDX-License-Identifier: BSD-2-Clause */
/* berth lint --fix: a drop-in of sysctl.d that reserves what listeners declare. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/auto.h"
#include "src/base/text.h"
#include "src/cli/lint.h"
#include "src/lint/ways.h"

#define DIRECTORY "/etc/sysctl.d"
#define NAME "99-berth.conf"
#define HEAD                                                                                       \
	"# Written by berth lint --fix: ports that configuration files of this host declare.\n"    \
	"net.ipv4.ip_local_reserved_ports = "
/* Fewer ephemeral ports than this are an outage of their own. */
#define EPHEMERAL_MIN 16384u

static uint32_t ephemeral_left(const struct berth_lint *l, const struct berth_portset *set)
{
	uint32_t port, left = 0;

	for (port = l->ephemeral.first; port <= l->ephemeral.last; port++)
		left += !berth_portset_has(set, port);
	return left;
}

/* Lines of a text with a sign in front. */
static void print_lines(char sign, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		putchar(sign);
		berth_text_print_safe(stdout, text, len);
		putchar('\n');
		text += len + (text[len] == '\n');
	}
}

/* True where a file that sets the reservation comes behind ours. */
static bool is_overridden(const struct berth_lint_spot *spot)
{
	const char *base = spot->file ? strrchr(spot->file, '/') : NULL;

	return base && (!strcmp(base + 1, "sysctl.conf") || strcmp(base + 1, NAME) > 0);
}

/* True for a file as it is written here, with nothing added to it. */
static bool is_ours(const char *text)
{
	size_t head = strlen(HEAD);

	return !strncmp(text, HEAD, head) &&
	       strspn(text + head, "0123456789,-\n") == strlen(text + head);
}

/* The file as it is now, in *out_old; NULL: there is none. */
static int read_old(struct berth_tree *t, const char *shown, char **out_old, struct berth_why *why)
{
	const char *text;
	size_t len;
	int err = berth_tree_read(t, DIRECTORY "/" NAME, &text, &len);

	if (err == -ENOENT)
		return 0;
	if (err)
		return berth_why(why, err, "--fix: cannot read %s" DIRECTORY "/" NAME ": %s", shown,
				 strerror(-err));
	if (!is_ours(text))
		return berth_why(why, -EEXIST,
				 "--fix: %s" DIRECTORY "/" NAME
				 " has more than berth lint writes, and that would be lost; "
				 "give it another name: mv %s" DIRECTORY "/" NAME " %s" DIRECTORY
				 "/98-local.conf",
				 shown, shown, shown);
	*out_old = strdup(text);
	return *out_old ? 0 : berth_why(why, -ENOMEM, "no memory");
}

int berth_lint_fix(const struct berth_lint *l, struct berth_tree *t, const char *shown, bool dry,
		   struct berth_why *why)
{
	const size_t size = 256 << 10;
	berth_auto_free char *fresh = malloc(size + 256), *list = malloc(size), *old = NULL;
	struct berth_portset set;
	uint32_t more = berth_lint_reservation(l, &set), left = ephemeral_left(l, &set);
	int err;

	if (!fresh || !list)
		return berth_why(why, -ENOMEM, "no memory");
	if (!more)
		return 1;
	if (is_overridden(&l->reserved_spot))
		return berth_why(
			why, -EEXIST,
			"--fix: %s:%u sets ip_local_reserved_ports and would win; add the ports there",
			l->reserved_spot.file, l->reserved_spot.line);
	if (left < EPHEMERAL_MIN)
		return berth_why(
			why, -ENOSPC,
			"--fix: reserving %u more ports leaves %u ephemeral ones, and programs would run out; "
			"move a range instead",
			more, left);
	berth_portset_format(&set, list, size);
	snprintf(fresh, size + 256, HEAD "%s\n", list);
	err = read_old(t, shown, &old, why);
	if (err)
		return err;
	printf("--- %s%s\n+++ %s%s\n", old ? shown : "", old ? DIRECTORY "/" NAME : "/dev/null",
	       shown, DIRECTORY "/" NAME);
	print_lines('-', old ? old : "");
	print_lines('+', fresh);
	if (dry)
		return 0;
	err = berth_tree_write(t, DIRECTORY, NAME, fresh);
	if (err == -ENOENT)
		return berth_why(why, err, "--fix: there is no %s%s; mkdir -p %s%s", shown,
				 DIRECTORY, shown, DIRECTORY);
	if (err)
		return berth_why(why, err, "--fix: cannot write %s%s: %s", shown,
				 DIRECTORY "/" NAME, strerror(-err));
	fprintf(stderr,
		"berth lint: %u more ports reserved from the next boot on; now: sysctl -p %s%s\n",
		more, shown, DIRECTORY "/" NAME);
	return 0;
}
