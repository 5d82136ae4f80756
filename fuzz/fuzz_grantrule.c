/* SPDX-License-Identifier: BSD-2-Clause */
/* Any line: refused at a place within it, or a rule whose pieces lie in it; any prefix in it, too. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "src/core/grantrule.h"

static void check_rule(const char *line, size_t len, const struct berth_grantrule *r)
{
	uint32_t i;

	REQUIRE(r->protocols && r->protocols <= (BERTH_GRANTRULE_TCP | BERTH_GRANTRULE_UDP));
	REQUIRE(r->names <= BERTH_GRANTRULE_NAMES && r->prefixes <= BERTH_GRANTRULE_PREFIXES);
	for (i = 0; i < r->names; i++) {
		const struct berth_grantrule_name *n = &r->name[i];

		REQUIRE(n->len && n->kind < BERTH_GRANTRULE_KINDS && (size_t)n->at + n->len <= len);
		REQUIRE(!memchr(line + n->at, ',', n->len) && !memchr(line + n->at, ' ', n->len));
	}
	for (i = 0; i < r->prefixes; i++) {
		REQUIRE(r->prefix[i].len <= 128);
		REQUIRE(berth_prefix_covers(&r->prefix[i], &r->prefix[i]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct berth_portset ports;
	struct berth_grantrule_error error = { SIZE_MAX, NULL };
	struct berth_grantrule rule;
	struct berth_prefix prefix;
	const char *what = NULL;
	char *line = malloc(size + 1);
	size_t at = SIZE_MAX;
	int got;

	REQUIRE(line);
	memcpy(line, data, size);
	line[size] = '\0';
	got = berth_grantrule_parse(line, &rule, &ports, &error);
	if (got < 0)
		REQUIRE(error.at <= strlen(line) && error.what);
	if (got > 0) {
		check_rule(line, strlen(line), &rule);
		REQUIRE(ports.count && !berth_portset_has(&ports, 0));
	}
	if (berth_prefix_parse(line, strlen(line), &prefix, &at, &what))
		REQUIRE(at <= strlen(line) && what);
	else
		REQUIRE(prefix.len <= 128);
	free(line);
	return 0;
}
