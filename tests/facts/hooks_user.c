/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads and attaches the programs of hooks.bpf.c; they go when the fact's process ends. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "hooks_user.h"

#include "hooks.skel.h"

struct hooks_want *want;
struct hooks_seen *seen;

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

void hooks_load(int cgroup, struct hooks_want **out_want, struct hooks_seen **out_seen)
{
	struct hooks_bpf *hooks = hooks_bpf__open();
	struct bpf_program *program;
	int code;

	fact_need(hooks != NULL, "open the programs");
	code = hooks_bpf__load(hooks);
	if (code == -EPERM || code == -EACCES || code == -ENOSYS || code == -EOPNOTSUPP)
		fact_skip("BPF is refused: %s", strerror(-code));
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		fact_skip("the kernel's types are not to be had: /sys/kernel/btf/vmlinux: %s",
			  strerror(errno));
	errno = -code;
	fact_need(!code, "load the programs");
	bpf_object__for_each_program(program, hooks->obj) fact_need(
		bpf_program__attach_cgroup(program, cgroup) != NULL, bpf_program__name(program));
	*out_want = &hooks->bss->want;
	*out_seen = &hooks->bss->seen;
}

void hooks_begin(const char *text)
{
	fact_begin_cgroup(text);
	libbpf_set_print(quiet);
	hooks_load(fact_cgroup(), &want, &seen);
}
