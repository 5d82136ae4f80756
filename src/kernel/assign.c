/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loader of bpf/assign.bpf.c.
 *
 * Programs are attached with BPF_F_ALLOW_MULTI and without a link, so that they live as long as their
 * cgroup: a berth that is killed leaves its program running with the ports it assigns. Nothing is pinned:
 * another run finds the shared maps by their ids, and the kernel frees them with their last user.
 */
#include "src/kernel/assign.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/assign.skel.h"
#include "src/base/auto.h"
#include "src/core/hash.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define SLABS_AT_START_MAX 8u
#define SOCKETS_MIN (1u << 16)
#define SLABS_BEFORE_RECLAIM 8u
#define LANE_IDLE_S 60u
#define DOUBLE_HASH_COUNTERS 65536u /* as many as Linux has: RFC 6056 section 3.3.4 shows 10 */

struct berth_assign {
	struct assign_bpf *skel;
	struct ring_buffer *ring;
	struct berth_shared *shared;
};

#define BERTH_MAP_NAME(name) #name,
const char *const berth_shared_map_name[BERTH_SHARED_MAP_COUNT] = { BERTH_SHARED_MAPS(
	BERTH_MAP_NAME) };
#undef BERTH_MAP_NAME

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level, (void)format, (void)ap;
	return 0;
}

static uint32_t load_number(const struct berth_assign_spec *spec)
{
	const uint64_t key[2] = { 0 };
	uint64_t h = 0;
	uint32_t i;

	for (i = 0; i < spec->config.entries; i++) {
		const struct berth_pool_entry *e = &spec->entries[i];
		uint64_t word[4] = { h, 0, 0, e->prefix_len };

		memcpy(&word[1], e->addr, sizeof(e->addr));
		h = berth_siphash(key, word, 4);
	}
	return (uint32_t)h;
}

static uint32_t pool_number(const struct berth_assign_spec *spec)
{
	const uint64_t key[2] = { 0 };
	uint64_t h[3] = { spec->config.policy, spec->config.rest_ns, 0 };
	uint32_t i;

	for (i = 0; i < BERTH_PORTSET_LEAVES; i++) {
		uint64_t pair[2] = { h[2], spec->ports->leaf[i] };

		h[2] = berth_siphash(key, pair, 2);
	}
	return (uint32_t)berth_siphash(key, h, 3);
}

/* The bit of inet_flags that says IP_BIND_ADDRESS_NO_PORT, out of the kernel's own types; 0 where it has none. */
static uint8_t no_port_bit(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	uint32_t id, n = btf ? btf__type_cnt(btf) : 0, i;
	uint8_t bit = 0;

	for (id = 1; id < n && !bit; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		if (!btf_is_enum(t))
			continue;
		for (i = 0; i < btf_vlen(t); i++) {
			const struct btf_enum *e = btf_enum(t) + i;

			if (!strcmp(btf__name_by_offset(btf, e->name_off),
				    "INET_FLAGS_BIND_ADDRESS_NO_PORT"))
				bit = (uint8_t)e->val;
		}
	}
	btf__free(btf);
	return bit;
}

int berth_assign_complete(struct berth_assign_spec *spec)
{
	struct berth_assign_config *c = &spec->config;
	socklen_t size = sizeof(c->netns);
	berth_auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &c->netns, &size))
		return -errno;
	if (getrandom(c->key, sizeof(c->key), 0) != sizeof(c->key))
		return -errno;
	c->counters = c->policy == BERTH_POLICY_DOUBLE_HASH ? DOUBLE_HASH_COUNTERS : 1;
	c->pool_id = pool_number(spec);
	c->load_id = load_number(spec);
	c->no_port_bit = no_port_bit();
	return 0;
}

static struct bpf_map *shared_map(const struct assign_bpf *skel, enum berth_shared_map which)
{
	return bpf_object__find_map_by_name(skel->obj, berth_shared_map_name[which]);
}

