/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames byte by byte: what shows a client's choice of a port, and what does not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "src/sim/frame.h"

static uint8_t bytes[256];
static size_t len;
static struct berth_frame frame;

static void put(const char *hex)
{
	unsigned value;
	int used;

	while (sscanf(hex, " %2x%n", &value, &used) == 1) {
		bytes[len++] = (uint8_t)value;
		hex += used;
	}
}

#define MACS "020000000001 020000000002"
#define IP4(protocol, fragment) "45000028 0000" fragment "40" protocol "0000 0a000001 0a000002"
#define SYN "c001 01bb 00000001 00000000 5002 ffff 0000 0000"
#define ADDR6 "20010db8000000000000000000000001 20010db8000000000000000000000002"

static bool read_frame(enum berth_frame_link link, const char *hex)
{
	len = 0;
	put(hex);
	memset(&frame, 0, sizeof(frame));
	return berth_frame_read(link, bytes, len, &frame);
}

static void a_syn_shows_its_port(void **unused)
{
	static const uint8_t from[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 };

	(void)unused;
	assert_true(read_frame(BERTH_FRAME_ETHERNET, MACS "0800" IP4("06", "0000") SYN));
	assert_int_equal(frame.source_port, 0xc001);
	assert_int_equal(frame.destination_port, 443);
	assert_int_equal(frame.protocol, 6);
	assert_true(frame.client);
	assert_int_equal(frame.id, 1); /* the sequence number */
	assert_memory_equal(frame.source, from, 16);
	assert_int_equal(frame.destination[15], 2);
	assert_true(read_frame(BERTH_FRAME_IP, IP4("06", "0000") SYN));
	assert_true(read_frame(BERTH_FRAME_ETHERNET, MACS "8100 0005 0800" IP4("06", "0000") SYN));
	assert_true(read_frame(BERTH_FRAME_ETHERNET,
			       MACS "88a8 0005 8100 0006 0800" IP4("06", "4000") SYN));
	assert_true(read_frame(BERTH_FRAME_COOKED,
			       "0000 0001 0006 0200000000010000 0800" IP4("06", "0000") SYN));
	assert_true(read_frame(BERTH_FRAME_COOKED2,
			       "0800 0000 00000001 0001 00 06 0200000000010000" IP4("06", "0000")
				       SYN));
	/* Options of IPv4 move the ports. */
	assert_true(read_frame(BERTH_FRAME_IP,
			       "4600002c 0000 0000 4006 0000 0a000001 0a000002 01010101" SYN));
	assert_int_equal(frame.source_port, 0xc001);
}

static void links_of_gateways_and_of_bsd(void **unused)
{
	(void)unused;
	assert_true(read_frame(BERTH_FRAME_LOOP, "02000000" IP4("06", "0000") SYN));
	assert_true(read_frame(BERTH_FRAME_LOOP, "0000001e 60000000 0014 0640" ADDR6 SYN));
	assert_true(read_frame(BERTH_FRAME_PPP, "ff03 0021" IP4("06", "0000") SYN));
	assert_true(read_frame(BERTH_FRAME_PPP, "21" IP4("06", "0000") SYN));
	assert_true(read_frame(BERTH_FRAME_PPP, "0057 60000000 0014 0640" ADDR6 SYN));
	assert_false(read_frame(BERTH_FRAME_PPP, "c021" IP4("06", "0000") SYN));
	assert_true(read_frame(BERTH_FRAME_ETHERNET,
			       MACS "8864 1100 0001 002a 0021" IP4("06", "0000") SYN));
	assert_true(read_frame(BERTH_FRAME_ETHERNET,
			       MACS "9100 0005 8100 0006 0800" IP4("06", "0000") SYN));
	/* Two labels, then one that never ends. */
	assert_true(read_frame(BERTH_FRAME_ETHERNET,
			       MACS "8847 00011040 00012140" IP4("06", "0000") SYN));
	assert_false(read_frame(BERTH_FRAME_ETHERNET, MACS "8847 00011040 00012040"));
	assert_false(read_frame(BERTH_FRAME_PPP, "ff03"));
}

static void ip6_passes_over_extensions(void **unused)
{
	(void)unused;
	assert_true(read_frame(BERTH_FRAME_ETHERNET, MACS "86dd 60000000 0014 0640" ADDR6 SYN));
	assert_int_equal(frame.source[0], 0x20);
	/* Hop-by-hop of 16 bytes, then a fragment's header (the first). */
	assert_true(read_frame(BERTH_FRAME_IP,
			       "60000000 0030 0040" ADDR6
			       "2c01 0000 00000000 0000000000000000 0600 0001 00000007" SYN));
	assert_int_equal(frame.source_port, 0xc001);
	/* A later fragment. */
	assert_false(
		read_frame(BERTH_FRAME_IP, "60000000 001c 2c40" ADDR6 "0600 0009 00000007" SYN));
}

static void what_shows_no_choice(void **unused)
{
	(void)unused;
	/* SYN and ACK; ACK alone; a later fragment; ICMP; a port of 0. */
	assert_false(
		read_frame(BERTH_FRAME_IP,
			   IP4("06", "0000") "01bb c001 00000001 00000001 5012 ffff 0000 0000"));
	assert_false(
		read_frame(BERTH_FRAME_IP,
			   IP4("06", "0000") "c001 01bb 00000001 00000001 5010 ffff 0000 0000"));
	assert_false(read_frame(BERTH_FRAME_IP, IP4("06", "0001") SYN));
	assert_false(read_frame(BERTH_FRAME_IP, IP4("01", "0000") SYN));
	assert_false(
		read_frame(BERTH_FRAME_IP,
			   IP4("06", "0000") "0000 01bb 00000001 00000000 5002 ffff 0000 0000"));
	/* UDP: the question, not the answer; the id of a query, where the capture has it. */
	assert_true(read_frame(BERTH_FRAME_IP, IP4("11", "0000") "c001 0035 0008 0000"));
	assert_int_equal(frame.protocol, 17);
	assert_true(frame.client && !frame.id);
	assert_true(read_frame(BERTH_FRAME_IP, IP4("11", "0000") "c001 0035 000a 0000 abcd"));
	assert_int_equal(frame.id, 0xabcd);
	assert_true(read_frame(BERTH_FRAME_IP, IP4("11", "0000") "1234 c001 0008 0000"));
	assert_false(frame.client);
	/* Another protocol of the link; a version that is none. */
	assert_false(read_frame(BERTH_FRAME_ETHERNET, MACS "0806" IP4("06", "0000") SYN));
	assert_false(
		read_frame(BERTH_FRAME_IP, "55000028 0000 0000 4006 0000 0a000001 0a000002" SYN));
	/* A header that is shorter than it says. */
	assert_false(
		read_frame(BERTH_FRAME_IP, "4f000028 0000 0000 4006 0000 0a000001 0a000002" SYN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_syn_shows_its_port),
		cmocka_unit_test(links_of_gateways_and_of_bsd),
		cmocka_unit_test(ip6_passes_over_extensions),
		cmocka_unit_test(what_shows_no_choice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
