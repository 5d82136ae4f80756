/* SPDX-License-Identifier: BSD-2-Clause */
/* Any words (NUL between them): refused with a sentence of one line, or parsed up to an operand. */
#include <string.h>

#include "fuzz.h"
#include "src/base/opt.h"

#define WORDS 32

static int set_any(void *into, const char *value, struct berth_why *why)
{
	size_t *seen = into;

	(void)why;
	*seen += value ? strlen(value) : 1;
	return 0;
}

static int set_refuse(void *into, const char *value, struct berth_why *why)
{
	(void)into;
	return berth_why(why, -1, "--refuse %s: refused", value);
}

static const struct berth_opt opts[] = {
	{ "ports", "SET", NULL, "Ports.", NULL, set_any },
	{ "policy", "NAME", "uniform", "Policy.", "uniform|random|double-hash", set_any },
	{ "refuse", "TEXT", NULL, "Refuses.", NULL, set_refuse },
	{ "verbose", NULL, NULL, "More.", NULL, set_any },
	{ 0 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *argv[WORDS + 2] = { (char[]){ "verb" } }, *text = malloc(size + 1);
	struct berth_why why = { "" };
	size_t seen = 0, at;
	int argc = 1, end;

	REQUIRE(text);
	memcpy(text, data, size);
	text[size] = '\0';
	for (at = 0; at < size && argc <= WORDS; at += strlen(text + at) + 1)
		argv[argc++] = text + at;
	end = berth_opt_parse(opts, argc, argv, &seen, &why);
	if (end < 0) {
		REQUIRE(why.text[0]);
	} else {
		REQUIRE(end >= 1 && end <= argc && !why.text[0]);
		REQUIRE(end == argc || !strcmp(argv[end - 1], "--") || argv[end][0] != '-' ||
			!argv[end][1]);
	}
	free(text);
	return 0;
}
