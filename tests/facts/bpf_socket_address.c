/* SPDX-License-Identifier: BSD-2-Clause */
/* Follows two sockets through the hooks by the address of the kernel's socket, and reads one's memory. */
#include "hooks_user.h"

static void expect_same(const char *hook, uint64_t there)
{
	fact_expect(there == seen->in_connect, "%s: %llx, connect4: %llx", hook,
		    (unsigned long long)there, (unsigned long long)seen->in_connect);
}

int main(void)
{
	int fd, other;
	uint64_t first;

	hooks_begin(
		"a kernel's socket has one address in all hooks and look-ups while it lives, and its "
		"source can be read there");
	fact_listen(PEER);
	*want = (struct hooks_want){ .lookup_addr = LO + 1, .lookup_port = 20000 };
	fd = fact_socket(SOCK_STREAM);
	fact_need(!fact_bind(fd, LO + 1, 20000) && !fact_connect(fd, LO, PEER), "connect");
	fact_expect(seen->in_connect != 0, "connect4 sees none");
	expect_same("bind4", seen->in_bind);
	expect_same("post_bind4", seen->in_post_bind);
	first = seen->in_connect;
	other = fact_socket(SOCK_STREAM);
	fact_need(!fact_connect(other, LO, PEER), "connect another");
	fact_expect(seen->in_connect != first, "two sockets have the address %llx",
		    (unsigned long long)first);
	fact_expect(seen->found == first, "a look-up of the first finds %llx, not %llx",
		    (unsigned long long)seen->found, (unsigned long long)first);
	fact_need(!close(other), "close");
	expect_same("sock_release", seen->in_release);
	fact_expect(seen->read_addr == LO, "the other's source: %08x", seen->read_addr);
	fact_need(!close(fd), "close");
	fact_expect(seen->in_release == first, "sock_release of the first: %llx",
		    (unsigned long long)seen->in_release);
	fact_expect(seen->read_addr == LO + 1, "the first's source: %08x", seen->read_addr);
	fact_holds();
}
