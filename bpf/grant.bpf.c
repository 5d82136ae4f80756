// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Decides who may bind which port.
 *
 * Hooks: cgroup/bind4, bind6 (the port that a program asks for), post_bind4, post_bind6 (the one that the
 * kernel or another cgroup's program chose). Oldest kernel: 6.1 (the current task's helpers, ancestors[]).
 * Verdicts: no rule for the port leaves the call to the kernel's own check; an allow rule lifts the need for
 * CAP_NET_BIND_SERVICE; a deny rule refuses with EACCES whoever is not its owner, root too. In doubt (the
 * process's cgroup cannot be read): closed, but where all deny rules of the port say fail=open.
 *
 * The tables are constant once loaded: other rules come with other programs, put into the same links.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>

#include "../abi/grant.h"
#include "../src/core/hash.h"

#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define EACCES 13

/* What a hook returns. */
#define PASS 1
#define PASS_WITHOUT_CAPABILITY 3
#define REFUSE 0

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Parts of the kernel's types; the loader finds the places in the running kernel. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	uint32_t val;
} kuid_t;

typedef struct {
	uint32_t val;
} kgid_t;

struct group_info {
	int ngroups;
	kgid_t gid[0];
};

struct cred {
	kuid_t euid;
	kgid_t egid;
	struct group_info *group_info;
};

struct kernfs_node {
	const char *name;
};

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[0];
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct task_struct {
	const struct cred *cred;
	struct css_set *cgroups;
};

struct sock_common {
	unsigned char skc_ipv6only : 1;
};

struct sock {
	struct sock_common __sk_common;
};

#pragma clang attribute pop

const volatile struct berth_grant_config config;
/* Written before the load only, but not read-only: what the verifier knew of it would vary with the rules. */
uint16_t port_class[BERTH_GRANT_PROTOCOLS * 65536];

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct berth_grant_class);
} classes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct berth_grant_prefix);
	__type(value, struct berth_grant_set);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct berth_grant_prefix);
	__type(value, struct berth_grant_set);
} areas SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct berth_grant_member);
	__type(value, uint32_t);
} members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, uint64_t);
	__type(value, struct berth_grant_place);
} places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct berth_grant_passed);
} passed SEC(".maps");

struct counters {
	uint64_t n[BERTH_GRANT_COUNTER_COUNT];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct counters);
} counters SEC(".maps");

/* Element 0 counts in at_ns how many there have been; the n-th is element n % BERTH_GRANT_RECENT + 1. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BERTH_GRANT_RECENT + 1);
	__type(key, uint32_t);
	__type(value, struct berth_grant_event);
} recent SEC(".maps");

/* Too large for the stack. */
struct scratch {
	struct berth_grant_step step;
	struct berth_grant_place place;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* One bind() in question. */
struct question {
	uint8_t addr[16];
	const struct berth_grant_class *rules;
	uint32_t port, protocol, class;
	uint32_t chosen; /* not asked for by the program */
};

static void count(enum berth_grant_counter counter)
{
	uint32_t zero = 0;
	struct counters *c = bpf_map_lookup_elem(&counters, &zero);

	if (c)
		c->n[counter]++;
}

static const struct cred *current_cred(void)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();

	return task->cred;
}

/* Rights of the set's member, 0 where it is none. */
static uint32_t rights(uint32_t set, enum berth_grant_kind kind, uint64_t id)
{
	struct berth_grant_member key = { .set = set, .kind = kind, .id = id };
	uint32_t *found = bpf_map_lookup_elem(&members, &key);

	return found ? *found : 0;
}

struct group_walk {
	struct group_info *info;
	uint32_t set, rights;
};

static long one_group(uint32_t i, struct group_walk *w)
{
	kgid_t gid = {};

	if (bpf_probe_read_kernel(&gid, sizeof(gid), (char *)w->info->gid + i * sizeof(gid)))
		return 1;
	w->rights |= rights(w->set, BERTH_GRANT_GROUP, gid.val);
	return 0;
}

static uint32_t group_rights(uint32_t set, const struct cred *cred)
{
	struct group_walk w = { .info = cred->group_info, .set = set };
	uint32_t n = (uint32_t)w.info->ngroups;

	w.rights = rights(set, BERTH_GRANT_GROUP, cred->egid.val);
	bpf_loop(n < BERTH_GRANT_GROUPS ? n : BERTH_GRANT_GROUPS, one_group, &w, 0);
	return w.rights;
}

