/* SPDX-License-Identifier: BSD-2-Clause */
/* Any question (words between NULs): refused with a sentence of one line, or read with every text ended. */
#include <string.h>

#include "fuzz.h"
#include "src/cli/what.h"

#define WORDS 12

static void require_ended(const char *text, size_t size)
{
	REQUIRE(memchr(text, 0, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words[WORDS], *text = malloc(size + 1);
	struct berth_why why = { "" };
	struct berth_what w;
	size_t at;
	int n = 0;

	REQUIRE(text);
	memcpy(text, data, size);
	text[size] = '\0';
	for (at = 0; at < size && n < WORDS; at += strlen(text + at) + 1)
		words[n++] = text + at;
	if (berth_what_parse(words, n, &w, &why)) {
		REQUIRE(why.text[0]);
	} else {
		require_ended(w.host, sizeof(w.host));
		require_ended(w.device, sizeof(w.device));
		require_ended(w.scheme, sizeof(w.scheme));
		require_ended(w.user, sizeof(w.user));
		require_ended(w.source, sizeof(w.source));
		REQUIRE(w.kind != BERTH_WHAT_CONNECT || w.port);
		REQUIRE(w.kind != BERTH_WHAT_ERRNO || w.error);
	}
	free(text);
	return 0;
}
