/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loader of bpf/grant.bpf.c.
 *
 * New rules are new programs with new tables, attached and pinned beside the old ones, where they let everything pass:
 * it is not their turn. One write to a map gives it to them, at all hooks at once; then the old ones are taken away. The
 * kernel runs the programs of a cgroup in the order in which they came, so a call that is on its way at that moment meets
 * the old rules, the new or both; only where --cgroup names another cgroup than before it may meet neither. The directory
 * is locked meanwhile.
 */
#include "src/kernel/grant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/magic.h>

#include "bpf/grant.skel.h"
#include "src/base/auto.h"
#include "src/kernel/file.h"
#include "src/kernel/grantpins.h"
#include "src/kernel/grantset.h"
#include "src/kernel/proctext.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level, (void)format, (void)ap;
	return 0;
}

static int refuse_load(int err, struct berth_why *why)
{
	return berth_why(
		why, err,
		"bpf: the kernel did not accept the programs (%s); they need root, or CAP_BPF, "
		"CAP_NET_ADMIN and CAP_PERFMON, and Linux 6.1 or newer: see \"berth doctor\"",
		strerror(-err));
}

static int netns_cookie(uint64_t *out)
{
	socklen_t size = sizeof(*out);
	berth_auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, out, &size) ? -errno : 0;
}

/* Goes on with the map that is pinned already, so that counters outlive a change of rules. */
static void reuse(const char *dir, struct bpf_map *map, const char *name)
{
	char path[PATH_MAX + 32];
	berth_auto_fd int fd = -1;

	berth_grantpins_path(dir, name, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd >= 0)
		bpf_map__reuse_fd(map, fd);
}

