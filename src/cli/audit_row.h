/* SPDX-License-Identifier: BSD-2-Clause */
/* A row of berth audit: what it is about, whether it is a finding, how it is shown. */
#ifndef BERTH_CLI_AUDIT_ROW_H
#define BERTH_CLI_AUDIT_ROW_H

#include "src/sim/judge.h"

/* What a row is about. */
struct berth_audit_row {
	const char *host, *protocol, *destination; /* "*": over all destinations */
	int host_width, destination_width; /* of the columns of the table; 0: the usual ones */
	uint64_t seen;                     /* ports in all, of which the judgement has the first */
	bool one;                          /* one destination */
	bool hidden; /* over all destinations this host's ports show no pattern */
	bool walks; /* over all: those to single destinations are Linux's walks, of which the pattern is made */
};

/*
 * True where the row is one. A walk to one destination is by design where it starts anywhere for the next (RFC 6056
 * algorithms 3 and 4): where that was seen, or is known of the system. habit: as berth_judge_habit() gives it.
 */
bool berth_audit_is_finding(const struct berth_audit_row *row, const struct berth_judgement *j,
			    int habit);

/* Prints the row as an object of JSON in a line. */
void berth_audit_row_json(const struct berth_audit_row *row, const struct berth_judgement *j,
			  int habit);

/* Prints the row of a table; first: with the names of its columns above it. */
void berth_audit_row_text(const struct berth_audit_row *row, const struct berth_judgement *j,
			  int habit, bool first);

#endif
