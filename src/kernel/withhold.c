/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes into the page that the runs of a host share with their programs; found by the ids in the registry. */
#include "src/kernel/withhold.h"

#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include "abi/assign.h"
#include "src/base/auto.h"

/* The shared map of a run; -1 where it is gone, or of another version. */
static int open_shared(const struct berth_run *run)
{
	uint32_t id = run->abi == BERTH_ASSIGN_ABI ? run->map_ids[BERTH_MAP_shared] : 0;
	berth_auto_fd int fd = id ? bpf_map_get_fd_by_id(id) : -1;
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	/* An id that was given again since names something else. */
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) ||
	    strcmp(info.name, berth_shared_map_name[BERTH_MAP_shared]) ||
	    info.value_size != sizeof(struct berth_shared))
		return -1;
	return berth_take_fd(&fd);
}

static int tell_run(const struct berth_run *run, bool alive, void *arg)
{
	const struct berth_portset *ports = arg;
	berth_auto_fd int fd = open_shared(run);
	struct berth_shared *page;
	uint32_t i;

	(void)alive;
	if (fd < 0)
		return 0;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return 0;
	for (i = 0; i < BERTH_PORTSET_LEAVES; i++)
		__atomic_store_n(&page->withheld[i], ports->leaf[i], __ATOMIC_RELAXED);
	munmap(page, sizeof(*page));
	return 0;
}

void berth_withhold(const struct berth_portset *ports)
{
	berth_runs_each(tell_run, (void *)ports);
}

bool berth_withhold_reaches(const struct berth_run *run)
{
	berth_auto_fd int fd = open_shared(run);

	return fd >= 0;
}
