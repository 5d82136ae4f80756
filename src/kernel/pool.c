/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads pools of source addresses and asks the kernel which of them it accepts. */
#include "src/kernel/pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "src/base/auto.h"
#include "src/core/range.h"
#include "src/kernel/file.h"
#include "src/kernel/ledger.h"
#include "src/kernel/netns.h"
#include "src/kernel/proctext.h"
#include "src/registry/services.h"

#define USABLE_MIN 1024u

static void map_v4(uint8_t out[16], const void *v4)
{
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, v4, 4);
}

/* One item of the text: an address and how many of its 128 bits are fixed. */
static int parse_item(const char *item, struct berth_pool_entry *e, struct berth_why *why)
{
	char addr[INET6_ADDRSTRLEN + 1];
	const char *slash = strchr(item, '/');
	size_t n = slash ? (size_t)(slash - item) : strlen(item);
	struct in_addr v4;
	unsigned long bits, width;
	char *end;

	memset(e, 0, sizeof(*e));
	if (n == 0 || n >= sizeof(addr))
		return berth_why(
			why, -EINVAL,
			"--pool: \"%s\" is not an address; write e.g. 192.0.2.7 or 2001:db8::/64",
			item);
	memcpy(addr, item, n);
	addr[n] = 0;
	if (inet_pton(AF_INET, addr, &v4) == 1) {
		map_v4(e->addr, &v4);
		e->is_v4 = 1;
	} else if (inet_pton(AF_INET6, addr, e->addr) != 1) {
		return berth_why(
			why, -EINVAL,
			"--pool: \"%s\" is not an address; write e.g. 192.0.2.7 or 2001:db8::/64",
			addr);
	}
	width = e->is_v4 ? 32 : 128;
	bits = width;
	if (slash) {
		bits = strtoul(slash + 1, &end, 10);
		if (slash[1] < '0' || slash[1] > '9' || *end || bits > width)
			return berth_why(why, -EINVAL,
					 "--pool: \"%s\" is not a prefix length of %s (0-%lu)",
					 slash + 1, e->is_v4 ? "IPv4" : "IPv6", width);
	}
	e->prefix_len = (uint8_t)(128 - width + bits);
	for (n = 0; n < 16; n++) {
		unsigned low = (unsigned)n * 8;

		if (e->prefix_len <= low)
			e->addr[n] = 0;
		else if (e->prefix_len < low + 8)
			e->addr[n] &= (uint8_t)(0xff00 >> (e->prefix_len - low));
	}
	return 0;
}

/* Asks the kernel whether a socket may have this source address. */
static int bindable(const struct berth_pool_entry *e, uint32_t device)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr *sa = e->is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	berth_auto_fd int fd = socket(sa->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memcpy(&v4.sin_addr, e->addr + 12, 4);
	memcpy(&v6.sin6_addr, e->addr, 16);
	v6.sin6_scope_id = e->scope == BERTH_SCOPE_LINK ? device : 0;
	return bind(fd, sa, e->is_v4 ? sizeof(v4) : sizeof(v6)) ? -errno : 0;
}

static bool is_broadcast(const struct ifaddrs *a, const struct berth_pool_entry *e)
{
	return e->is_v4 && a->ifa_addr && a->ifa_addr->sa_family == AF_INET &&
	       (a->ifa_flags & IFF_BROADCAST) && a->ifa_broadaddr &&
	       !memcmp(&((struct sockaddr_in *)a->ifa_broadaddr)->sin_addr, e->addr + 12, 4);
}

