/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole ranges of a port set, and its text form. */
#include "range.h"

#include <errno.h>

/* The bits of leaf word w that lie in the range; w is one of its words. */
static uint64_t word_of_range(uint32_t w, struct berth_range r)
{
	uint64_t bits = ~0ULL;

	if (w == r.first >> 6)
		bits &= ~0ULL << (r.first & 63);
	if (w == r.last >> 6)
		bits &= ~0ULL >> (63 - (r.last & 63));
	return bits;
}

void berth_portset_add_range(struct berth_portset *s, struct berth_range r)
{
	uint32_t w;

	for (w = r.first >> 6; w <= r.last >> 6; w++) {
		uint64_t fresh = word_of_range(w, r) & ~s->leaf[w];

		if (!fresh)
			continue;
		s->leaf[w] |= fresh;
		s->mid[w >> 6] |= 1ULL << (w & 63);
		s->top |= 1u << (w >> 6);
		berth_portset_count_(s, w, berth_popcount64(fresh));
	}
}

void berth_portset_remove_range(struct berth_portset *s, struct berth_range r)
{
	uint32_t w;

	for (w = r.first >> 6; w <= r.last >> 6; w++) {
		uint64_t gone = word_of_range(w, r) & s->leaf[w];

		if (!gone)
			continue;
		s->leaf[w] &= ~gone;
		if (!s->leaf[w])
			s->mid[w >> 6] &= ~(1ULL << (w & 63));
		if (!s->mid[w >> 6])
			s->top &= ~(1u << (w >> 6));
		berth_portset_count_(s, w, -(uint64_t)berth_popcount64(gone));
	}
}

struct reader {
	const char *text;
	size_t at;
	struct berth_range_error *error;
};

static int refuse(const struct reader *rd, size_t at, const char *what)
{
	rd->error->at = at;
	rd->error->what = what;
	return -EINVAL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void skip_spaces(struct reader *rd)
{
	while (rd->text[rd->at] == ' ')
		rd->at++;
}

/* True, and one character on, where the next one is c. */
static bool accept(struct reader *rd, char c)
{
	if (rd->text[rd->at] != c)
		return false;
	rd->at++;
	return true;
}

static int read_port(struct reader *rd, uint16_t *out_port)
{
	size_t first = rd->at;
	uint32_t n = 0;

	if (!is_digit(rd->text[first]))
		return refuse(rd, first, "number expected");
	for (; is_digit(rd->text[rd->at]); rd->at++) {
		n = n * 10 + (uint32_t)(rd->text[rd->at] - '0');
		if (n > 65535)
			return refuse(rd, first, "number above 65535");
	}
	if (n == 0)
		return refuse(rd, first, "port 0 means no port");
	*out_port = (uint16_t)n;
	return 0;
}

/* "PORT" or "FIRST-LAST". */
static int read_range(struct reader *rd, struct berth_range *out_range)
{
	struct berth_range r;
	size_t second;
	int err = read_port(rd, &r.first);

	if (err)
		return err;
	r.last = r.first;
	if (accept(rd, '-')) {
		second = rd->at;
		err = read_port(rd, &r.last);
		if (err)
			return err;
		if (r.last < r.first)
			return refuse(rd, second, "range ends below its start");
	}
	*out_range = r;
	return 0;
}

static int read_item(struct reader *rd, struct berth_portset *s)
{
	struct berth_range r;
	bool out = accept(rd, '!');
	int err = read_range(rd, &r);

	if (err)
		return err;
	if (out)
		berth_portset_remove_range(s, r);
	else
		berth_portset_add_range(s, r);
	return 0;
}

int berth_portset_parse(const char *text, struct berth_portset *s,
			struct berth_range_error *out_error)
{
	struct reader rd = { text, 0, out_error };
	int err;

	*s = (struct berth_portset){ 0 };
	skip_spaces(&rd);
	if (!text[rd.at])
		return 0;
	if (text[rd.at] == '!')
		berth_portset_add_range(s, (struct berth_range){ 1, 65535 });
	for (;;) {
		skip_spaces(&rd);
		err = read_item(&rd, s);
		if (err)
			return err;
		skip_spaces(&rd);
		if (!text[rd.at])
			return 0;
		if (!accept(&rd, ','))
			return refuse(&rd, rd.at, "comma expected");
	}
}

struct writer {
	char *buf;
	size_t size, len;
};

static void put(struct writer *wr, char c)
{
	if (wr->len + 1 < wr->size)
		wr->buf[wr->len] = c;
	wr->len++;
}

static void put_number(struct writer *wr, uint32_t n)
{
	char digits[5];
	int i = 0;

	do
		digits[i++] = (char)('0' + n % 10);
	while (n /= 10);
	while (i)
		put(wr, digits[--i]);
}

size_t berth_portset_format(const struct berth_portset *s, char *buf, size_t size)
{
	struct writer wr = { buf, size, 0 };
	int32_t first = berth_portset_next(s, 0);

	while (first >= 0) {
		uint32_t last = (uint32_t)first;

		while (last < 65535 && berth_portset_has(s, last + 1))
			last++;
		if (wr.len)
			put(&wr, ',');
		put_number(&wr, (uint32_t)first);
		if (last > (uint32_t)first) {
			put(&wr, '-');
			put_number(&wr, last);
		}
		first = last == 65535 ? -1 : berth_portset_next(s, last + 1);
	}
	if (size)
		buf[wr.len < size ? wr.len : size - 1] = '\0';
	return wr.len;
}