/* Takes the maps of another run instead of new ones. */
static int reuse_maps(struct assign_bpf *skel, const uint32_t *ids)
{
	uint32_t i;
	int err;

	for (i = 0; i < BERTH_SHARED_MAP_COUNT; i++) {
		berth_auto_fd int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd < 0)
			return -errno;
		err = bpf_map__reuse_fd(shared_map(skel, i), fd);
		if (err)
			return err;
	}
	return 0;
}

static int add_slab(struct berth_assign *a)
{
	uint32_t slab = a->shared->slabs, i, slot;
	int slabs = bpf_map__fd(a->skel->maps.slabs), slots = bpf_map__fd(a->skel->maps.slots);
	berth_auto_fd int fd = -1;

	if (slab >= BERTH_SLABS_MAX)
		return -ENOSPC;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "berth_slab", sizeof(uint32_t),
			    sizeof(struct berth_lane), BERTH_SLAB_LANES, NULL);
	if (fd < 0)
		return -errno;
	if (bpf_map_update_elem(slabs, &slab, &fd, BPF_ANY))
		return -errno;
	for (i = BERTH_SLAB_LANES; i-- > 0;) {
		slot = slab * BERTH_SLAB_LANES + i;
		if (bpf_map_update_elem(slots, NULL, &slot, BPF_ANY))
			return -errno;
	}
	a->shared->slabs = slab + 1;
	return 0;
}

/* True where less than a quarter of the room is left: a step of growth waits for the kernel's grace period. */
static bool is_short(const struct berth_assign *a)
{
	uint32_t room = a->shared->slabs * BERTH_SLAB_LANES;

	return __atomic_load_n(&a->shared->lanes, __ATOMIC_RELAXED) > room - room / 4;
}

/*
 * Takes one lane out where it was not used lately. BPF_F_LOCK writes under the lane's own lock, and whoever
 * waited for that sees the slot dead; whoever looks the lane up later finds none.
 */
static bool retire(int lanes, const struct berth_lane_key *key, uint32_t now_s, uint32_t *out_slot)
{
	struct berth_lane_slot slot, dead = { .slot = BERTH_SLOT_DEAD };

	if (bpf_map_lookup_elem(lanes, key, &slot) || now_s - slot.used_s < LANE_IDLE_S)
		return false;
	if (bpf_map_update_elem(lanes, key, &dead, BPF_F_LOCK | BPF_EXIST) ||
	    bpf_map_delete_elem(lanes, key))
		return false;
	*out_slot = slot.slot;
	return true;
}

