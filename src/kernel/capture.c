/* SPDX-License-Identifier: BSD-2-Clause */
/* libpcap and pcapng, streamed. */
#include "src/kernel/capture.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "src/base/auto.h"
#include "src/kernel/pcapng.h"

/* Headers are all that is wanted: link, VLAN tags, IPv6 with extensions, TCP. */
#define SNAP 256
#define WAKE_MS 100
#define BATCH 10000
#define IP_FILTER "(tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn) or udp or ip6"
#define FILTER                                                                                     \
	IP_FILTER " or ether proto 0x8847 or ether proto 0x8864 or ether proto 0x88a8 or "         \
		  "ether proto 0x9100 or vlan"

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

static int read_pcap(const char *path, FILE *in, berth_capture_each *each, void *arg,
		     struct berth_why *why)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_fopen_offline(in, error);
	struct pcap_pkthdr *head;
	const u_char *bytes;
	int link, got, code = 0;

	if (!p) {
		code = berth_why(why, -EINVAL, "cannot read %s: libpcap says: %s", path, error);
		fclose(in);
		return code;
	}
	link = pcap_datalink(p);
	while ((got = pcap_next_ex(p, &head, &bytes)) == 1)
		if (each(bytes, head->caplen, link, seconds_of(head), arg))
			break;
	if (got == PCAP_ERROR)
		code = berth_why(why, -EIO, "%s: libpcap says: %s; what stands before it was read",
				 path, pcap_geterr(p));
	pcap_close(p); /* and in */
	return code;
}

/* libpcap's numbers are those of the file but for this one. */
static int dlt_of(uint16_t link)
{
	return link == 101 ? DLT_RAW : link;
}

/* The next block, in *buffer, which grows. Returns 1, 0 at the end, or negative with what is wrong. */
static int next_block(FILE *in, const struct berth_pcapng *section, uint8_t **buffer, size_t *size,
		      uint32_t *out_len, const char **out_wrong)
{
	uint8_t head[BERTH_PCAPNG_HEAD], *larger;
	size_t got = fread(head, 1, sizeof(head), in);

	*out_wrong = "the file ends in the middle of a block";
	if (got < sizeof(head))
		return got || ferror(in) ? -EIO : 0;
	*out_wrong = berth_pcapng_length(section, head, out_len);
	if (*out_wrong)
		return -EINVAL;
	if (*out_len > *size) {
		larger = realloc(*buffer, *out_len);
		*out_wrong = "no memory";
		if (!larger)
			return -ENOMEM;
		*buffer = larger;
		*size = *out_len;
	}
	memcpy(*buffer, head, sizeof(head));
	*out_wrong = "the file ends in the middle of a block";
	got = fread(*buffer + sizeof(head), 1, *out_len - sizeof(head), in);
	return got == *out_len - sizeof(head) ? 1 : -EIO;
}

static int read_pcapng(const char *path, FILE *in, berth_capture_each *each, void *arg,
		       struct berth_why *why)
{
	berth_auto_free struct berth_pcapng *section = calloc(1, sizeof(*section));
	berth_auto_free uint8_t *block = NULL;
	struct berth_pcapng_packet packet;
	const char *wrong = "no memory";
	size_t size = 0;
	uint32_t len;
	int got = section ? 1 : -ENOMEM;

	while (got == 1) {
		got = next_block(in, section, &block, &size, &len, &wrong);
		if (got != 1)
			break;
		wrong = berth_pcapng_block(section, block, len, &packet);
		if (wrong)
			got = -EINVAL;
		else if (packet.bytes &&
			 each(packet.bytes, packet.len, dlt_of(packet.link), packet.time_s, arg))
			got = 0;
	}
	if (got < 0)
		got = berth_why(why, got, "%s: %s; what stands before it was read", path, wrong);
	return got;
}

/* The command that unpacks a file that begins so; NULL: it is no packed file. */
static const char *unpacker(int first)
{
	return first == 0x1f ? "zcat" : first == 0x28 ? "zstdcat" : first == 0xfd ? "xzcat" : NULL;
}

int berth_capture_file(const char *path, berth_capture_each *each, void *arg, struct berth_why *why)
{
	FILE *in = strcmp(path, "-") != 0 ? fopen(path, "rbe") : stdin;
	int first, code;

	if (!in)
		return berth_why(why, -errno, "cannot read %s: %s", path, strerror(errno));
	first = fgetc(in);
	if (first == EOF)
		code = ferror(in)
			       ? berth_why(why, -EIO, "cannot read %s: %s", path, strerror(errno))
			       : berth_why(why, -EINVAL, "cannot read %s: it is empty", path);
	else if (unpacker(first))
		code = berth_why(why, -EINVAL, "%s is packed; \"%s %s | berth audit --pcap -\"",
				 path, unpacker(first), path);
	else if (ungetc(first, in) == 0x0a)
		code = read_pcapng(path, in, each, arg, why);
	else
		return read_pcap(path, in, each, arg, why);
	fclose(in);
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
	/*
	 * The kernel then copies only what may count; the frame's reader decides again. A link without tags of its own
	 * knows no filter for them.
	 */
	else if (!pcap_compile(p, &filter, FILTER, 1, PCAP_NETMASK_UNKNOWN) ||
		 !pcap_compile(p, &filter, IP_FILTER, 1, PCAP_NETMASK_UNKNOWN)) {
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
		       uint64_t *out_lost, struct berth_why *why)
{
	struct pcap_stat stat;
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
	if (!pcap_stats(p, &stat))
		*out_lost = stat.ps_drop;
	if (code < 0)
		code = berth_why(why, -EIO, "%s: libpcap says: %s", interface, pcap_geterr(p));
	pcap_close(p);
	return code < 0 ? code : 0;
}
