/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The differential test of the rules: random populations of real sockets; each bind(), listen() and connect()
 * is asked of src/core/rules.h and of the kernel, and the answers are compared errno for errno.
 *
 * oracle [--seed N] [--cases N] [--worlds N] [--blind]. Exit status: 0 no disagreement, 1 one, with the log of its
 * world; 77 the kernel refuses namespaces. --blind hides one property of sockets after the other from the oracle, and
 * ends with 0 where each was missed.
 *
 * Left out, because what comes of them is not decided by ports: connections over interfaces that do not lead to the
 * destination, tuples that only SO_BINDTODEVICE keeps apart, a peer that has the tuple in TIME_WAIT itself, TIME_WAIT
 * of sockets that are bound to another interface than lo. Where the last free port stands at an end of an ephemeral range of odd
 * length, chance decides, and both answers are right (enum member unsure); these are counted.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/random.h"
#include "walk.h"

#define FIRST_BASE 2000
#define LAST_BASE 65000
#define STEPS 80

struct plan {
	unsigned long cases, worlds;
	uint64_t seed;
	bool blind;
};

static void read_plan(struct plan *p, int argc, char **argv)
{
	static const struct option rows[] = { { "seed", 1, NULL, 's' },
					      { "cases", 1, NULL, 'c' },
					      { "worlds", 1, NULL, 'w' },
					      { "blind", 0, NULL, 'b' },
					      { NULL } };
	int c;

	random_begin("oracle");
	*p = (struct plan){ .cases = 20000, .worlds = ~0ul, .seed = random64() };
	while ((c = getopt_long(argc, argv, "", rows, NULL)) != -1) {
		if (c == 's')
			p->seed = strtoull(optarg, NULL, 0);
		else if (c == 'c')
			p->cases = strtoul(optarg, NULL, 0);
		else if (c == 'w')
			p->worlds = strtoul(optarg, NULL, 0);
		else if (c == 'b')
			p->blind = true;
		else
			exit(2);
	}
	printf("oracle: --seed 0x%llx\n", (unsigned long long)p->seed);
}

static void report(const struct counts *c, unsigned long worlds)
{
	int i;

	printf("%lu cases in %lu worlds: %lu binds, %lu listens, %lu connects; %lu refused; %lu ports of the kernel's "
	       "choice; %lu TIME_WAIT; by chance %lu; left out: %lu connects, %lu without an answer\n",
	       c->cases, worlds, c->binds, c->listens, c->connects, c->refused, c->choices,
	       c->time_waits, c->chances, c->skipped, c->unresolved);
	for (i = 0; i < BERTH_RULE_COUNT; i++)
		printf("%s%s %lu", i ? ", " : "", berth_rule_name((enum berth_rule)i), c->rule[i]);
	putchar('\n');
}

static struct net net;
static struct walk walk;

/* Walks worlds until the cases are done or the two disagree; returns the number of worlds. */
static unsigned long run(struct plan *plan, const char *blind)
{
	static uint32_t base = LAST_BASE + 1;
	unsigned long worlds;
	int ret;

	memset(&walk, 0, sizeof(walk));
	walk.net = &net;
	walk.blind = blind;
	for (worlds = 0; walk.count.cases < plan->cases && worlds < plan->worlds && !walk.wrong;
	     worlds++) {
		/* TIME_WAIT outlives a world, so each has ports of its own, and then a namespace. */
		if (base > LAST_BASE) {
			ret = net_enter(&net);
			if (ret) {
				printf("namespaces are refused: %s\n", strerror(-ret));
				exit(77);
			}
			base = FIRST_BASE;
		}
		walk_world(&walk, plan->seed, (uint16_t)base, STEPS);
		random_state = plan->seed;
		plan->seed = random64();
		base += WALK_PORTS;
	}
	return worlds;
}

/* The comparison must notice whatever is hidden from the oracle. */
static int run_blind(struct plan *plan)
{
	const char *const *what;
	int missed = 0;

	for (what = walk_blinds; *what; what++) {
		/* Known from the first of them on, which is another one. */
		if (!strcmp(*what, "user") && walk.net && !walk.net->users) {
			puts("without user: not tried, a user namespace has one user only");
			continue;
		}
		run(plan, *what);
		printf("without %s: %s after %lu cases\n", *what,
		       walk.wrong ? "noticed" : "NOT NOTICED", walk.count.cases);
		missed += !walk.wrong;
	}
	return missed != 0;
}

int main(int argc, char **argv)
{
	unsigned long worlds;
	struct plan plan;

	read_plan(&plan, argc, argv);
	if (plan.blind)
		return run_blind(&plan);
	worlds = run(&plan, NULL);
	report(&walk.count, worlds);
	return walk.wrong;
}
