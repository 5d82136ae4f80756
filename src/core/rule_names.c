/* SPDX-License-Identifier: BSD-2-Clause */
/* Names, sentences and sources of the rules, out of their table. */
#include "src/core/rules.h"

/* Arrays, not pointers: nothing here is to be relocated. */
static const struct {
	char name[24], text[128], source[64];
} rules[] = {
#define ROW(id, name, text, source) { name, text, source },
	BERTH_RULES(ROW)
#undef ROW
};

const char *berth_rule_name(enum berth_rule rule)
{
	return rules[rule].name;
}

const char *berth_rule_text(enum berth_rule rule)
{
	return rules[rule].text;
}

const char *berth_rule_source(enum berth_rule rule)
{
	return rules[rule].source;
}
