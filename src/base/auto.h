/* SPDX-License-Identifier: BSD-2-Clause */
/* Cleanup of locals: one owner for a resource, given on with a take helper. */
#ifndef BERTH_BASE_AUTO_H
#define BERTH_BASE_AUTO_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void berth_close_at_exit_(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void berth_free_at_exit_(void *p)
{
	free(*(void **)p);
}

static inline void berth_fclose_at_exit_(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* A descriptor closed when its scope ends; -1 is none: berth_auto_fd int fd = -1; */
#define berth_auto_fd __attribute__((cleanup(berth_close_at_exit_)))
/* Memory freed when its scope ends: berth_auto_free char *p = NULL; */
#define berth_auto_free __attribute__((cleanup(berth_free_at_exit_)))
/* A stream closed when its scope ends: berth_auto_file FILE *f = NULL; */
#define berth_auto_file __attribute__((cleanup(berth_fclose_at_exit_)))

/* Hands a descriptor over: the variable is -1 afterwards. */
static inline int berth_take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