/* Gives the memory of lanes that nobody used for a minute to others. A lane is a hint: it can be lost. */
static void reclaim(struct berth_assign *a)
{
	int lanes = bpf_map__fd(a->skel->maps.lanes), slots = bpf_map__fd(a->skel->maps.slots);
	static uint32_t freed[BERTH_LANES_MAX];
	struct berth_lane_key key, next;
	struct timespec now;
	uint32_t n = 0, i;
	int more;

	clock_gettime(CLOCK_MONOTONIC, &now);
	more = !bpf_map_get_next_key(lanes, NULL, &next);
	while (more && n < BERTH_LANES_MAX) {
		key = next;
		more = !bpf_map_get_next_key(lanes, &key, &next);
		n += retire(lanes, &key, (uint32_t)now.tv_sec, &freed[n]);
	}
	/* A program may still hold a lane's memory from before: wait until none runs that began earlier. */
	if (n && syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		n = 0;
	for (i = 0; i < n; i++)
		bpf_map_update_elem(slots, NULL, &freed[i], BPF_ANY);
	__atomic_sub_fetch(&a->shared->lanes, n, __ATOMIC_RELAXED);
}

int berth_assign_grow(struct berth_assign *a)
{
	uint32_t more;
	int err = 0;

	ring_buffer__consume(a->ring);
	if (is_short(a) && a->shared->slabs >= SLABS_BEFORE_RECLAIM)
		reclaim(a);
	if (!is_short(a))
		return 0;
	for (more = a->shared->slabs / 2 + 1; !err && more; more--)
		err = add_slab(a);
	return err;
}

static int ignore_event(void *ctx, void *data, size_t size)
{
	(void)ctx, (void)data, (void)size;
	return 0;
}

/* What berth needs beside the programs: the shared page, the events and the first lanes. */
static int finish(struct berth_assign *a, const struct berth_assign_spec *spec)
{
	uint32_t want = spec->config.entries / (BERTH_SLAB_LANES / 2) + 1;
	void *page = mmap(NULL, sizeof(struct berth_shared), PROT_READ | PROT_WRITE, MAP_SHARED,
			  bpf_map__fd(a->skel->maps.shared), 0);
	int err = 0;

	if (page == MAP_FAILED)
		return -errno;
	a->shared = page;
	a->ring = ring_buffer__new(bpf_map__fd(a->skel->maps.events), ignore_event, NULL, NULL);
	if (!a->ring)
		return -errno;
	want = want < SLABS_AT_START_MAX ? want : SLABS_AT_START_MAX;
	while (!err && a->shared->slabs < want)
		err = add_slab(a);
	return err;
}

/*
 * Room for the sockets of four destinations that each use up the pool. More room makes each connection
 * dearer: the buckets fall out of the cache.
 */
static uint32_t sockets_for(const struct berth_assign_spec *spec)
{
	uint64_t want =
		4ULL * spec->ports->count * (spec->config.entries ? spec->config.entries : 1);

	return want < SOCKETS_MIN         ? SOCKETS_MIN
	       : want > BERTH_SOCKETS_MAX ? BERTH_SOCKETS_MAX
					  : (uint32_t)want;
}

static int load(struct assign_bpf *skel, const struct berth_assign_spec *spec, bool shared_already)
{
	memcpy((void *)&skel->rodata->config, &spec->config, sizeof(spec->config));
	memcpy((void *)&skel->rodata->entries, spec->entries,
	       spec->config.entries * sizeof(*spec->entries));
	memcpy(&skel->bss->pool, spec->ports, sizeof(*spec->ports));
	bpf_map__set_max_entries(skel->maps.counters, spec->config.counters);
	if (!shared_already)
		bpf_map__set_max_entries(skel->maps.assigned, sockets_for(spec));
	return assign_bpf__load(skel);
}

static int refuse(int err, struct berth_why *why)
{
	if (err == -EPERM || err == -EACCES)
		return berth_why(
			why, err,
			"bpf: the kernel refused to load a program (%s); run as root, with "
			"CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, or with --via preload",
			strerror(-err));
	return berth_why(
		why, err,
		"bpf: the kernel did not accept the programs (%s); they need Linux 6.1 or newer: "
		"see \"berth doctor\", or use --via preload",
		strerror(-err));
}

int berth_assign_open(const struct berth_assign_spec *spec, const uint32_t *peer_ids,
		      struct berth_assign **out_assign, struct berth_why *why)
{
	struct berth_assign *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return berth_why(why, -ENOMEM, "bpf: no memory");
	if (!getenv("BERTH_BPF_LOG"))
		libbpf_set_print(quiet);
	a->skel = assign_bpf__open();
	err = a->skel ? 0 : -errno;
	if (!err && peer_ids)
		err = reuse_maps(a->skel, peer_ids);
	if (!err)
		err = load(a->skel, spec, peer_ids);
	if (!err)
		err = finish(a, spec);
	if (err) {
		berth_assign_close(a);
		return refuse(err, why);
	}
	*out_assign = a;
	return 0;
}

void berth_assign_withhold(struct berth_assign *a, const struct berth_portset *ports)
{
	uint32_t i;

	for (i = 0; i < BERTH_PORTSET_LEAVES; i++)
		__atomic_fetch_or(&a->shared->withheld[i], ports->leaf[i], __ATOMIC_RELAXED);
}

int berth_assign_attach(struct berth_assign *a, int cgroup_fd, struct berth_why *why)
{
	const struct {
		struct bpf_program *prog;
		enum bpf_attach_type type;
	} row[] = {
		{ a->skel->progs.berth_release, BPF_CGROUP_INET_SOCK_RELEASE },
		{ a->skel->progs.berth_bind4, BPF_CGROUP_INET4_BIND },
		{ a->skel->progs.berth_bind6, BPF_CGROUP_INET6_BIND },
		{ a->skel->progs.berth_connect4, BPF_CGROUP_INET4_CONNECT },
		{ a->skel->progs.berth_connect6, BPF_CGROUP_INET6_CONNECT },
	};
	uint32_t i;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		if (bpf_prog_attach(bpf_program__fd(row[i].prog), cgroup_fd, row[i].type,
				    BPF_F_ALLOW_MULTI))
			return berth_why(
				why, -errno,
				"cgroup: the kernel refused to attach %s (%s); a program of "
				"another owner higher up may forbid it: bpftool cgroup tree",
				bpf_program__name(row[i].prog), strerror(errno));
	}
	return 0;
}

