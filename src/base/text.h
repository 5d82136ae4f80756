/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text that somebody else chose (a process title, a file, a name on the network), made safe to show.
 *
 * Safe for a terminal: no byte of it can move the cursor, change a colour, turn the direction of writing
 * or hide. What could (control characters, ESC, DEL, C1, marks and overrides of direction, invisible
 * characters, bytes that are no UTF-8 by RFC 3629) is shown as "\xNN", byte by byte; "\" as "\\", so that
 * the text can be told from what stands for it. Everything else stays as it is.
 */
#ifndef BERTH_BASE_TEXT_H
#define BERTH_BASE_TEXT_H

#include <stddef.h>
#include <stdio.h>

/*
 * Reads one character of UTF-8 (RFC 3629: no overlong form, no surrogate, none above U+10FFFF); len > 0.
 * Returns how many bytes it has, with *out_char set; 0 where the bytes begin with none.
 */
size_t berth_text_char(const char *bytes, size_t len, unsigned *out_char);

/* Prints the bytes in the form that is safe for a terminal. Returns how many characters that took. */
size_t berth_text_print_safe(FILE *out, const char *bytes, size_t len);

/*
 * Writes the form that is safe for a terminal to buf, NUL at the end, never cutting a character or an
 * escape apart; what does not fit is left out. Returns the length that the whole has without the NUL.
 */
size_t berth_text_safe(const char *bytes, size_t len, char *buf, size_t size);

/*
 * Prints the bytes as a JSON string with its quotes (RFC 8259), safe for a terminal too: what could do harm
 * is written as \uNNNN. A byte that is no UTF-8 becomes U+FFFD.
 */
void berth_text_print_json(FILE *out, const char *bytes, size_t len);

#endif
