/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts the bind hooks that a bpf_bind runs. */
#include "hooks_user.h"

int main(void)
{
	hooks_begin("bpf_bind runs neither bind4 nor post_bind4");
	fact_listen(PEER);
	*want = (struct hooks_want){ .addr = LO, .port = { 20000 } };
	*seen = (struct hooks_seen){ 0 };
	fact_need(!fact_connect(fact_socket(SOCK_STREAM), LO, PEER), "connect");
	fact_expect(!seen->result[0], "bpf_bind: %s", fact_errno(-seen->result[0]));
	fact_expect(!seen->binds && !seen->post_binds, "bind4 ran %u times, post_bind4 %u",
		    seen->binds, seen->post_binds);
	fact_bound(SOCK_STREAM, 20001);
	fact_expect(seen->binds == 1 && seen->post_binds == 1,
		    "for bind() bind4 ran %u times, post_bind4 %u", seen->binds, seen->post_binds);
	fact_holds();
}
