/* SPDX-License-Identifier: BSD-2-Clause */
/* A set of 64-bit numbers other than 0, each with a number of 32 bits: inodes, processes. */
#ifndef BERTH_KERNEL_KEYSET_H
#define BERTH_KERNEL_KEYSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct berth_keyset {
	uint64_t *key;   /* open addressing; 0 is free */
	uint32_t *value; /* beside key */
	size_t count, room;
};

/* Adds a key where it is missing. Returns 1 where it was added, 0 where it was there, -ENOMEM. */
int berth_keyset_add(struct berth_keyset *s, uint64_t key, uint32_t value);

/* Where the value of a key is, until the next key is added; NULL: the key is not there. */
uint32_t *berth_keyset_find(const struct berth_keyset *s, uint64_t key);

/* Takes all keys out and keeps a little memory. */
void berth_keyset_clear(struct berth_keyset *s);

void berth_keyset_free(struct berth_keyset *s);

#endif
