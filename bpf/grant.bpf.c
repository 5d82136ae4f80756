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
 * The tables are constant once loaded: other rules come with other programs, attached beside these. Whose turn it is
 * decides, so that all hooks change over by one write.
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
/* What the rules say besides: as PASS or REFUSE, of a process that cannot be told. */
#define FAIL_OPEN 4
#define FAIL_CLOSED 5

#define PROBES_IN_PLACE 2

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
/* Shared by all programs that are pinned. */
volatile uint64_t turn SEC(".data.turn");
/* Written before the load only, but not read-only: what the verifier knew of it would vary with the rules. */
uint16_t port_class[BERTH_GRANT_PROTOCOLS * 65536];

uint32_t area_mask, member_mask; /* slots of the tables, less one */

/* User space writes the arrays as memory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct berth_grant_class);
} classes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct berth_grant_area);
} areas SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct berth_grant_member);
} members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct berth_grant_prefix);
	__type(value, struct berth_grant_set);
} prefixes SEC(".maps");

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
	uint64_t taken;
};

/* Several for each CPU, as a task may be preempted in the middle of its path. */
#define SCRATCHES 4

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, uint32_t);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* Sockets that were freed of the capability for :: while they were for IPv6 alone: 1, or 0 for one that is asked anew. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, uint64_t);
} alone SEC(".maps");

/* One bind() in question. */
struct question {
	uint8_t addr[16];
	const struct berth_grant_class *rules;
	uint32_t port, protocol, class;
	uint32_t chosen; /* not asked for by the program */
	uint32_t alone;  /* :: of a socket that is for IPv6 alone */
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

/*
 * Rights of the set's member, 0 where it is none. Global, as is area_slot(): verified once, and called where the first
 * slots, which are looked at in place, did not tell.
 */
__attribute__((noinline)) int member_rights(uint32_t set, uint32_t kind, uint64_t id)
{
	uint32_t at = berth_grant_member_hash(set, kind, id) & member_mask, i;
	const struct berth_grant_member *m;

	for (i = 0; i < BERTH_GRANT_PROBES; i++) {
		m = bpf_map_lookup_elem(&members, &at);
		if (!m || !m->rights)
			break;
		if (m->id == id && m->set == set && m->kind == kind)
			return (int)m->rights;
		at = (at + 1) & member_mask;
	}
	return 0;
}

static __attribute__((always_inline)) uint32_t user_rights(uint32_t set, uint32_t uid)
{
	uint32_t at = berth_grant_member_hash(set, BERTH_GRANT_USER, uid) & member_mask, i;
	const struct berth_grant_member *m;

	for (i = 0; i < PROBES_IN_PLACE; i++) {
		m = bpf_map_lookup_elem(&members, &at);
		if (!m || !m->rights)
			return 0;
		if (m->id == uid && m->set == set && m->kind == BERTH_GRANT_USER)
			return m->rights;
		at = (at + 1) & member_mask;
	}
	return (uint32_t)member_rights(set, BERTH_GRANT_USER, uid);
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
	w->rights |= (uint32_t)member_rights(w->set, BERTH_GRANT_GROUP, gid.val);
	return 0;
}

static uint32_t group_rights(uint32_t set, const struct cred *cred)
{
	struct group_walk w = { .info = cred->group_info, .set = set };
	uint32_t n = (uint32_t)w.info->ngroups;

	w.rights = (uint32_t)member_rights(set, BERTH_GRANT_GROUP, cred->egid.val);
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

/* A scratch that no other task uses; NULL where there is none. The taker gives it back by clearing taken. */
static struct scratch *take_scratch(void)
{
	uint32_t i;

	for (i = 0; i < SCRATCHES; i++) {
		uint32_t at = i;
		struct scratch *s = bpf_map_lookup_elem(&scratches, &at);

		if (s && !__sync_lock_test_and_set(&s->taken, 1))
			return s;
	}
	return 0;
}

/* Hashes the path of the process's cgroup into the scratch's place; false where it cannot be read. */
static bool read_place(struct scratch *s)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	struct cgroup *cgrp = task->cgroups->dfl_cgrp;
	uint32_t levels = (uint32_t)cgrp->level, i;

	s->step.above = 0;
	levels = levels < BERTH_GRANT_DEPTH ? levels : BERTH_GRANT_DEPTH;
	for (i = 0; i < BERTH_GRANT_DEPTH; i++) {
		if (i >= levels)
			break;
		if (!add_level(s, cgrp, i + 1))
			return false;
		s->place.hash[i] = s->step.above;
	}
	s->place.levels = levels;
	return true;
}

/* Finds the path of the process's cgroup and remembers it; false where it cannot be read. */
__attribute__((noinline)) int learn_place(uint64_t id)
{
	struct scratch *s = take_scratch();
	bool learnt;

	if (!s)
		return 0;
	learnt = read_place(s) && !bpf_map_update_elem(&places, &id, &s->place, BPF_ANY);
	__sync_lock_test_and_set(&s->taken, 0);
	return learnt;
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
		found |= (uint32_t)member_rights(set, BERTH_GRANT_CGROUP, place->hash[i]);
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
			found |= user_rights(set->id, cred->euid.val);
		if (set->flags & BERTH_GRANT_SET_GROUPS)
			found |= group_rights(set->id, cred);
	}
	if (set->flags & BERTH_GRANT_SET_CGROUPS)
		found |= cgroup_rights(set->id, known);
	return found;
}

