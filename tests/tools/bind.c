/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds one socket and says how that went: "ok PORT" or "refused ERRNO". Linked statically. */
#include <unistd.h>

#include "args.h"
#include "sock.h"

struct options {
	struct endpoint at;
	bool udp, v6only, listen, hold;
	unsigned long loop;
};

static int make(const struct options *o)
{
	int fd = socket(o->at.sa.sa_family, (o->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0 || (o->v6only && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)))) {
		perror("test-bind: socket");
		exit(2);
	}
	return fd;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int refused(void)
{
	printf("refused %s\n", errno_name(errno));
	return 1;
}

/* The time of bind() alone. */
static int measure(const struct options *o)
{
	uint64_t *ns = calloc(o->loop, sizeof(*ns)), begin;
	unsigned long i;

	for (i = 0; ns && i < o->loop; i++) {
		int fd = make(o);

		begin = now_ns();
		if (bind(fd, &o->at.sa, o->at.len))
			return refused();
		ns[i] = now_ns() - begin;
		close(fd);
	}
	if (!ns)
		return 2;
	qsort(ns, o->loop, sizeof(*ns), by_value);
	printf("%llu\n", (unsigned long long)ns[o->loop / 2]);
	free(ns);
	return 0;
}

static int once(const struct options *o)
{
	int fd = make(o);
	struct endpoint got;
	char c;

	if (bind(fd, &o->at.sa, o->at.len) || (o->listen && listen(fd, 128)))
		return refused();
	got = endpoint_local(fd);
	printf("ok %u\n", endpoint_port(&got));
	fflush(stdout);
	while (o->hold && read(0, &c, 1) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .loop = 0 };
	const struct arg rows[] = {
		{ "udp", ARG_FLAG, &o.udp, "a datagram socket" },
		{ "v6only", ARG_FLAG, &o.v6only, "set IPV6_V6ONLY" },
		{ "listen", ARG_FLAG, &o.listen, "listen, too" },
		{ "hold", ARG_FLAG, &o.hold, "keep the socket until standard input ends" },
		{ "loop", ARG_NUMBER, &o.loop, "bind so many in turn, print the median in ns" },
		{ NULL },
	};
	int i = args_parse("ADDR PORT", rows, argc, argv);

	if (argc - i != 2 || !endpoint_parse(argv[i], argv[i + 1], &o.at))
		args_usage(argv[0], "ADDR PORT", rows, 2);
	return o.loop ? measure(&o) : once(&o);
}
