/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Binds :: for IPv6 alone while other threads make the socket one for both families, again and again: "widened" where
 * that comes between the kernel's asking its programs and the bind itself, or "kept" after so many binds.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Those that sleep for the socket's lock make its release slow, so that another meets it. */
#define THREADS 4

static _Atomic int at_work = -1;

static void *widen(void *arg)
{
	const int none = 0;

	(void)arg;
	for (;;) {
		int fd = atomic_load(&at_work);

		if (fd >= 0)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &none, sizeof(none));
	}
	return NULL;
}

/* 1: bound for both families; 0: not, or not bound. */
static int once(uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), alone = 1, err;
	socklen_t size = sizeof(alone);

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &alone, sizeof(alone));
	atomic_store(&at_work, fd);
	err = bind(fd, (struct sockaddr *)&any, sizeof(any));
	atomic_store(&at_work, -1);
	if (!err)
		err = getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &alone, &size);
	close(fd);
	return !err && !alone;
}

int main(int argc, char **argv)
{
	unsigned long i, tries = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	pthread_t other;
	int n;

	for (n = 0; n < THREADS; n++)
		if (!tries || pthread_create(&other, NULL, widen, NULL)) {
			fputs("test-widen PORT TRIES\n", stderr);
			return 2;
		}
	for (i = 0; i < tries; i++)
		if (once((uint16_t)strtoul(argv[1], NULL, 10))) {
			puts("widened");
			return 1;
		}
	puts("kept");
	return 0;
}
