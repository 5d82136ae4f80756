/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of a grant rule: who may bind which port.
 *
 *   allow [SUBJECT] PROTOCOLS PORTS [on PREFIX[,...]] [trusted] [fail=closed]
 *   deny PROTOCOLS PORTS [on PREFIX[,...]] [owner=KIND:NAME[,...]] [fail=open|closed]
 *
 * SUBJECT is user=, group=, cgroup= or unit= with names separated by commas; none: everybody. PROTOCOLS is
 * tcp, udp or both with a comma. PORTS is the form of berth_portset_parse() without spaces. "#" begins a
 * comment. Ports 512 to 1023 are allowed with the word "trusted" only: who may bind them can pose as the host.
 */
#ifndef BERTH_CORE_GRANTRULE_H
#define BERTH_CORE_GRANTRULE_H

#include "prefix.h"
#include "range.h"

#define BERTH_GRANTRULE_LINE_MAX 4096u
#define BERTH_GRANTRULE_NAMES 16u
#define BERTH_GRANTRULE_PREFIXES 16u
#define BERTH_GRANTRULE_TRUSTED_FIRST 512u
#define BERTH_GRANTRULE_TRUSTED_LAST 1023u

enum berth_grantrule_verb { BERTH_GRANTRULE_ALLOW, BERTH_GRANTRULE_DENY };

/* What a subject or an owner is; one row each: enumerator, word. */
#define BERTH_GRANTRULE_KIND_ROWS(X)                                                               \
	X(USER, "user") X(GROUP, "group") X(CGROUP, "cgroup") X(UNIT, "unit")
#define BERTH_GRANTRULE_KIND_ENUM(id, word) BERTH_GRANTRULE_##id,
enum berth_grantrule_kind {
	BERTH_GRANTRULE_KIND_ROWS(BERTH_GRANTRULE_KIND_ENUM) BERTH_GRANTRULE_KINDS
};
#undef BERTH_GRANTRULE_KIND_ENUM

enum berth_grantrule_protocol { BERTH_GRANTRULE_TCP = 1, BERTH_GRANTRULE_UDP = 2 };

/* What holds where a rule cannot be applied: a name that nobody has, a process that cannot be told. */
enum berth_grantrule_fail {
	BERTH_GRANTRULE_FAIL_UNSAID,
	BERTH_GRANTRULE_FAIL_OPEN,
	BERTH_GRANTRULE_FAIL_CLOSED
};

/* A piece of the line. */
struct berth_grantrule_name {
	uint8_t kind; /* enum berth_grantrule_kind */
	uint16_t at, len;
};

struct berth_grantrule {
	enum berth_grantrule_verb verb;
	uint32_t protocols; /* enum berth_grantrule_protocol, or-ed */
	bool trusted;
	enum berth_grantrule_fail fail;
	uint32_t names; /* subjects of allow, owners of deny; 0: everybody, nobody */
	struct berth_grantrule_name name[BERTH_GRANTRULE_NAMES];
	uint32_t prefixes; /* 0: every address */
	struct berth_prefix prefix[BERTH_GRANTRULE_PREFIXES];
};

/* What is wrong with a line, and where. */
struct berth_grantrule_error {
	size_t at;        /* index of the character, at most the line's length */
	const char *what; /* constant text */
};

/*
 * Reads one line, without its newline. Returns 1 with rule and ports set; 0 where there is only space or a
 * comment; -EINVAL with out_error set, the others are then undefined.
 */
int berth_grantrule_parse(const char *line, struct berth_grantrule *out_rule,
			  struct berth_portset *out_ports, struct berth_grantrule_error *out_error);

#endif
