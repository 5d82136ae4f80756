/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the programs know of their run, and the maps that they share with others; the counters. */
#ifndef BERTH_BPF_MAPS_H
#define BERTH_BPF_MAPS_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>

#include "../abi/assign.h"
#include "../src/core/hash.h"

/* The kernel's numbers, which the headers of the C library cannot give for -target bpf. */
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define SOL_SOCKET 1
#define SO_REUSEADDR 2
#define EAGAIN 11
#define EEXIST 17
#define EINVAL 22
#define EADDRNOTAVAIL 99
#define TCP_FIN_WAIT2 5

const volatile struct berth_assign_config config;
const volatile struct berth_pool_entry entries[BERTH_POOL_MAX];
/* Written before the load only, but not read-only: what the verifier knew of it would vary with each pool. */
struct berth_portset pool;

/* Shared by all runs of a host: names of maps are found by src/kernel/assign.c. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BERTH_LANES_MAX);
	__type(key, struct berth_lane_key);
	__type(value, struct berth_lane_slot);
} lanes SEC(".maps");

struct slab {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BERTH_SLAB_LANES);
	__type(key, uint32_t);
	__uint(value_size, sizeof(struct berth_lane));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, BERTH_SLABS_MAX);
	__type(key, uint32_t);
	__array(values, struct slab);
} slabs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, BERTH_LANES_MAX);
	__type(value, uint32_t);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BERTH_SOCKETS_MAX);
	__type(key, uint64_t);
	__type(value, struct berth_assigned);
} assigned SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct berth_shared);
} shared SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BERTH_ROUTES_MAX);
	__type(key, struct berth_route_key);
	__type(value, struct berth_route);
} routes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BERTH_LOADS_MAX);
	__type(key, struct berth_lane_key);
	__type(value, struct berth_load);
} loads SEC(".maps");

/* Of this run alone. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct berth_egress_key);
	__type(value, uint32_t);
} egress SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, uint32_t);
} counters SEC(".maps");

struct verdicts {
	uint64_t n[BERTH_VERDICT_COUNT];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct verdicts);
} verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

static void count(enum berth_verdict verdict)
{
	uint32_t zero = 0;
	struct verdicts *v = bpf_map_lookup_elem(&verdicts, &zero);

	if (v)
		v->n[verdict]++;
}

#endif
