/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads settings, addresses and sockets of a network namespace into the types of the rules. */
#include "src/kernel/view.h"

#include <errno.h>
#include <grp.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/kernel/file.h"
#include "src/kernel/netns.h"
#include "src/kernel/proctext.h"
#include "src/kernel/sockets.h"

/* ---- settings ---- */

static unsigned read_number(const char *path, unsigned otherwise)
{
	berth_auto_free char *text = NULL;

	return berth_file_read(path, &text) ? otherwise : (unsigned)strtoul(text, NULL, 10);
}

static void read_settings(struct berth_host *h)
{
	berth_auto_free char *text = NULL;

	h->ephemeral = (struct berth_range){ 32768, 60999 };
	if (!berth_file_read("/proc/sys/net/ipv4/ip_local_port_range", &text))
		berth_local_range_parse(text, &h->ephemeral);
	h->unprivileged =
		(uint16_t)read_number("/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024);
	h->nonlocal4 = read_number("/proc/sys/net/ipv4/ip_nonlocal_bind", 0);
	h->nonlocal6 = read_number("/proc/sys/net/ipv6/ip_nonlocal_bind", 0);
	h->autobind_reuse = read_number("/proc/sys/net/ipv4/ip_autobind_reuse", 0);
	h->tw_reuse = (uint8_t)read_number("/proc/sys/net/ipv4/tcp_tw_reuse", 2);
	h->tw_delay_ms = read_number("/proc/sys/net/ipv4/tcp_tw_reuse_delay", 1000);
	h->loopback = if_nametoindex("lo");
}

static void read_reserved(struct berth_view *v)
{
	struct berth_range_error error;
	berth_auto_free char *text = NULL;

	if (berth_file_read("/proc/sys/net/ipv4/ip_local_reserved_ports", &text))
		return;
	text[strcspn(text, "\n")] = 0;
	if (!berth_portset_parse(text, v->reserved, &error))
		v->host.reserved = v->reserved;
}

/* ---- addresses ---- */

static void take_address(struct berth_view *v, const struct ifaddrs *a)
{
	struct berth_local *l = &v->local[v->host.locals];

	if (!a->ifa_addr)
		return;
	*l = (struct berth_local){ .prefix = 128, .device = if_nametoindex(a->ifa_name) };
	if (a->ifa_addr->sa_family == AF_INET) {
		l->addr = berth_ip_any4;
		memcpy(l->addr.byte + 12, &((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr,
		       4);
		/* All of 127.0.0.0/8 is local where the loopback has its usual address. */
		if (l->addr.byte[12] == 127)
			l->prefix = 104;
	} else if (a->ifa_addr->sa_family == AF_INET6) {
		memcpy(l->addr.byte, &((struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr, 16);
	} else {
		return;
	}
	v->host.locals++;
}

static int read_addresses(struct berth_view *v)
{
	struct if_nameindex *names = if_nameindex(), *n;
	struct ifaddrs *all = NULL, *a;
	uint32_t count = 0, devices = 0;

	if (getifaddrs(&all))
		all = NULL;
	for (a = all; a; a = a->ifa_next)
		count++;
	for (n = names; n && n->if_index; n++)
		devices++;
	v->local = calloc(count + 1, sizeof(*v->local));
	v->device = calloc(devices + 1, sizeof(*v->device));
	for (a = all; a && v->local; a = a->ifa_next)
		take_address(v, a);
	for (n = names; n && n->if_index && v->device; n++)
		v->device[v->host.devices++] = n->if_index;
	if (all)
		freeifaddrs(all);
	if (names)
		if_freenameindex(names);
	v->host.local = v->local;
	v->host.device = v->device;
	return v->local && v->device ? 0 : -ENOMEM;
}

/* ---- sockets ---- */

struct row {
	struct berth_sock sock;
	struct berth_view_about about;
	uint64_t inode;
	uint32_t number;
};

struct reading {
	struct berth_view *view;
	struct row *row;
	uint32_t rows, room, netns;
};

static uint8_t state_of(const struct berth_socket *s)
{
	if (s->state == BERTH_STATE_LISTEN)
		return BERTH_SOCK_LISTEN;
	if (s->state == BERTH_STATE_TIME_WAIT)
		return BERTH_SOCK_TIME_WAIT;
	return s->pport ? BERTH_SOCK_CONNECTED : BERTH_SOCK_CLOSED;
}

static struct berth_sock as_sock(const struct berth_socket *s)
{
	struct berth_sock k = { .port = s->lport,
				.peer_port = s->pport,
				.proto = (uint8_t)s->protocol,
				.family = s->family,
				.state = state_of(s),
				.reuse = s->flags & BERTH_SOCKET_REUSEADDR,
				.reuseport = s->flags & BERTH_SOCKET_REUSEPORT,
				.v6only = s->flags & BERTH_SOCKET_V6ONLY,
				.uid = s->uid,
				.device = s->device };

	memcpy(k.local.byte, s->local, 16);
	memcpy(k.peer.byte, s->peer, 16);
	/* Most hosts have timestamps on; a connection that refused them cannot be told from outside. */
	k.stamped = k.state == BERTH_SOCK_TIME_WAIT;
	/* Servers set it, as a rule. */
	if (!(s->flags & BERTH_SOCKET_REUSE_KNOWN) && s->state == BERTH_STATE_LISTEN)
		k.reuse = true;
	return k;
}

static int take_row(const struct berth_socket *s, const struct berth_task *task, void *arg)
{
	struct reading *r = arg;
	struct berth_view *v = r->view;
	struct row *more;

	if (s->netns && r->netns && s->netns != r->netns) {
		v->elsewhere++;
		return 0;
	}
	if (s->protocol > 255 || s->flags & BERTH_SOCKET_RAW || !s->lport)
		return 0;
	if (r->rows == r->room) {
		r->room = r->room ? 2 * r->room : 1024;
		more = reallocarray(r->row, r->room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		r->row = more;
	}
	r->row[r->rows] = (struct row){
		.sock = as_sock(s),
		.inode = s->inode,
		.number = r->rows,
		.about = { .holder = task ? berth_holders_get(v->holders, task) : NULL,
			   .user = berth_holders_user(v->holders, s->uid),
			   .holders = task != NULL,
			   .ends_ms = s->timer_ms,
			   .state = s->state,
			   .options_known = s->flags & BERTH_SOCKET_REUSE_KNOWN },
	};
	r->rows++;
	return 0;
}

static int by_port(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->sock.port != y->sock.port)
		return x->sock.port < y->sock.port ? -1 : 1;
	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* A socket comes once for each process that holds it. */
static bool is_same(const struct row *a, const struct row *b)
{
	return a->inode && a->inode == b->inode && a->sock.port == b->sock.port &&
	       a->sock.proto == b->sock.proto;
}

static int store(struct berth_view *v, struct reading *r)
{
	struct berth_population *sp = &v->population;
	uint32_t i;

	if (r->rows)
		qsort(r->row, r->rows, sizeof(r->row[0]), by_port);
	sp->room = r->rows + 1;
	sp->sock = calloc(sp->room, sizeof(*sp->sock));
	sp->bucket = calloc(sp->room, sizeof(*sp->bucket));
	v->about = calloc(sp->room, sizeof(*v->about));
	if (!sp->sock || !sp->bucket || !v->about)
		return -ENOMEM;
	for (i = 0; i < r->rows; i++) {
		if (i && is_same(&r->row[i - 1], &r->row[i])) {
			v->about[sp->socks - 1].holders++;
			continue;
		}
		sp->sock[sp->socks] = r->row[i].sock;
		v->about[sp->socks++] = r->row[i].about;
	}
	return 0;
}

/* connect() chose the port of a connection out of the ephemeral range where nobody listens on it. */
static void guess_choices(struct berth_view *v)
{
	struct berth_population *sp = &v->population;
	uint32_t i, k, end;
	bool listened;

	for (i = 0; i < sp->socks; i = end) {
		uint16_t port = sp->sock[i].port;

		listened = port < v->host.ephemeral.first || port > v->host.ephemeral.last;
		for (end = i; end < sp->socks && sp->sock[end].port == port; end++)
			listened |= sp->sock[end].state == BERTH_SOCK_LISTEN;
		for (k = i; k < end; k++)
			sp->sock[k].by_connect = !listened &&
						 sp->sock[k].proto == BERTH_PROTO_TCP &&
						 sp->sock[k].state != BERTH_SOCK_CLOSED;
	}
}

static int read_sockets(struct berth_view *v, uint16_t port, struct berth_why *why)
{
	struct berth_sockets_query query = {
		.ask = { .protocols = 3,
			 .protocol = { BERTH_PROTO_TCP, BERTH_PROTO_UDP, BERTH_PROTO_UDPLITE } },
		.no_holders = !port,
		.all_namespaces = port && geteuid() == 0,
	};
	struct berth_sockets_told told = { 0 };
	struct reading r = { .view = v, .netns = berth_netns_own() };
	int ret;

	if (port) {
		query.ask.lports = 1;
		query.ask.lport[0].first = query.ask.lport[0].last = port;
	}
	/* Only BPF sees SO_REUSEADDR and SO_REUSEPORT of others' sockets, so it is worth its time. */
	if (port && !getenv("BERTH_SOCKETS"))
		query.source = BERTH_SOCKETS_BPF;
	ret = berth_sockets_read(&query, take_row, &r, &told, why);
	if (ret && query.source == BERTH_SOCKETS_BPF) {
		query.source = BERTH_SOCKETS_ANY;
		r.rows = v->elsewhere = 0;
		ret = berth_sockets_read(&query, take_row, &r, &told, why);
	}
	if (!ret)
		ret = store(v, &r);
	free(r.row);
	v->hidden = told.holders_hidden || told.holders_outside;
	v->by_bpf = told.source == BERTH_SOCKETS_BPF;
	return ret;
}

int berth_view_init(struct berth_view *view, uint16_t port, struct berth_why *why)
{
	int ret;

	memset(view, 0, sizeof(*view));
	view->holders = berth_holders_new();
	view->index = malloc(sizeof(*view->index));
	view->reserved = calloc(1, sizeof(*view->reserved));
	if (!view->holders || !view->index || !view->reserved)
		return berth_why(why, -ENOMEM, "no memory");
	read_settings(&view->host);
	read_reserved(view);
	ret = read_addresses(view);
	if (ret)
		return berth_why(why, ret, "cannot read the addresses of this host: %s",
				 strerror(-ret));
	ret = read_sockets(view, port, why);
	if (ret)
		return ret;
	guess_choices(view);
	return berth_population_guess(&view->population, view->index);
}

void berth_view_fini(struct berth_view *view)
{
	free(view->population.sock);
	free(view->population.bucket);
	free(view->about);
	free(view->local);
	free(view->device);
	free(view->reserved);
	free(view->index);
	berth_holders_free(view->holders);
}

/* ---- asking the kernel ---- */

static socklen_t as_sockaddr(struct sockaddr_storage *out, uint8_t family,
			     const struct berth_ip *ip, uint16_t port, uint32_t scope)
{
	struct sockaddr_in6 *in6 = (void *)out;
	struct sockaddr_in *in = (void *)out;

	memset(out, 0, sizeof(*out));
	if (family == AF_INET) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, ip->byte + 12, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	in6->sin6_scope_id = scope;
	memcpy(&in6->sin6_addr, ip->byte, 16);
	return sizeof(*in6);
}

/* 255 where the socket cannot be made as wanted. */
static int bind_in_child(const struct berth_probe_bind *p)
{
	int type = p->sock->proto == BERTH_PROTO_TCP ? SOCK_STREAM : SOCK_DGRAM, fd;
	int reuse = p->sock->reuse, port = p->sock->reuseport, only = p->sock->v6only;
	struct sockaddr_storage ss;
	socklen_t len = as_sockaddr(&ss, p->sock->family, p->addr, p->port, p->scope);

	if (p->uid != geteuid() && (setgroups(0, NULL) || setresuid(p->uid, p->uid, p->uid)))
		return 255;
	fd = socket(p->sock->family, type | SOCK_CLOEXEC, p->sock->proto);
	if (fd < 0)
		return 255;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &port, sizeof(port)) ||
	    (p->sock->family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only))))
		return 255;
	if (bind(fd, (void *)&ss, len))
		return errno;
	return p->listens && type == SOCK_STREAM && listen(fd, 0) ? errno : 0;
}

int berth_view_ask_bind(const struct berth_probe_bind *probe)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return -errno;
	if (!child) {
		prctl(PR_SET_PDEATHSIG, 9);
		_exit(bind_in_child(probe));
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status) || WEXITSTATUS(status) == 255)
		return -EPERM;
	return WEXITSTATUS(status);
}

bool berth_view_may_low(uint32_t uid)
{
	berth_auto_free char *text = NULL;
	const char *line;

	if (uid != geteuid())
		return uid == 0;
	if (berth_file_read("/proc/self/status", &text))
		return uid == 0;
	line = strstr(text, "\nCapEff:");
	return line && strtoull(line + 8, NULL, 16) >> CAP_NET_BIND_SERVICE & 1;
}

int berth_view_source(const struct berth_ip *to, uint32_t scope, struct berth_ip *out_source)
{
	uint8_t family = berth_ip_is_mapped(to) ? AF_INET : AF_INET6;
	berth_auto_fd int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	socklen_t len = as_sockaddr(&ss, family, to, 9, scope);

	if (fd < 0 || connect(fd, (void *)&ss, len) || getsockname(fd, (void *)&ss, &len))
		return -errno;
	*out_source = berth_ip_any4;
	if (family == AF_INET)
		memcpy(out_source->byte + 12, &((struct sockaddr_in *)(void *)&ss)->sin_addr, 4);
	else
		memcpy(out_source->byte, &((struct sockaddr_in6 *)(void *)&ss)->sin6_addr, 16);
	return 0;
}
