/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of the run registry: JSON, read back with care, since a user can write his own. */
#include "src/kernel/runs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <jansson.h>

#include "src/base/auto.h"
#include "src/kernel/cgroup.h"

#define SUFFIX ".json"

/* True for root, but not for one who is root in a user namespace only: there /run is somebody else's. */
static bool is_host_root(void)
{
	struct stat st;

	return !geteuid() && !lstat("/run", &st) && st.st_uid == 0;
}

int berth_runs_dir(char *out, size_t size)
{
	const char *base = getenv("XDG_RUNTIME_DIR");
	int n;

	if (is_host_root())
		n = snprintf(out, size, "/run/berth");
	else if (base && base[0] == '/')
		n = snprintf(out, size, "%s/berth", base);
	else
		n = snprintf(out, size, "/tmp/berth-%u", (unsigned)geteuid());
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

static int run_path(const char *name, const char *suffix, char *out, size_t size)
{
	char dir[PATH_MAX];
	int err = berth_runs_dir(dir, sizeof(dir));

	if (err)
		return err;
	return snprintf(out, size, "%s/%s%s", dir, name, suffix) < (int)size ? 0 : -ENAMETOOLONG;
}

/* Root's has the offers of holders, which others take from (--for): root's umask must not close it to them. */
static int make_dir(const char *dir)
{
	if (mkdir(dir, 0755))
		return errno == EEXIST ? 0 : -errno;
	return is_host_root() && chmod(dir, 0755) ? -errno : 0;
}

int berth_runs_lock(int *out_fd, struct berth_why *why)
{
	char dir[PATH_MAX], path[PATH_MAX];
	struct stat st;
	int err = berth_runs_dir(dir, sizeof(dir));
	berth_auto_fd int fd = -1;

	if (!err)
		err = make_dir(dir);
	if (!err && (lstat(dir, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid()))
		err = -EPERM;
	if (!err)
		err = run_path("lock", "", path, sizeof(path));
	if (err)
		return berth_why(why, err,
				 "%s: cannot keep the run registry there (%s); it must be a "
				 "directory of the user who runs berth",
				 dir, strerror(-err));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || flock(fd, LOCK_EX))
		return berth_why(why, -errno, "%s: %s", path, strerror(errno));
	*out_fd = berth_take_fd(&fd);
	return 0;
}

void berth_runs_name(struct berth_run *run)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	run->pid = getpid();
	run->started_s = (uint64_t)now.tv_sec;
	snprintf(run->id, sizeof(run->id), "%d-%llx", (int)run->pid,
		 (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec);
}

int berth_runs_add(const struct berth_run *run, int *out_fd, struct berth_why *why)
{
	char path[PATH_MAX];
	berth_auto_fd int fd = -1;
	json_t *ids = json_array(), *root;
	uint32_t i;
	int err = run_path(run->id, SUFFIX, path, sizeof(path));

	for (i = 0; i <= BERTH_SHARED_MAP_COUNT; i++)
		json_array_append_new(ids, json_integer(run->map_ids[i]));
	root = json_pack("{s:s s:i s:I s:s s:s* s:s s:s s:s s:s s:s s:i s:o}", "id", run->id, "pid",
			 (int)run->pid, "started", (json_int_t)run->started_s, "via", run->via,
			 "command", run->command, "pool", run->pool, "ports", run->ports, "policy",
			 run->policy, "cgroup", run->cgroup, "shm", run->shm, "abi", (int)run->abi,
			 "maps", ids);
	if (!err && !root)
		err = -EINVAL;
	if (!err) {
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) || json_dumpfd(root, fd, JSON_INDENT(1)))
			err = errno ? -errno : -EIO;
	}
	json_decref(root);
	if (err)
		return berth_why(why, err, "%s: cannot enter the run (%s)", path, strerror(-err));
	*out_fd = berth_take_fd(&fd);
	return 0;
}

void berth_runs_remove(const struct berth_run *run)
{
	char path[PATH_MAX];

	if (!run_path(run->id, SUFFIX, path, sizeof(path)))
		unlink(path);
}

static const char *text_of(const json_t *root, const char *key)
{
	const char *s = json_string_value(json_object_get(root, key));

	return s ? s : "";
}

