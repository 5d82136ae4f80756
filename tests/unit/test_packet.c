/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets made by hand: what is read of good ones, why bad ones are refused, and that no byte behind the end is read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>

#include "include/berth/packet.h"

#define PAGE 4096u

struct bytes {
	uint8_t byte[512];
	size_t size;
};

/* The last page before memory that is not there. */
static uint8_t *edge;

static int make_edge(void **state)
{
	uint8_t *two =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	if (two == MAP_FAILED || mprotect(two + PAGE, PAGE, PROT_NONE))
		return -1;
	edge = two + PAGE;
	return 0;
}

static enum berth_packet_result parse(const struct bytes *b, size_t size, struct berth_packet *out)
{
	memcpy(edge - size, b->byte, size);
	return berth_packet_parse(edge - size, size, out);
}

static void put(struct bytes *b, const void *data, size_t size)
{
	memcpy(b->byte + b->size, data, size);
	b->size += size;
}

static void put16(struct bytes *b, unsigned value)
{
	uint8_t two[2] = { (uint8_t)(value >> 8), (uint8_t)value };

	put(b, two, 2);
}

static void put_zero(struct bytes *b, size_t size)
{
	static const uint8_t zero[256];

	put(b, zero, size);
}

/* From 10.0.0.2 to 10.0.0.1; options: bytes behind the header. The total length is set by finish(). */
static void put_v4(struct bytes *b, uint8_t protocol, uint16_t place, uint8_t options)
{
	uint8_t ip[20] = { [0] = (uint8_t)(0x45 + options / 4),
			   [4] = 0x12,
			   [5] = 0x34,
			   [8] = 64,
			   [9] = protocol };

	ip[6] = (uint8_t)(place >> 8);
	ip[7] = (uint8_t)place;
	memcpy(ip + 12, "\x0a\0\0\x02\x0a\0\0\x01", 8);
	put(b, ip, sizeof(ip));
	put_zero(b, options);
}

static void put_v6(struct bytes *b, uint8_t next)
{
	uint8_t ip[40] = {
		[0] = 0x60, [6] = next, [7] = 64, [8] = 0x20, [23] = 2, [24] = 0x20, [39] = 1
	};

	put(b, ip, sizeof(ip));
}

/* An extension header of size bytes. */
static void put_extension(struct bytes *b, uint8_t next, size_t size)
{
	uint8_t head[2] = { next, (uint8_t)(size / 8 - 1) };

	put(b, head, 2);
	put_zero(b, size - 2);
}

static void put_ports(struct bytes *b)
{
	put16(b, 40000);
	put16(b, 443);
}

static void put_tcp(struct bytes *b)
{
	put_ports(b);
	put_zero(b, 8);
	put(b, "\x50\x12\0\0\0\0\0\0", 8);
}

static void put_udp(struct bytes *b, unsigned length)
{
	put_ports(b);
	put16(b, length);
	put_zero(b, 2);
}

/* Sets the length of the IP header at its place for the bytes behind it. */
static void finish(struct bytes *b, size_t ip)
{
	size_t four = b->byte[ip] >> 4 == 4, at = ip + (four ? 2 : 4);
	size_t length = b->size - ip - (four ? 0 : 40);

	b->byte[at] = (uint8_t)(length >> 8);
	b->byte[at + 1] = (uint8_t)length;
}

/* The packet is good at its size and behind padding, and at no size below. */
static void expect_good(const struct bytes *b, struct berth_packet *out)
{
	struct bytes padded = *b;
	struct berth_packet cut;
	size_t size;

	assert_string_equal(berth_packet_text(parse(b, b->size, out)), "good");
	for (size = 0; size < out->payload; size++)
		assert_int_not_equal(parse(b, size, &cut), BERTH_PACKET_GOOD);
	put_zero(&padded, 9);
	assert_int_equal(parse(&padded, padded.size, &cut), BERTH_PACKET_GOOD);
	if (!out->is_icmp_error)
		assert_memory_equal(out, &cut, sizeof(cut));
	assert_int_equal(out->flow.local_port, out->is_icmp_error ? 40000 : 443);
	assert_int_equal(out->flow.remote_port, out->is_icmp_error ? 443 : 40000);
	assert_int_equal(out->flow.local.byte[15], out->is_icmp_error ? 2 : 1);
	assert_int_equal(out->flow.remote.byte[15], out->is_icmp_error ? 1 : 2);
	assert_int_equal(berth_address_is_v4(&out->flow.local), out->version == 4);
}

