/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ordinary client that is measured: it opens connections and says what each connect() cost.
 *
 * It never binds and sets no socket option, but IP_LOCAL_PORT_RANGE where --range asks for it: that
 * is the changed program that berth is compared with.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"
#include "tests/tools/args.h"

static const struct mode {
	const char *name;
	int (*run)(const struct client *c);
} modes[] = {
	{ "fill", mode_fill },
	{ "refuse", mode_refuse },
	{ "churn", mode_churn },
};
#define MODES (sizeof(modes) / sizeof(modes[0]))

void errors_print(const struct errors *e)
{
	const char *comma = "";
	int i;

	putchar('{');
	for (i = 0; i < ERRORS_MAX; i++) {
		if (!e->count[i])
			continue;
		printf("%s\"%s\":%llu", comma, errno_name(i), (unsigned long long)e->count[i]);
		comma = ",";
	}
	putchar('}');
}

void *shared_alloc(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED) {
		perror("client: mmap");
		exit(2);
	}
	return p;
}

int client_socket(const struct client *c)
{
	int fd = socket(c->to.sa.sa_family, (c->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		perror("client: socket");
		exit(2);
	}
	if (c->range &&
	    setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &c->range, sizeof(c->range))) {
		perror("client: IP_LOCAL_PORT_RANGE");
		exit(2);
	}
	return fd;
}

struct attempt client_connect(const struct client *c, int fd)
{
	uint64_t start = now_ns();
	int error = connect(fd, &c->to.sa, c->to.len) ? errno : 0;

	return (struct attempt){ now_ns() - start, error };
}

static uint32_t parse_range(const char *text)
{
	unsigned first, last;
	char rest;

	if (sscanf(text, "%u-%u%c", &first, &last, &rest) != 2 || !first || first > last ||
	    last > 65535) {
		fprintf(stderr, "client: --range: two ports wanted, as in 32768-60999: %s\n", text);
		exit(2);
	}
	return last << 16 | first;
}

int main(int argc, char **argv)
{
	static const char operands[] = "ADDR PORT", mode[] = "bench-client fill|refuse|churn";
	struct client c = {
		.count = 1000, .steps = 100, .tries = 1000, .warmup = 15000, .seconds = 5
	};
	const char *range = NULL;
	const struct arg rows[] = {
		{ "udp", ARG_FLAG, &c.udp, "connected UDP instead of TCP" },
		{ "count", ARG_NUMBER, &c.count, "connections to open (fill, refuse: at most)" },
		{ "steps", ARG_NUMBER, &c.steps, "lines that fill reports in" },
		{ "procs", ARG_NUMBER, &c.procs, "processes (fill: as many as needed; churn: 1)" },
		{ "parallel", ARG_FLAG, &c.parallel,
		  "fill: all processes at once, not one after the other" },
		{ "hold", ARG_FLAG, &c.hold,
		  "fill, refuse: keep the connections until stdin ends" },
		{ "tries", ARG_NUMBER, &c.tries, "refuse: connects to measure on the full pool" },
		{ "seconds", ARG_REAL, &c.seconds, "churn: how long" },
		{ "rate", ARG_NUMBER, &c.rate,
		  "churn: connections a second, for each process; 0: as fast as it can" },
		{ "warmup", ARG_NUMBER, &c.warmup,
		  "churn: attempts that the steady rate leaves out" },
		{ "reuse", ARG_FLAG, &c.reuse,
		  "churn: ask each socket for its port, report reuse distance" },
		{ "range", ARG_TEXT, &range,
		  "set IP_LOCAL_PORT_RANGE to FIRST-LAST on each socket" },
		{ 0 },
	};
	size_t i;
	int at;

	for (i = 0; argc > 1 && i < MODES && strcmp(argv[1], modes[i].name); i++)
		;
	if (argc < 2 || i == MODES)
		args_usage(mode, operands, rows, 2);
	at = args_parse(operands, rows, argc - 1, argv + 1) + 1;
	if (argc - at != 2 || !c.steps || !c.count ||
	    !endpoint_parse(argv[at], argv[at + 1], &c.to))
		args_usage(mode, operands, rows, 2);
	c.range = range ? parse_range(range) : 0;
	c.fd_limit = raise_nofile();
	setvbuf(stdout, NULL, _IOLBF, 0);
	return modes[i].run(&c);
}
