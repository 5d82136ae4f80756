/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks of pcapng, made here in both byte orders: what a packet says of itself, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "src/kernel/pcapng.h"

static struct berth_pcapng section;
static struct berth_pcapng_packet packet;
static uint8_t block[256];
static uint32_t at;
static bool big;

static void put32(uint32_t x)
{
	x = big ? __builtin_bswap32(x) : x;
	memcpy(block + at, &x, 4);
	at += 4;
}

static void put16(uint16_t x)
{
	x = big ? __builtin_bswap16(x) : x;
	memcpy(block + at, &x, 2);
	at += 2;
}

static void begin(uint32_t type)
{
	at = 0;
	put32(type);
	put32(0);
}

/* Writes the length at both ends and hands the block over. */
static const char *end(void)
{
	uint32_t len = at + 4, got = 0;
	const char *wrong;

	put32(len);
	at = 4;
	put32(len);
	wrong = berth_pcapng_length(&section, block, &got);
	if (wrong)
		return wrong;
	assert_int_equal(got, len);
	return berth_pcapng_block(&section, block, len, &packet);
}

static void begin_file(bool other)
{
	memset(&section, 0, sizeof(section));
	big = other;
	begin(0x0a0d0d0a);
	put32(0x1a2b3c4d);
	put16(1);
	put16(0);
	put32(UINT32_MAX);
	put32(UINT32_MAX);
	assert_null(end());
	assert_null(packet.bytes);
}

static void put_interface(uint16_t link, uint32_t snap)
{
	begin(1);
	put16(link);
	put16(0);
	put32(snap);
}

static const char *give_packet(uint32_t interface, uint64_t ticks, uint32_t len)
{
	begin(6);
	put32(interface);
	put32((uint32_t)(ticks >> 32));
	put32((uint32_t)ticks);
	put32(len);
	put32(99);
	put32(0x61616161);
	return end();
}

static void each_packet_is_of_its_interface(void **unused)
{
	int i;

	(void)unused;
	for (i = 0; i < 2; i++) {
		begin_file(i);
		put_interface(1, 0);
		assert_null(end());
		put_interface(101, 64);
		/* Nanoseconds, 5 s earlier. */
		put16(9);
		put16(1);
		put32(big ? 0x09000000 : 9);
		put16(14);
		put16(8);
		put32(big ? UINT32_MAX : (uint32_t)-5);
		put32(big ? (uint32_t)-5 : UINT32_MAX);
		assert_null(end());
		assert_int_equal(section.interfaces, 2);
		assert_null(give_packet(0, 7000001, 3));
		assert_int_equal(packet.link, 1);
		assert_int_equal(packet.len, 3);
		assert_memory_equal(packet.bytes, "aaa", 3);
		assert_true(fabs(packet.time_s - 7.000001) < 1e-9);
		assert_null(give_packet(1, 3ull << 32, 4));
		assert_int_equal(packet.link, 101);
		assert_true(fabs(packet.time_s - 7.884901888) < 1e-6);
		/* A block of another kind has no packet; another section begins anew. */
		begin(0xbad);
		assert_null(end());
		assert_null(packet.bytes);
		begin_file(!i);
		assert_non_null(give_packet(0, 1, 3));
	}
}

static void a_simple_packet_is_cut_as_its_interface_says(void **unused)
{
	(void)unused;
	begin_file(false);
	begin(3);
	put32(4);
	put32(0x61616161);
	assert_non_null(end());
	put_interface(1, 3);
	assert_null(end());
	begin(3);
	put32(400);
	put32(0x61616161);
	assert_null(end());
	assert_int_equal(packet.len, 3);
}

static void what_is_no_pcapng_is_refused(void **unused)
{
	uint32_t len;

	(void)unused;
	memset(&section, 0, sizeof(section));
	assert_non_null(berth_pcapng_length(&section, (const uint8_t *)"no capture..", &len));
	begin_file(false);
	put_interface(1, 0);
	assert_null(end());
	assert_non_null(give_packet(0, 1, 5));
	assert_non_null(give_packet(0, 1, UINT32_MAX));
	assert_non_null(give_packet(1, 1, 1));
	begin(6);
	assert_non_null(end());
	begin(1);
	assert_non_null(end());
	memcpy(block, "\6\0\0\0\r\0\0\0\0\0\0\0", 12);
	assert_non_null(berth_pcapng_length(&section, block, &len));
	memcpy(block, "\6\0\0\0\0\0\0\x40\0\0\0\0", 12);
	assert_non_null(berth_pcapng_length(&section, block, &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_packet_is_of_its_interface),
		cmocka_unit_test(a_simple_packet_is_cut_as_its_interface_says),
		cmocka_unit_test(what_is_no_pcapng_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
