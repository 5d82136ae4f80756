/* SPDX-License-Identifier: BSD-2-Clause */
/* Foreign text made safe to show: one walk over characters, written in three ways. */
#include "text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ESCAPED_MAX 16 /* of one character: four bytes as "\xNN" */

/* Characters that steer a terminal, turn the direction of writing, or are not seen. */
static const struct {
	unsigned first, last;
} unsafe[] = {
	{ 0x0000, 0x001f },   { 0x007f, 0x009f }, { 0x00ad, 0x00ad }, { 0x061c, 0x061c },
	{ 0x180e, 0x180e },   { 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },
	{ 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xfffe, 0xffff },
	{ 0xe0000, 0xe0fff },
};

static bool is_unsafe(unsigned c)
{
	size_t i;

	for (i = 0; i < sizeof(unsafe) / sizeof(*unsafe); i++)
		if (c >= unsafe[i].first && c <= unsafe[i].last)
			return true;
	return false;
}

size_t berth_text_char(const char *bytes, size_t len, unsigned *out_char)
{
	static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const uint8_t *b = (const uint8_t *)bytes;
	size_t n = b[0] < 0x80 ? 1 : b[0] < 0xc0 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : 4, i;
	unsigned c = n == 1 ? b[0] : b[0] & (0x7fu >> n);

	if (!n || n > len || b[0] > 0xf4)
		return 0;
	for (i = 1; i < n; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (b[i] & 0x3f);
	}
	if (c < least[n] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return 0;
	*out_char = c;
	return n;
}

/*
 * Writes what stands for the next character to out (not ended by NUL). Returns its length; *out_bytes is
 * how many bytes it stands for, *out_shown how many characters are seen.
 */
static size_t safe_char(const char *bytes, size_t len, char out[ESCAPED_MAX], size_t *out_bytes,
			size_t *out_shown)
{
	static const char hex[] = "0123456789abcdef";
	unsigned c = 0;
	size_t n = berth_text_char(bytes, len, &c), i;

	*out_bytes = n ? n : 1;
	if (n && !is_unsafe(c) && c != '\\') {
		memcpy(out, bytes, n);
		*out_shown = 1;
		return n;
	}
	if (c == '\\') {
		memcpy(out, "\\\\", 2);
		return *out_shown = 2;
	}
	for (i = 0; i < *out_bytes; i++) {
		uint8_t b = (uint8_t)bytes[i];

		memcpy(out + 4 * i, (char[]){ '\\', 'x', hex[b >> 4], hex[b & 15] }, 4);
	}
	return *out_shown = 4 * *out_bytes;
}

size_t berth_text_print_safe(FILE *out, const char *bytes, size_t len)
{
	size_t shown = 0, used, wide;
	char one[ESCAPED_MAX];

	for (; len; bytes += used, len -= used) {
		fwrite(one, 1, safe_char(bytes, len, one, &used, &wide), out);
		shown += wide;
	}
	return shown;
}

size_t berth_text_safe(const char *bytes, size_t len, char *buf, size_t size)
{
	size_t whole = 0, n, used, wide;
	bool fits = size > 0;
	char one[ESCAPED_MAX];

	if (size)
		buf[0] = '\0';
	for (; len; bytes += used, len -= used) {
		n = safe_char(bytes, len, one, &used, &wide);
		fits = fits && whole + n < size;
		if (fits) {
			memcpy(buf + whole, one, n);
			buf[whole + n] = '\0';
		}
		whole += n;
	}
	return whole;
}

static void print_json_char(FILE *out, unsigned c, const char *bytes, size_t n)
{
	if (c == '"' || c == '\\')
		fprintf(out, "\\%c", (int)c);
	else if (!is_unsafe(c))
		fwrite(bytes, 1, n, out);
	else if (c < 0x10000)
		fprintf(out, "\\u%04x", c);
	else
		fprintf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
			0xdc00 + ((c - 0x10000) & 0x3ff));
}

void berth_text_print_json(FILE *out, const char *bytes, size_t len)
{
	unsigned c = 0;
	size_t n;

	putc('"', out);
	for (; len; bytes += n, len -= n) {
		n = berth_text_char(bytes, len, &c);
		if (n)
			print_json_char(out, c, bytes, n);
		else
			fputs("\xef\xbf\xbd", out);
		n = n ? n : 1;
	}
	putc('"', out);
}