static void expect_bad(const struct bytes *b, enum berth_packet_result result)
{
	struct berth_packet out, untouched;

	memset(&untouched, 0xa5, sizeof(untouched));
	out = untouched;
	assert_string_equal(berth_packet_text(parse(b, b->size, &out)), berth_packet_text(result));
	if (result != BERTH_PACKET_FRAGMENT)
		assert_memory_equal(&out, &untouched, sizeof(out));
}

static void test_v4(void **state)
{
	uint8_t options;
	struct berth_packet p;

	(void)state;
	for (options = 0; options <= 40; options += 4) {
		struct bytes b = { 0 };

		put_v4(&b, BERTH_TCP, 0x4000, options);
		put_tcp(&b);
		put_zero(&b, 3);
		finish(&b, 0);
		expect_good(&b, &p);
		assert_int_equal(p.flow.protocol, BERTH_TCP);
		assert_int_equal(p.transport, 20 + options);
		assert_int_equal(p.payload, 40 + options);
		assert_int_equal(p.end, 43 + options);
		assert_int_equal(p.tcp_flags, 0x12);
		assert_false(p.is_fragment || p.is_icmp_error);
	}
}

static void test_protocols(void **state)
{
	struct berth_packet p;
	struct bytes b;

	(void)state;
	b.size = 0;
	put_v6(&b, BERTH_UDP), put_udp(&b, 12), put_zero(&b, 6), finish(&b, 0);
	expect_good(&b, &p);
	assert_int_equal(p.end, 52);
	b.size = 0;
	put_v4(&b, BERTH_UDPLITE, 0, 0), put_udp(&b, 0), finish(&b, 0);
	expect_good(&b, &p);
	b.byte[25] = 8;
	expect_good(&b, &p);
	b.byte[25] = 9;
	expect_bad(&b, BERTH_PACKET_LENGTH);
	b.byte[25] = 7;
	expect_bad(&b, BERTH_PACKET_LENGTH);
	b.size = 0;
	put_v4(&b, BERTH_SCTP, 0, 0), put_ports(&b), put_zero(&b, 8), finish(&b, 0);
	expect_good(&b, &p);
	assert_int_equal(p.payload, 32);
	b.size = 0;
	put_v6(&b, BERTH_DCCP), put_ports(&b), put(&b, "\x03\0\0\0\0\0\0\0", 8), finish(&b, 0);
	expect_good(&b, &p);
	b.byte[48] = 1; /* X: four bytes more */
	expect_bad(&b, BERTH_PACKET_HEADER);
	put_zero(&b, 4), finish(&b, 0);
	b.byte[44] = 4;
	expect_good(&b, &p);
	b.byte[44] = 5;
	expect_bad(&b, BERTH_PACKET_HEADER);
	b.byte[6] = 50;
	expect_bad(&b, BERTH_PACKET_PROTOCOL);
}

