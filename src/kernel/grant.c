/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loader of bpf/grant.bpf.c and the keeper of its pins.
 *
 * New rules are new programs with new tables. Each link is given its new program in one step, so a hook has
 * either the old rules or the new ones; a call that passes two hooks at that moment may meet both. The
 * directory is locked meanwhile.
 */
#include "src/kernel/grant.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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
#include "src/kernel/grantset.h"
#include "src/kernel/proctext.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define BPFFS "/sys/fs/bpf"
#define FIRST_GUARD 2 /* hooks from here on are for deny rules only */
#define VERSION_PREFIX "grant-v"

const char *const berth_grant_hook_name[BERTH_GRANT_HOOKS] = { "bind4", "bind6", "post_bind4",
							       "post_bind6" };

/* ---- the directory ---- */

static const char *bpffs_of(const struct berth_grant_place_spec *place)
{
	return place->bpffs ? place->bpffs : BPFFS;
}

static int version_dir(const struct berth_grant_place_spec *place, uint32_t version,
		       char out[PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s/berth/" VERSION_PREFIX "%u", bpffs_of(place), version) <
			       PATH_MAX
		       ? 0
		       : -ENAMETOOLONG;
}

void berth_grant_dir(const struct berth_grant_place_spec *place, char *out, size_t size)
{
	snprintf(out, size, "path:%s/berth/" VERSION_PREFIX "%u", bpffs_of(place), BERTH_GRANT_ABI);
}

static void pin_path(const char *dir, const char *name, char *out, size_t size)
{
	snprintf(out, size, "%s/%s", dir, name);
}

/* Opens BPFFS/berth and locks it; make: makes it where it is missing. -ENOENT: it is not there. */
static int open_home(const struct berth_grant_place_spec *place, bool make, int *out_fd,
		     struct berth_why *why)
{
	const char *bpffs = bpffs_of(place);
	berth_auto_fd int fd = -1;
	char home[PATH_MAX];
	struct statfs fs;

	if (statfs(bpffs, &fs) || fs.f_type != BPF_FS_MAGIC)
		return berth_why(why, -ENODEV,
				 "%s: no BPF file system is mounted there; mount -t bpf bpf %s",
				 bpffs, bpffs);
	snprintf(home, sizeof(home), "%s/berth", bpffs);
	if (make && mkdir(home, 0755) && errno != EEXIST)
		return berth_why(why, -errno, "%s: the kernel refused to make it (%s); run as root",
				 home, strerror(errno));
	fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX))
		return berth_why(why, -errno, "%s: %s", home, strerror(errno));
	*out_fd = berth_take_fd(&fd);
	return 0;
}

/* The number of a directory's name, 0 where it is not one of ours. */
static uint32_t version_of(const char *name)
{
	const size_t n = strlen(VERSION_PREFIX);
	char *end;
	unsigned long v;

	if (strncmp(name, VERSION_PREFIX, n) || name[n] < '0' || name[n] > '9')
		return 0;
	v = strtoul(name + n, &end, 10);
	/* Version 0 was never given; as any other it is told from ours. */
	return *end || v >= UINT32_MAX ? 0 : (uint32_t)v + 1;
}

/* Finds the highest version above ours and the lowest below; 0: none. Both are one more than the number. */
static void find_versions(const struct berth_grant_place_spec *place, uint32_t *out_newer,
			  uint32_t *out_older)
{
	char home[PATH_MAX];
	struct dirent *e;
	DIR *dir;

	*out_newer = *out_older = 0;
	snprintf(home, sizeof(home), "%s/berth", bpffs_of(place));
	dir = opendir(home);
	while (dir && (e = readdir(dir))) {
		uint32_t v = version_of(e->d_name);

		if (v > BERTH_GRANT_ABI + 1)
			*out_newer = v > *out_newer ? v : *out_newer;
		else if (v && v < BERTH_GRANT_ABI + 1)
			*out_older = !*out_older || v < *out_older ? v : *out_older;
	}
	if (dir)
		closedir(dir);
}

/* The kernel detaches a link by itself once its pin is gone, but later, out of a work queue. */
static void detach(const char *path)
{
	berth_auto_fd int fd = bpf_obj_get(path);

	if (fd >= 0)
		bpf_link_detach(fd);
	unlink(path);
}

/* Detaches the links of a version and removes its pins. */
static int remove_version(const struct berth_grant_place_spec *place, uint32_t version,
			  struct berth_why *why)
{
	char dirname[PATH_MAX], path[PATH_MAX + 256];
	struct dirent *e;
	DIR *dir;
	int i;

