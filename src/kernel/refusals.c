/* SPDX-License-Identifier: BSD-2-Clause */
/* Attaches bpf/refusals.bpf.c to tracepoints of system calls and reads its ring. */
#include "src/kernel/refusals.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "bpf/refusals.skel.h"
#include "src/base/auto.h"

#define PROGRAMS 4

struct berth_refusals {
	struct refusals_bpf *skel;
	struct bpf_link *link[PROGRAMS];
	struct ring_buffer *ring;
	berth_refusals_fn fn;
	void *arg;
};

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level, (void)format, (void)ap;
	return 0;
}

/* A tracefs that is mounted nowhere: hosts need not have it mounted. */
static int open_tracefs(void)
{
	berth_auto_fd int fs = fsopen("tracefs", FSOPEN_CLOEXEC);
	int mount;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	mount = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
	return mount < 0 ? -errno : mount;
}

/* The number of a tracepoint "syscalls/NAME". */
static int tracepoint_id(int tracefs, const char *name)
{
	char path[96], text[32];
	berth_auto_fd int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "events/syscalls/%s/id", name);
	fd = openat(tracefs, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return n < 0 ? -errno : -EIO;
	text[n] = '\0';
	return atoi(text);
}

/* An event on one CPU brings its program the calls of all. */
static int attach(struct bpf_program *program, int id, struct bpf_link **out_link)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT,
					.size = sizeof(attr),
					.config = (uint64_t)id,
					.sample_period = 1,
					.wakeup_events = 1 };
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	*out_link = bpf_program__attach_perf_event(program, fd);
	err = *out_link ? 0 : -errno;
	if (err)
		close(fd);
	return err;
}

static int attach_all(struct berth_refusals *r)
{
	const struct {
		const char *tracepoint;
		struct bpf_program *program;
	} row[PROGRAMS] = { { "sys_enter_connect", r->skel->progs.berth_enter_connect },
			    { "sys_enter_bind", r->skel->progs.berth_enter_bind },
			    { "sys_exit_connect", r->skel->progs.berth_exit_connect },
			    { "sys_exit_bind", r->skel->progs.berth_exit_bind } };
	berth_auto_fd int tracefs = open_tracefs();
	int i, id, err = tracefs < 0 ? tracefs : 0;

	for (i = 0; i < PROGRAMS && !err; i++) {
		id = tracepoint_id(tracefs, row[i].tracepoint);
		err = id < 0 ? id : attach(row[i].program, id, &r->link[i]);
	}
	return err;
}

static int on_record(void *arg, void *data, size_t size)
{
	struct berth_refusals *r = arg;

	if (size >= sizeof(struct berth_refusal) && r->fn)
		r->fn(data, r->arg);
	return 0;
}

int berth_refusals_open(struct berth_refusals **out_refusals, struct berth_why *why)
{
	struct berth_refusals *r = calloc(1, sizeof(*r));
	int err = r ? 0 : -ENOMEM;

	if (!getenv("BERTH_BPF_LOG"))
		libbpf_set_print(quiet);
	if (!err) {
		r->skel = refusals_bpf__open();
		err = r->skel ? refusals_bpf__load(r->skel) : -ENOMEM;
	}
	if (!err)
		err = attach_all(r);
	if (!err) {
		r->ring = ring_buffer__new(bpf_map__fd(r->skel->maps.refusals), on_record, r, NULL);
		err = r->ring ? 0 : -errno;
	}
	if (err) {
		berth_refusals_close(r);
		return berth_why(
			why, err,
			"tracing: the kernel does not let berth see refused calls (%s); run as root on a "
			"kernel with CONFIG_FTRACE_SYSCALLS",
			strerror(-err));
	}
	*out_refusals = r;
	return 0;
}

uint64_t berth_refusals_read(struct berth_refusals *r, berth_refusals_fn fn, void *arg)
{
	r->fn = fn;
	r->arg = arg;
	ring_buffer__consume(r->ring);
	return r->skel->bss->lost;
}

void berth_refusals_close(struct berth_refusals *r)
{
	int i;

	if (!r)
		return;
	ring_buffer__free(r->ring);
	for (i = 0; i < PROGRAMS; i++)
		bpf_link__destroy(r->link[i]);
	refusals_bpf__destroy(r->skel);
	free(r);
}
