/* SPDX-License-Identifier: BSD-2-Clause */
/* One world of the differential test: a population of real sockets beside the population that mirrors it. */
#ifndef BERTH_TESTS_ORACLE_WALK_H
#define BERTH_TESTS_ORACLE_WALK_H

#include <stdio.h>

#include "net.h"
#include "src/core/population.h"

#define WALK_ROOM 64
#define WALK_PORTS 24 /* that a world uses: from its base on */

/* What belongs to the socket of the same number in the population. */
struct live {
	int fd;         /* -1: TIME_WAIT */
	uint32_t id;    /* for the log, and for pairs */
	uint32_t pair;  /* id of the other end of a connection on this host; 0: none */
	bool fixed;     /* its program named the port: it stays after a failed connect() */
	bool addressed; /* its program named the address */
};

struct counts {
	unsigned long cases, binds, listens, connects, refused, unresolved, skipped, shares, groups,
		choices, chances, time_waits, rule[BERTH_RULE_COUNT];
};

struct walk {
	const struct net *net;
	struct berth_host host;
	struct berth_population population;
	struct live live[WALK_ROOM];
	struct berth_sock sock[WALK_ROOM];
	struct berth_bucket bucket[WALK_ROOM];
	struct berth_bucket2 bucket2[WALK_ROOM];
	struct berth_portset reserved;
	struct counts count;
	uint64_t seed;
	uint32_t ids;
	uint32_t last_tw_ms;
	uint16_t base;
	uint32_t reuse, reuseport, udp, busy; /* chances in percent; ports that are asked for */
	char log[64 * 1024];
	size_t logged;
	const char *blind; /* what the oracle is not shown, one of walk_blinds; NULL: it sees all */
	bool wrong, stamps;
};

/* What can be hidden from the oracle, to see that the comparison notices. Ends with NULL. */
extern const char *const walk_blinds[];

/* Makes a world from a seed, on the ports base..base+WALK_PORTS-1; walks steps; closes all. */
void walk_world(struct walk *w, uint64_t seed, uint16_t base, unsigned steps);

/* ---- between walk.c and walk_connect.c ---- */

bool walk_chance(uint32_t percent);
void walk_note(struct walk *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *walk_ip_text(const struct berth_ip *ip);
void walk_note_sock(struct walk *w, const struct berth_sock *s);
void walk_disagree(struct walk *w, const char *what, int kernel, const struct berth_verdict *v);
bool walk_agree(struct walk *w, const char *what, int kernel, const struct berth_verdict *v);
void walk_forget(struct walk *w, uint32_t at);
void walk_remember(struct walk *w, int at, int fd, bool fixed, bool addressed);
int32_t walk_by_id(const struct walk *w, uint32_t id);
void walk_set_flag(int fd, int level, int name, int value);
void walk_close_hard(int fd);
int walk_make(struct walk *w, struct berth_sock *s);
void walk_any_address(struct walk *w, struct berth_request *r);
uint16_t walk_any_port(const struct walk *w);
socklen_t walk_wanted_address(const struct berth_request *r, struct sockaddr_storage *ss);
bool walk_check_choice(struct walk *w, const struct berth_request *r, uint16_t port);
void walk_own_range(struct walk *w, int fd, struct berth_request *r);
int walk_call_bind(const struct berth_request *r, int fd);
void walk_ask(const struct walk *w, const struct berth_request *r, struct berth_verdict *v);
int walk_bind_both(struct walk *w, int fd, struct berth_request *r);
void walk_close_pair(struct walk *w, uint32_t at);
void walk_step_connect(struct walk *w);
void walk_step_same(struct walk *w);
void walk_step_time_wait(struct walk *w);

#endif