	if (version_dir(place, version, dirname))
		return -ENAMETOOLONG;
	for (i = 0; i < BERTH_GRANT_HOOKS; i++) {
		pin_path(dirname, berth_grant_hook_name[i], path, sizeof(path));
		detach(path);
	}
	dir = opendir(dirname);
	while (dir && (e = readdir(dir))) {
		pin_path(dirname, e->d_name, path, sizeof(path));
		if (e->d_name[0] != '.')
			unlink(path);
	}
	if (dir)
		closedir(dir);
	if (rmdir(dirname) && errno != ENOENT)
		return berth_why(why, -errno, "%s: cannot remove it (%s); rm -r %s", dirname,
				 strerror(errno), dirname);
	return 0;
}

/* ---- loading ---- */

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
static void reuse(const char *dir, struct bpf_map *map)
{
	char path[PATH_MAX + 32];
	berth_auto_fd int fd = -1;

	pin_path(dir, bpf_map__name(map), path, sizeof(path));
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
	reuse(dir, skel->maps.counters);
	reuse(dir, skel->maps.recent);
	err = grant_bpf__load(skel);
	return err ? err : fill(skel, t);
}

/* The cgroup that the rules hold for. */
static int open_cgroup(const struct berth_grant_place_spec *place, char out_path[PATH_MAX],
		       int *out_fd, struct berth_why *why)
{
	berth_auto_free char *mounts = NULL;
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
	*out_fd = open(out_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*out_fd < 0)
		return berth_why(why, -errno, "--cgroup: %s: %s; name a directory of cgroup v2",
				 out_path, strerror(errno));
	return 0;
}

/* The id of the cgroup that a link is attached to; 0 where there is none any more. */
static uint64_t cgroup_of(int link_fd)
{
	struct bpf_link_info info = { 0 };
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(link_fd, &info, &size) || info.type != BPF_LINK_TYPE_CGROUP)
		return 0;
	return info.cgroup.cgroup_id;
}

/* Attaches a program by a new link, pinned in place of whatever has the name. */
static int attach_new(int prog_fd, int cgroup_fd, enum bpf_attach_type type, const char *path)
{
	char fresh[PATH_MAX + 64];
	berth_auto_fd int link = bpf_link_create(prog_fd, cgroup_fd, type, NULL),
			  old = bpf_obj_get(path);

	if (link < 0)
		return -errno;
	snprintf(fresh, sizeof(fresh), "%s_new", path);
	unlink(fresh);
	if (bpf_obj_pin(link, fresh))
		return -errno;
	if (rename(fresh, path)) {
		int err = -errno;

		unlink(fresh);
		return err;
	}
	if (old >= 0)
		bpf_link_detach(old);
	return 0;
}

/* Puts the program into the hook: into the link that is there, or by a new one. */
static int attach(int prog_fd, int cgroup_fd, enum bpf_attach_type type, const char *path)
{
	berth_auto_fd int link = bpf_obj_get(path);
	struct stat st;

	if (fstat(cgroup_fd, &st))
		return -errno;
	if (link < 0 || cgroup_of(link) != st.st_ino)
		return attach_new(prog_fd, cgroup_fd, type, path);
	return bpf_link_update(link, prog_fd, NULL) ? -errno : 0;
}

/*
 * Attaches every hook that the rules need: where none denies, the kernel's own choice of a port is free, and a
 * program less to run is a tenth of a bind().
 */
static int attach_all(const struct grant_bpf *skel, bool guarded, const char *dir, int cgroup_fd,
		      struct berth_why *why)
{
	const struct {
		const struct bpf_program *prog;
		enum bpf_attach_type type;
		bool guards;
	} row[BERTH_GRANT_HOOKS] = {
		{ skel->progs.grant_bind4, BPF_CGROUP_INET4_BIND, false },
		{ skel->progs.grant_bind6, BPF_CGROUP_INET6_BIND, false },
		{ skel->progs.grant_post_bind4, BPF_CGROUP_INET4_POST_BIND, true },
		{ skel->progs.grant_post_bind6, BPF_CGROUP_INET6_POST_BIND, true },
	};
	char path[PATH_MAX + 32];
	int i, err;

	for (i = 0; i < BERTH_GRANT_HOOKS; i++) {
		pin_path(dir, berth_grant_hook_name[i], path, sizeof(path));
		if (row[i].guards && !guarded) {
			detach(path);
			continue;
		}
		err = attach(bpf_program__fd(row[i].prog), cgroup_fd, row[i].type, path);
		if (err)
			return berth_why(
				why, err,
				"cgroup: the kernel refused to attach %s (%s); hooks after it keep what "
				"they had: see \"berth grant --status\"",
				berth_grant_hook_name[i], strerror(-err));
	}
	return 0;
}

