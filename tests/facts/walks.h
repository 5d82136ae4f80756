/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What walks.bpf.c writes for each row of a walk; ports in host order. */
#ifndef BERTH_FACTS_WALKS_H
#define BERTH_FACTS_WALKS_H

#include <linux/types.h>

struct walks_row {
	__u64 place;               /* of the socket, in the kernel's memory */
	__u32 process, thread, fd; /* of the walk over descriptors */
	__u32 netns;
	__u16 port;
	__u8 state;
	__u8 has_file; /* of the walk over the table of TCP */
	__u32 binds; /* of the walk over the table of TCP: how often the bind table has the socket */
};

#endif
