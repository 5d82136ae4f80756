/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the examples have in common beside libberth: its memory, a clock, random bits, addresses as text, commands.
 *
 * What cannot go on ends the program with a sentence, and exit status 2.
 */
#ifndef COMMON_H
#define COMMON_H

#include <berth/flow.h>

#include <arpa/inet.h>
#include <signal.h>

/* Says what failed, by errno, and ends the program. */
void die(const char *what) __attribute__((noreturn));

/* Ends the program where error is one of a port space. */
void must(int error, const char *what);

/* libberth's memory: context is a size_t that knows how many bytes are out. */
void *memory_get(void *context, size_t size);
void *memory_get_aligned(void *context, size_t size, size_t align);
void memory_put(void *context, void *memory, size_t size);

/* A clock that runs on, in ms. */
uint32_t now_ms(void);

void fill_random(void *out, size_t size);

/* Returns out. */
const char *address_text(const struct berth_address *a, char out[INET6_ADDRSTRLEN]);

/* Reads an address of either family; false where it is none. */
bool read_address(const char *text, struct berth_address *out_address);

/* Reads FIRST-LAST; false where it is no range of ports. */
bool read_range(const char *text, uint16_t *out_first, uint16_t *out_last);

/* Set by SIGINT and SIGTERM, which come during ppoll() with *out_open only, so that none is missed. */
extern volatile sig_atomic_t stopped;
void catch_signals(sigset_t *out_open);

/* The beginning of a line that is not whole yet. */
struct lines {
	size_t size;
	char text[1024];
};

/* Takes the whole lines of what stdin has. False: it has ended. A line longer than the room is dropped. */
bool read_lines(struct lines *lines, void (*take)(void *context, char *line), void *context);

/* Prints foreign bytes: only what a terminal may see, and an end of line. */
void print_foreign(const uint8_t *data, size_t size);

#endif