/* The id is the file's name, whatever its text says: what is removed later is what was read. */
static void from_json(const json_t *root, const char *id, size_t id_len, struct berth_run *run)
{
	const json_t *maps = json_object_get(root, "maps");
	uint32_t i;

	memset(run, 0, sizeof(*run));
	snprintf(run->id, sizeof(run->id), "%.*s", (int)id_len, id);
	run->pid = (pid_t)json_integer_value(json_object_get(root, "pid"));
	run->started_s = (uint64_t)json_integer_value(json_object_get(root, "started"));
	run->abi = (uint32_t)json_integer_value(json_object_get(root, "abi"));
	run->via = text_of(root, "via");
	run->command = text_of(root, "command");
	run->pool = text_of(root, "pool");
	run->ports = text_of(root, "ports");
	run->policy = text_of(root, "policy");
	run->cgroup = text_of(root, "cgroup");
	run->shm = text_of(root, "shm");
	for (i = 0; i <= BERTH_SHARED_MAP_COUNT; i++)
		run->map_ids[i] = (uint32_t)json_integer_value(json_array_get(maps, i));
}

/* Reads one file of the registry and hands it to each. Files of other kinds and other owners are passed over. */
static int visit(const char *path, size_t id_len,
		 int (*each)(const struct berth_run *, bool, void *), void *arg)
{
	berth_auto_fd int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct berth_run run;
	struct stat st;
	json_t *root;
	bool alive;
	int err = 0;

	if (fd < 0 || fstat(fd, &st) || st.st_uid != geteuid())
		return 0;
	root = json_loadfd(fd, 0, NULL);
	alive = flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
	if (root || !alive) {
		from_json(root, strrchr(path, '/') + 1, id_len, &run);
		if (root)
			err = each(&run, alive, arg);
		else
			unlink(path); /* cut short by a crash: nothing was attached yet */
	}
	json_decref(root);
	return err;
}

/* As berth_runs_each(), for who has the lock. */
static int each_run(int (*each)(const struct berth_run *, bool, void *), void *arg)
{
	char dirname[PATH_MAX], path[PATH_MAX + 256];
	struct dirent *e;
	DIR *dir;
	int err = berth_runs_dir(dirname, sizeof(dirname));

	if (err)
		return err;
	dir = opendir(dirname);
	while (dir && !err && (e = readdir(dir))) {
		size_t n = strlen(e->d_name), m = strlen(SUFFIX);

		if (n <= m || strcmp(e->d_name + n - m, SUFFIX) || n - m >= BERTH_RUN_ID_MAX)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dirname, e->d_name);
		err = visit(path, n - m, each, arg);
	}
	if (dir)
		closedir(dir);
	return err;
}

int berth_runs_each(int (*each)(const struct berth_run *, bool, void *), void *arg)
{
	berth_auto_fd int lock = -1;
	char dir[PATH_MAX];

	/* Who only reads makes no registry. */
	if (berth_runs_dir(dir, sizeof(dir)) || access(dir, F_OK))
		return 0;
	berth_runs_lock(&lock, NULL);
	return each_run(each, arg);
}

static int sweep_one(const struct berth_run *run, bool alive, void *arg)
{
	(void)arg;
	if (alive || (run->cgroup[0] && berth_cgroup_remove(run->cgroup) == -EBUSY))
		return 0;
	if (run->shm[0])
		unlink(run->shm);
	berth_runs_remove(run);
	return 0;
}

void berth_runs_sweep(void)
{
	each_run(sweep_one, NULL);
}

/* True where each id still names the map that the run had, and not one that came later. */
static bool maps_match(const struct berth_run *run)
{
	struct bpf_map_info info;
	uint32_t i, size;

	for (i = 0; i < BERTH_SHARED_MAP_COUNT; i++) {
		berth_auto_fd int fd = run->map_ids[i] ? bpf_map_get_fd_by_id(run->map_ids[i]) : -1;

		size = sizeof(info);
		memset(&info, 0, sizeof(info));
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) ||
		    strcmp(info.name, berth_shared_map_name[i]))
			return false;
	}
	return true;
}

static int peer_one(const struct berth_run *run, bool alive, void *arg)
{
	(void)alive;
	if (run->abi != BERTH_ASSIGN_ABI || !maps_match(run))
		return 0;
	memcpy(arg, run->map_ids, BERTH_SHARED_MAP_COUNT * sizeof(run->map_ids[0]));
	return 1;
}

bool berth_runs_peer(uint32_t out_ids[BERTH_SHARED_MAP_COUNT])
{
	return each_run(peer_one, out_ids) == 1;
}