static int map_id(int fd, uint32_t *out_id)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		return -errno;
	*out_id = info.id;
	return 0;
}

int berth_assign_map_ids(const struct berth_assign *a, uint32_t out_ids[BERTH_SHARED_MAP_COUNT + 1])
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < BERTH_SHARED_MAP_COUNT && !err; i++)
		err = map_id(bpf_map__fd(shared_map(a->skel, i)), &out_ids[i]);
	return err ? err : map_id(berth_assign_counters_fd(a), &out_ids[i]);
}

static int by_prefix(const void *a, const void *b)
{
	const struct berth_egress *x = a, *y = b;

	return memcmp(&x->prefix, &y->prefix, sizeof(x->prefix));
}

/* Takes the prefixes out of the map that are not among the routes, which are sorted. */
static void forget_others(int map, const struct berth_egress *route, size_t n)
{
	struct berth_egress known = { 0 };
	struct berth_egress_key next;
	int more = !bpf_map_get_next_key(map, NULL, &next);

	while (more) {
		known.prefix = next;
		more = !bpf_map_get_next_key(map, &known.prefix, &next);
		if (!n || !bsearch(&known, route, n, sizeof(*route), by_prefix))
			bpf_map_delete_elem(map, &known.prefix);
	}
}

int berth_assign_set_egress(struct berth_assign *a, struct berth_egress *route, size_t n)
{
	int map = bpf_map__fd(a->skel->maps.egress), err = 0;
	size_t i;

	/* Backwards: the first of equal ones is written last. */
	for (i = n; i-- > 0;)
		if (bpf_map_update_elem(map, &route[i].prefix, &route[i].device, BPF_ANY))
			err = -errno;
	if (n)
		qsort(route, n, sizeof(*route), by_prefix);
	forget_others(map, route, n);
	return err;
}

int berth_assign_event_fd(const struct berth_assign *a)
{
	return ring_buffer__epoll_fd(a->ring);
}

int berth_assign_counters_fd(const struct berth_assign *a)
{
	return bpf_map__fd(a->skel->maps.verdicts);
}

int berth_assign_read(int map_fd, uint64_t out_verdicts[BERTH_VERDICT_COUNT])
{
	int cpus = libbpf_num_possible_cpus(), cpu, i;
	berth_auto_free uint64_t *v = NULL;
	uint32_t zero = 0;

	if (cpus < 0)
		return cpus;
	v = calloc((size_t)cpus, BERTH_VERDICT_COUNT * sizeof(*v));
	if (!v)
		return -ENOMEM;
	if (bpf_map_lookup_elem(map_fd, &zero, v))
		return -errno;
	memset(out_verdicts, 0, BERTH_VERDICT_COUNT * sizeof(*out_verdicts));
	for (cpu = 0; cpu < cpus; cpu++)
		for (i = 0; i < BERTH_VERDICT_COUNT; i++)
			out_verdicts[i] += v[cpu * BERTH_VERDICT_COUNT + i];
	return 0;
}

int berth_assign_read_id(uint32_t map_id, uint64_t out_verdicts[BERTH_VERDICT_COUNT])
{
	berth_auto_fd int fd = bpf_map_get_fd_by_id(map_id);

	return fd < 0 ? -errno : berth_assign_read(fd, out_verdicts);
}

void berth_assign_close(struct berth_assign *a)
{
	if (!a)
		return;
	if (a->shared)
		munmap(a->shared, sizeof(*a->shared));
	ring_buffer__free(a->ring);
	assign_bpf__destroy(a->skel);
	free(a);
}