/* Puts the hash of a step into "above", for the next. Global: verified once, and not for each level. */
__attribute__((noinline)) int hash_step(struct berth_grant_step *step)
{
	/* Read as the volatile that they are: the compiler takes them for constants otherwise. */
	uint64_t key[2] = { config.key[0], config.key[1] };

	if (!step)
		return 0;
	step->above = berth_siphash(key, (const uint64_t *)step, sizeof(*step) / 8);
	return 0;
}

/* Adds the next level to the path in scratch; false where its name cannot be read. */
static bool add_level(struct scratch *s, struct cgroup *cgrp, uint32_t level)
{
	struct cgroup *at = 0;
	const char *name;
	uint32_t i;

	if (bpf_probe_read_kernel(&at, sizeof(at), (char *)cgrp->ancestors + level * sizeof(at)))
		return false;
	name = BPF_CORE_READ(at, kn, name);
	for (i = 0; i < BERTH_GRANT_NAME / 8; i++)
		((volatile uint64_t *)s->step.name)[i] = 0;
	if (bpf_probe_read_kernel_str(s->step.name, sizeof(s->step.name), name) < 0)
		return false;
	hash_step(&s->step);
	return true;
}

/* Finds the path of the process's cgroup and remembers it; false where it cannot be read. */
__attribute__((noinline)) int learn_place(uint64_t id)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	struct cgroup *cgrp = task->cgroups->dfl_cgrp;
	uint32_t zero = 0, levels = (uint32_t)cgrp->level, i;
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	if (!s)
		return 0;
	s->step.above = 0;
	levels = levels < BERTH_GRANT_DEPTH ? levels : BERTH_GRANT_DEPTH;
	for (i = 0; i < BERTH_GRANT_DEPTH; i++) {
		if (i >= levels)
			break;
		if (!add_level(s, cgrp, i + 1))
			return 0;
		s->place.hash[i] = s->step.above;
	}
	s->place.levels = levels;
	return !bpf_map_update_elem(&places, &id, &s->place, BPF_ANY);
}

/* Rights of the process's cgroup and of those above it; *known is cleared where they cannot be told. */
static uint32_t cgroup_rights(uint32_t set, bool *known)
{
	uint64_t id = bpf_get_current_cgroup_id();
	struct berth_grant_place *place = bpf_map_lookup_elem(&places, &id);
	uint32_t found = 0, i;

	if (!place && learn_place(id))
		place = bpf_map_lookup_elem(&places, &id);
	if (!place) {
		*known = false;
		return 0;
	}
	for (i = 0; i < BERTH_GRANT_DEPTH; i++) {
		if (i >= place->levels)
			break;
		found |= rights(set, BERTH_GRANT_CGROUP, place->hash[i]);
	}
	return found;
}

/* Rights of the current process in the set; *known is cleared where they cannot all be told. */
static uint32_t find_rights(const struct berth_grant_set *set, bool *known)
{
	uint32_t found = set->flags & BERTH_GRANT_SET_ANYBODY ? BERTH_GRANT_MAY : 0;
	const struct cred *cred;

	if (set->flags & (BERTH_GRANT_SET_USERS | BERTH_GRANT_SET_GROUPS)) {
		cred = current_cred();
		if (set->flags & BERTH_GRANT_SET_LONE)
			found |= cred->euid.val == set->uid ? set->rights : 0;
		else if (set->flags & BERTH_GRANT_SET_USERS)
			found |= rights(set->id, BERTH_GRANT_USER, cred->euid.val);
		if (set->flags & BERTH_GRANT_SET_GROUPS)
			found |= group_rights(set->id, cred);
	}
	if (set->flags & BERTH_GRANT_SET_CGROUPS)
		found |= cgroup_rights(set->id, known);
	return found;
}

/* What the rules of one set say of the current process: PASS, PASS_WITHOUT_CAPABILITY or REFUSE. */
static int weigh(const struct berth_grant_set *set)
{
	bool known = true, open = set->flags & BERTH_GRANT_SET_OPEN;
	uint32_t found = find_rights(set, &known);

	if (!(set->flags & BERTH_GRANT_SET_GUARDED) || (found & BERTH_GRANT_OWNS))
		return found & BERTH_GRANT_MAY ? PASS_WITHOUT_CAPABILITY : PASS;
	if (!known)
		count(open ? BERTH_GRANT_FAILED_OPEN : BERTH_GRANT_FAILED_CLOSED);
	return !known && open ? PASS : REFUSE;
}

