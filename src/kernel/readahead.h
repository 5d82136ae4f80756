/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads descriptors in threads of their own, so that work on what they bring goes on beside them. */
#ifndef BERTH_KERNEL_READAHEAD_H
#define BERTH_KERNEL_READAHEAD_H

#include <stddef.h>

#define BERTH_STREAMS_MAX 2

struct berth_stream {
	int fd; /* borrowed */
	/* What whole reads of the descriptor brought. A result other than 0 ends everything. */
	int (*fn)(const char *bytes, size_t n, void *arg);
	void *arg;
};

/*
 * Reads count descriptors to their ends, each in a thread, and calls fn of each in the calling thread, one at a time. A read
 * asks for 64 KB, and is repeated after EAGAIN, which a walk in the kernel gives where it found nothing for long.
 * Returns 0, what fn returned, or -errno of a read or of starting a thread.
 */
int berth_readahead(const struct berth_stream *streams, int count);

#endif