/* What the rules of one set say of the current process. */
static __attribute__((always_inline)) int weigh(const struct berth_grant_set *set)
{
	bool known = true;
	uint32_t found = find_rights(set, &known);

	if (!(set->flags & BERTH_GRANT_SET_GUARDED) || (found & BERTH_GRANT_OWNS))
		return found & BERTH_GRANT_MAY ? PASS_WITHOUT_CAPABILITY : PASS;
	if (known)
		return REFUSE;
	return set->flags & BERTH_GRANT_SET_OPEN ? FAIL_OPEN : FAIL_CLOSED;
}

/* The first bits of a word of an address. */
static uint64_t masked(uint64_t be, int bits)
{
	if (bits <= 0)
		return 0;
	return bits >= 64 ? be : be & bpf_cpu_to_be64(~0ULL << (64 - bits));
}

static __attribute__((always_inline)) bool is_area(const struct berth_grant_area *a, uint32_t class,
						   uint32_t length, uint64_t high, uint64_t low)
{
	const uint64_t *addr = (const uint64_t *)a->key.addr;

	return addr[1] == low && addr[0] == high && a->key.prefix_len == 32 + length &&
	       a->key.class_be == bpf_htonl(class);
}

/* The slot of an area, -1 where there is none. */
__attribute__((noinline)) int area_slot(uint32_t class, uint32_t length, uint64_t high,
					uint64_t low)
{
	uint32_t at = berth_grant_area_hash(class, length, high, low) & area_mask, i;
	const struct berth_grant_area *a;

	for (i = 0; i < BERTH_GRANT_PROBES; i++) {
		a = bpf_map_lookup_elem(&areas, &at);
		if (!a || !a->key.prefix_len)
			break;
		if (is_area(a, class, length, high, low))
			return (int)at;
		at = (at + 1) & area_mask;
	}
	return -1;
}

/* The set of the first bits of an address in the class; NULL where that is no prefix of a rule. */
static __attribute__((always_inline)) const struct berth_grant_set *find_area(uint32_t class,
									      uint32_t length,
									      uint64_t high,
									      uint64_t low)
{
	uint32_t at = berth_grant_area_hash(class, length, high, low) & area_mask, i;
	const struct berth_grant_area *a;

	for (i = 0; i < PROBES_IN_PLACE; i++) {
		a = bpf_map_lookup_elem(&areas, &at);
		if (!a || !a->key.prefix_len)
			return 0;
		if (is_area(a, class, length, high, low))
			return &a->set;
		at = (at + 1) & area_mask;
	}
	at = (uint32_t)area_slot(class, length, high, low);
	a = bpf_map_lookup_elem(&areas, &at);
	return a ? &a->set : 0;
}

/* The set of the address: by the longest prefix of the class that has it. */
static __attribute__((always_inline)) const struct berth_grant_set *find_set(
	const struct question *q)
{
	const uint64_t *addr = (const uint64_t *)q->addr;
	uint64_t high = addr[0], low = addr[1];
	const struct berth_grant_set *set;
	uint32_t i;

	if (q->rules->flags & BERTH_GRANT_CLASS_TRIE) {
		struct berth_grant_prefix key = { .prefix_len = 32 + 128,
						  .class_be = bpf_htonl(q->class) };
		uint64_t *to = (uint64_t *)key.addr;

		to[0] = high;
		to[1] = low;
		return bpf_map_lookup_elem(&prefixes, &key);
	}
	if ((q->rules->flags & BERTH_GRANT_CLASS_WILDCARD) && !high &&
	    (!low || low == bpf_cpu_to_be64(0xffffULL << 32))) {
		set = find_area(q->class, 128, high, low);
		if (set)
			return set;
	}
	for (i = 0; i < BERTH_GRANT_LENGTHS; i++) {
		uint8_t length = q->rules->length[i];

		if (length == BERTH_GRANT_NO_LENGTH)
			break;
		set = find_area(q->class, length, masked(high, length), masked(low, length - 64));
		if (set)
			return set;
	}
	return 0;
}