/* Writes the elements of an array map. */
static int write_array(const struct bpf_map *map, const void *data, uint32_t count, size_t size)
{
	size_t bytes = count * size;
	void *to = mmap(NULL, bytes, PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (to == MAP_FAILED)
		return -errno;
	memcpy(to, data, bytes);
	munmap(to, bytes);
	return 0;
}

static int fill(struct grant_bpf *skel, const struct berth_grant_tables *t)
{
	int err = write_array(skel->maps.classes, t->classes, t->class_count, sizeof(*t->classes));
	uint32_t i;

	if (!err)
		err = write_array(skel->maps.areas, t->areas, t->area_slots, sizeof(*t->areas));
	if (!err)
		err = write_array(skel->maps.members, t->members, t->member_slots,
				  sizeof(*t->members));
	for (i = 0; !err && i < t->prefix_count; i++)
		if (bpf_map_update_elem(bpf_map__fd(skel->maps.prefixes), &t->prefixes[i].key,
					&t->prefixes[i].set, BPF_ANY))
			err = -errno;
	return err;
}

static int load(struct grant_bpf *skel, const char *dir, const struct berth_grant_tables *t,
		const struct berth_grant_config *config)
{
	int err;

	memcpy((void *)&skel->rodata->config, config, sizeof(*config));
	memcpy(skel->bss->port_class, t->port_class, sizeof(skel->bss->port_class));
	skel->bss->area_mask = t->area_slots - 1;
	skel->bss->member_mask = t->member_slots - 1;
	bpf_map__set_max_entries(skel->maps.classes, t->class_count);
	bpf_map__set_max_entries(skel->maps.areas, t->area_slots);
	bpf_map__set_max_entries(skel->maps.members, t->member_slots);
	bpf_map__set_max_entries(skel->maps.prefixes, t->prefix_count ? t->prefix_count : 1);
	reuse(dir, skel->maps.counters, "counters");
	reuse(dir, skel->maps.recent, "recent");
	reuse(dir, skel->maps.data_turn, "turn");
	err = grant_bpf__load(skel);
	return err ? err : fill(skel, t);
}

/* The cgroup that the rules hold for. */
static int open_cgroup(const struct berth_grant_place_spec *place, char out_path[PATH_MAX],
		       int *out_fd, struct berth_why *why)
{
	berth_auto_free char *mounts = NULL;
	berth_auto_fd int fd = -1;
	struct statfs fs;
	bool rw;
	int err = 0;

	if (place->cgroup) {
		snprintf(out_path, PATH_MAX, "%s", place->cgroup);
	} else {
		err = berth_file_read("/proc/self/mounts", &mounts);
		if (!err)
			err = berth_mounts_find(mounts, "cgroup2", out_path, PATH_MAX, &rw);
	}
	if (err)
		return berth_why(
			why, err,
			"cgroup v2: not mounted on this host; mkdir -p /sys/fs/cgroup/unified && mount "
			"-t cgroup2 none /sys/fs/cgroup/unified");
	fd = open(out_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return berth_why(why, -errno, "--cgroup: %s: %s; name a directory of cgroup v2",
				 out_path, strerror(errno));
	if (fstatfs(fd, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
		return berth_why(why, -EINVAL,
				 "--cgroup: %s is no directory of cgroup v2; name one", out_path);
	*out_fd = berth_take_fd(&fd);
	return 0;
}

/* Pins what is not in force yet. */
static int pin_next(int fd, const char *dir, const char *name)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s" BERTH_GRANT_NEXT, dir, name);
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

/* Attaches a program by a link. */
static int attach(int prog_fd, int cgroup_fd, enum bpf_attach_type type, const char *dir,
		  const char *name)
{
	berth_auto_fd int link = bpf_link_create(prog_fd, cgroup_fd, type, NULL);

	return link < 0 ? -errno : pin_next(link, dir, name);
}

/*
 * Attaches every hook that the rules need: where none denies, the kernel's own choice of a port is free, and a
 * program less to run is a tenth of a bind().
 */
static int attach_all(const struct grant_bpf *skel, const struct berth_grant_about *about,
		      const char *dir, int cgroup_fd, struct berth_why *why)
{
	const struct {
		const struct bpf_program *prog;
		enum bpf_attach_type type;
	} row[BERTH_GRANT_HOOKS] = {
		{ skel->progs.grant_bind4, BPF_CGROUP_INET4_BIND },
		{ skel->progs.grant_bind6, BPF_CGROUP_INET6_BIND },
		{ skel->progs.grant_post_bind4, BPF_CGROUP_INET4_POST_BIND },
		{ skel->progs.grant_post_bind6, BPF_CGROUP_INET6_POST_BIND },
	};
	int i, err;

	for (i = 0; i < BERTH_GRANT_HOOKS; i++) {
		if (!berth_grantpins_needs(about, i))
			continue;
		err = attach(bpf_program__fd(row[i].prog), cgroup_fd, row[i].type, dir,
			     berth_grant_hook_name[i]);
		if (err)
			return berth_why(
				why, err,
				"cgroup: the kernel refused to attach %s (%s); what was in force stays so: "
				"see \"berth grant --status\"",
				berth_grant_hook_name[i], strerror(-err));
	}
	return 0;
}

/* Pins a map of one element that user space alone reads. */
static int pin_bytes(const void *data, size_t size, const char *dir, const char *name)
{
	berth_auto_fd int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, 4, (uint32_t)size, 1, NULL);
	uint32_t zero = 0;

	if (fd < 0 || bpf_map_update_elem(fd, &zero, data, BPF_ANY))
		return -errno;
	return pin_next(fd, dir, name);
}

/* Pins what --status reads, and what the next load goes on with. */
static int pin_maps(const struct grant_bpf *skel, const char *dir,
		    const struct berth_grant_rules *r, const struct berth_grant_about *about,
		    struct berth_why *why)
{
	int err = berth_grantpins_pin(bpf_map__fd(skel->maps.counters), dir, "counters");

	if (!err)
		err = berth_grantpins_pin(bpf_map__fd(skel->maps.recent), dir, "recent");
	if (!err)
		err = berth_grantpins_pin(bpf_map__fd(skel->maps.data_turn), dir, "turn");
	if (!err)
		err = pin_bytes(r->text, r->text_len + 1, dir, "rules");
	if (!err)
		err = pin_bytes(about, sizeof(*about), dir, "about");
	return err ? berth_why(why, err, "%s: cannot pin the rules there (%s)", dir, strerror(-err))
		   : 0;
}

/* One more than the turn that is, and than the one that was before a removal that did not come to its end. */
static uint64_t next_turn(const char *dir)
{
	struct berth_grant_about last = { 0 };
	uint64_t now = berth_grantpins_turn(dir);

	berth_grantpins_about(dir, "about", &last);
	return (now > last.turn ? now : last.turn) + 1;
}

/* Attaches and pins what is loaded, and gives it the turn. */
static int take_over(const struct grant_bpf *skel, const char *dir,
		     const struct berth_grant_rules *r, const struct berth_grant_options *o,
		     const struct berth_grant_about *about, int cgroup_fd, struct berth_why *why)
{
	int err = attach_all(skel, about, dir, cgroup_fd, why);

	if (!err)
		err = pin_maps(skel, dir, r, about, why);
	if (!err && o->ready)
		o->ready(o->arg);
	if (!err && (err = berth_grantpins_set_turn(dir, about->turn)))
		err = berth_why(why, err, "%s: cannot give the rules their turn (%s)", dir,
				strerror(-err));
	if (!err)
		return berth_grantpins_settle(dir, why);
	berth_grantpins_settle(dir, NULL);
	return err;
}

/* Loads, attaches and pins; the directory of the version is there. */
static int enforce(const struct berth_grant_place_spec *place, const struct berth_grant_rules *r,
		   const struct berth_grant_options *o, const struct berth_grant_tables *t,
		   const char *dir, struct berth_why *why)
{
	struct berth_grant_config config = { .key = { r->key[0], r->key[1] },
					     .turn = next_turn(dir),
					     .observe = o->observe };
	struct berth_grant_about about = { .abi = BERTH_GRANT_ABI,
					   .rules = r->count,
					   .observe = o->observe,
					   .every_netns = o->every_netns,
					   .guards = t->guarded.count,
					   .lopsided = t->lopsided,
					   .turn = config.turn,
					   .loaded_s = (uint64_t)time(NULL) };
	struct grant_bpf *skel;
	berth_auto_fd int cgroup = -1;
	int err = open_cgroup(place, about.cgroup, &cgroup, why);

	if (!err && (err = netns_cookie(&about.netns)))
		err = berth_why(why, err,
				"network namespace: the kernel does not tell its cookie (%s)",
				strerror(-err));
	if (err)
		return err;
	config.netns = o->every_netns ? 0 : about.netns;
	if (!getenv("BERTH_BPF_LOG"))
		libbpf_set_print(quiet);
	skel = grant_bpf__open();
	err = skel ? load(skel, dir, t, &config) : -errno;
	if (err)
		err = refuse_load(err, why);
	if (!err)
		err = take_over(skel, dir, r, o, &about, cgroup, why);
	grant_bpf__destroy(skel);
	return err;
}

int berth_grant_load(const struct berth_grant_place_spec *place, const struct berth_grant_rules *r,
		     const struct berth_grant_options *o, uint32_t *out_upgraded,
		     struct berth_why *why)
{
	struct berth_grant_tables t = { 0 };
	berth_auto_fd int lock = -1;
	uint32_t newer, older;
	char dir[PATH_MAX];
	bool fresh;
	int err = berth_grantset_compile(r->set, &t, why);

	if (err)
		return err;
	*out_upgraded = 0;
	err = berth_grantpins_open(place, true, &lock, why);
	if (!err)
		berth_grantpins_versions(place, &newer, &older);
	if (!err && newer)
		err = berth_grantpins_refuse_newer(place, newer, why);
	if (!err && !(err = berth_grantpins_dir(place, BERTH_GRANT_ABI, dir))) {
		fresh = !mkdir(dir, 0755);
		err = berth_grantpins_settle(dir, why);
		if (!err)
			err = enforce(place, r, o, &t, dir, why);
		if (err && fresh)
			berth_grantpins_remove(place, BERTH_GRANT_ABI, NULL);
	}
	berth_grant_tables_fini(&t);
	while (!err && older) {
		err = berth_grantpins_remove(place, older - 1, why);
		*out_upgraded = older;
		berth_grantpins_versions(place, &newer, &older);
	}
	return err;
}
