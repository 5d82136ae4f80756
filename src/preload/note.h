/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this process remembers of a descriptor that berth gave a port, so that close() can tell
 * the lane.
 *
 * A hint, as every release is: the socket may live on in another process or under another number,
 * and the kernel is asked before its port is given again. A note belongs to the process that made
 * it: a child of fork() has copies and leaves them alone, one of vfork() works in its parent's
 * memory and leaves them alone too.
 *
 * Limits: descriptors below 262,144; those above are not noted, their ports come back when the
 * lane is swept.
 */
#ifndef BERTH_PRELOAD_NOTE_H
#define BERTH_PRELOAD_NOTE_H

#include <stdbool.h>
#include <stdint.h>

#define BERTH_NOTE_FDS 262144u

enum berth_note_flag {
	BERTH_NOTE_BOUND = 1,   /* the port stays with the socket although connect() fails */
	BERTH_NOTE_ADDRESS = 2, /* the source address is berth's choice, not the program's */
	BERTH_NOTE_KERNEL = 4,  /* the kernel chose the port in berth's place */
};

struct berth_note {
	uint64_t lane;
	uint16_t port; /* 0: none at the moment */
	uint16_t flags;
};

void berth_note_set(int fd, const struct berth_note *note);

/* False where this process has noted nothing of fd. */
bool berth_note_find(int fd, struct berth_note *out_note);

/* Takes the note away; false where there was none. */
bool berth_note_take(int fd, struct berth_note *out_note);

/* One more than the highest descriptor ever noted. */
int berth_note_end(void);

#endif
