/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads addresses and prefixes; says where a text stops being one. */
#include "prefix.h"

#include <errno.h>
#include <string.h>

struct reader {
	const char *text;
	size_t n, at;
	const char *what; /* set where it is refused */
};

static bool ends(const struct reader *rd)
{
	return rd->at == rd->n;
}

static int peek(const struct reader *rd)
{
	return ends(rd) ? -1 : (unsigned char)rd->text[rd->at];
}

static bool refuse(struct reader *rd, size_t at, const char *what)
{
	rd->at = at;
	rd->what = what;
	return false;
}

/* A decimal number up to max, without leading zeros. */
static bool read_decimal(struct reader *rd, uint32_t max, uint32_t *out)
{
	size_t first = rd->at;
	uint32_t n = 0;
	int c;

	while ((c = peek(rd)) >= '0' && c <= '9') {
		if (rd->at > first && !n)
			return refuse(rd, first, "a number with a leading zero");
		n = n * 10 + (uint32_t)(c - '0');
		if (n > max)
			return refuse(rd, first, "number too large");
		rd->at++;
	}
	if (rd->at == first)
		return refuse(rd, first, "number expected");
	*out = n;
	return true;
}

static bool read_v4(struct reader *rd, uint8_t out[4])
{
	uint32_t n;
	int i;

	for (i = 0; i < 4; i++) {
		if (i && peek(rd) != '.')
			return refuse(rd, rd->at, "an IPv4 address has four numbers");
		rd->at += i > 0;
		if (!read_decimal(rd, 255, &n))
			return false;
		out[i] = (uint8_t)n;
	}
	return true;
}

static int hex_digit(int c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static bool read_hex(struct reader *rd, uint32_t *out)
{
	size_t first = rd->at;
	uint32_t n = 0;

	for (; hex_digit(peek(rd)) >= 0; rd->at++) {
		if (rd->at - first == 4)
			return refuse(rd, first, "more than four hexadecimal digits");
		n = n << 4 | (uint32_t)hex_digit(peek(rd));
	}
	if (rd->at == first)
		return refuse(rd, first, "hexadecimal number expected");
	*out = n;
	return true;
}

/* True where the next number ends with a dot: the IPv4 tail of an IPv6 address. */
static bool is_v4_next(const struct reader *rd)
{
	size_t i = rd->at;

	while (i < rd->n && rd->text[i] >= '0' && rd->text[i] <= '9')
		i++;
	return i > rd->at && i < rd->n && rd->text[i] == '.';
}

static bool is_double_colon(const struct reader *rd)
{
	return rd->at + 1 < rd->n && rd->text[rd->at] == ':' && rd->text[rd->at + 1] == ':';
}

/* Moves what stands behind "::" to the end; used: bytes that were read, gap: how many before it. */
static bool close_gap(struct reader *rd, uint8_t out[16], size_t used, size_t gap)
{
	if (gap == SIZE_MAX)
		return used == 16 || refuse(rd, rd->at, "an IPv6 address has eight numbers");
	if (used == 16)
		return refuse(rd, rd->at, "\"::\" stands for at least one number");
	memmove(out + 16 - (used - gap), out + gap, used - gap);
	memset(out + gap, 0, 16 - used);
	return true;
}

static bool read_v6(struct reader *rd, uint8_t out[16])
{
	size_t used = 0, gap = SIZE_MAX;
	uint32_t n;

	memset(out, 0, 16);
	while (used < 16) {
		if (is_double_colon(rd)) {
			if (gap != SIZE_MAX)
				return refuse(rd, rd->at, "a second \"::\"");
			gap = used;
			rd->at += 2;
			if (hex_digit(peek(rd)) < 0)
				break;
		} else if (used) {
			if (peek(rd) != ':')
				break;
			rd->at++;
		}
		if (used <= 12 && is_v4_next(rd)) {
			if (!read_v4(rd, out + used))
				return false;
			used += 4;
			break;
		}
		if (!read_hex(rd, &n))
			return false;
		out[used++] = (uint8_t)(n >> 8);
		out[used++] = (uint8_t)n;
	}
	/* "1:2:3:4:5:6:7::" has its gap behind the last number. */
	if (used == 14 && gap == SIZE_MAX && is_double_colon(rd)) {
		gap = used;
		rd->at += 2;
	}
	return close_gap(rd, out, used, gap);
}

static bool has_colon(const struct reader *rd)
{
	return memchr(rd->text, ':', rd->n) != NULL;
}

static bool read_addr(struct reader *rd, struct berth_prefix *p)
{
	p->is_v4 = !has_colon(rd);
	if (!p->is_v4)
		return read_v6(rd, p->addr);
	memset(p->addr, 0, 10);
	p->addr[10] = p->addr[11] = 0xff;
	return read_v4(rd, p->addr + 12);
}

/* True where no bit beyond the length is set. */
static bool is_clean(const struct berth_prefix *p)
{
	unsigned bit;

	for (bit = p->len; bit < 128; bit++)
		if (p->addr[bit / 8] & (0x80u >> (bit % 8)))
			return false;
	return true;
}

static bool read_length(struct reader *rd, struct berth_prefix *p)
{
	uint32_t width = p->is_v4 ? 32 : 128, n = width;
	size_t slash = rd->at;

	if (peek(rd) == '/') {
		rd->at++;
		if (!read_decimal(rd, width, &n))
			return false;
	}
	p->len = (uint8_t)(128 - width + n);
	if (!is_clean(p))
		return refuse(rd, slash + 1, "the address has bits beyond this length");
	return true;
}

int berth_prefix_parse(const char *text, size_t n, struct berth_prefix *out_prefix, size_t *out_at,
		       const char **out_what)
{
	struct reader rd = { text, n, 0, NULL };
	struct berth_prefix p = { .len = 0 };

	if (read_addr(&rd, &p) && read_length(&rd, &p) &&
	    (ends(&rd) || refuse(&rd, rd.at, "no character of an address"))) {
		*out_prefix = p;
		return 0;
	}
	*out_at = rd.at;
	*out_what = rd.what;
	return -EINVAL;
}

bool berth_prefix_covers(const struct berth_prefix *a, const struct berth_prefix *b)
{
	unsigned whole = a->len / 8, rest = a->len % 8;

	if (a->len > b->len || memcmp(a->addr, b->addr, whole))
		return false;
	return !rest || !((a->addr[whole] ^ b->addr[whole]) & (0xff00u >> rest) & 0xff);
}
