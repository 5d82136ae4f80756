/* SPDX-License-Identifier: BSD-2-Clause */
/* libpcap, streamed. */
#include "src/kernel/capture.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* Headers are all that is wanted: link, VLAN tags, IPv6 with extensions, TCP. */
#define SNAP 256
#define WAKE_MS 100
#define BATCH 10000
#define FILTER "(tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn) or udp or ip6 or vlan"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

static double seconds_of(const struct pcap_pkthdr *head)
{
	return (double)head->ts.tv_sec + (double)head->ts.tv_usec / 1e6;
}

int berth_capture_file(const char *path, berth_capture_each *each, void *arg, struct berth_why *why)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_open_offline(path, error);
	struct pcap_pkthdr *head;
	const u_char *bytes;
	int link, got, code = 0;

	if (!p)
		return berth_why(why, -EINVAL, "cannot read %s: libpcap says: %s", path, error);
	link = pcap_datalink(p);
	while ((got = pcap_next_ex(p, &head, &bytes)) == 1)
		if (each(bytes, head->caplen, link, seconds_of(head), arg))
			break;
	if (got == PCAP_ERROR)
		code = berth_why(why, -EIO, "%s: libpcap says: %s; what stands before it was read",
				 path, pcap_geterr(p));
	pcap_close(p);
	return code;
}

static int open_live(const char *interface, pcap_t **out, struct berth_why *why)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	struct bpf_program filter;
	pcap_t *p = pcap_create(interface, error);
	int code;

	if (!p)
		return berth_why(why, -EINVAL, "cannot listen on %s: libpcap says: %s", interface,
				 error);
	pcap_set_snaplen(p, SNAP);
	pcap_set_timeout(p, WAKE_MS);
	/* Else what came in the last moments waits in a block that nobody hands over. */
	pcap_set_immediate_mode(p, 1);
	code = pcap_activate(p);
	if (code == PCAP_ERROR_PERM_DENIED || code == PCAP_ERROR_PROMISC_PERM_DENIED)
		code = berth_why(why, -EPERM,
				 "cannot listen on %s: the kernel wants CAP_NET_RAW; run as root",
				 interface);
	else if (code < 0)
		code = berth_why(why, -ENODEV,
				 "cannot listen on %s: %s; \"ip link\" shows the interfaces",
				 interface, pcap_statustostr(code));
	/* The kernel then copies only what may count; the frame's reader decides again. */
	else if (!pcap_compile(p, &filter, FILTER, 1, PCAP_NETMASK_UNKNOWN)) {
		pcap_setfilter(p, &filter);
		pcap_freecode(&filter);
	}
	if (code < 0) {
		pcap_close(p);
		return code;
	}
	*out = p;
	return 0;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Hands over what the kernel has, BATCH at most. Returns 1 where each() ended it, 0, or negative. */
static int drain(pcap_t *p, berth_capture_each *each, void *arg)
{
	struct pcap_pkthdr *head;
	const u_char *bytes;
	int link = pcap_datalink(p), got, i;

	for (i = 0; i < BATCH; i++) {
		got = pcap_next_ex(p, &head, &bytes);
		if (got != 1)
			return got < 0 ? -EIO : 0;
		if (each(bytes, head->caplen, link, seconds_of(head), arg))
			return 1;
	}
	return 0;
}

int berth_capture_live(const char *interface, double seconds, berth_capture_each *each, void *arg,
		       struct berth_why *why)
{
	struct sigaction action = { .sa_handler = on_interrupt }, before;
	double end = now_s() + seconds;
	char error[PCAP_ERRBUF_SIZE];
	struct pollfd readable = { .events = POLLIN };
	pcap_t *p = NULL;
	int code = open_live(interface, &p, why);

	if (code)
		return code;
	/* A blocking read would not come back before there is a frame. */
	pcap_setnonblock(p, 1, error);
	readable.fd = pcap_get_selectable_fd(p);
	interrupted = 0;
	sigaction(SIGINT, &action, &before);
	do {
		if (!interrupted)
			poll(&readable, 1, WAKE_MS);
		/* Once more after the interrupt: what the kernel has taken by then counts. */
		code = drain(p, each, arg);
	} while (!code && !interrupted && (seconds <= 0 || now_s() < end));
	sigaction(SIGINT, &before, NULL);
	if (code < 0)
		code = berth_why(why, -EIO, "%s: libpcap says: %s", interface, pcap_geterr(p));
	pcap_close(p);
	return code < 0 ? code : 0;
}
