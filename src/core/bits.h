/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Bit scans that compile to the same answer in user space and for -target bpf.
 *
 * The BPF instruction set has no bit count; a chain of branches in its place multiplies the states
 * that the verifier walks, so the kernel side counts by shifts and adds, without a branch.
 */
#ifndef BERTH_CORE_BITS_H
#define BERTH_CORE_BITS_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
typedef __s32 int32_t;
typedef __s64 int64_t;
#ifndef bool
#define bool _Bool
#define true 1
#define false 0
#endif
#else
#include <stdbool.h>
#include <stdint.h>
#endif

/* Keeps the compiler from turning a copying loop into a call of memcpy, which the kernel side lacks. */
#ifdef __bpf__
#define BERTH_NO_IDIOM() __asm__ volatile("" ::: "memory")
#else
#define BERTH_NO_IDIOM() ((void)0)
#endif

#define BERTH_INLINE static inline __attribute__((always_inline, unused))

/*
 * All ones where a >= b, else 0. The BPF instruction set has no conditional move either, so the kernel
 * side takes the sign of the difference, out of the compiler's sight.
 */
BERTH_INLINE uint32_t berth_mask_ge(uint32_t a, uint32_t b)
{
#ifdef __bpf__
	int64_t d = (int64_t)(uint64_t)a - (int64_t)(uint64_t)b;

	__asm__ volatile("" : "+r"(d));
	return ~(uint32_t)(d >> 63);
#else
	return -(uint32_t)(a >= b);
#endif
}

/* How many bits of x are set. */
BERTH_INLINE uint32_t berth_popcount64(uint64_t x)
{
#if !defined(__bpf__) && defined(__POPCNT__)
	return (uint32_t)__builtin_popcountll(x);
#else
	x -= (x >> 1) & 0x5555555555555555ULL;
	x = (x & 0x3333333333333333ULL) + ((x >> 2) & 0x3333333333333333ULL);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return (uint32_t)((x * 0x0101010101010101ULL) >> 56);
#endif
}

/* Index of the lowest bit set in x, which is not 0. */
BERTH_INLINE uint32_t berth_ctz64(uint64_t x)
{
#ifdef __bpf__
	return berth_popcount64((x & -x) - 1);
#else
	return (uint32_t)__builtin_ctzll(x);
#endif
}

/* Index of the k-th bit set in x (k from 0); x has more than k bits set. Halves, without a branch. */
BERTH_INLINE uint32_t berth_select64(uint64_t x, uint32_t k)
{
	uint64_t a = x - ((x >> 1) & 0x5555555555555555ULL);
	uint64_t b = (a & 0x3333333333333333ULL) + ((a >> 2) & 0x3333333333333333ULL);
	uint64_t c = (b + (b >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	uint64_t d = c + (c >> 8);
	uint64_t e = (d & 0x00ff00ff00ff00ffULL) + ((d >> 16) & 0x00ff00ff00ff00ffULL);
	uint32_t at = 0, n, over;

	/* At each width, skip the lower half where it holds k bits or fewer. */
	n = (uint32_t)(e & 0xff);
	over = berth_mask_ge(k, n);
	at += over & 32;
	k -= over & n;
	n = (uint32_t)((d >> at) & 0xff);
	over = berth_mask_ge(k, n);
	at += over & 16;
	k -= over & n;
	n = (uint32_t)((c >> at) & 0xff);
	over = berth_mask_ge(k, n);
	at += over & 8;
	k -= over & n;
	n = (uint32_t)((b >> at) & 0xf);
	over = berth_mask_ge(k, n);
	at += over & 4;
	k -= over & n;
	n = (uint32_t)((a >> at) & 0x3);
	over = berth_mask_ge(k, n);
	at += over & 2;
	k -= over & n;
	n = (uint32_t)((x >> at) & 1);
	over = berth_mask_ge(k, n);
	return at + (over & 1);
}

#endif
