/* SPDX-License-Identifier: BSD-2-Clause */
/* libpcap, streamed. */
#include "src/kernel/capture.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* Headers are all that is wanted: link, VLAN tags, IPv6 with extensions, TCP. */
#define SNAP 256
#define WAKE_MS 100
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

int berth_capture_live(const char *interface, double seconds, berth_capture_each *each, void *arg,
		       struct berth_why *why)
{
	struct sigaction action = { .sa_handler = on_interrupt }, before;
	double end = now_s() + seconds;
	struct pcap_pkthdr *head;
	const u_char *bytes;
	int link, got, code;
	pcap_t *p = NULL;

	code = open_live(interface, &p, why);
	if (code)
		return code;
	link = pcap_datalink(p);
	interrupted = 0;
	sigaction(SIGINT, &action, &before);
	while (!interrupted && (seconds <= 0 || now_s() < end)) {
		got = pcap_next_ex(p, &head, &bytes);
		if (got < 0 && !interrupted) {
			code = berth_why(why, -EIO, "%s: libpcap says: %s", interface,
					 pcap_geterr(p));
			break;
		}
		if (got == 1 && each(bytes, head->caplen, link, seconds_of(head), arg))
			break;
	}
	sigaction(SIGINT, &before, NULL);
	pcap_close(p);
	return code;
}
