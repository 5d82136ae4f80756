/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SipHash-2-4 against the vectors that its authors publish: "vectors_sip64" in vectors.h of the reference
 * implementation, github.com/veorq/SipHash, commit 1a7d041. Key 00 01 .. 0f, input 00 01 .. of each length.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "src/core/hash.h"

static uint64_t word_of(const uint8_t *bytes)
{
	uint64_t word = 0;
	int i;

	for (i = 7; i >= 0; i--)
		word = word << 8 | bytes[i];
	return word;
}

/* The rows for whole words: lengths 0, 8, .. 56. */
static const uint8_t vectors[8][8] = {
	{ 0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72 },
	{ 0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93 },
	{ 0xdb, 0x9b, 0xc2, 0x57, 0x7f, 0xcc, 0x2a, 0x3f },
	{ 0x94, 0xaf, 0x49, 0xf6, 0xc6, 0x50, 0xad, 0xb8 },
	{ 0xce, 0x7c, 0xf2, 0x72, 0x2f, 0x51, 0x27, 0x71 },
	{ 0xd0, 0xa7, 0x04, 0x53, 0x6b, 0xa9, 0x3e, 0x0e },
	{ 0x51, 0xa9, 0xcb, 0x9e, 0xcb, 0xa3, 0x12, 0xe6 },
	{ 0xbd, 0x83, 0x8d, 0x3a, 0xaf, 0xbf, 0x8d, 0xb7 },
};

static void test_vectors(void **state)
{
	uint64_t key[2], words[8];
	uint8_t bytes[64];
	uint32_t n;

	(void)state;
	for (n = 0; n < 64; n++)
		bytes[n] = (uint8_t)n;
	for (n = 0; n < 8; n++)
		words[n] = word_of(bytes + 8 * n);
	key[0] = words[0];
	key[1] = words[1];
	for (n = 0; n < 8; n++) {
		assert_int_equal(berth_siphash(key, words, n), word_of(vectors[n]));
		/* One bit of the key changes the answer. */
		key[1] ^= 1ULL << n;
		assert_int_not_equal(berth_siphash(key, words, n), word_of(vectors[n]));
		key[1] ^= 1ULL << n;
	}
}

/*
 * SipHash-1-3 is what Python 3.11 hashes bytes with (sys.hash_info). The key is that of PYTHONHASHSEED=1, the input
 * 00 01 .. of lengths 7, 15, 23, 39: hash(bytes(range(n))).
 */
static void test_short(void **state)
{
	static const uint64_t key[2] = { 0xaed66ce184be2329ull, 0xebe9bbf1f1499052ull };
	uint64_t words[5], seven;
	uint8_t bytes[40];
	uint32_t n;

	(void)state;
	for (n = 0; n < 40; n++)
		bytes[n] = (uint8_t)n;
	for (n = 0; n < 5; n++)
		words[n] = word_of(bytes + 8 * n);
	seven = ~0ull >> 8;
	assert_int_equal(berth_siphash13(key, words, 0, words[0] & seven), 0xfd15e78052a69ddfull);
	assert_int_equal(berth_siphash13(key, words, 1, words[1] & seven), 0xfa87985f39e97a53ull);
	assert_int_equal(berth_siphash13(key, words, 2, words[2] & seven), 0xf7cea028f939ae8cull);
	assert_int_equal(berth_siphash13(key, words, 4, words[4] & seven), 0x8007881b2e60feb5ull);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_vectors),
					    cmocka_unit_test(test_short) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
