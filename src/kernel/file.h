/* SPDX-License-Identifier: BSD-2-Clause */
/* Small files of /proc, /sys and /etc. */
#ifndef BERTH_KERNEL_FILE_H
#define BERTH_KERNEL_FILE_H

/*
 * Reads a whole file (1 MB at most) as text that ends with NUL; the caller frees it.
 * Returns 0 or -errno; -EFBIG where it is larger.
 */
int berth_file_read(const char *path, char **out_text);

/* As berth_file_read(); -EILSEQ where the text would end at a byte of 0 in its midst. */
int berth_file_read_text(const char *path, char **out_text);

#endif
