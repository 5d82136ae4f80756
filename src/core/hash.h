/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * SipHash-2-4 over whole 64-bit words: the keyed functions F and G of RFC 6056 sections 3.3.3 and 3.3.4; and
 * SipHash-1-3 for groups of sockets.
 *
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012. Words are little-endian, the
 * length is a multiple of eight bytes. Keys come from the caller.
 */
#ifndef BERTH_CORE_HASH_H
#define BERTH_CORE_HASH_H

#include "bits.h"

#define BERTH_ROTL64(x, n) (((x) << (n)) | ((x) >> (64 - (n))))
#define BERTH_SIP_ROUND(v0, v1, v2, v3)                                                            \
	do {                                                                                       \
		v0 += v1, v1 = BERTH_ROTL64(v1, 13), v1 ^= v0, v0 = BERTH_ROTL64(v0, 32);          \
		v2 += v3, v3 = BERTH_ROTL64(v3, 16), v3 ^= v2;                                     \
		v0 += v3, v3 = BERTH_ROTL64(v3, 21), v3 ^= v0;                                     \
		v2 += v1, v1 = BERTH_ROTL64(v1, 17), v1 ^= v2, v2 = BERTH_ROTL64(v2, 32);          \
	} while (0)

/* SipHash-2-4 of n words (n a compile-time constant) under the 128-bit key. */
BERTH_INLINE uint64_t berth_siphash(const uint64_t key[2], const uint64_t *word, uint32_t n)
{
	uint64_t v0 = key[0] ^ 0x736f6d6570736575ULL, v1 = key[1] ^ 0x646f72616e646f6dULL;
	uint64_t v2 = key[0] ^ 0x6c7967656e657261ULL, v3 = key[1] ^ 0x7465646279746573ULL;
	uint64_t last = (uint64_t)(n * 8) << 56;
	uint32_t i;

	for (i = 0; i < n; i++) {
		v3 ^= word[i];
		BERTH_SIP_ROUND(v0, v1, v2, v3);
		BERTH_SIP_ROUND(v0, v1, v2, v3);
		v0 ^= word[i];
	}
	v3 ^= last;
	BERTH_SIP_ROUND(v0, v1, v2, v3);
	BERTH_SIP_ROUND(v0, v1, v2, v3);
	v0 ^= last;
	v2 ^= 0xff;
	for (i = 0; i < 4; i++)
		BERTH_SIP_ROUND(v0, v1, v2, v3);
	return v0 ^ v1 ^ v2 ^ v3;
}

/*
 * Makes of a key that lasts the one of a period, by the period's number: without the former they cannot be told from
 * random ones.
 */
BERTH_INLINE void berth_siphash_period(uint64_t key[2], uint64_t period)
{
	key[0] = berth_siphash(key, &period, 1);
}

/*
 * SipHash-1-3 of 8n + 7 bytes: n words (n a compile-time constant), and the seven low bytes of the last one. Half
 * the rounds suffice where who chooses the input does not see the answers.
 */
BERTH_INLINE uint64_t berth_siphash13(const uint64_t key[2], const uint64_t *word, uint32_t n,
				      uint64_t seven)
{
	uint64_t v0 = key[0] ^ 0x736f6d6570736575ULL, v1 = key[1] ^ 0x646f72616e646f6dULL;
	uint64_t v2 = key[0] ^ 0x6c7967656e657261ULL, v3 = key[1] ^ 0x7465646279746573ULL;
	uint32_t i;

	seven |= (uint64_t)(8 * n + 7) << 56;
	for (i = 0; i < n; i++) {
		v3 ^= word[i];
		BERTH_SIP_ROUND(v0, v1, v2, v3);
		v0 ^= word[i];
	}
	v3 ^= seven;
	BERTH_SIP_ROUND(v0, v1, v2, v3);
	v0 ^= seven;
	v2 ^= 0xff;
	for (i = 0; i < 3; i++)
		BERTH_SIP_ROUND(v0, v1, v2, v3);
	return v0 ^ v1 ^ v2 ^ v3;
}

#endif
