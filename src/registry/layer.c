/* SPDX-License-Identifier: BSD-2-Clause */
/* Look-up in a sorted list of services. */
#include "src/registry/layer.h"

#include <string.h>
#include <strings.h>

#define NAME(id, name, number) name,
static const char *const transport_name[] = { BERTH_TRANSPORTS(NAME) };
#undef NAME

const char *berth_transport_name(enum berth_transport transport)
{
	return transport_name[transport];
}

int berth_transport_find(const char *name, size_t len)
{
	int i;

	for (i = 0; i < BERTH_TRANSPORT_COUNT; i++)
		if (strlen(transport_name[i]) == len && !memcmp(transport_name[i], name, len))
			return i;
	return -1;
}

const char *berth_services_after(const char *string)
{
	return string + strlen(string) + 1;
}

uint32_t berth_services_layer_from(const struct berth_services_layer *l, uint32_t port,
				   unsigned transport)
{
	uint32_t low = 0, high = l->row_count, key = port << 3 | transport;

	while (low < high) {
		uint32_t at = low + (high - low) / 2;

		if (((uint32_t)l->rows[at].port << 3 | l->rows[at].transport) < key)
			low = at + 1;
		else
			high = at;
	}
	return low;
}

const char *berth_services_layer_word(const struct berth_services_layer *l, uint32_t n)
{
	const char *word = l->text + l->rows[l->words[n] >> 8].text;
	unsigned skip = l->words[n] & 255;

	/* The description stands between the name and the aliases. */
	for (skip += skip > 0; skip; skip--)
		word = berth_services_after(word);
	return word;
}

/* The first word that is not below name or, where above is true, the first that is above it. */
static uint32_t word_bound(const struct berth_services_layer *l, const char *name, bool above)
{
	uint32_t low = 0, high = l->word_count;

	while (low < high) {
		uint32_t at = low + (high - low) / 2;

		if (strcasecmp(berth_services_layer_word(l, at), name) < (above ? 1 : 0))
			low = at + 1;
		else
			high = at;
	}
	return low;
}

uint32_t berth_services_layer_named(const struct berth_services_layer *l, const char *name,
				    uint32_t *out_count)
{
	uint32_t first = word_bound(l, name, false);

	*out_count = word_bound(l, name, true) - first;
	return first;
}
