/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why something was refused: the sentence for the person, made where the decision is made.
 *
 * A function that can fail takes a struct berth_why and returns berth_why(why, -errno, ...); its caller
 * returns the code on, and the command line prints the text. The text is one line, without a full stop
 * at the end, and has the form "what: who refused and why; how to mend it".
 */
#ifndef BERTH_BASE_WHY_H
#define BERTH_BASE_WHY_H

struct berth_why {
	char text[512];
};

/* Writes the sentence (cut where it is too long; why may be NULL) and returns code. */
int berth_why(struct berth_why *why, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
