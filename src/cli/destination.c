/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads destinations: an address or prefix, a port or the name of a service. */
#include "src/cli/destination.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "src/registry/services.h"

static void keep_first(const struct berth_service *service, void *arg)
{
	uint16_t *port = arg;

	if (!*port)
		*port = service->port;
}

/* A number or the name of a service; 0 where it is neither. */
static uint16_t read_port(const char *text)
{
	struct berth_services services;
	uint16_t port = 0;
	unsigned long n;
	char *end;

	if (*text >= '0' && *text <= '9') {
		n = strtoul(text, &end, 10);
		return !*end && n <= 65535 ? (uint16_t)n : 0;
	}
	if (!*text)
		return 0;
	berth_services_init(&services, NULL, NULL);
	berth_services_named(&services, text, keep_first, &port);
	berth_services_fini(&services);
	return port;
}

/* Splits "ADDR", "[ADDR]", "ADDR:PORT", ... in place. NULL for what is missing; false where a bracket is. */
static bool split(char *text, char **out_addr, char **out_len, char **out_port)
{
	char *colon, *slash, *rest = text;

	*out_addr = text;
	*out_len = *out_port = NULL;
	if (*text == '[') {
		*out_addr = text + 1;
		rest = strchr(text, ']');
		if (!rest)
			return false;
		*rest++ = '\0';
		if (*rest && *rest != ':' && *rest != '/')
			return false;
	}
	slash = strchr(rest, '/');
	colon = strchr(slash ? slash : rest, ':');
	/* Two colons before a slash or a bracket are IPv6. */
	if (colon && rest == text && !slash && strchr(colon + 1, ':'))
		colon = NULL;
	if (slash) {
		*slash = '\0';
		*out_len = slash + 1;
	}
	if (colon) {
		*colon = '\0';
		*out_port = colon + 1;
	}
	return true;
}

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

static bool read_addr(const char *text, uint8_t addr[16], unsigned *out_bits)
{
	if (inet_pton(AF_INET6, text, addr) == 1) {
		*out_bits = 128;
		return true;
	}
	memcpy(addr, v4_prefix, sizeof(v4_prefix));
	*out_bits = 32;
	return inet_pton(AF_INET, text, addr + 12) == 1;
}

static void set_mask(struct berth_headroom_ask *ask, const uint8_t addr[16], unsigned bits)
{
	uint8_t mask[16] = { 0 };
	unsigned i;

	for (i = 0; i < bits; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	memcpy(ask->addr, addr, 16);
	memcpy(ask->mask, mask, 16);
}

int destination_parse(const char *text, struct berth_headroom_ask *out_ask, struct berth_why *why)
{
	struct berth_headroom_ask ask = { 0 };
	char copy[256], *addr, *len, *port, *end = NULL;
	unsigned bits = 0;
	unsigned long n;
	uint8_t bytes[16];

	if (strlen(text) >= sizeof(copy) || !split(strcpy(copy, text), &addr, &len, &port) ||
	    (*addr && !read_addr(addr, bytes, &bits)) || (!*addr && (addr != copy || len || !port)))
		return berth_why(
			why, -EINVAL,
			"\"%s\": no destination; write 10.0.0.7, 10.0.0.7:443, [2001:db8::1]:https, "
			"10.0.0.0/8 or :443",
			text);
	n = len ? strtoul(len, &end, 10) : bits;
	if (len && (*len < '0' || *len > '9' || *end || n > bits))
		return berth_why(why, -EINVAL, "\"%s\": a prefix length is 0 to %u", text, bits);
	if (bits)
		set_mask(&ask, bytes, (unsigned)n + 128 - bits);
	ask.port = port ? read_port(port) : 0;
	if (port && !ask.port)
		return berth_why(
			why, -EINVAL,
			"\"%s\": \"%s\" is neither a port nor a service; see \"berth services\"",
			text, port);
	*out_ask = ask;
	return 0;
}
