/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads small files whose size is not known before. */
#include "src/kernel/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "src/base/auto.h"

#define FILE_MAX (1u << 20)
/* At once, since a sysctl that is a bitmap gives nothing at a later offset: 32,768 lone ports fit. */
#define PIECE (1u << 18)

static int read_all(const char *path, char **out_text, size_t *out_len)
{
	berth_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	berth_auto_free char *text = NULL;
	size_t have = 0, room = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		if (room - have < PIECE) {
			char *more = realloc(text, room + PIECE + 1);

			if (!more)
				return -ENOMEM;
			text = more;
			room += PIECE + 1;
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
	*out_len = have;
	text = NULL;
	return 0;
}

int berth_file_read(const char *path, char **out_text)
{
	size_t len;

	return read_all(path, out_text, &len);
}

int berth_file_read_text(const char *path, char **out_text)
{
	berth_auto_free char *text = NULL;
	size_t len;
	int err = read_all(path, &text, &len);

	if (err)
		return err;
	if (strlen(text) != len)
		return -EILSEQ;
	*out_text = text;
	text = NULL;
	return 0;
}