/* The first bits of a word of an address. */
static uint64_t masked(uint64_t be, int bits)
{
	if (bits <= 0)
		return 0;
	return bits >= 64 ? be : be & bpf_cpu_to_be64(~0ULL << (64 - bits));
}

/* The set of the address: by the longest prefix of the class that has it. */
static const struct berth_grant_set *find_set(const struct question *q)
{
	struct berth_grant_prefix key = { .prefix_len = 32 + 128, .class_be = bpf_htonl(q->class) };
	uint64_t *to = (uint64_t *)key.addr;
	const uint64_t *addr = (const uint64_t *)q->addr;
	const struct berth_grant_set *set;
	uint32_t i;

	to[0] = addr[0];
	to[1] = addr[1];
	if (q->rules->flags & BERTH_GRANT_CLASS_TRIE)
		return bpf_map_lookup_elem(&prefixes, &key);
	for (i = 0; i < BERTH_GRANT_LENGTHS; i++) {
		uint8_t length = q->rules->length[i];

		if (length == BERTH_GRANT_NO_LENGTH)
			break;
		key.prefix_len = 32u + length;
		to[0] = masked(addr[0], length);
		to[1] = masked(addr[1], length - 64);
		set = bpf_map_lookup_elem(&areas, &key);
		if (set)
			return set;
	}
	return 0;
}

/* As weigh(), for the address and port in question. Inlined: a call is a thirtieth of a bind(). */
static __attribute__((always_inline)) int judge(const struct question *q)
{
	const struct berth_grant_set *set = &q->rules->set;

	if (q->rules->flags & BERTH_GRANT_CLASS_PREFIXES)
		set = find_set(q);
	return set ? weigh(set) : PASS;
}

static void remember(const struct question *q)
{
	uint32_t zero = 0, at;
	struct berth_grant_event *head = bpf_map_lookup_elem(&recent, &zero), *e;

	if (!head)
		return;
	at = (uint32_t)(__sync_fetch_and_add(&head->at_ns, 1) % BERTH_GRANT_RECENT) + 1;
	e = bpf_map_lookup_elem(&recent, &at);
	if (!e)
		return;
	e->at_ns = bpf_ktime_get_ns();
	e->uid = current_cred()->euid.val;
	e->pid = (uint32_t)(bpf_get_current_pid_tgid() >> 32);
	e->port = (uint16_t)q->port;
	e->protocol = (uint8_t)q->protocol;
	e->chosen = (uint8_t)q->chosen;
	e->observed = (uint8_t)config.observe;
	__builtin_memcpy(e->addr, q->addr, sizeof(e->addr));
	bpf_get_current_comm(e->comm, sizeof(e->comm));
}

/* Counts the verdict and gives what the hook returns. */
static int conclude(const struct question *q, int verdict)
{
	if (verdict == PASS)
		return PASS;
	if (verdict == PASS_WITHOUT_CAPABILITY) {
		if (q->chosen)
			return PASS;
		count(config.observe ? BERTH_GRANT_WOULD_GRANT : BERTH_GRANT_GRANTED);
		return config.observe ? PASS : PASS_WITHOUT_CAPABILITY;
	}
	remember(q);
	if (config.observe) {
		count(BERTH_GRANT_WOULD_REFUSE);
		return PASS;
	}
	count(q->chosen ? BERTH_GRANT_REFUSED_CHOICE : BERTH_GRANT_REFUSED);
	bpf_set_retval(-EACCES);
	return REFUSE;
}

/* True where the port has rules; fills them in. */
static bool has_rules(struct question *q, uint32_t protocol, uint32_t port)
{
	uint32_t class;

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return false;
	q->protocol = protocol == IPPROTO_UDP;
	q->port = port & 65535;
	class = port_class[q->protocol << 16 | q->port];
	if (!class)
		return false;
	q->class = class;
	q->rules = bpf_map_lookup_elem(&classes, &class);
	return q->rules != 0;
}

static bool is_elsewhere(uint64_t netns)
{
	return config.netns && config.netns != netns;
}

static void set_v4(uint8_t addr[16], uint32_t be)
{
	uint32_t *w = (uint32_t *)addr;

	w[0] = w[1] = 0;
	w[2] = bpf_htonl(0xffff);
	w[3] = be;
}

