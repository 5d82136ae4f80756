/* SPDX-License-Identifier: BSD-2-Clause */
/* Connects two UDP sockets from one source to one destination. */
#include "fact.h"

int main(void)
{
	int first, second, code;

	fact_begin("with SO_REUSEADDR the kernel accepts the same UDP pair twice without a word");
	first = fact_bound(SOCK_DGRAM, 20000);
	fact_need(!fact_connect(first, LO, PEER), "connect");
	second = fact_socket(SOCK_DGRAM);
	fact_reuseaddr(second, 1);
	code = fact_bind(second, LO, 20000);
	fact_expect(!code, "the second bind: %s", fact_errno(code));
	code = fact_connect(second, LO, PEER);
	fact_expect(!code, "the second connect: %s", fact_errno(code));
	fact_holds();
}
