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

#define BERTH_INLINE static inline __attribute__((always_inline, unused))

/* Not to be compiled into its caller, which so has fewer registers to save. */
#define BERTH_APART static __attribute__((noinline))
#define BERTH_LIKELY(x) __builtin_expect(!!(x), 1)

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

/* Keeps the compiler from turning a loop into a call of memcpy or memset, which the kernel side lacks. */
#ifdef __bpf__
#define BERTH_NO_IDIOM() __asm__ volatile("" ::: "memory")
#else
#define BERTH_NO_IDIOM() ((void)0)
#endif

/*
 * Before a loop of many rounds that does little in each: the verifier walks every round, and looks for a state that
 * it knows at the end of each.
 */
#ifdef __bpf__
#define BERTH_UNROLL _Pragma("clang loop unroll_count(16)")
#else
#define BERTH_UNROLL
#endif

#define BERTH_ONES8 0x0101010101010101ULL

/*
 * Hides from the compiler how x came about, so that it keeps arithmetic as arithmetic: the BPF
 * instruction set cannot turn a comparison into a number, and a branch in its place doubles the states.
 */
BERTH_INLINE uint64_t berth_plain64(uint64_t x)
{
#ifdef __bpf__
	__asm__("" : "+r"(x));
#endif
	return x;
}

/* All ones where x is not 0, else 0. */
BERTH_INLINE uint64_t berth_mask64(uint64_t x)
{
	return -(berth_plain64(x | -x) >> 63);
}

/* yes where x is not 0, else no; both are evaluated. */
BERTH_INLINE uint64_t berth_if64(uint64_t x, uint64_t yes, uint64_t no)
{
#ifdef __bpf__
	return no ^ ((yes ^ no) & berth_mask64(x));
#else
	return x ? yes : no;
#endif
}

/* x times a constant, as one multiplication: compilers prefer chains of shifts, which take longer here. */
BERTH_INLINE uint64_t berth_times64(uint64_t x, uint64_t constant)
{
#ifndef __bpf__
	__asm__("" : "+r"(constant));
#endif
	return x * constant;
}

/*
 * Row x: where the bits of the byte x are that are set, one byte each, lowest first; what stands behind
 * them means nothing. A row is made from that of the byte's upper bits: they all move up by one place,
 * and where the lowest bit is set, it comes before them.
 */
#define BERTH_PLACE_0(x) ((x) + BERTH_ONES8)
#define BERTH_PLACE_1(x) (((x) + BERTH_ONES8) << 8)
#define BERTH_PLACES_2(x) BERTH_PLACE_0(x), BERTH_PLACE_1(x)
#define BERTH_PLACES_4(x) BERTH_PLACES_2(BERTH_PLACE_0(x)), BERTH_PLACES_2(BERTH_PLACE_1(x))
#define BERTH_PLACES_8(x) BERTH_PLACES_4(BERTH_PLACE_0(x)), BERTH_PLACES_4(BERTH_PLACE_1(x))
#define BERTH_PLACES_16(x) BERTH_PLACES_8(BERTH_PLACE_0(x)), BERTH_PLACES_8(BERTH_PLACE_1(x))
#define BERTH_PLACES_32(x) BERTH_PLACES_16(BERTH_PLACE_0(x)), BERTH_PLACES_16(BERTH_PLACE_1(x))
#define BERTH_PLACES_64(x) BERTH_PLACES_32(BERTH_PLACE_0(x)), BERTH_PLACES_32(BERTH_PLACE_1(x))
#define BERTH_PLACES_128(x) BERTH_PLACES_64(BERTH_PLACE_0(x)), BERTH_PLACES_64(BERTH_PLACE_1(x))
#define BERTH_PLACES_256(x) BERTH_PLACES_128(BERTH_PLACE_0(x)), BERTH_PLACES_128(BERTH_PLACE_1(x))
static const uint64_t berth_places[256]
	__attribute__((aligned(64), unused)) = { BERTH_PLACES_256(0ULL) };

/* Index of the k-th bit set in the byte x; x has more than k bits set. */
BERTH_INLINE uint64_t berth_select8(uint64_t x, uint64_t k)
{
#if !defined(__bpf__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return ((const uint8_t *)&berth_places[x])[k];
#else
	return (berth_places[x] >> (8 * (k & 7))) & 7;
#endif
}

/* Index of the k-th bit set in x (k from 0); x has more than k bits set. Without a branch. */
BERTH_INLINE uint32_t berth_select64(uint64_t x, uint32_t k)
{
	const uint64_t high = BERTH_ONES8 << 7;
	uint64_t s, at, r = k;

	s = x - ((x >> 1) & 0x5555555555555555ULL);
	s = (s & 0x3333333333333333ULL) + ((s >> 2) & 0x3333333333333333ULL);
	s = berth_times64((s + (s >> 4)) & 0x0f0f0f0f0f0f0f0fULL, BERTH_ONES8);
	/* s: bits in each byte and below it. The byte is the first whose sum + 127 - k is above 127. */
	at = (s + berth_times64(r ^ 127, BERTH_ONES8)) & high;
	at = berth_ctz64(at) & 56;
	r -= ((s << 8) >> at) & 0xff;
	return (uint32_t)(at + berth_select8((x >> at) & 0xff, r));
}

#endif
