/* SPDX-License-Identifier: BSD-2-Clause */
/* Lanes in words: how rows, rates and times are shown. For berth headroom and top. */
#ifndef BERTH_CLI_LANE_H
#define BERTH_CLI_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "src/base/why.h"
#include "src/kernel/headroom.h"

#define LANE_TEXT 128u /* room for any text below */

/* "10.0.0.7:443", "[2001:db8::1]:443"; without the port where it is 0. buf has LANE_TEXT bytes. Returns it. */
const char *lane_endpoint(const uint8_t addr[16], uint16_t port, char *buf);

/* "10.9.0.1 > 10.9.0.2:443", or "all destinations". buf has LANE_TEXT bytes. Returns it. */
const char *lane_name(const struct berth_headroom_row *row, char *buf);

/* "tcp" or "udp". */
const char *lane_protocol(const struct berth_headroom_row *row);

/* "kernel", or "berth:PID" with a run that draws on the pool. buf has LANE_TEXT bytes. Returns it. */
const char *lane_choice(const struct berth_headroom_row *row, char *buf);

/* "99.9%": rounded down. */
const char *lane_share(const struct berth_headroom *h, char *buf);

/*
 * One JSON object, as berth headroom --json has it. time: Unix, 0: left out; rate: ports a second, NULL: not known.
 */
void lane_json(FILE *out, const struct berth_headroom_row *row, time_t time, const double *rate);

/* "now", "never", "42s", "3m10s", "2h05m", "4d03h", ">99d". */
const char *lane_eta(double seconds, char *buf);

/* Sleeps, or until SIGINT or SIGTERM, which the caller has blocked: then true. */
bool lane_wait(double seconds);

/* Reads seconds between two looks, 0.01 to 3600. -EINVAL with the sentence. */
int lane_parse_every(const char *value, double *out_seconds, struct berth_why *why);

#endif
