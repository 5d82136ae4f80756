/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads what the pins say: the state of the hooks, the rules, counters and refusals. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "src/base/auto.h"
#include "src/kernel/grant.h"
#include "src/kernel/grantpins.h"

/*
 * The path of a pin. Where whoever loaded the rules was killed after they came into force, what is theirs may still
 * be pinned as next.
 */
static void find_pin(const char *dir, const char *name, bool decided, char path[PATH_MAX + 32])
{
	size_t n;

	berth_grantpins_path(dir, name, path, PATH_MAX + 24);
	n = strlen(path);
	if (!decided)
		return;
	strcpy(path + n, BERTH_GRANT_NEXT);
	if (access(path, F_OK))
		path[n] = '\0';
}

/* Reads the whole value of the pinned map's element; the caller frees it. */
static void *read_pin(const char *path, uint32_t key, size_t *out_size)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);
	int cpus = libbpf_num_possible_cpus();
	berth_auto_fd int fd = -1;
	void *value;

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

/* True where the pins are not for this user. */
static bool is_hidden(const char *dir)
{
	char path[PATH_MAX + 32];
	berth_auto_fd int fd = -1;

	berth_grantpins_path(dir, "about", path, sizeof(path));
	fd = bpf_obj_get(path);
	return fd < 0 && (errno == EPERM || errno == EACCES);
}

static void read_counters(struct berth_grant_status *s)
{
	int cpus = libbpf_num_possible_cpus(), cpu, i;
	berth_auto_free uint64_t *v = NULL;
	char path[PATH_MAX + 32];
	size_t size = 0;

	berth_grantpins_path(s->dir, "counters", path, sizeof(path));
	v = read_pin(path, 0, &size);
	if (!v || size != sizeof(s->counters))
		return;
	for (cpu = 0; cpu < cpus; cpu++)
		for (i = 0; i < BERTH_GRANT_COUNTER_COUNT; i++)
			s->counters[i] += v[cpu * BERTH_GRANT_COUNTER_COUNT + i];
}

static void read_recent(struct berth_grant_status *s)
{
	berth_auto_free struct berth_grant_event *head = NULL;
	char path[PATH_MAX + 32];
	uint64_t seen, i;
	size_t size = 0;

	berth_grantpins_path(s->dir, "recent", path, sizeof(path));
	head = read_pin(path, 0, &size);
	seen = head && size == sizeof(*head) ? head->at_ns : 0;
	i = seen > BERTH_GRANT_RECENT ? seen - BERTH_GRANT_RECENT : 0;
	for (; i < seen; i++) {
		berth_auto_free struct berth_grant_event *e =
			read_pin(path, (uint32_t)(i % BERTH_GRANT_RECENT) + 1, &size);

		if (e)
			s->recent[s->recent_count++] = *e;
	}
}

/* The word for the state of one hook. */
static const char *hook_state(const char *path, int hook, bool needed)
{
	char name[BPF_OBJ_NAME_LEN + 8];
	struct bpf_link_info link_info = { 0 };
	struct bpf_prog_info prog_info = { 0 };
	uint32_t size = sizeof(link_info);
	berth_auto_fd int link = bpf_obj_get(path), prog = -1;

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

/* Reads what the rules in force are; s->dir is there. */
static void read_rules(struct berth_grant_status *s)
{
	uint64_t turn = berth_grantpins_turn(s->dir);
	bool decided = !berth_grantpins_about(s->dir, "about" BERTH_GRANT_NEXT, &s->about) &&
		       s->about.turn == turn;
	char path[PATH_MAX + 32];
	size_t size;
	int i;

	if (!decided && berth_grantpins_about(s->dir, "about", &s->about))
		s->about = (struct berth_grant_about){ 0 };
	s->decides = turn && s->about.turn == turn;
	for (i = 0; i < BERTH_GRANT_HOOKS; i++) {
		find_pin(s->dir, berth_grant_hook_name[i], decided, path);
		s->hook[i] = hook_state(path, i, berth_grantpins_needs(&s->about, i));
	}
	find_pin(s->dir, "rules", decided, path);
	s->text = read_pin(path, 0, &size);
}

int berth_grant_status(const struct berth_grant_place_spec *place,
		       struct berth_grant_status *out_status, struct berth_why *why)
{
	struct berth_grant_status *s = out_status;
	struct stat st;
	int i, err;

	*s = (struct berth_grant_status){ 0 };
	err = berth_grantpins_dir(place, BERTH_GRANT_ABI, s->dir);
	if (err)
		return berth_why(why, err, "%s: %s", berth_grantpins_bpffs(place), strerror(-err));
	berth_grantpins_versions(place, &s->newer, &s->older);
	for (i = 0; i < BERTH_GRANT_HOOKS; i++)
		s->hook[i] = "missing";
	if (stat(s->dir, &st))
		return errno == ENOENT ? 0
				       : berth_why(why, -errno, "%s: %s; run as root", s->dir,
						   strerror(errno));
	if (is_hidden(s->dir))
		return berth_why(why, -EPERM, "%s: the kernel does not let you see it; run as root",
				 s->dir);
	s->pinned = true;
	read_rules(s);
	read_counters(s);
	read_recent(s);
	return 0;
}

void berth_grant_status_fini(struct berth_grant_status *s)
{
	free(s->text);
	s->text = NULL;
}
