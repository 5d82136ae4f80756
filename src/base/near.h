/* SPDX-License-Identifier: BSD-2-Clause */
/* The word that was probably meant by one that does not exist. */
#ifndef BERTH_BASE_NEAR_H
#define BERTH_BASE_NEAR_H

#include <stddef.h>

/* Begins as { 0 }; text is NULL until a word is near enough. Borrowed from who offers the words. */
struct berth_near {
	const char *text;
	size_t len, edits;
};

/*
 * Keeps the word (len bytes) in best where it is nearer to given than what is there, and near enough to be
 * meant: letters added, dropped, changed or swapped with their neighbour, one and one more for each four of
 * given; the start of a word counts as one. Words of more than 32 letters are never near.
 */
void berth_near_consider(const char *given, const char *word, size_t len, struct berth_near *best);

#endif