static void test_extensions(void **state)
{
	struct berth_packet p;
	struct bytes b = { 0 };
	int i;

	(void)state;
	put_v6(&b, 0), put_extension(&b, 60, 8), put_extension(&b, 43, 16),
		put_extension(&b, 51, 24);
	/* Authentication: its length counts words of four bytes, less two. */
	put(&b, "\x2c\x04", 2), put_zero(&b, 22);
	put(&b, "\x3c\0\0\0\0\0\0\x07", 8), put_extension(&b, BERTH_TCP, 8);
	put_tcp(&b), finish(&b, 0);
	expect_good(&b, &p);
	assert_int_equal(p.transport, b.size - 20);
	assert_false(p.is_fragment);
	b.size = 0;
	put_v6(&b, 60);
	for (i = 0; i < 15; i++)
		put_extension(&b, 60, 8);
	put_extension(&b, BERTH_TCP, 8), put_tcp(&b), finish(&b, 0);
	expect_good(&b, &p);
	b.size = 0;
	put_v6(&b, 60);
	for (i = 0; i < 17; i++)
		put_extension(&b, i == 16 ? BERTH_TCP : 60, 8);
	put_tcp(&b), finish(&b, 0);
	expect_bad(&b, BERTH_PACKET_ORDER);
	b.size = 0;
	put_v6(&b, 60), put_extension(&b, 0, 8), put_extension(&b, BERTH_TCP, 8), put_tcp(&b);
	finish(&b, 0);
	expect_bad(&b, BERTH_PACKET_ORDER);
	b.byte[40] = BERTH_UDP, b.byte[41] = 255;
	expect_bad(&b, BERTH_PACKET_SHORT);
	b.size = 0;
	put_v6(&b, 59), finish(&b, 0);
	b.byte[5] = 0;
	expect_bad(&b, BERTH_PACKET_LENGTH);
}

static void test_fragments(void **state)
{
	struct berth_packet p;
	struct bytes b = { 0 };

	(void)state;
	put_v4(&b, BERTH_UDP, 0x2000, 0), put_udp(&b, 4000), put_zero(&b, 16), finish(&b, 0);
	expect_good(&b, &p);
	assert_true(p.is_fragment && p.has_more && !p.fragment_offset);
	assert_int_equal(p.fragment_id, 0x1234);
	b.byte[6] = 0;
	expect_bad(&b, BERTH_PACKET_LENGTH);
	b.byte[7] = 2;
	assert_int_equal(parse(&b, b.size, &p), BERTH_PACKET_FRAGMENT);
	assert_true(p.is_fragment && !p.has_more && p.fragment_offset == 16);
	assert_int_equal(p.flow.protocol, BERTH_UDP);
	assert_int_equal(p.flow.local_port | p.flow.remote_port, 0);
	/* Beyond 65,535 bytes: the "ping of death". */
	b.byte[6] = 0x1f, b.byte[7] = 0xff;
	expect_bad(&b, BERTH_PACKET_LENGTH);
	b.size = 0;
	put_v6(&b, 44), put(&b, "\x11\0\0\x01\0\0\0\x09", 8), put_udp(&b, 4000), finish(&b, 0);
	expect_good(&b, &p);
	assert_true(p.is_fragment && p.has_more && p.fragment_id == 9);
	b.byte[43] = 0x09;
	assert_int_equal(parse(&b, b.size, &p), BERTH_PACKET_FRAGMENT);
	assert_int_equal(p.fragment_offset, 8);
	b.size = 0;
	put_v6(&b, 44), put(&b, "\x2c\0\0\0\0\0\0\x09\x11\0\0\0\0\0\0\x09", 16), put_udp(&b, 8);
	finish(&b, 0);
	expect_bad(&b, BERTH_PACKET_ORDER);
	/* A first fragment too small for the header (RFC 1858). */
	b.size = 0;
	put_v4(&b, BERTH_TCP, 0x2000, 0), put_ports(&b), put_zero(&b, 4), finish(&b, 0);
	expect_bad(&b, BERTH_PACKET_SHORT);
}

