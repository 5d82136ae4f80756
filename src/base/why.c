/* SPDX-License-Identifier: BSD-2-Clause */
/* The sentence that goes with an error code. */
#include "why.h"

#include <stdarg.h>
#include <stdio.h>

int berth_why(struct berth_why *why, int code, const char *format, ...)
{
	va_list ap;

	if (why) {
		va_start(ap, format);
		vsnprintf(why->text, sizeof(why->text), format, ap);
		va_end(ap);
	}
	return code;
}
