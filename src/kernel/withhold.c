/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes into what a run shares with whoever chooses its ports: a map of its programs, found by the id in the registry,
 * or the file of its shim.
 */
#include "src/kernel/withhold.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "abi/assign.h"
#include "abi/preload.h"
#include "src/base/auto.h"
#include "src/kernel/netns.h"

/* Memory of a run: where in it the ports are that it is not to assign. */
struct shared {
	char *data; /* NULL: not to be had */
	size_t size, withheld;
};

static struct shared map(int fd, size_t size, size_t withheld)
{
	struct shared s = { .size = size, .withheld = withheld };
	void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	s.data = data == MAP_FAILED ? NULL : data;
	return s;
}

static struct shared open_map(uint32_t id)
{
	berth_auto_fd int fd = id ? bpf_map_get_fd_by_id(id) : -1;
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	/* An id that was given again since names something else. */
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) ||
	    strcmp(info.name, berth_shared_map_name[BERTH_MAP_shared]) ||
	    info.value_size != sizeof(struct berth_shared))
		return (struct shared){ 0 };
	return map(fd, sizeof(struct berth_shared), offsetof(struct berth_shared, withheld));
}

static struct shared open_file(const char *path)
{
	berth_auto_fd int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct shared s = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || st.st_uid != geteuid() ||
	    st.st_size < (off_t)sizeof(struct berth_preload_file))
		return s;
	s = map(fd, sizeof(struct berth_preload_file),
		offsetof(struct berth_preload_file, withheld));
	if (s.data && ((struct berth_preload_file *)(void *)s.data)->magic == BERTH_PRELOAD_MAGIC)
		return s;
	if (s.data)
		munmap(s.data, s.size);
	return (struct shared){ 0 };
}

static struct shared open_run(const struct berth_run *run)
{
	if (!strcmp(run->via, "bpf") && run->abi == BERTH_ASSIGN_ABI)
		return open_map(run->map_ids[BERTH_MAP_shared]);
	if (!strcmp(run->via, "preload") && run->abi == BERTH_PRELOAD_ABI)
		return open_file(run->shm);
	return (struct shared){ 0 };
}

struct reserved {
	berth_withhold_ports of;
	const void *arg;
};

static int tell_run(const struct berth_run *run, bool alive, void *arg)
{
	static struct berth_portset ports;
	const struct reserved *reserved = arg;
	struct shared s = open_run(run);
	char path[32], netns[NAME_MAX + 1] = "";
	uint64_t *withheld;
	uint32_t i;

	if (!s.data)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)run->pid);
	if (alive)
		berth_netns_name(path, netns);
	reserved->of(reserved->arg, netns, &ports);
	withheld = (uint64_t *)(void *)(s.data + s.withheld);
	for (i = 0; i < BERTH_PORTSET_LEAVES; i++)
		__atomic_store_n(&withheld[i], ports.leaf[i], __ATOMIC_RELAXED);
	munmap(s.data, s.size);
	return 0;
}

void berth_withhold(berth_withhold_ports ports_of, const void *arg)
{
	struct reserved reserved = { ports_of, arg };

	berth_runs_each(tell_run, &reserved);
}

bool berth_withhold_reaches(const struct berth_run *run)
{
	struct shared s = open_run(run);

	if (s.data)
		munmap(s.data, s.size);
	return s.data != NULL;
}
