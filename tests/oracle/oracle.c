/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The differential test of the rules: random populations of real sockets; each bind(), listen() and connect()
 * is asked of src/core/rules.h and of the kernel, and the answers are compared errno for errno.
 *
 * oracle [--seed N] [--cases N] [--worlds N]. Exit status: 0 no disagreement, 1 one, with the log of its world;
 * 77 the kernel refuses namespaces.
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
};

static void read_plan(struct plan *p, int argc, char **argv)
{
	static const struct option rows[] = { { "seed", 1, NULL, 's' },
					      { "cases", 1, NULL, 'c' },
					      { "worlds", 1, NULL, 'w' },
					      { NULL } };
	int c;

	random_begin("oracle");
	*p = (struct plan){ .cases = 6000, .worlds = ~0ul, .seed = random64() };
	while ((c = getopt_long(argc, argv, "", rows, NULL)) != -1) {
		if (c == 's')
			p->seed = strtoull(optarg, NULL, 0);
		else if (c == 'c')
			p->cases = strtoul(optarg, NULL, 0);
		else if (c == 'w')
			p->worlds = strtoul(optarg, NULL, 0);
		else
			exit(2);
	}
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

int main(int argc, char **argv)
{
	static struct walk walk;
	unsigned long worlds = 0;
	uint32_t base = LAST_BASE + 1;
	struct plan plan;
	struct net net;
	uint64_t next;
	int ret;

	read_plan(&plan, argc, argv);
	printf("oracle: --seed 0x%llx\n", (unsigned long long)plan.seed);
	walk.net = &net;
	for (next = plan.seed; walk.count.cases < plan.cases && worlds < plan.worlds && !walk.wrong;
	     worlds++) {
		/* TIME_WAIT outlives a world, so each has ports of its own, and then a namespace. */
		if (base > LAST_BASE) {
			ret = net_enter(&net);
			if (ret) {
				printf("namespaces are refused: %s\n", strerror(-ret));
				return 77;
			}
			base = FIRST_BASE;
		}
		walk_world(&walk, next, (uint16_t)base, STEPS);
		random_state = next;
		next = random64();
		base += WALK_PORTS;
	}
	report(&walk.count, worlds);
	return walk.wrong;
}
