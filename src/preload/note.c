/* SPDX-License-Identifier: BSD-2-Clause */
/* What this process remembers of a descriptor that berth gave a port. */
#include "src/preload/note.h"

#include "src/preload/sys.h"

/* what: pid << 32 | port << 16 | flags; 0: no note. */
static struct {
	uint64_t lane;
	uint64_t what;
} table[BERTH_NOTE_FDS];

static int end;

void berth_note_set(int fd, const struct berth_note *note)
{
	int seen = __atomic_load_n(&end, __ATOMIC_RELAXED);

	if (fd < 0 || fd >= (int)BERTH_NOTE_FDS)
		return;
	while (seen <= fd && !__atomic_compare_exchange_n(&end, &seen, fd + 1, false,
							  __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	__atomic_store_n(&table[fd].lane, note->lane, __ATOMIC_RELAXED);
	__atomic_store_n(&table[fd].what,
			 (uint64_t)sys_pid() << 32 | (uint32_t)note->port << 16 | note->flags,
			 __ATOMIC_RELEASE);
}

static bool unpack(int fd, uint64_t what, struct berth_note *out_note)
{
	if (!what || what >> 32 != sys_pid())
		return false;
	out_note->lane = __atomic_load_n(&table[fd].lane, __ATOMIC_RELAXED);
	out_note->port = (uint16_t)(what >> 16);
	out_note->flags = (uint16_t)what;
	return true;
}

bool berth_note_find(int fd, struct berth_note *out_note)
{
	if (fd < 0 || fd >= (int)BERTH_NOTE_FDS)
		return false;
	return unpack(fd, __atomic_load_n(&table[fd].what, __ATOMIC_ACQUIRE), out_note);
}

bool berth_note_take(int fd, struct berth_note *out_note)
{
	uint64_t what;

	if (fd < 0 || fd >= (int)BERTH_NOTE_FDS)
		return false;
	what = __atomic_load_n(&table[fd].what, __ATOMIC_ACQUIRE);
	return unpack(fd, what, out_note) &&
	       __atomic_compare_exchange_n(&table[fd].what, &what, 0, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

int berth_note_end(void)
{
	return __atomic_load_n(&end, __ATOMIC_RELAXED);
}
