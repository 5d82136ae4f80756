/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads small files whose size is not known before. */
#include "src/kernel/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "src/base/auto.h"

#define FILE_MAX (1u << 20)

int berth_file_read(const char *path, char **out_text)
{
	berth_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	berth_auto_free char *text = NULL;
	size_t have = 0, room = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		if (room - have < 4096) {
			char *more = realloc(text, room + 16384);

			if (!more)
				return -ENOMEM;
			text = more;
			room += 16384;
		}
		n = read(fd, text + have, room - have - 1);
		if (n < 0)
			return -errno;
		have += (size_t)n;
		if (have > FILE_MAX)
			return -EFBIG;
	} while (n);
	text[have] = 0;
	*out_text = text;
	text = NULL;
	return 0;
}
