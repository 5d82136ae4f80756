/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a packet: refused, or read to ports that stand where it says, within what it says. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "include/berth/packet.h"

static unsigned port_at(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

static void check_good(uint8_t *data, size_t size, const struct berth_packet *p)
{
	const uint8_t *ports = data + p->transport;
	struct berth_packet again;
	size_t i;

	REQUIRE(p->transport >= 20 && p->transport + 8 <= p->payload);
	REQUIRE(p->payload <= p->end && p->end <= size);
	REQUIRE(p->version == data[0] >> 4);
	REQUIRE(p->flow.local_port == port_at(ports + (p->is_icmp_error ? 0 : 2)));
	REQUIRE(p->flow.remote_port == port_at(ports + (p->is_icmp_error ? 2 : 0)));
	REQUIRE(p->flow.local_port);
	REQUIRE(berth_address_is_v4(&p->flow.local) == (p->version == 4));
	REQUIRE(berth_address_is_v4(&p->flow.remote) == (p->version == 4));
	/* What stands behind the end does not matter, and what it needs it needs. */
	for (i = p->end; i < size; i++)
		data[i] ^= 0xff;
	REQUIRE(berth_packet_parse(data, size, &again) == BERTH_PACKET_GOOD);
	REQUIRE(!memcmp(&again, p, sizeof(again)));
	REQUIRE(berth_packet_parse(data, p->transport + 7, &again) != BERTH_PACKET_GOOD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Memory of its own size, so that one byte too far is seen. */
	uint8_t *copy = malloc(size ? size : 1);
	struct berth_packet p, untouched;
	enum berth_packet_result result;

	REQUIRE(copy);
	memset(&untouched, 0xa5, sizeof(untouched));
	p = untouched;
	memcpy(copy, data, size);
	result = berth_packet_parse(copy, size, &p);
	REQUIRE(strcmp(berth_packet_text(result), "unknown"));
	if (result == BERTH_PACKET_GOOD)
		check_good(copy, size, &p);
	else if (result == BERTH_PACKET_FRAGMENT)
		REQUIRE(p.is_icmp_error != p.is_fragment && p.is_fragment == !!p.fragment_offset &&
			!p.flow.local_port && p.end <= size);
	else
		REQUIRE(!memcmp(&p, &untouched, sizeof(p)));
	free(copy);
	return 0;
}
