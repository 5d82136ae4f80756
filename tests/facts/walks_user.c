/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads walks.bpf.c and reads its rows; the programs go when the fact's process ends. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "walks_user.h"

#include "walks.skel.h"

static struct walks_bpf *programs;
static struct walks found;

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

void walks_begin(const char *text)
{
	int code;

	fact_begin(text);
	libbpf_set_print(quiet);
	programs = walks_bpf__open();
	fact_need(programs != NULL, "open the programs");
	code = walks_bpf__load(programs);
	if (code == -EPERM || code == -EACCES || code == -ENOSYS || code == -EOPNOTSUPP)
		fact_skip("BPF is refused: %s", strerror(-code));
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		fact_skip("the kernel's types are not to be had: /sys/kernel/btf/vmlinux: %s",
			  strerror(errno));
	errno = -code;
	fact_need(!code, "load the programs");
}

static uint32_t netns_own(void)
{
	struct stat st;

	fact_need(!stat("/proc/self/ns/net", &st), "stat /proc/self/ns/net");
	return (uint32_t)st.st_ino;
}

static const struct walks *walk(const struct bpf_program *program)
{
	int link = bpf_link_create(bpf_program__fd(program), 0, BPF_TRACE_ITER, NULL);
	int iter = link < 0 ? -1 : bpf_iter_create(link);
	uint32_t netns = netns_own();
	struct walks_row rows[512];
	ssize_t n, i;

	fact_need(iter >= 0, "begin a walk");
	found.count = 0;
	while ((n = read(iter, rows, sizeof(rows))) > 0 || (n < 0 && errno == EAGAIN))
		for (i = 0; i < n / (ssize_t)sizeof(*rows); i++)
			if (rows[i].netns == netns && found.count < WALKS_MAX)
				found.row[found.count++] = rows[i];
	fact_need(!n, "walk");
	close(iter);
	close(link);
	return &found;
}

const struct walks *walks_files(void)
{
	return walk(programs->progs.walk_files);
}

const struct walks *walks_tcp(void)
{
	return walk(programs->progs.walk_tcp);
}

size_t walks_with_port(const struct walks *w, uint16_t port)
{
	size_t i, n = 0;

	for (i = 0; i < w->count; i++)
		n += w->row[i].port == port;
	return n;
}
