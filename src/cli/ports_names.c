/* SPDX-License-Identifier: BSD-2-Clause */
/* What numbers mean: services, ranges of a namespace, who can reach an address; texts of holders. */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/auto.h"
#include "src/base/text.h"
#include "src/cli/ports.h"
#include "src/core/range.h"
#include "src/kernel/file.h"
#include "src/kernel/netns.h"
#include "src/kernel/proctext.h"
#include "src/kernel/runs.h"
#include "src/registry/services.h"

/* Ascending: the widest of many is the maximum. */
enum exposure { LOOPBACK, LINK, PRIVATE, PUBLIC };
static const char *const exposure_name[] = { "loopback", "link", "private", "public" };

struct address {
	uint32_t device;
	uint8_t family, exposure;
};

struct ports_netns {
	uint32_t inode;
	struct berth_range ephemeral;
	struct berth_portset reserved;
	struct address *address;
	size_t addresses;
};

struct run {
	char cgroup[64]; /* "berth-ID" */
	char *shm;       /* the file that its programs map, where it is by preload; else NULL */
	struct berth_portset ports;
};

struct texts {
	struct ports_text text[PORTS_TEXTS];
	struct ports_text members;
	const struct run *preload; /* whose file it maps; NULL where none, or not looked at */
	bool preload_known;
};

struct ports_names {
	struct berth_services services;
	const char *
		*service[BERTH_TRANSPORT_COUNT]; /* by port, made when first asked; "" for none */
	struct ports_netns **netns;
	size_t netns_count;
	struct run *run;
	size_t runs;
	struct berth_holders *holders;
	struct texts *texts; /* by index of the holder */
	size_t texts_room;
	struct texts owner; /* of sockets that nobody holds: PORTS_USER, of the user below */
	uint32_t owner_uid;
};

/* ---- runs of berth ---- */

static int add_run(const struct berth_run *run, bool alive, void *arg)
{
	struct ports_names *n = arg;
	struct berth_range_error error;
	struct run *more;

	(void)alive;
	more = reallocarray(n->run, n->runs + 1, sizeof(*more));
	if (!more)
		return 0;
	n->run = more;
	if (berth_portset_parse(run->ports, &more[n->runs].ports, &error))
		return 0;
	snprintf(more[n->runs].cgroup, sizeof(more->cgroup), "berth-%s", run->id);
	more[n->runs].shm = *run->shm ? strdup(run->shm) : NULL;
	n->runs++;
	return 0;
}

static bool has_component(const char *path, const char *name)
{
	size_t n = strlen(name);
	const char *at;

	for (at = path; (at = strstr(at, name)); at++)
		if (at > path && at[-1] == '/' && (!at[n] || at[n] == '/'))
			return true;
	return false;
}

/* ---- services ---- */

static int transport_of(uint16_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_MPTCP:
		return BERTH_TRANSPORT_TCP;
	case IPPROTO_UDP:
		return BERTH_TRANSPORT_UDP;
	case IPPROTO_UDPLITE:
		return BERTH_TRANSPORT_UDPLITE;
	case IPPROTO_SCTP:
		return BERTH_TRANSPORT_SCTP;
	case IPPROTO_DCCP:
		return BERTH_TRANSPORT_DCCP;
	}
	return -1;
}

const char *ports_names_service(struct ports_names *n, uint16_t protocol, uint16_t port)
{
	int transport = transport_of(protocol);
	struct berth_service service;
	const char **known;

	if (transport < 0 || !port)
		return NULL;
	if (!n->service[transport])
		n->service[transport] = calloc(BERTH_PORTS, sizeof(**n->service));
	if (!n->service[transport])
		return NULL;
	known = &n->service[transport][port];
	if (!*known)
		*known = berth_services_get(&n->services, port, (enum berth_transport)transport,
					    &service)
				 ? service.name
				 : "";
	return **known ? *known : NULL;
}

/* ---- namespaces ---- */

