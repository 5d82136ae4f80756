/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a process runs: its ancestors, its unit or container, its file and when it was started. */
#include <string.h>
#include <time.h>

#include "src/base/text.h"
#include "src/cli/ports.h"
#include "src/kernel/procfd.h"

#define GENERATIONS_MAX 64 /* a bound for a chain that changes while it is read */

/* Unix time of a moment that is counted from the start of the host. */
static time_t unix_time(uint64_t since_boot_ns)
{
	struct timespec now, boot;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return now.tv_sec - boot.tv_sec + (time_t)(since_boot_ns / 1000000000);
}

void ports_ancestry_json(FILE *out, const struct berth_holder *h)
{
	struct berth_task t;
	pid_t pid = (pid_t)h->pid;
	int i;

	fputc('[', out);
	for (i = 0; i < GENERATIONS_MAX && pid && !berth_procfd_task((uint32_t)pid, &t); i++) {
		fprintf(out, "%s{\"pid\":%u,\"program\":", i ? "," : "", t.pid);
		berth_text_print_json(out, t.comm, strnlen(t.comm, sizeof(t.comm)));
		fprintf(out, ",\"started\":%lld}", (long long)unix_time(t.start_ns));
		pid = berth_holder_parent(pid);
	}
	fputc(']', out);
}

void ports_ancestry_text(FILE *out, const struct berth_holder *h)
{
	struct berth_task t;
	pid_t pid = (pid_t)h->pid;
	time_t started = unix_time(h->start_ns);
	struct tm tm;
	char when[32];
	int i;

	for (i = 0; i < GENERATIONS_MAX && pid && !berth_procfd_task((uint32_t)pid, &t); i++) {
		fputs(i ? " < " : "", out);
		berth_text_print_safe(out, t.comm, strnlen(t.comm, sizeof(t.comm)));
		fprintf(out, "[%u]", t.pid);
		pid = berth_holder_parent(pid);
	}
	if (*h->exe) {
		fputs(", ", out);
		berth_text_print_safe(out, h->exe, strlen(h->exe));
	}
	if (*h->unit) {
		fputs(", unit ", out);
		berth_text_print_safe(out, h->unit, strlen(h->unit));
	}
	if (*h->container) {
		fputs(", container ", out);
		berth_text_print_safe(out, h->container, strlen(h->container));
	}
	if (localtime_r(&started, &tm) && strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm))
		fprintf(out, ", since %s", when);
	fputc('\n', out);
}
