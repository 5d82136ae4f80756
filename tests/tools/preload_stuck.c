/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leaves every lane of the run that it is started in as a process would that was killed while it
 * held the lock: locked by a thread that does not exist, since now, or since a moment AHEAD seconds from now.
 * Prints how many.
 *
 * usage: preload_stuck [AHEAD]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "abi/preload.h"

#define NO_THREAD 0x7ffffffeu

int main(int argc, char **argv)
{
	const char *path = getenv(BERTH_PRELOAD_ENV);
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	struct berth_preload_file *f = MAP_FAILED;
	struct timespec t;
	unsigned int i, n = 0;

	if (fd >= 0)
		f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (f == MAP_FAILED) {
		perror("preload_stuck");
		return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += argc > 1 ? atoi(argv[1]) : 0;
	for (i = 0; i < BERTH_PRELOAD_LANES; i++) {
		uint64_t ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;

		if (!f->slot[i].id)
			continue;
		__atomic_store_n(&f->slot[i].lock, ms << 32 | NO_THREAD, __ATOMIC_RELEASE);
		n++;
	}
	printf("%u\n", n);
	return !n;
}