/* As weigh(), for the address and port in question. */
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

static bool is_refusal(int verdict)
{
	return verdict == REFUSE || verdict == FAIL_CLOSED;
}

static int refuse(const struct question *q)
{
	remember(q);
	if (config.observe) {
		count(BERTH_GRANT_WOULD_REFUSE);
		return PASS;
	}
	count(q->chosen ? BERTH_GRANT_REFUSED_CHOICE : BERTH_GRANT_REFUSED);
	bpf_set_retval(-EACCES);
	return REFUSE;
}

/* Counts a verdict other than PASS and gives what the hook returns. */
static __attribute__((always_inline)) int conclude(const struct question *q, int verdict)
{
	if (verdict == PASS_WITHOUT_CAPABILITY) {
		count(config.observe ? BERTH_GRANT_WOULD_GRANT : BERTH_GRANT_GRANTED);
		return config.observe ? PASS : PASS_WITHOUT_CAPABILITY;
	}
	if (verdict == FAIL_OPEN || verdict == FAIL_CLOSED)
		count(verdict == FAIL_OPEN ? BERTH_GRANT_FAILED_OPEN : BERTH_GRANT_FAILED_CLOSED);
	return verdict == FAIL_OPEN ? PASS : refuse(q);
}

/* True where the port has a class; fills it in. */
static bool has_class(struct question *q, uint32_t protocol, uint32_t port)
{
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return false;
	q->protocol = protocol == IPPROTO_UDP;
	q->port = port & 65535;
	q->class = port_class[q->protocol << 16 | q->port];
	return q->class != 0;
}

/* True where these programs decide. */
static bool is_our_turn(void)
{
	return turn == config.turn;
}

static bool has_rules(struct question *q)
{
	uint32_t class = q->class;

	q->rules = bpf_map_lookup_elem(&classes, &class);
	return q->rules != 0;
}

/* True where the socket is in another network namespace than that of the rules; ctx is what the hook was given. */
#define IS_ELSEWHERE(ctx) (config.netns && config.netns != bpf_get_netns_cookie(ctx))

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

/* As judge(), for 0.0.0.0. Global: judge() twice in one program is more than twice the work for the verifier. */
__attribute__((noinline)) int judge_any_v4(uint32_t class)
{
	struct question q = { .class = class };

	if (!has_rules(&q))
		return PASS;
	set_v4(q.addr, 0);
	return judge(&q);
}

static __attribute__((always_inline)) bool is_any_v6(const struct question *q)
{
	const uint64_t *w = (const uint64_t *)q->addr;

	return !w[0] && !w[1];
}

/* As judge(); :: of a socket for both families needs both. */
static __attribute__((always_inline)) int judge_v6(struct question *q, const struct bpf_sock *sk)
{
	int verdict = judge(q), other;

	if (is_refusal(verdict) || !is_any_v6(q))
		return verdict;
	q->alone = !is_dual(sk);
	if (q->alone)
		return verdict;
	other = judge_any_v4(q->class);
	return other == PASS_WITHOUT_CAPABILITY ? verdict : other;
}

/* Remembers for post_bind, which runs where a deny rule is about the port, that the call has passed. */
static __attribute__((always_inline)) void let_pass(const struct question *q, struct bpf_sock *sk)
{
	uint32_t zero = 0;
	struct berth_grant_passed *p = bpf_map_lookup_elem(&passed, &zero);

	if (!p)
		return;
	p->socket = (uint64_t)(long)sk;
	p->port = q->protocol << 16 | q->port;
	p->alone = q->alone;
}

/* True where bind4 or bind6 has let this very call pass, and the socket is still for the same families. */
static __attribute__((always_inline)) bool has_passed(struct question *q, const struct bpf_sock *sk)
{
	uint32_t zero = 0;
	struct berth_grant_passed *p = bpf_map_lookup_elem(&passed, &zero);
	bool same =
		p && p->socket == (uint64_t)(long)sk && p->port == (q->protocol << 16 | q->port);

	if (!same)
		return false;
	q->chosen = 0;
	p->socket = 0;
	return !p->alone || !is_dual(sk);
}

static void forget_passed(void)
{
	uint32_t zero = 0;
	struct berth_grant_passed *p = bpf_map_lookup_elem(&passed, &zero);

	if (p)
		p->socket = 0;
}

