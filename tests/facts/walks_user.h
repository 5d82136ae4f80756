/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads walks.bpf.c and reads what it tells of the fact's network namespace. */
#ifndef BERTH_FACTS_WALKS_USER_H
#define BERTH_FACTS_WALKS_USER_H

#include <stddef.h>

#include "fact.h"
#include "walks.h"

#define WALKS_MAX 2048

struct walks {
	struct walks_row row[WALKS_MAX];
	size_t count;
};

/* fact_begin(), then loads the programs; skips where the kernel refuses BPF. */
void walks_begin(const char *text);

/* Each descriptor of each process on a socket of the namespace; the fact's own until the next call. */
const struct walks *walks_files(void);

/* Each row of the table of TCP; as above. */
const struct walks *walks_tcp(void);

/* How many rows have the local port. */
size_t walks_with_port(const struct walks *w, uint16_t port);

#endif
