/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of a grant rule: who may bind which port.
 *
 *   allow [SUBJECT] PROTOCOLS PORTS [on PREFIX[,...]] [trusted] [fail=open|closed]
 *   deny PROTOCOLS PORTS [on PREFIX[,...]] [owner=KIND:NAME[,...]] [fail=open|closed]
 *
 * SUBJECT is user=, group=, cgroup= or unit= with names separated by commas; none: everybody. PROTOCOLS is
 * tcp, udp or both with a comma. PORTS is the form of berth_portset_parse() without spaces. "#" begins a
 * comment. Ports 512 to 1023 are allowed with the word "trusted" only: who may bind them can pose as the host.
 */
#ifndef BERTH_CORE_RULE_H
#define BERTH_CORE_RULE_H

#include "prefix.h"
#include "range.h"

#define BERTH_RULE_LINE_MAX 4096u
#define BERTH_RULE_NAMES 16u
#define BERTH_RULE_PREFIXES 16u
#define BERTH_RULE_TRUSTED_FIRST 512u
#define BERTH_RULE_TRUSTED_LAST 1023u

enum berth_rule_verb { BERTH_RULE_ALLOW, BERTH_RULE_DENY };

/* What a subject or an owner is; one row each: enumerator, word. */
#define BERTH_RULE_KIND_ROWS(X)                                                                    \
	X(USER, "user") X(GROUP, "group") X(CGROUP, "cgroup") X(UNIT, "unit")
#define BERTH_RULE_KIND_ENUM(id, word) BERTH_RULE_##id,
enum berth_rule_kind { BERTH_RULE_KIND_ROWS(BERTH_RULE_KIND_ENUM) BERTH_RULE_KINDS };
#undef BERTH_RULE_KIND_ENUM

enum berth_rule_protocol { BERTH_RULE_TCP = 1, BERTH_RULE_UDP = 2 };

/* What holds where a rule cannot be applied: a name that nobody has, a process that cannot be told. */
enum berth_rule_fail { BERTH_RULE_FAIL_UNSAID, BERTH_RULE_FAIL_OPEN, BERTH_RULE_FAIL_CLOSED };

/* A piece of the line. */
struct berth_rule_name {
	uint8_t kind; /* enum berth_rule_kind */
	uint16_t at, len;
};

struct berth_rule {
	enum berth_rule_verb verb;
	uint32_t protocols; /* enum berth_rule_protocol, or-ed */
	bool trusted;
	enum berth_rule_fail fail;
	uint32_t names; /* subjects of allow, owners of deny; 0: everybody, nobody */
	struct berth_rule_name name[BERTH_RULE_NAMES];
	uint32_t prefixes; /* 0: every address */
	struct berth_prefix prefix[BERTH_RULE_PREFIXES];
};

/* What is wrong with a line, and where. */
struct berth_rule_error {
	size_t at;        /* index of the character, at most the line's length */
	const char *what; /* constant text */
};

/*
 * Reads one line, without its newline. Returns 1 with rule and ports set; 0 where there is only space or a
 * comment; -EINVAL with out_error set, the others are then undefined.
 */
int berth_rule_parse(const char *line, struct berth_rule *out_rule, struct berth_portset *out_ports,
		     struct berth_rule_error *out_error);

#endif
