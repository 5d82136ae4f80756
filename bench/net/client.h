/* SPDX-License-Identifier: BSD-2-Clause */
/* What the modes of the measuring client share. */
#ifndef BERTH_BENCH_CLIENT_H
#define BERTH_BENCH_CLIENT_H

#include "tests/tools/sock.h"

struct client {
	struct endpoint to;
	bool udp, hold, parallel, reuse;
	unsigned long count; /* connections to open */
	unsigned long steps; /* lines that fill prints */
	unsigned long procs; /* processes; 0: as many as the descriptor limit needs */
	unsigned long tries; /* failing connects that refuse measures */
	unsigned long
		rate; /* connections a second of churn, for each process; 0: as fast as it can */
	unsigned long warmup;   /* attempts that the steady rate of churn leaves out */
	double seconds;         /* length of churn */
	uint32_t range;         /* IP_LOCAL_PORT_RANGE: last << 16 | first; 0: not set */
	unsigned long fd_limit; /* descriptors that one process may have */
};

/* One connect(): how long it took, and its errno or 0. */
struct attempt {
	uint64_t ns;
	int error;
};

/* Errors counted by number. */
#define ERRORS_MAX 134
struct errors {
	uint64_t count[ERRORS_MAX];
};

static inline void errors_add(struct errors *e, int code)
{
	e->count[code > 0 && code < ERRORS_MAX ? code : 0]++;
}

/* Prints {"EADDRNOTAVAIL":12}. */
void errors_print(const struct errors *e);

/*
 * Memory that forked processes share, all zeros, touched beforehand; ends the program where there
 * is none.
 */
void *shared_alloc(size_t size);

/* Makes a socket as the options ask for; ends the program where the kernel refuses it. */
int client_socket(const struct client *c);

/* Connects fd and times it. */
struct attempt client_connect(const struct client *c, int fd);

/* The modes; each prints JSON Lines on stdout and returns the exit status. */
int mode_fill(const struct client *c);
int mode_refuse(const struct client *c);
int mode_churn(const struct client *c);

#endif
