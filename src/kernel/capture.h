/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames out of a file (pcap, pcapng) or from an interface, one after the other. */
#ifndef BERTH_KERNEL_CAPTURE_H
#define BERTH_KERNEL_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/why.h"

/* The beginning of each frame that was captured; link is a DLT number of libpcap. Returns 0, another value ends it. */
typedef int berth_capture_each(const uint8_t *bytes, size_t len, int link, double time_s,
			       void *arg);

/*
 * Reads a file to its end; "-" is standard input. pcap by libpcap, pcapng by pcapng.h. Returns 0, or negative with
 * the sentence in why.
 */
int berth_capture_file(const char *path, berth_capture_each *each, void *arg,
		       struct berth_why *why);

/*
 * Listens on an interface for seconds (0: until each() ends it or SIGINT comes, whose disposition is the caller's).
 * Needs CAP_NET_RAW. *out_lost: how many frames the kernel had no room for. Returns 0, or negative with the sentence in why.
 */
int berth_capture_live(const char *interface, double seconds, berth_capture_each *each, void *arg,
		       uint64_t *out_lost, struct berth_why *why);

#endif
