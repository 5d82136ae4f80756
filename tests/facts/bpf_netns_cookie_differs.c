/* SPDX-License-Identifier: BSD-2-Clause */
/* Connects from two network namespaces and compares the cookies that connect4 sees. */
#include <sched.h>

#include "hooks_user.h"

int main(void)
{
	uint64_t first;

	hooks_begin("bpf_get_netns_cookie in connect4 tells network namespaces apart");
	fact_connect(fact_socket(SOCK_STREAM), LO, PEER);
	first = seen->netns;
	fact_need(!unshare(CLONE_NEWNET), "a second namespace");
	fact_connect(fact_socket(SOCK_STREAM), LO, PEER);
	fact_expect(seen->connects == 2 && first && seen->netns && first != seen->netns,
		    "connect4 ran %u times, cookies %llu and %llu", seen->connects,
		    (unsigned long long)first, (unsigned long long)seen->netns);
	fact_holds();
}
