/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads records of comma-separated values (RFC 4180) out of memory, in place. */
#ifndef BERTH_REGISTRY_CSV_H
#define BERTH_REGISTRY_CSV_H

#include "src/base/why.h"

/* at: where the next record begins; line: its number, from 1. The text ends with NUL and has no other. */
struct berth_csv {
	char *at;
	unsigned line;
};

/*
 * Reads one record: its fields lie in the text, which is overwritten, each ended by NUL. Lines end with LF or
 * CRLF; the last one need not; a quoted field may span lines, and "" in it is a quote. An empty line is
 * passed over.
 * Returns how many fields it has, which may be more than max, the number stored; 0 at the end; -EINVAL with
 * the sentence in why: a quote within an unquoted field, text behind a closing quote, a quote not closed.
 */
int berth_csv_record(struct berth_csv *csv, char **fields, int max, struct berth_why *why);

#endif