/* Pins a map under a name, in place of what has it. */
static int pin_map(int fd, const char *dir, const char *name)
{
	char path[PATH_MAX + 32], fresh[PATH_MAX + 64];

	pin_path(dir, name, path, sizeof(path));
	snprintf(fresh, sizeof(fresh), "%s_new", path);
	unlink(fresh);
	return bpf_obj_pin(fd, fresh) || rename(fresh, path) ? -errno : 0;
}

/* Pins a map of one element that user space alone reads. */
static int pin_bytes(const void *data, size_t size, const char *dir, const char *name)
{
	berth_auto_fd int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, 4, (uint32_t)size, 1, NULL);
	uint32_t zero = 0;

	if (fd < 0 || bpf_map_update_elem(fd, &zero, data, BPF_ANY))
		return -errno;
	return pin_map(fd, dir, name);
}

static int pin_maps(const struct grant_bpf *skel, const char *dir,
		    const struct berth_grant_rules *r, const struct berth_grant_about *about)
{
	int err = pin_bytes(about, sizeof(*about), dir, "about");

	if (!err)
		err = pin_bytes(r->text, r->text_len + 1, dir, "rules");
	if (!err)
		err = pin_map(bpf_map__fd(skel->maps.counters), dir, "counters");
	if (!err)
		err = pin_map(bpf_map__fd(skel->maps.recent), dir, "recent");
	return err;
}

