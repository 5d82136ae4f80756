/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the stamp of a timewait socket in connect4, with TCP timestamps and without. */
#include <time.h>

#include "hooks_user.h"

static uint32_t stamp(uint16_t port)
{
	int fd = fact_socket(SOCK_STREAM);

	*want = (struct hooks_want){ .lookup_addr = LO, .lookup_port = port };
	*seen = (struct hooks_seen){ 0 };
	fact_need(!fact_connect(fd, LO, PEER), "connect");
	close(fd);
	fact_expect(seen->is_timewait, "state %d", seen->lookup_state);
	return seen->timewait_stamp;
}

int main(void)
{
	struct timespec now;
	uint32_t with, without;
	int listener;

	hooks_begin("a timewait socket tells the second of uptime of its last timestamp, and 0 "
		    "without timestamps");
	listener = fact_listen(PEER);
	fact_timewait(listener, 20000, PEER);
	with = stamp(20000);
	clock_gettime(CLOCK_MONOTONIC, &now);
	fact_expect(with + 60 > (uint32_t)now.tv_sec && with <= (uint32_t)now.tv_sec, "%u at %u",
		    with, (uint32_t)now.tv_sec);
	fact_sysctl("ipv4/tcp_timestamps", "0");
	fact_timewait(listener, 20001, PEER);
	without = stamp(20001);
	fact_expect(!without, "without timestamps: %u", without);
	fact_holds();
}
