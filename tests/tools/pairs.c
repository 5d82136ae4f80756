/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prints how many connected sockets the namespace has; ends with 1 where two have the same socket
 * pair.
 */
#include <stdio.h>

#include "sock.h"
#include "tuples.h"

int main(void)
{
	static const struct {
		const char *name;
		uint8_t protocol;
	} of[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP } };
	long n, all = 0;
	size_t i, count = 0;

	putchar('{');
	for (i = 0; i < 2; i++) {
		n = tuples_check(of[i].protocol, &count);
		if (n < 0) {
			fprintf(stderr, "pairs: %s: sock_diag: %s\n", of[i].name,
				strerror((int)-n));
			return 2;
		}
		printf("\"%s\":%zu,", of[i].name, count);
		all += n;
	}
	printf("\"duplicates\":%ld}\n", all);
	return all != 0;
}