/* What bind4 and bind6 return. The namespace is asked for only where the answer is not PASS. */
static __attribute__((always_inline)) int answer(struct bpf_sock_addr *ctx,
						 const struct question *q, int verdict)
{
	if (verdict != PASS && !IS_ELSEWHERE(ctx))
		verdict = conclude(q, verdict);
	else
		verdict = PASS;
	if (verdict != REFUSE && (q->rules->flags & BERTH_GRANT_CLASS_GUARDED))
		let_pass(q, ctx->sk);
	return verdict;
}

/*
 * The lock of the socket is free between bind6 and the bind itself: who is allowed :: for IPv6 alone and clears
 * IPV6_V6ONLY just then would have 0.0.0.0, too. What is freed of the capability is noted for post_bind6; where it
 * cannot be, it is not freed.
 */
static __attribute__((always_inline)) int note_alone(struct bpf_sock_addr *ctx,
						     const struct question *q, int verdict)
{
	uint64_t freed = verdict == PASS_WITHOUT_CAPABILITY && q->alone, *noted;

	if (!(q->rules->flags & BERTH_GRANT_CLASS_LOPSIDED) || !is_any_v6(q))
		return verdict;
	noted = bpf_sk_storage_get(&alone, ctx->sk, 0, freed ? BPF_SK_STORAGE_GET_F_CREATE : 0);
	if (noted)
		*noted = freed;
	return freed && !noted ? PASS : verdict;
}

/* True where the socket was freed of the capability for IPv6 alone, and takes IPv4 too by now. */
static __attribute__((always_inline)) bool is_widened(struct bpf_sock *ctx,
						      const struct question *q)
{
	uint64_t *freed;

	if (!(q->rules->flags & BERTH_GRANT_CLASS_LOPSIDED) || !is_any_v6(q) || !is_dual(ctx))
		return false;
	freed = bpf_sk_storage_get(&alone, ctx, 0, 0);
	return freed && *freed;
}

SEC("cgroup/bind4")
int grant_bind4(struct bpf_sock_addr *ctx)
{
	uint32_t port = bpf_ntohs((uint16_t)ctx->user_port);
	struct question q = {};

	if (!port)
		forget_passed();
	if (!has_class(&q, ctx->protocol, port) || !is_our_turn() || !has_rules(&q))
		return PASS;
	set_v4(q.addr, ctx->user_ip4);
	return answer(ctx, &q, judge(&q));
}

SEC("cgroup/bind6")
int grant_bind6(struct bpf_sock_addr *ctx)
{
	uint32_t port = bpf_ntohs((uint16_t)ctx->user_port);
	struct question q = {};

	if (!port)
		forget_passed();
	if (!has_class(&q, ctx->protocol, port) || !is_our_turn() || !has_rules(&q))
		return PASS;
	set_v6(q.addr, ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]);
	return note_alone(ctx, &q, answer(ctx, &q, judge_v6(&q, ctx->sk)));
}

/* True where a rule may be about the port that is not settled by what was asked before. */
static __attribute__((always_inline)) bool is_open(struct question *q, struct bpf_sock *sk,
						   uint32_t flags)
{
	q->chosen = 1;
	return has_class(q, sk->protocol, sk->src_port) && !has_passed(q, sk) && is_our_turn() &&
	       has_rules(q) && (q->rules->flags & flags);
}

/* What post_bind4 and post_bind6 return. */
static __attribute__((always_inline)) int answer_chosen(struct bpf_sock *ctx,
							const struct question *q, int verdict)
{
	if (verdict == PASS || verdict == PASS_WITHOUT_CAPABILITY || IS_ELSEWHERE(ctx))
		return PASS;
	return conclude(q, verdict);
}

SEC("cgroup/post_bind4")
int grant_post_bind4(struct bpf_sock *ctx)
{
	struct question q = {};

	if (!is_open(&q, ctx, BERTH_GRANT_CLASS_GUARDED))
		return PASS;
	set_v4(q.addr, ctx->src_ip4);
	return answer_chosen(ctx, &q, judge(&q));
}

SEC("cgroup/post_bind6")
int grant_post_bind6(struct bpf_sock *ctx)
{
	struct question q = {};
	int verdict = PASS;

	if (!is_open(&q, ctx, BERTH_GRANT_CLASS_GUARDED | BERTH_GRANT_CLASS_LOPSIDED))
		return PASS;
	set_v6(q.addr, ctx->src_ip6[0], ctx->src_ip6[1], ctx->src_ip6[2], ctx->src_ip6[3]);
	if (is_widened(ctx, &q)) {
		q.chosen = 0;
		verdict = REFUSE;
	} else if (q.rules->flags & BERTH_GRANT_CLASS_GUARDED) {
		verdict = judge_v6(&q, ctx);
	}
	return answer_chosen(ctx, &q, verdict);
}
