/* SPDX-License-Identifier: BSD-2-Clause */
/* Lanes in words. */
#include "src/cli/lane.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

int lane_parse_every(const char *value, double *out_seconds, struct berth_why *why)
{
	char *end;
	double s = strtod(value, &end);

	if (*end || !(s >= 0.01 && s <= 3600))
		return berth_why(why, -EINVAL, "--every %s: write seconds, 0.01 to 3600", value);
	*out_seconds = s;
	return 0;
}

/* ---- texts ---- */

const char *lane_endpoint(const uint8_t addr[16], uint16_t port, char *buf)
{
	bool v4 = !memcmp(addr, v4_prefix, sizeof(v4_prefix));
	char text[INET6_ADDRSTRLEN];

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? addr + 12 : addr, text, sizeof(text));
	if (!port)
		snprintf(buf, LANE_TEXT, "%s", text);
	else
		snprintf(buf, LANE_TEXT, v4 ? "%s:%u" : "[%s]:%u", text, port);
	return buf;
}

const char *lane_name(const struct berth_headroom_row *row, char *buf)
{
	char src[LANE_TEXT], dst[LANE_TEXT];

	if (row->wide)
		return strcpy(buf, "all destinations");
	/* Two endpoints have 46 and 54 characters at most. */
	snprintf(buf, LANE_TEXT, "%.50s > %.60s", lane_endpoint(row->src, 0, src),
		 lane_endpoint(row->dst, row->dport, dst));
	return buf;
}

const char *lane_protocol(const struct berth_headroom_row *row)
{
	return row->protocol == IPPROTO_UDP ? "udp" : "tcp";
}

const char *lane_choice(const struct berth_headroom_row *row, char *buf)
{
	if (row->pool)
		snprintf(buf, LANE_TEXT, "berth:%u", row->run);
	else
		strcpy(buf, "kernel");
	return buf;
}

const char *lane_share(const struct berth_headroom *h, char *buf)
{
	uint32_t permille = berth_headroom_permille(h);

	snprintf(buf, LANE_TEXT, "%u.%u%%", permille / 10, permille % 10);
	return buf;
}

const char *lane_eta(double seconds, char *buf)
{
	unsigned s = seconds < 8640000 ? (unsigned)seconds : 8640000;

	if (seconds < 0)
		strcpy(buf, "never");
	else if (seconds == 0.0)
		strcpy(buf, "now");
	else if (s < 60)
		snprintf(buf, LANE_TEXT, "%us", s);
	else if (s < 3600)
		snprintf(buf, LANE_TEXT, "%um%02us", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, LANE_TEXT, "%uh%02um", s / 3600, s / 60 % 60);
	else if (s < 8640000)
		snprintf(buf, LANE_TEXT, "%ud%02uh", s / 86400, s / 3600 % 24);
	else
		strcpy(buf, ">99d");
	return buf;
}

void lane_json(FILE *out, const struct berth_headroom_row *row, time_t time, const double *rate)
{
	const struct berth_headroom *h = &row->h;
	char buf[LANE_TEXT];
	double eta;

	fputc('{', out);
	if (time)
		fprintf(out, "\"time\":%lld,", (long long)time);
	fprintf(out, "\"netns\":%u,\"protocol\":\"%s\",\"choice\":\"%s\",", row->netns,
		lane_protocol(row), row->pool ? "berth" : "kernel");
	if (row->pool)
		fprintf(out, "\"run\":%u,", row->run);
	fprintf(out, "\"scope\":\"%s\",", row->wide ? "namespace" : "lane");
	if (!row->wide) {
		fprintf(out, "\"source\":\"%s\",", lane_endpoint(row->src, 0, buf));
		fprintf(out, "\"destination\":\"%s\",\"port\":%u,", lane_endpoint(row->dst, 0, buf),
			row->dport);
	}
	fprintf(out,
		"\"capacity\":%u,\"used\":%u,\"time_wait\":%u,\"reusable\":%u,\"free\":%u,\"share\":%.6g,"
		"\"slow_at\":",
		h->capacity, h->used, h->time_wait, h->reusable, berth_headroom_free(h),
		h->used < h->capacity ? (double)h->used / h->capacity : 1);
	fprintf(out, h->slow_at ? "%u" : "null", h->slow_at);
	fprintf(out, ",\"slow\":%s", berth_headroom_is_slow(h) ? "true" : "false");
	if (rate) {
		eta = berth_headroom_eta_s(h, *rate);
		fprintf(out, ",\"rate\":%.6g,\"exhausted_in\":", *rate);
		fprintf(out, eta < 0 ? "null" : "%.6g", eta);
	}
	fputc('}', out);
}

bool lane_wait(double seconds)
{
	struct timespec t = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	return sigtimedwait(&set, NULL, &t) > 0;
}