static void set_v6(uint8_t addr[16], uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	uint32_t *w = (uint32_t *)addr;

	w[0] = a, w[1] = b, w[2] = c, w[3] = d;
}

/* True where a socket bound to :: takes what comes for IPv4, too. */
static bool is_dual(const struct bpf_sock *sk)
{
	uint64_t at = 0;

	/* The verifier lets nobody read other fields through the pointer itself. */
	bpf_probe_read_kernel(&at, sizeof(at), &sk);
	return at && !BPF_CORE_READ_BITFIELD_PROBED((struct sock *)at, __sk_common.skc_ipv6only);
}

/* As judge(); :: of a socket for both families needs both. */
static int judge_v6(struct question *q, const struct bpf_sock *sk)
{
	const uint64_t *w = (const uint64_t *)q->addr;
	int verdict = judge(q), other;

	if (verdict == REFUSE || w[0] || w[1] || !is_dual(sk))
		return verdict;
	set_v4(q->addr, 0);
	other = judge(q);
	set_v6(q->addr, 0, 0, 0, 0);
	return other == REFUSE || other == PASS ? other : verdict;
}

/* Remembers for post_bind, which runs where a deny rule is about the port, that the call has passed. */
static int let_pass(const struct question *q, int verdict)
{
	uint32_t zero = 0;
	struct berth_grant_passed *p;

	if (!(q->rules->flags & BERTH_GRANT_CLASS_GUARDED) || verdict == REFUSE)
		return verdict;
	p = bpf_map_lookup_elem(&passed, &zero);
	if (p) {
		p->thread = bpf_get_current_pid_tgid();
		p->port = q->protocol << 16 | q->port;
	}
	return verdict;
}

/* True where bind4 or bind6 has let this very call pass. */
static bool has_passed(const struct question *q)
{
	uint32_t zero = 0;
	struct berth_grant_passed *p = bpf_map_lookup_elem(&passed, &zero);
	bool same = p && p->port == (q->protocol << 16 | q->port) &&
		    p->thread == bpf_get_current_pid_tgid();

	if (same)
		p->thread = 0;
	return same;
}

SEC("cgroup/bind4")
int grant_bind4(struct bpf_sock_addr *ctx)
{
	struct question q = {};

	if (!has_rules(&q, ctx->protocol, bpf_ntohs((uint16_t)ctx->user_port)) ||
	    is_elsewhere(bpf_get_netns_cookie(ctx)))
		return PASS;
	set_v4(q.addr, ctx->user_ip4);
	return let_pass(&q, conclude(&q, judge(&q)));
}

SEC("cgroup/bind6")
int grant_bind6(struct bpf_sock_addr *ctx)
{
	struct question q = {};

	if (!has_rules(&q, ctx->protocol, bpf_ntohs((uint16_t)ctx->user_port)) ||
	    is_elsewhere(bpf_get_netns_cookie(ctx)))
		return PASS;
	set_v6(q.addr, ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]);
	return let_pass(&q, conclude(&q, judge_v6(&q, ctx->sk)));
}

/* True where a deny rule may be about the port, and was not asked before. */
static bool is_guarded(struct question *q, uint32_t protocol, uint32_t port)
{
	q->chosen = 1;
	return has_rules(q, protocol, port) && (q->rules->flags & BERTH_GRANT_CLASS_GUARDED) &&
	       !has_passed(q);
}

SEC("cgroup/post_bind4")
int grant_post_bind4(struct bpf_sock *ctx)
{
	struct question q = {};

	if (!is_guarded(&q, ctx->protocol, ctx->src_port) ||
	    is_elsewhere(bpf_get_netns_cookie(ctx)))
		return PASS;
	set_v4(q.addr, ctx->src_ip4);
	return conclude(&q, judge(&q)) & PASS;
}

SEC("cgroup/post_bind6")
int grant_post_bind6(struct bpf_sock *ctx)
{
	struct question q = {};

	if (!is_guarded(&q, ctx->protocol, ctx->src_port) ||
	    is_elsewhere(bpf_get_netns_cookie(ctx)))
		return PASS;
	set_v6(q.addr, ctx->src_ip6[0], ctx->src_ip6[1], ctx->src_ip6[2], ctx->src_ip6[3]);
	return conclude(&q, judge_v6(&q, ctx)) & PASS;
}