static bool is_own(const struct ifaddrs *a, const struct berth_pool_entry *e)
{
	if (!a->ifa_addr)
		return false;
	if (e->is_v4)
		return a->ifa_addr->sa_family == AF_INET &&
		       !memcmp(&((struct sockaddr_in *)a->ifa_addr)->sin_addr, e->addr + 12, 4);
	return a->ifa_addr->sa_family == AF_INET6 &&
	       !memcmp(&((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr, e->addr, 16);
}

/* Finds scope and interface of the address; 0 where the kernel accepts it as a source. */
static int place(struct berth_pool_entry *e, const struct ifaddrs *all)
{
	static const uint8_t loop6[16] = { [15] = 1 };
	const struct ifaddrs *a;

	e->scope = (e->is_v4 && e->addr[12] == 127) || !memcmp(e->addr, loop6, 16)
			   ? BERTH_SCOPE_LOOPBACK
		   : e->addr[0] == 0xfe && (e->addr[1] & 0xc0) == 0x80 ? BERTH_SCOPE_LINK
								       : BERTH_SCOPE_GLOBAL;
	e->device = 0;
	for (a = all; a; a = a->ifa_next) {
		if (is_own(a, e) && !(a->ifa_flags & IFF_LOOPBACK))
			e->device = if_nametoindex(a->ifa_name);
		else if (is_broadcast(a, e))
			return -EADDRNOTAVAIL;
	}
	return bindable(e, e->device);
}

/* The i-th address of a prefix with fewer than 2^32 of them. */
static struct berth_pool_entry nth(const struct berth_pool_entry *prefix, uint32_t i)
{
	struct berth_pool_entry e = *prefix;
	int at;

	for (at = 15; at >= 12; at--, i >>= 8)
		e.addr[at] = (uint8_t)(e.addr[at] | (i & 0xff));
	e.prefix_len = 128;
	return e;
}

static int not_local(const char *item, int err, struct berth_why *why)
{
	if (err != -EADDRNOTAVAIL)
		return berth_why(why, err, "--pool: the kernel refused %s as a source (%s)", item,
				 strerror(-err));
	/* A local route is enough for bind() in IPv4; IPv6 asks for an address or for the sysctl. */
	return berth_why(
		why, err,
		"--pool: %s is not local, says the kernel; add it: ip addr add %s dev DEVICE, or make "
		"the whole prefix local: ip route add local %s dev lo%s",
		item, item, item,
		strchr(item, ':') ? "; sysctl -w net.ipv6.ip_nonlocal_bind=1" : "");
}

/* Adds an item that stands for several addresses: one by one where they are few. */
static int add_prefix(struct berth_pool *p, const char *item, struct berth_pool_entry *e,
		      const struct ifaddrs *all, struct berth_why *why)
{
	uint32_t bits = 128u - e->prefix_len, i, before = p->entries;
	struct berth_pool_entry probe = *e;
	int err = 0, last = -EADDRNOTAVAIL;

	if (bits <= 8 && (1u << bits) <= BERTH_POOL_MAX - p->entries) {
		for (i = 0; i < 1u << bits; i++) {
			struct berth_pool_entry one = nth(e, i);

			err = place(&one, all);
			if (!err)
				p->entry[p->entries++] = one;
			else
				last = err;
		}
		return p->entries > before ? 0 : not_local(item, last, why);
	}
	/* Too many to list: the kernel is asked about one that is as likely as any other. */
	if (getrandom(&i, sizeof(i), 0) != sizeof(i))
		return -errno;
	probe = nth(e, bits < 32 ? i & ((1u << bits) - 1) : i);
	err = place(&probe, all);
	if (err)
		return not_local(item, err, why);
	e->scope = probe.scope;
	p->entry[p->entries++] = *e;
	return 0;
}

static int add_item(struct berth_pool *p, const char *item, const struct ifaddrs *all,
		    struct berth_why *why)
{
	struct berth_pool_entry e;
	int err = parse_item(item, &e, why);

	if (err)
		return err;
	if (p->entries == BERTH_POOL_MAX)
		return berth_why(why, -E2BIG, "--pool: more than %u addresses; use a prefix",
				 BERTH_POOL_MAX);
	if (e.prefix_len < 128)
		return add_prefix(p, item, &e, all, why);
	err = place(&e, all);
	if (err)
		return not_local(item, err, why);
	p->entry[p->entries++] = e;
	return 0;
}

int berth_pool_parse(const char *text, struct berth_pool *out_pool, struct berth_why *why)
{
	berth_auto_free char *copy = strdup(text);
	struct ifaddrs *all = NULL;
	char *item, *rest = copy;
	uint32_t i, device = 0;
	int err = 0;

	memset(out_pool, 0, sizeof(*out_pool));
	if (!copy || getifaddrs(&all))
		return berth_why(why, -errno, "--pool: %s", strerror(errno));
	while (!err && (item = strsep(&rest, ",")))
		err = add_item(out_pool, item, all, why);
	freeifaddrs(all);
	for (i = 0; i < out_pool->entries; i++) {
		uint32_t d = out_pool->entry[i].device;

		if (d && device && d != device)
			out_pool->by_device = true;
		device = d ? d : device;
	}
	return err;
}

/* Takes ports out that the service registry names; of a file that it cannot read, `berth services` tells. */
static void remove_named(struct berth_portset *s)
{
	struct berth_services services;
	struct berth_service one;
	uint32_t port = 0;

	berth_services_init(&services, NULL, NULL);
	while (berth_services_next(&services, port, 0, &one)) {
		berth_portset_remove(s, one.port);
		port = one.port + 1u;
	}
	berth_services_fini(&services);
}

static void remove_all(struct berth_portset *s, const struct berth_portset *without)
{
	int32_t p;

	for (p = berth_portset_next(without, 0); p >= 0;
	     p = p == 65535 ? -1 : berth_portset_next(without, (uint32_t)p + 1))
		berth_portset_remove(s, (uint32_t)p);
}

static void remove_reserved(struct berth_portset *s)
{
	static struct berth_portset reserved;
	struct berth_range_error error;
	berth_auto_free char *text = NULL;

	if (berth_file_read("/proc/sys/net/ipv4/ip_local_reserved_ports", &text))
		return;
	text[strcspn(text, "\n")] = 0;
	if (text[0] && !berth_portset_parse(text, &reserved, &error))
		remove_all(s, &reserved);
}

int berth_pool_default_ports(const struct berth_portset *declared, struct berth_portset *out_ports,
			     struct berth_why *why)
{
	berth_auto_free char *text = NULL;
	struct berth_range ephemeral;
	int err = berth_file_read("/proc/sys/net/ipv4/ip_local_port_range", &text);

	if (!err)
		err = berth_local_range_parse(text, &ephemeral);
	if (err)
		return berth_why(
			why, err,
			"ip_local_port_range: cannot read it; say the ports yourself: --ports 1024-32767");
	memset(out_ports, 0, sizeof(*out_ports));
	berth_portset_add_range(out_ports, (struct berth_range){ 1024, 65535 });
	berth_portset_remove_range(out_ports, ephemeral);
	remove_named(out_ports);
	remove_reserved(out_ports);
	remove_all(out_ports, declared);
	if (out_ports->count >= USABLE_MIN)
		return 0;
	memset(out_ports, 0, sizeof(*out_ports));
	berth_portset_add_range(out_ports, ephemeral);
	remove_named(out_ports);
	remove_reserved(out_ports);
	remove_all(out_ports, declared);
	return 1;
}

/* True where the reservation is for the caller's namespace. */
static bool is_here(const char *netns)
{
	char path[4096], own[NAME_MAX + 1];
	struct stat a, b;

	berth_netns_name("/proc/self/ns/net", own);
	if (!*netns)
		return !*own;
	snprintf(path, sizeof(path), "%s%s", strchr(netns, '/') ? "" : "/run/netns/", netns);
	return !stat(path, &a) && !stat("/proc/self/ns/net", &b) && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static int drop_reservation(const struct berth_reservation *r, void *arg)
{
	static struct berth_portset one;
	struct berth_range_error error;

	if (!is_here(r->netns) || berth_portset_parse(r->ports, &one, &error))
		return 0;
	remove_all(arg, &one);
	return 0;
}

unsigned berth_pool_drop_reserved(struct berth_portset *ports)
{
	struct berth_ledger *l;
	uint32_t before = ports->count;

	if (berth_ledger_open(false, &l, NULL))
		return 0;
	berth_ledger_each(l, drop_reservation, ports);
	berth_ledger_close(l);
	return before - ports->count;
}
