/* SPDX-License-Identifier: BSD-2-Clause */
/* Destinations as people write them. */
#ifndef BERTH_CLI_DESTINATION_H
#define BERTH_CLI_DESTINATION_H

#include "abi/headroom.h"
#include "src/base/why.h"

/*
 * Reads a destination: "ADDR", "ADDR:PORT", "[v6]:PORT", "ADDR/LEN", "ADDR/LEN:PORT", ":PORT"; a PORT may be the name of
 * a service. -EINVAL with the sentence; out_ask is then untouched.
 */
int destination_parse(const char *text, struct berth_headroom_ask *out_ask, struct berth_why *why);

#endif
