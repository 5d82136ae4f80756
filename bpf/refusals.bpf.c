// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Tells of each connect() and bind() of the host that the kernel refuses for want of a port, while somebody asks.
 *
 * Hooks: the tracepoints syscalls/sys_{enter,exit}_{connect,bind}. Oldest kernel: 6.1, with CONFIG_FTRACE_SYSCALLS. They
 * only read: there is no verdict. Without them the refusals of berth's own runs are counted, and no others.
 *
 * The address is read when the call begins: another thread may change it until it ends, then what is shown is what
 * was asked for at first. A UDP socket that is given its port by sendto() passes no such call.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include <stdbool.h>

#include "../abi/refusal.h"
#include "sock.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define EAGAIN 11
#define EACCES 13
#define EADDRINUSE 98
#define EADDRNOTAVAIL 99

typedef __s64 int64_t;

#define CALLS 16384 /* that are under way; of more, some are not told of */

struct nsproxy {
	struct net *net_ns;
} KERNEL;

struct task_struct___ns {
	struct nsproxy *nsproxy;
} KERNEL;

/* What a tracepoint of a system call hands over: the layout that /sys/kernel/tracing describes. */
struct enter {
	uint64_t common;
	uint64_t number;
	uint64_t fd;
	uint64_t addr;
	uint64_t len;
};

struct leave {
	uint64_t common;
	uint64_t number;
	int64_t result;
};

/* sockaddr_in and sockaddr_in6: family, port, then the address, behind four bytes of flow label in the latter. */
struct place {
	uint16_t family;
	uint16_t port_be;
	uint32_t word[5];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CALLS);
	__type(key, uint64_t);
	__type(value, struct place);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} refusals SEC(".maps");

uint64_t lost; /* refusals for which the ring had no room */

static void begin(const struct enter *e)
{
	uint64_t thread = bpf_get_current_pid_tgid();
	const void *from = (const void *)e->addr;
	struct place p = {};

	if (bpf_probe_read_user(&p, 8, from))
		return;
	if (p.family == AF_INET6) {
		if (bpf_probe_read_user(p.word, sizeof(p.word), from + 4))
			return;
	} else if (p.family != AF_INET) {
		return;
	}
	bpf_map_update_elem(&calls, &thread, &p, BPF_ANY);
}

static void put_place(struct berth_refusal *r, const struct place *p)
{
	uint32_t *w = (uint32_t *)r->addr;

	r->port = bpf_ntohs(p->port_be);
	if (p->family == AF_INET6) {
		for (int i = 0; i < 4; i++)
			w[i] = p->word[i + 1];
		return;
	}
	w[0] = w[1] = 0;
	w[2] = bpf_htonl(0xffff);
	w[3] = p->word[0];
}

static uint32_t netns_of_current(void)
{
	struct task_struct___ns *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
}

static void end(uint8_t call, bool refused, int64_t result)
{
	uint64_t thread = bpf_get_current_pid_tgid();
	struct place *p = bpf_map_lookup_elem(&calls, &thread);
	struct berth_refusal *r;

	if (!p)
		return;
	r = refused ? bpf_ringbuf_reserve(&refusals, sizeof(*r), 0) : NULL;
	if (r) {
		__builtin_memset(r, 0, sizeof(*r));
		r->at_ns = bpf_ktime_get_boot_ns();
		put_place(r, p);
		bpf_get_current_comm(r->comm, sizeof(r->comm));
		r->pid = (uint32_t)(thread >> 32);
		r->uid = (uint32_t)bpf_get_current_uid_gid();
		r->netns = netns_of_current();
		r->error = (uint32_t)-result;
		r->call = call;
		bpf_ringbuf_submit(r, 0);
	} else if (refused) {
		__sync_fetch_and_add(&lost, 1);
	}
	bpf_map_delete_elem(&calls, &thread);
}

SEC("tp/syscalls/sys_enter_connect")
int berth_enter_connect(struct enter *e)
{
	begin(e);
	return 0;
}

SEC("tp/syscalls/sys_enter_bind")
int berth_enter_bind(struct enter *e)
{
	begin(e);
	return 0;
}

SEC("tp/syscalls/sys_exit_connect")
int berth_exit_connect(struct leave *l)
{
	int64_t e = -l->result;

	end(BERTH_REFUSED_CONNECT, e == EADDRNOTAVAIL || e == EADDRINUSE || e == EAGAIN, l->result);
	return 0;
}

SEC("tp/syscalls/sys_exit_bind")
int berth_exit_bind(struct leave *l)
{
	int64_t e = -l->result;

	end(BERTH_REFUSED_BIND, e == EADDRNOTAVAIL || e == EADDRINUSE || e == EACCES, l->result);
	return 0;
}
