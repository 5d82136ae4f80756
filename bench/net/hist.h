/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A histogram of 64-bit values in buckets that are at most 1/32 of their value wide.
 *
 * Why: minutes of churn give millions of values, and medians over them must cost neither memory nor
 * time beside the thing measured. A sum of two histograms is the histogram of both.
 */
#ifndef BERTH_BENCH_HIST_H
#define BERTH_BENCH_HIST_H

#include <stdint.h>

#define HIST_SUB 32u
#define HIST_BUCKETS (60u * HIST_SUB)

struct hist {
	uint64_t count, sum, min, max; /* min is of use where count > 0 */
	uint32_t bucket[HIST_BUCKETS];
};

static inline uint32_t hist_index(uint64_t v)
{
	uint32_t shift;

	if (v < HIST_SUB)
		return (uint32_t)v;
	shift = 58 - (uint32_t)__builtin_clzll(v);
	return shift * HIST_SUB + (uint32_t)(v >> shift);
}

/* The smallest value of a bucket: the inverse of hist_index(). */
static inline uint64_t hist_value(uint32_t index)
{
	uint32_t shift = index / HIST_SUB;

	if (shift < 2)
		return index;
	shift--;
	return (uint64_t)(index - shift * HIST_SUB) << shift;
}

static inline void hist_add(struct hist *h, uint64_t v)
{
	h->min = !h->count || v < h->min ? v : h->min;
	h->max = v > h->max ? v : h->max;
	h->count++;
	h->sum += v;
	h->bucket[hist_index(v)]++;
}

static inline void hist_merge(struct hist *into, const struct hist *h)
{
	uint32_t i;

	if (!h->count)
		return;
	into->min = !into->count || h->min < into->min ? h->min : into->min;
	into->max = h->max > into->max ? h->max : into->max;
	into->count += h->count;
	into->sum += h->sum;
	for (i = 0; i < HIST_BUCKETS; i++)
		into->bucket[i] += h->bucket[i];
}

/* The value below which part (0..1) of the values are, within a bucket; 0 where there are none. */
static inline uint64_t hist_quantile(const struct hist *h, double part)
{
	uint64_t seen = 0, want = (uint64_t)((double)h->count * part);
	uint32_t i;

	for (i = 0; i < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > want)
			return hist_value(i);
	}
	return h->max;
}

#endif
