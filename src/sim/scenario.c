/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of scenarios. */
#include "src/sim/scenario.h"

#include <string.h>

#define RFC_POLICIES "sequential,random,random-retry,hash,double-hash,random-increment,uniform"

const struct berth_scenario berth_scenarios[] = {
	{ "plain", "a busy client: 200 connections a second to 20 servers, 10 s each",
	  "no source: numbers in round figures",
	  "uniform,double-hash,random-increment,longest-idle,linux", { 0, 0 }, false,
	  { .hosts = 8, .connections = 4000000, .destinations = 20, .popularity = 1,
	    .rate_per_s = 200, .life = BERTH_LIFE_EXPONENTIAL, .life_s = 10, .close_client = 0.4,
	    .close_server = 0.5, .time_wait_s = 60 } },
	{ "allman",
	  "how often a choice meets a pair that the server still holds: many clients, servers by Zipf's law, "
	  "long tails. His traces are not public; this load stands for them",
	  "M. Allman, Comments on Selecting Ephemeral Ports, CCR 39(2), 2009; RFC 6056 section 3.5: at most 0.3 %",
	  RFC_POLICIES, { 1024, 65535 }, false,
	  { .hosts = 200, .connections = 4000000, .destinations = 500, .popularity = 1,
	    .rate_per_s = 5, .life = BERTH_LIFE_PARETO, .life_s = 10, .close_client = 0.3,
	    .close_server = 0.6, .time_wait_s = 120 } },
	{ "rfc6056",
	  "the algorithms side by side: how soon a pair is used again, and how well one guess hits the next port",
	  "RFC 6056 sections 3.3.1 to 3.3.5", RFC_POLICIES, { 1024, 65535 }, false,
	  { .hosts = 64, .connections = 32000000, .destinations = 16, .rate_per_s = 100,
	    .life = BERTH_LIFE_EXPONENTIAL, .life_s = 1, .close_client = 0, .close_server = 0.5,
	    .time_wait_s = 60 } },
	{ "reuse",
	  "one destination, connections that leave nothing behind: how far apart are two uses of a pair",
	  "Linux commit ca7af0402550: 28,232 ports, 1,764 connections at least, 3,137 on average (cycle)",
	  "linux,linux-5.12,sequential,longest-idle,uniform", { 32768, 60999 }, false,
	  { .hosts = 4, .connections = 8000000, .destinations = 1, .rate_per_s = 1e6,
	    .even = true, .life = BERTH_LIFE_FIXED, .life_s = 1e-5 } },
	{ "crowded", "99 % of 28,232 ports are in use toward one destination: how far a search goes",
	  "facts of Linux 6.18: from half of the range on connect() searches the other parity",
	  "uniform,random,random-retry,double-hash,linux", { 32768, 60999 }, false,
	  { .hosts = 2, .connections = 2000000, .destinations = 1, .rate_per_s = 27950,
	    .even = true, .life = BERTH_LIFE_FIXED, .life_s = 1 } },
	{ "time-wait", "a client that closes first, 1,000 connections a second to one server",
	  "28,232 ports / 60 s of TIME_WAIT: 470 connections a second, the others are refused",
	  "uniform,double-hash,longest-idle,linux", { 32768, 60999 }, false,
	  { .hosts = 2, .connections = 2000000, .destinations = 1, .rate_per_s = 1000,
	    .life = BERTH_LIFE_EXPONENTIAL, .life_s = 0.05, .close_client = 1,
	    .time_wait_s = 60 } },
	{ "fleet", "10,000 hosts, 10^9 connections", "no source: the size that is asked of the simulator",
	  "uniform", { 32768, 60999 }, false,
	  { .hosts = 10000, .connections = 1000000000, .destinations = 8, .popularity = 1,
	    .rate_per_s = 200, .life = BERTH_LIFE_EXPONENTIAL, .life_s = 5, .close_client = 0.1,
	    .close_server = 0.5, .time_wait_s = 60 } },
	{ "track",
	  "pairs of destinations that share a counter name a device: of --hosts devices, each visited twice, how "
	  "many are known again",
	  "Kol, Klein, Gilad, Device Tracking via Linux's New TCP Source Port Selection Algorithm, "
	  "USENIX Security 2023",
	  "linux-5.12,linux,double-hash,uniform", { 32768, 60999 }, true,
	  { .hosts = 200, .destinations = 64, .rate_per_s = 1 } },
	{ NULL },
};

const struct berth_scenario *berth_scenario_find(const char *name)
{
	const struct berth_scenario *s;

	for (s = berth_scenarios; s->name; s++)
		if (!strcmp(s->name, name))
			return s;
	return NULL;
}
