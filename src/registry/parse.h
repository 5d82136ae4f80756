/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads services out of the texts that list them: services(5) and IANA's CSV. Nothing is opened here. */
#ifndef BERTH_REGISTRY_PARSE_H
#define BERTH_REGISTRY_PARSE_H

#include <stddef.h>

#include "src/base/why.h"
#include "src/registry/layer.h"

/* Told of each line that was passed over; what is constant text, without a byte of the file. */
typedef void (*berth_services_report)(void *arg, unsigned line, const char *what);

/*
 * Reads "NAME PORT/PROTOCOL [ALIAS...] [# DESCRIPTION]" lines out of len bytes, which are overwritten and
 * behind which there is one more, for a NUL. A malformed line is reported (where report is not NULL) and
 * passed over. Lines of protocols that have no ports of IP (AppleTalk's ddp) are no services here.
 * Returns 0; -ENOMEM; -E2BIG: too many.
 */
int berth_services_parse_etc(char *text, size_t len, struct berth_services_builder *b,
			     berth_services_report report, void *arg);

/*
 * Reads IANA's CSV ("Service Name,Port Number,Transport Protocol,Description,..."; quoted fields may span
 * lines) out of len bytes, as above. Rows without name, port or transport protocol are passed over: they
 * are no assignments of a port. All is read or nothing: the first malformed record refuses the file.
 * Returns how many rows had a service; -EINVAL: not such a file, or malformed; -ENOMEM; -E2BIG.
 */
int berth_services_parse_csv(char *text, size_t len, struct berth_services_builder *b,
			     struct berth_why *why);

#endif