static void test_icmp(void **state)
{
	struct berth_packet p;
	struct bytes b = { 0 };

	(void)state;
	put_v4(&b, 1, 0, 0), put(&b, "\x03\x04\0\0\0\0\x05\x78", 8);
	put_v4(&b, BERTH_TCP, 0, 8), put_ports(&b), put_zero(&b, 4), finish(&b, 0);
	/* The packet within was longer. */
	b.byte[30] = 5;
	expect_good(&b, &p);
	assert_true(p.is_icmp_error && p.icmp_type == 3 && p.icmp_code == 4);
	assert_int_equal(p.icmp_info, 1400);
	b.byte[20] = 8;
	expect_bad(&b, BERTH_PACKET_PROTOCOL);
	b.byte[20] = 3, b.byte[28] = 0x65;
	assert_int_not_equal(parse(&b, b.size, &p), BERTH_PACKET_GOOD);
	b.size = 0;
	put_v6(&b, 58), put(&b, "\x02\0\0\0\0\0\x05\0", 8);
	put_v6(&b, 60), put_extension(&b, BERTH_UDP, 8), put_udp(&b, 900), finish(&b, 48),
		finish(&b, 0);
	expect_good(&b, &p);
	assert_int_equal(p.icmp_info, 1280);
	b.byte[40] = 128;
	expect_bad(&b, BERTH_PACKET_PROTOCOL);
	/* One that nobody knows yet is for the socket, too. */
	b.byte[40] = 100;
	expect_good(&b, &p);
	assert_true(p.is_icmp_error && p.icmp_type == 100);
	/* An error about an error has no ports. */
	b.byte[40] = 1, b.byte[54] = 58;
	expect_bad(&b, BERTH_PACKET_PROTOCOL);
	/* An error about a fragment is whole; about a later one it has no ports. */
	b.size = 0;
	put_v4(&b, 1, 0, 0), put(&b, "\x03\x04\0\0\0\0\x05\x78", 8);
	put_v4(&b, BERTH_UDP, 0x2000, 8), put_ports(&b), put_zero(&b, 4), finish(&b, 0);
	b.byte[30] = 5;
	expect_good(&b, &p);
	assert_true(p.is_icmp_error && !p.is_fragment && !p.has_more && !p.fragment_id);
	assert_int_equal(p.flow.local_port, 40000);
	b.byte[28 + 6] = 0, b.byte[28 + 7] = 9;
	assert_int_equal(parse(&b, b.size, &p), BERTH_PACKET_FRAGMENT);
	assert_true(p.is_icmp_error && !p.is_fragment && !p.fragment_offset);
	assert_int_equal(p.flow.protocol, BERTH_UDP);
}

static void test_refusals(void **state)
{
	struct berth_packet p;
	struct bytes good = { 0 }, b;

	(void)state;
	put_v4(&good, BERTH_TCP, 0, 0), put_tcp(&good), finish(&good, 0);
	expect_good(&good, &p);
	b = good, b.byte[0] = 0x55;
	expect_bad(&b, BERTH_PACKET_VERSION);
	b = good, b.byte[0] = 0x44;
	expect_bad(&b, BERTH_PACKET_HEADER);
	b = good, b.byte[3] = 19;
	expect_bad(&b, BERTH_PACKET_LENGTH);
	b = good, b.byte[3]++;
	expect_bad(&b, BERTH_PACKET_SHORT);
	b = good, b.byte[0] = 0x4f;
	expect_bad(&b, BERTH_PACKET_LENGTH);
	b = good, b.byte[32] = 0x40;
	expect_bad(&b, BERTH_PACKET_HEADER);
	b = good, b.byte[32] = 0x60;
	expect_bad(&b, BERTH_PACKET_HEADER);
	b = good, b.byte[22] = b.byte[23] = 0;
	expect_bad(&b, BERTH_PACKET_PORT);
	b = good, b.byte[20] = b.byte[21] = 0;
	assert_int_equal(parse(&b, b.size, &p), BERTH_PACKET_GOOD);
	assert_int_equal(p.flow.remote_port, 0);
	b.size = 0;
	put_v6(&b, BERTH_TCP), put_tcp(&b), finish(&b, 0);
	memcpy(b.byte + 8, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x02", 16);
	expect_bad(&b, BERTH_PACKET_ADDRESS);
	b.size = 0;
	expect_bad(&b, BERTH_PACKET_SHORT);
	assert_string_equal(berth_packet_text((enum berth_packet_result)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v4),         cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_extensions), cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_icmp),       cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, make_edge, NULL);
}
