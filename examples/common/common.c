/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory, clock, random bits, addresses as text and commands, for all examples. */
#include "common.h"

#include <berth/space.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

volatile sig_atomic_t stopped;

void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(2);
}

void must(int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
		berth_space_error(error));
	exit(2);
}

void *memory_get(void *context, size_t size)
{
	void *memory = malloc(size);

	if (memory)
		*(size_t *)context += size;
	return memory;
}

void *memory_get_aligned(void *context, size_t size, size_t align)
{
	void *memory;

	if (posix_memalign(&memory, align < sizeof(void *) ? sizeof(void *) : align, size))
		return NULL;
	*(size_t *)context += size;
	return memory;
}

void memory_put(void *context, void *memory, size_t size)
{
	*(size_t *)context -= size;
	free(memory);
}

uint32_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint32_t)((uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000);
}

void fill_random(void *out, size_t size)
{
	if (getrandom(out, size, 0) != (ssize_t)size)
		die("getrandom");
}

const char *address_text(const struct berth_address *a, char out[INET6_ADDRSTRLEN])
{
	bool is_v4 = berth_address_is_v4(a);

	return inet_ntop(is_v4 ? AF_INET : AF_INET6, a->byte + (is_v4 ? 12 : 0), out,
			 INET6_ADDRSTRLEN);
}

bool read_address(const char *text, struct berth_address *out_address)
{
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1)
		*out_address = berth_address_v4(v4);
	else if (inet_pton(AF_INET6, text, out_address) != 1)
		return false;
	return true;
}

bool read_range(const char *text, uint16_t *out_first, uint16_t *out_last)
{
	unsigned first, last;
	char more;

	if (sscanf(text, "%5u-%5u%c", &first, &last, &more) != 2 || !first || first > last ||
	    last > 65535)
		return false;
	*out_first = (uint16_t)first;
	*out_last = (uint16_t)last;
	return true;
}

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

void catch_signals(sigset_t *out_open)
{
	struct sigaction action = { .sa_handler = stop };
	sigset_t closed;

	sigemptyset(&closed);
	sigaddset(&closed, SIGINT);
	sigaddset(&closed, SIGTERM);
	sigprocmask(SIG_BLOCK, &closed, out_open);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool read_lines(struct lines *lines, void (*take)(void *context, char *line), void *context)
{
	ssize_t size = read(0, lines->text + lines->size, sizeof(lines->text) - 1 - lines->size);
	char *end;

	if (size <= 0)
		return false;
	lines->size += (size_t)size;
	lines->text[lines->size] = 0;
	while ((end = memchr(lines->text, '\n', lines->size))) {
		*end++ = 0;
		take(context, lines->text);
		lines->size -= (size_t)(end - lines->text);
		memmove(lines->text, end, lines->size);
	}
	if (lines->size == sizeof(lines->text) - 1)
		lines->size = 0;
	return true;
}

void print_foreign(const uint8_t *data, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		putchar(data[i] < 128 && isprint(data[i]) ? data[i] : '.');
	putchar('\n');
}
