/* SPDX-License-Identifier: BSD-2-Clause */
/* Lanes out of bpf/headroom.bpf.c: a walk over the kernel's tables that adds up, then the sums. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/headroom.h"
#include "bpf/headroom.skel.h"
#include "src/base/auto.h"
#include "src/kernel/headroom.h"

#define LANES_MAX (1u << 20)
#define BATCH 4096u

struct berth_headroom_bpf {
	struct headroom_bpf *skel;
	struct berth_headroom_key keys[BATCH];
	struct berth_headroom_count counts[BATCH];
};

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level, (void)format, (void)ap;
	return 0;
}

int berth_headroom_bpf_open(const struct berth_headroom_query *query,
			    struct berth_headroom_bpf **out_bpf, struct berth_why *why)
{
	struct berth_headroom_bpf *b = calloc(1, sizeof(*b));
	int err = b ? 0 : -ENOMEM;

	if (!getenv("BERTH_BPF_LOG"))
		libbpf_set_print(quiet);
	if (!err) {
		b->skel = headroom_bpf__open();
		err = b->skel ? 0 : -ENOMEM;
	}
	if (!err) {
		bpf_program__set_autoload(b->skel->progs.berth_lanes_tcp, !query->no_tcp);
		bpf_program__set_autoload(b->skel->progs.berth_lanes_udp, !query->no_udp);
		bpf_map__set_max_entries(b->skel->maps.lanes, LANES_MAX);
		err = headroom_bpf__load(b->skel);
	}
	if (err) {
		berth_headroom_bpf_close(b);
		return berth_why(
			why, err,
			"bpf: the kernel refused a program that counts sockets (%s); run as root, with "
			"CAP_BPF and CAP_PERFMON, or see \"berth doctor\"",
			strerror(-err));
	}
	b->skel->bss->ask = query->ask;
	*out_bpf = b;
	return 0;
}

/* The program writes nothing: an end of file is the end of the walk. */
static int walk(const struct bpf_program *program)
{
	berth_auto_fd int link = -1, iter = -1;
	char buf[64];
	ssize_t n;

	if (bpf_program__fd(program) < 0)
		return 0;
	link = bpf_link_create(bpf_program__fd(program), 0, BPF_TRACE_ITER, NULL);
	iter = link < 0 ? -1 : bpf_iter_create(link);
	if (iter < 0)
		return -errno;
	/* EAGAIN: a million went by without a row. */
	while ((n = read(iter, buf, sizeof(buf))) > 0 || (n < 0 && errno == EAGAIN))
		;
	return n < 0 ? -errno : 0;
}

/* Takes all sums out of the map: the next walk begins at nothing. */
static int drain(struct berth_headroom_bpf *b, berth_headroom_fn fn, void *arg)
{
	int map = bpf_map__fd(b->skel->maps.lanes), result = 0;
	bool more = true, first = true;
	uint32_t token, n, i;

	while (more) {
		n = BATCH;
		if (bpf_map_lookup_and_delete_batch(map, first ? NULL : &token, &token, b->keys,
						    b->counts, &n, NULL)) {
			if (errno != ENOENT)
				return -errno;
			more = false;
		}
		first = false;
		for (i = 0; i < n && !result; i++)
			result = fn(&b->keys[i], &b->counts[i], arg);
	}
	return result;
}

int berth_headroom_bpf_walk(struct berth_headroom_bpf *b, struct berth_headroom_ports *ports,
			    berth_headroom_fn fn, void *arg, uint64_t *out_uncounted,
			    struct berth_why *why)
{
	struct headroom_bpf__bss *bss = b->skel->bss;
	int result;

	memcpy(bss->port_class, ports->class, sizeof(bss->port_class));
	memcpy(bss->port_taken, ports->taken, sizeof(bss->port_taken));
	bss->uncounted = 0;
	result = walk(b->skel->progs.berth_lanes_tcp);
	if (!result)
		result = walk(b->skel->progs.berth_lanes_udp);
	memcpy(ports->taken, bss->port_taken, sizeof(bss->port_taken));
	if (!result)
		result = drain(b, fn, arg);
	*out_uncounted = bss->uncounted;
	if (result < 0)
		berth_why(why, result, "bpf: a count of sockets broke off (%s); try again",
			  strerror(-result));
	return result;
}

void berth_headroom_bpf_close(struct berth_headroom_bpf *b)
{
	if (b)
		headroom_bpf__destroy(b->skel);
	free(b);
}