/* Loads, attaches and pins; the directory of the version is there. */
static int enforce(const struct berth_grant_place_spec *place, const struct berth_grant_rules *r,
		   const struct berth_grant_options *o, const struct berth_grant_tables *t,
		   const char *dir, struct berth_why *why)
{
	struct berth_grant_config config = { .key = { r->key[0], r->key[1] },
					     .observe = o->observe };
	struct berth_grant_about about = { .abi = BERTH_GRANT_ABI,
					   .rules = r->count,
					   .observe = o->observe,
					   .every_netns = o->every_netns,
					   .guards = t->guarded.count,
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
	if (!err && (err = pin_maps(skel, dir, r, &about)))
		err = berth_why(why, err, "%s: cannot pin the rules there (%s)", dir,
				strerror(-err));
	if (!err)
		err = attach_all(skel, t->guarded.count, dir, cgroup, why);
	grant_bpf__destroy(skel);
	return err;
}

static int refuse_newer(const struct berth_grant_place_spec *place, uint32_t newer,
			struct berth_why *why)
{
	return berth_why(why, -EEXIST,
			 "%s/berth/" VERSION_PREFIX
			 "%u: pinned by a newer berth and left alone; remove it with "
			 "that one, or: rm -r %s/berth/" VERSION_PREFIX "%u",
			 bpffs_of(place), newer - 1, bpffs_of(place), newer - 1);
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
	err = open_home(place, true, &lock, why);
	if (!err)
		find_versions(place, &newer, &older);
	if (!err && newer)
		err = refuse_newer(place, newer, why);
	if (!err && !(err = version_dir(place, BERTH_GRANT_ABI, dir))) {
		fresh = !mkdir(dir, 0755);
		err = enforce(place, r, o, &t, dir, why);
		if (err && fresh)
			remove_version(place, BERTH_GRANT_ABI, NULL);
	}
	berth_grant_tables_fini(&t);
	while (!err && older) {
		err = remove_version(place, older - 1, why);
		*out_upgraded = older;
		find_versions(place, &newer, &older);
	}
	return err;
}

/* ---- showing ---- */

/* Reads the whole value of the pinned map's element; the caller frees it. */
static void *read_pin(const char *dir, const char *name, uint32_t key, size_t *out_size)
{
	char path[PATH_MAX + 32];
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);
	int cpus = libbpf_num_possible_cpus();
	berth_auto_fd int fd = -1;
	void *value;

	pin_path(dir, name, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0 || cpus < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
		return NULL;
	if (info.type != BPF_MAP_TYPE_PERCPU_ARRAY)
		cpus = 1;
	*out_size = info.value_size;
	value = calloc((size_t)cpus, info.value_size + 8);
	if (!value || !bpf_map_lookup_elem(fd, &key, value))
		return value;
	free(value);
	return NULL;
}

static void read_counters(struct berth_grant_status *s)
{
	size_t size = 0;
	berth_auto_free uint64_t *v = read_pin(s->dir, "counters", 0, &size);
	int cpus = libbpf_num_possible_cpus(), cpu, i;

	if (!v || size != sizeof(s->counters))
		return;
	for (cpu = 0; cpu < cpus; cpu++)
		for (i = 0; i < BERTH_GRANT_COUNTER_COUNT; i++)
			s->counters[i] += v[cpu * BERTH_GRANT_COUNTER_COUNT + i];
}

static void read_recent(struct berth_grant_status *s)
{
	size_t size = 0;
	berth_auto_free struct berth_grant_event *head = read_pin(s->dir, "recent", 0, &size);
	uint64_t seen = head && size == sizeof(*head) ? head->at_ns : 0;
	uint64_t i = seen > BERTH_GRANT_RECENT ? seen - BERTH_GRANT_RECENT : 0;

	for (; i < seen; i++) {
		berth_auto_free struct berth_grant_event *e =
			read_pin(s->dir, "recent", (uint32_t)(i % BERTH_GRANT_RECENT) + 1, &size);

		if (e)
			s->recent[s->recent_count++] = *e;
	}
}

/* The word for the state of one hook. */
static const char *hook_state(const char *dir, int hook, bool needed)
{
	char path[PATH_MAX + 32], name[BPF_OBJ_NAME_LEN + 8];
	struct bpf_link_info link_info = { 0 };
	struct bpf_prog_info prog_info = { 0 };
	uint32_t size = sizeof(link_info);
	berth_auto_fd int link = -1, prog = -1;

	pin_path(dir, berth_grant_hook_name[hook], path, sizeof(path));
	link = bpf_obj_get(path);
	if (link < 0)
		return needed ? "missing" : "unneeded";
	if (bpf_obj_get_info_by_fd(link, &link_info, &size) ||
	    link_info.type != BPF_LINK_TYPE_CGROUP)
		return "foreign";
	if (!link_info.cgroup.cgroup_id)
		return "detached";
	prog = bpf_prog_get_fd_by_id(link_info.prog_id);
	size = sizeof(prog_info);
	if (prog < 0 || bpf_obj_get_info_by_fd(prog, &prog_info, &size))
		return "detached";
	/* The kernel cuts names. */
	snprintf(name, sizeof(name), "grant_%s", berth_grant_hook_name[hook]);
	return strncmp(prog_info.name, name, BPF_OBJ_NAME_LEN - 1) ? "foreign" : "attached";
}

int berth_grant_status(const struct berth_grant_place_spec *place,
		       struct berth_grant_status *out_status, struct berth_why *why)
{
	struct berth_grant_status *s = out_status;
	berth_auto_free struct berth_grant_about *about = NULL;
	struct stat st;
	size_t size = 0;
	int i, err;

	*s = (struct berth_grant_status){ 0 };
	err = version_dir(place, BERTH_GRANT_ABI, s->dir);
	if (err)
		return berth_why(why, err, "%s: %s", bpffs_of(place), strerror(-err));
	find_versions(place, &s->newer, &s->older);
	for (i = 0; i < BERTH_GRANT_HOOKS; i++)
		s->hook[i] = "missing";
	if (stat(s->dir, &st))
		return errno == ENOENT ? 0
				       : berth_why(why, -errno, "%s: %s; run as root", s->dir,
						   strerror(errno));
	s->pinned = true;
	about = read_pin(s->dir, "about", 0, &size);
	if (about && size == sizeof(*about))
		s->about = *about;
	s->about.cgroup[PATH_MAX - 1] = '\0';
	for (i = 0; i < BERTH_GRANT_HOOKS; i++)
		s->hook[i] = hook_state(s->dir, i, i < FIRST_GUARD || s->about.guards);
	s->text = read_pin(s->dir, "rules", 0, &size);
	read_counters(s);
	read_recent(s);
	return 0;
}

void berth_grant_status_fini(struct berth_grant_status *s)
{
	free(s->text);
	s->text = NULL;
}

/* ---- removing ---- */

int berth_grant_remove(const struct berth_grant_place_spec *place, struct berth_why *why)
{
	struct berth_grant_status s;
	berth_auto_fd int lock = -1;
	char home[PATH_MAX];
	int removed = 0, err;

	snprintf(home, sizeof(home), "%s/berth", bpffs_of(place));
	if (access(home, F_OK) && errno == ENOENT)
		return 0;
	err = open_home(place, false, &lock, why);
	if (err)
		return err;
	err = berth_grant_status(place, &s, why);
	berth_grant_status_fini(&s);
	while (!err && s.older) {
		err = remove_version(place, s.older - 1, why);
		removed++;
		find_versions(place, &s.newer, &s.older);
	}
	if (!err && s.pinned) {
		err = remove_version(place, BERTH_GRANT_ABI, why);
		removed++;
	}
	if (!err)
		rmdir(home);
	return err ? err : removed;
}