static enum exposure exposure_v4(const uint8_t a[4])
{
	if (a[0] == 127)
		return LOOPBACK;
	if (a[0] == 169 && a[1] == 254)
		return LINK;
	if (a[0] >= 224 && a[0] < 240)
		return a[0] == 224 && !a[1] && !a[2] ? LINK : a[0] == 239 ? PRIVATE : PUBLIC;
	/* RFC 1918, and the shared space of RFC 6598. */
	if (a[0] == 10 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
	    (a[0] == 100 && (a[1] & 0xc0) == 64))
		return PRIVATE;
	return PUBLIC;
}

static bool is_mapped(const uint8_t a[16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(a, prefix, sizeof(prefix));
}

static enum exposure exposure_of(const uint8_t a[16])
{
	static const uint8_t loopback[16] = { [15] = 1 };

	if (is_mapped(a))
		return exposure_v4(a + 12);
	if (!memcmp(a, loopback, 16))
		return LOOPBACK;
	if ((a[0] == 0xfe && (a[1] & 0xc0) == 0x80) || (a[0] == 0xff && (a[1] & 15) <= 2))
		return LINK;
	if ((a[0] & 0xfe) == 0xfc || (a[0] == 0xff && (a[1] & 15) < 14))
		return PRIVATE;
	return PUBLIC;
}

static void read_addresses(struct ports_netns *ns)
{
	struct ifaddrs *list = NULL, *i;
	size_t n = 0;

	if (getifaddrs(&list))
		return;
	for (i = list; i; i = i->ifa_next)
		n++;
	ns->address = calloc(n ? n : 1, sizeof(*ns->address));
	for (i = list; i && ns->address; i = i->ifa_next) {
		struct address *a = &ns->address[ns->addresses];
		const struct sockaddr *sa = i->ifa_addr;

		if (!sa || (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
			continue;
		a->device = if_nametoindex(i->ifa_name);
		a->family = (uint8_t)sa->sa_family;
		a->exposure =
			(uint8_t)(sa->sa_family == AF_INET
					  ? exposure_v4((const uint8_t *)&(
								(const struct sockaddr_in *)sa)
								->sin_addr)
					  : exposure_of(((const struct sockaddr_in6 *)sa)
								->sin6_addr.s6_addr));
		ns->addresses++;
	}
	freeifaddrs(list);
}

static void read_ranges(struct ports_netns *ns)
{
	berth_auto_free char *range = NULL, *reserved = NULL;
	struct berth_range_error error;

	if (berth_file_read("/proc/sys/net/ipv4/ip_local_port_range", &range) ||
	    berth_local_range_parse(range, &ns->ephemeral))
		ns->ephemeral = (struct berth_range){ 32768, 60999 };
	if (berth_file_read("/proc/sys/net/ipv4/ip_local_reserved_ports", &reserved))
		return;
	reserved[strcspn(reserved, "\n")] = '\0';
	if (berth_portset_parse(reserved, &ns->reserved, &error))
		memset(&ns->reserved, 0, sizeof(ns->reserved));
}

/* Looks into another namespace from inside; where that is refused its addresses stay unknown. */
static void read_elsewhere(struct ports_netns *ns)
{
	struct berth_netns_list list;
	struct berth_why why;
	size_t i;

	ns->ephemeral = (struct berth_range){ 32768, 60999 };
	if (berth_netns_find(&list, &why))
		return;
	for (i = 0; i < list.count; i++)
		if (list.netns[i].inode == ns->inode && !berth_netns_enter(&list.netns[i])) {
			read_ranges(ns);
			read_addresses(ns);
		}
	berth_netns_enter(&list.netns[0]);
	berth_netns_free(&list);
}

static struct ports_netns *netns_of(struct ports_names *n, uint32_t inode)
{
	struct ports_netns *ns, **more;
	size_t i;

	for (i = 0; i < n->netns_count; i++)
		if (n->netns[i]->inode == inode)
			return n->netns[i];
	more = reallocarray(n->netns, n->netns_count + 1, sizeof(*more));
	ns = more ? calloc(1, sizeof(*ns)) : NULL;
	if (more)
		n->netns = more;
	if (!ns)
		return NULL;
	ns->inode = inode;
	if (inode == berth_netns_own()) {
		read_ranges(ns);
		read_addresses(ns);
	} else {
		read_elsewhere(ns);
	}
	more[n->netns_count++] = ns;
	return ns;
}

bool ports_names_is_ephemeral(struct ports_names *n, const struct berth_socket *s)
{
	const struct ports_netns *ns = netns_of(n, s->netns);

	return ns && s->lport && s->lport >= ns->ephemeral.first && s->lport <= ns->ephemeral.last;
}

bool ports_names_is_reserved(struct ports_names *n, const struct berth_socket *s)
{
	const struct ports_netns *ns = netns_of(n, s->netns);

	return ns && s->lport && berth_portset_has(&ns->reserved, s->lport);
}

static bool is_wildcard(const uint8_t a[16])
{
	static const uint8_t v6[16], v4[16] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(a, v6, 16) || !memcmp(a, v4, 16);
}

/* The widest among the addresses that a wildcard stands for. */
static enum exposure widest(const struct ports_netns *ns, const struct berth_socket *s)
{
	bool both = s->family == AF_INET6 && !(s->flags & BERTH_SOCKET_V6ONLY);
	enum exposure most = LOOPBACK;
	size_t i;

	for (i = 0; ns && i < ns->addresses; i++) {
		const struct address *a = &ns->address[i];

		if ((a->family == s->family || both) && (!s->device || s->device == a->device) &&
		    a->exposure > most)
			most = a->exposure;
	}
	return most;
}

const char *ports_names_exposure(struct ports_names *n, const struct berth_socket *s)
{
	if (s->state != BERTH_STATE_LISTEN && s->state != BERTH_STATE_CLOSE)
		return NULL;
	if (is_wildcard(s->local))
		return exposure_name[widest(netns_of(n, s->netns), s)];
	return exposure_name[exposure_of(s->local)];
}

/* ---- holders ---- */

static void set_text(struct ports_text *t, const char *bytes)
{
	char *json = NULL;
	size_t n = 0;
	FILE *f;

	t->bytes = bytes;
	t->len = (uint32_t)strlen(bytes);
	f = t->len ? open_memstream(&json, &n) : NULL;
	if (!f)
		return;
	berth_text_print_json(f, bytes, t->len);
	if (fclose(f))
		return;
	t->json = json;
	t->json_len = (uint32_t)n;
}

static void free_texts(struct texts *t)
{
	int i;

	for (i = 0; i < PORTS_TEXTS; i++)
		free((char *)(uintptr_t)t->text[i].json);
	free((char *)(uintptr_t)t->members.json);
	memset(t, 0, sizeof(*t));
}

static struct texts *texts_of(struct ports_names *n, const struct berth_holder *h)
{
	struct texts *t;

	if (h->index >= n->texts_room) {
		size_t room = n->texts_room ? n->texts_room * 2 : 64;

		while (room <= h->index)
			room *= 2;
		t = reallocarray(n->texts, room, sizeof(*t));
		if (!t)
			return NULL;
		memset(t + n->texts_room, 0, (room - n->texts_room) * sizeof(*t));
		n->texts = t;
		n->texts_room = room;
	}
	t = &n->texts[h->index];
	if (!t->text[PORTS_USER].bytes) {
		set_text(&t->text[PORTS_PROGRAM], h->program);
		set_text(&t->text[PORTS_EXE], h->exe);
		set_text(&t->text[PORTS_USER], h->user);
		set_text(&t->text[PORTS_CGROUP], h->cgroup);
		set_text(&t->text[PORTS_UNIT], h->unit);
		set_text(&t->text[PORTS_CONTAINER], h->container);
	}
	return t;
}

const struct ports_text *ports_names_text(const struct ports_row *row, int which)
{
	struct ports_names *n = row->names;
	const struct berth_holder *h;
	struct texts *t = NULL;

	if (row->task) {
		h = berth_holders_get(n->holders, row->task);
		t = h ? texts_of(n, h) : NULL;
	} else if (which == PORTS_USER && !(row->socket->flags & BERTH_SOCKET_SHORT)) {
		t = &n->owner;
		if (!t->text[PORTS_USER].bytes || n->owner_uid != row->socket->uid) {
			const char *user = berth_holders_user(n->holders, row->socket->uid);

			free_texts(t);
			n->owner_uid = row->socket->uid;
			set_text(&t->text[PORTS_USER], user ? user : "");
		}
	}
	return t && t->text[which].json ? &t->text[which] : NULL;
}

/* The run whose file the process maps. Its environment might say so too, but that it can change. */
static const struct run *preload_run(const struct ports_names *n, uint32_t pid)
{
	berth_auto_free char *line = NULL;
	const struct run *found = NULL;
	char path[32];
	size_t room = 0, i;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	maps = fopen(path, "re");
	while (maps && !found && getline(&line, &room, maps) > 0)
		for (i = 0; i < n->runs && !found; i++) {
			const char *shm = n->run[i].shm, *at = shm ? strstr(line, shm) : NULL;

			if (at && strchr(" \n", at[strlen(shm)]))
				found = &n->run[i];
		}
	if (maps)
		fclose(maps);
	return found;
}

static bool is_in_run(const struct ports_row *row, const struct run *run)
{
	const struct ports_names *n = row->names;
	const struct ports_text *cgroup = ports_names_text(row, PORTS_CGROUP);
	const struct berth_holder *h;
	struct texts *t;

	if (!run->shm)
		return cgroup && has_component(cgroup->bytes, run->cgroup);
	h = berth_holders_get(n->holders, row->task);
	t = h ? texts_of(row->names, h) : NULL;
	if (t && !t->preload_known) {
		t->preload = preload_run(n, h->pid);
		t->preload_known = true;
	}
	return t && t->preload == run;
}

bool ports_names_is_assigned(const struct ports_row *row)
{
	const struct berth_socket *s = row->socket;
	const struct ports_names *n = row->names;
	size_t i;

	if (!row->task || s->state == BERTH_STATE_LISTEN)
		return false;
	for (i = 0; i < n->runs; i++)
		if (berth_portset_has(&n->run[i].ports, s->lport) && is_in_run(row, &n->run[i]))
			return true;
	return false;
}

const struct ports_text *ports_names_members(const struct ports_row *row)
{
	const struct berth_holder *h = berth_holders_get(row->names->holders, row->task);
	struct texts *t = h ? texts_of(row->names, h) : NULL;
	char *buf, *json;
	size_t n;

	if (!t || t->members.json)
		return t ? &t->members : NULL;
	buf = malloc(PORTS_OUT_ROOM);
	if (!buf)
		return NULL;
	n = (size_t)(ports_json_holder(buf, row) - buf);
	json = realloc(buf, n + 1);
	t->members.json = json ? json : buf;
	t->members.json_len = (uint32_t)n;
	return &t->members;
}

struct berth_holders *ports_names_holders(struct ports_names *n)
{
	return n->holders;
}

struct ports_names *ports_names_new(struct berth_why *why)
{
	struct ports_names *n = calloc(1, sizeof(*n));

	if (n)
		n->holders = berth_holders_new();
	if (!n || !n->holders) {
		berth_why(why, -ENOMEM, "no memory");
		free(n);
		return NULL;
	}
	berth_services_init(&n->services, NULL, NULL);
	berth_runs_each(add_run, n);
	return n;
}

void ports_names_free(struct ports_names *n)
{
	size_t i;

	if (!n)
		return;
	berth_services_fini(&n->services);
	for (i = 0; i < BERTH_TRANSPORT_COUNT; i++)
		free(n->service[i]);
	for (i = 0; i < n->netns_count; i++) {
		free(n->netns[i]->address);
		free(n->netns[i]);
	}
	for (i = 0; i < n->texts_room; i++)
		free_texts(&n->texts[i]);
	free_texts(&n->owner);
	free(n->netns);
	for (i = 0; i < n->runs; i++)
		free(n->run[i].shm);
	free(n->run);
	free(n->texts);
	berth_holders_free(n->holders);
	free(n);
}
