/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The headroom of every lane: how many ports are left from a source address toward a destination endpoint.
 *
 * A row is about one chooser of ports. The kernel chooses out of the ephemeral range, without reserved ports and
 * without those that somebody of the namespace bound explicitly; for it a socket in TIME_WAIT counts as used where
 * tcp_tw_reuse does not let it be replaced. berth chooses out of the pool of a run, without ports that somebody
 * listens on; for it a socket in TIME_WAIT with timestamps may be replaced. UDP has one row a namespace for what the
 * kernel chooses, because it gives a port to one socket whatever its destination, and lanes for what berth does.
 * A program that narrows the range for its own sockets (IP_LOCAL_PORT_RANGE) has less than its row says.
 *
 * With BPF (bpf/headroom.bpf.c) the sockets are counted in the kernel. With sock_diag they come by one by one, ports that
 * were bound by connected sockets are taken for the kernel's choice, and TIME_WAIT for one with timestamps where
 * the namespace has them.
 */
#ifndef BERTH_KERNEL_HEADROOM_H
#define BERTH_KERNEL_HEADROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/headroom.h"
#include "src/base/why.h"
#include "src/core/headroom.h"
#include "src/kernel/sockets.h"

struct berth_headroom_query {
	struct berth_headroom_ask ask; /* destinations of lanes */
	enum berth_sockets_source source;
	bool all_namespaces;
	bool no_tcp, no_udp;
};

struct berth_headroom_row {
	struct berth_headroom h;
	uint8_t src[16], dst[16]; /* zero where wide */
	const char *
		pool; /* ports of the runs that choose; NULL: the kernel does. As long as the reader */
	uint32_t netns;
	uint32_t run;      /* pid of one of these runs, or 0 */
	uint16_t protocol; /* IPPROTO_ */
	uint16_t dport;    /* 0 where wide */
	bool wide;         /* all ports of the namespace, whatever the destination */
};

/* What the kernel can choose from in a namespace, and so toward a destination that nobody talks to yet. */
struct berth_headroom_netns {
	uint32_t netns;
	uint16_t first, last; /* ip_local_port_range */
	uint32_t reserved;    /* ports of it that ip_local_reserved_ports takes out */
	uint32_t bound;       /* ports of it that somebody bound explicitly */
	uint32_t capacity;    /* what is left of it for TCP */
};

struct berth_headroom_sample {
	struct berth_headroom_row *row;
	size_t count;
	struct berth_headroom_netns *netns;
	size_t netns_count;
	uint64_t uncounted; /* sockets in lanes beyond the million that are told apart */
	uint64_t at_ns;     /* CLOCK_MONOTONIC */
	enum berth_sockets_source source;
};

struct berth_headroom_reader;

/*
 * Loads the programs where the query's source wants them and the host permits it (CAP_BPF and CAP_PERFMON).
 * Returns 0; -EPERM, -EACCES: the source that was asked for is not permitted; other -errno.
 */
int berth_headroom_open(const struct berth_headroom_query *query,
			struct berth_headroom_reader **out_reader, struct berth_why *why);

/*
 * Counts, and gives the rows in an order that does not change from look to look. Where all namespaces are asked for, it
 * switches the calling thread's for a while (CAP_SYS_ADMIN). The sample is the caller's, for
 * berth_headroom_sample_fini(). Returns 0 or -errno.
 */
int berth_headroom_read(struct berth_headroom_reader *r, struct berth_headroom_sample *out_sample,
			struct berth_why *why);

/* The row of a sample that is about the same lane, or NULL: to see how fast it grows. O(log n). */
const struct berth_headroom_row *berth_headroom_same(const struct berth_headroom_sample *sample,
						     const struct berth_headroom_row *row);

/* All rows, the worst first, then in their order. Pointers into the sample; the caller frees. NULL: no memory. */
const struct berth_headroom_row **berth_headroom_worst(const struct berth_headroom_sample *sample);

void berth_headroom_sample_fini(struct berth_headroom_sample *sample);

/* NULL is allowed. */
void berth_headroom_close(struct berth_headroom_reader *r);

/* ---- between headroom.c and headroom_bpf.c ---- */

/* Sockets to add to a lane. */
typedef int (*berth_headroom_fn)(const struct berth_headroom_key *key,
				 const struct berth_headroom_count *count, void *arg);

/* The class of each port, and which of them somebody was seen to hold: of one namespace. */
struct berth_headroom_ports {
	uint8_t class[BERTH_CLASS_PROTOCOLS][65536];
	uint8_t taken[BERTH_CLASS_PROTOCOLS][65536];
};

struct berth_headroom_bpf;

int berth_headroom_bpf_open(const struct berth_headroom_query *query,
			    struct berth_headroom_bpf **out_bpf, struct berth_why *why);
int berth_headroom_bpf_walk(struct berth_headroom_bpf *b, struct berth_headroom_ports *ports,
			    berth_headroom_fn fn, void *arg, uint64_t *out_uncounted,
			    struct berth_why *why);
void berth_headroom_bpf_close(struct berth_headroom_bpf *b);

#endif
