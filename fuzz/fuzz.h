/* SPDX-License-Identifier: BSD-2-Clause */
/* What a fuzz target is: a function of bytes, which stops the process where something does not hold. */
#ifndef BERTH_FUZZ_H
#define BERTH_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Stops, whatever NDEBUG says. */
#define REQUIRE(holds)                                                                             \
	do {                                                                                       \
		if (!(holds)) {                                                                    \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #holds);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* Runs the target once; called by libFuzzer, and by feed.c with the files of the corpus. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Called once before, where a target has it: the names of the program and of the corpus may say what is fed. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

#endif
