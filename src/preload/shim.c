/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls that the shim stands in front of. libberth-preload.so exports these and nothing else.
 *
 * connect, and sendto and sendmsg with MSG_FASTOPEN, on an unbound TCP or UDP socket get a port
 * from berth. A socket bound to a port is left alone; one bound to an address keeps it. errno and
 * result are the kernel's own.
 *
 * bind(address, 0) gets a port too: a bind to a busy port fails and leaves the socket as it was,
 * so the kernel itself arbitrates and nothing has to be asked before. The address stays the
 * program's, a server on "any" stays there. SO_REUSEADDR and SO_REUSEPORT are off for that
 * moment, otherwise the bind would go through on a port that clients are on, or join another
 * server's group by chance; sockets may join this one's group afterwards, as ever. Left to the
 * kernel: a socket with IP_BIND_ADDRESS_NO_PORT, which asks for a port at connect(). A port bound
 * so is used by this socket alone, toward all destinations; TIME_WAITs of others on it count as
 * use.
 *
 * close, close_range, closefrom, dup2, dup3 and the end of the process only tell the lane that a
 * port may be free. setsockopt, setns and unshare only leave a mark that rarely used properties
 * are in use, so that no connect() pays for asking after them otherwise.
 *
 * Limits: system calls made past the C library (static programs, Go, io_uring) and the C
 * library's own (its resolver, fclose) do not come by here. A program that clears its environment
 * before exec() leaves berth; so does one that can no longer read the run's file then (chroot,
 * another user).
 */
#include <dlfcn.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "src/preload/addr.h"
#include "src/preload/assign.h"
#include "src/preload/note.h"
#include "src/preload/share.h"
#include "src/preload/sys.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* One row a call that the shim passes on: name, result, parameters, arguments. */
#define CALLS(X)                                                                                   \
	X(connect, int, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))     \
	X(bind, int, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))        \
	X(sendto, ssize_t,                                                                         \
	  (int fd, const void *data, size_t size, int flags, const struct sockaddr *addr,          \
	   socklen_t len),                                                                         \
	  (fd, data, size, flags, addr, len))                                                      \
	X(sendmsg, ssize_t, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))       \
	X(close, int, (int fd), (fd))                                                              \
	X(close_range, int, (unsigned int first, unsigned int last, int flags),                    \
	  (first, last, flags))                                                                    \
	X(closefrom, void, (int first), (first))                                                   \
	X(dup2, int, (int from, int to), (from, to))                                               \
	X(dup3, int, (int from, int to, int flags), (from, to, flags))                             \
	X(setsockopt, int, (int fd, int level, int name, const void *value, socklen_t len),        \
	  (fd, level, name, value, len))                                                           \
	X(setns, int, (int fd, int type), (fd, type))                                              \
	X(unshare, int, (int flags), (flags))

/*
 * real_NAME() calls the next library's function. They are looked up when the library is loaded; a
 * call that comes earlier, out of another library's constructor, looks its own up.
 */
#define DECLARE(name, type, params, args)                                                          \
	__attribute__((visibility("default"))) type shim_##name params __asm__(#name);             \
	static type(*next_##name) params;                                                          \
	static type real_##name params                                                             \
	{                                                                                          \
		if (!next_##name)                                                                  \
			next_##name = (type(*) params)dlsym(RTLD_NEXT, #name);                     \
		return next_##name args;                                                           \
	}
CALLS(DECLARE)

#define LOOK_UP(name, type, params, args) next_##name = (type(*) params)dlsym(RTLD_NEXT, #name);

/* Set once a program does what the common one does not; never cleared, and inherited by fork(). */
static bool uses_marks;  /* SO_MARK, SO_BINDTODEVICE, SO_BINDTOIFINDEX */
static bool uses_range;  /* IP_LOCAL_PORT_RANGE of its own */
static bool moves_netns; /* setns(), unshare() */
static uint64_t home; /* cookie of the namespace that sockets are in, while moves_netns is false */

__attribute__((constructor)) static void load(void)
{
	CALLS(LOOK_UP)
	berth_share_open();
}

static void release(int fd)
{
	struct berth_note n;

	if (!berth_share || !berth_note_take(fd, &n) || !n.port)
		return;
	berth_share_count(BERTH_VERDICT_RELEASED);
	berth_share_drop(n.lane, n.port);
}

/* The kernel closes the rest of the descriptors in a moment; a port rests longer than that. */
__attribute__((destructor)) static void unload(void)
{
	int fd, end = berth_note_end();

	for (fd = 0; fd < end; fd++)
		release(fd);
}

static uint64_t netns_of(int fd)
{
	uint64_t cookie;

	if (moves_netns)
		return sys_get_u64(fd, SO_NETNS_COOKIE);
	cookie = __atomic_load_n(&home, __ATOMIC_RELAXED);
	if (!cookie) {
		cookie = sys_get_u64(fd, SO_NETNS_COOKIE);
		__atomic_store_n(&home, cookie, __ATOMIC_RELAXED);
	}
	return cookie;
}

/* What a socket is, as far as berth cares. */
struct known {
	struct berth_ask ask;
	uint16_t port; /* the one it is bound to, or 0 */
};

/* False where fd is no TCP or UDP socket over IP. */
static bool know(int fd, struct known *k)
{
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);
	uint32_t scope;
	int protocol;

	*k = (struct known){ .ask.fd = fd };
	if (sys_getsockname(fd, &local, &len) < 0 ||
	    !addr_read(&local, len, k->ask.tuple.src, &k->port, &scope))
		return false;
	protocol = sys_get_int(fd, SOL_SOCKET, SO_PROTOCOL);
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return false;
	k->ask.tuple.protocol = (uint8_t)protocol;
	k->ask.v6 = local.ss_family == AF_INET6;
	k->ask.tuple.device = scope;
	return true;
}

/* Completes what is known of a socket that is to be given a port. */
static void complete(struct known *k)
{
	int fd = k->ask.fd, value;

	k->ask.tuple.netns = netns_of(fd);
	k->ask.foreign = k->ask.tuple.netns != berth_share->config.netns;
	if (!uses_marks)
		return;
	value = sys_get_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX);
	if (value > 0)
		k->ask.tuple.device = (uint32_t)value;
	k->ask.mark = (uint32_t)sys_get_int(fd, SOL_SOCKET, SO_MARK);
}

/*
 * True where the program narrowed the range itself: its choice. One port alone is what berth
 * leaves behind.
 */
static bool has_own_range(int fd)
{
	uint32_t range = 0;
	socklen_t len = sizeof(range);

	return uses_range &&
	       BERTH_SYS(SYS_getsockopt, fd, SOL_IP, IP_LOCAL_PORT_RANGE, &range, &len) >= 0 &&
	       (range & 0xffff) != range >> 16;
}

/*
 * A UDP socket that berth bound is connected to another place: its port cannot be changed any
 * more, and the kernel would accept a second socket on the same tuple without a word.
 */
static bool would_shadow(const struct known *k)
{
	const struct berth_ask *ask = &k->ask;
	struct berth_tuple t = ask->tuple;
	struct berth_preload_route route = { .netns = t.netns,
					     .device = t.device,
					     .mark = ask->mark };
	uint32_t age_ms;

	if (t.protocol != IPPROTO_UDP)
		return false;
	t.sport = k->port;
	t.own = sys_get_u64(ask->fd, SO_COOKIE);
	if (addr_is_any(t.src)) {
		memcpy(route.dst, t.dst, 16);
		if (berth_probe_route(&route, sys_now_ns()) < 0 || route.error)
			return false;
		memcpy(t.src, route.src, 16);
	}
	return berth_probe_tuple(&t, &age_ms) == BERTH_HELD_BUSY;
}

/*
 * True where the port that getsockname() shows is not the socket's any more: the kernel takes an
 * automatic port back when connect() fails, and leaves the number standing.
 */
static bool is_stale(const struct known *k, const struct berth_note *n)
{
	uint8_t state = 0;
	socklen_t len = sizeof(state);

	if (n->flags & (BERTH_NOTE_BOUND | BERTH_NOTE_KERNEL) ||
	    k->ask.tuple.protocol != IPPROTO_TCP)
		return false;
	/* tcpi_state is the first byte. */
	return BERTH_SYS(SYS_getsockopt, k->ask.fd, IPPROTO_TCP, TCP_INFO, &state, &len) >= 0 &&
	       state == TCP_CLOSE;
}

/* A socket with a port: berth's of before, or the program's own. */
static long go_on(struct known *k, const struct berth_note *n)
{
	struct berth_ask *ask = &k->ask;
	long result;

	if (n && n->flags & BERTH_NOTE_KERNEL)
		return ask->go(ask);
	if (n && n->port == k->port) {
		complete(k);
		if (!would_shadow(k))
			return ask->go(ask);
		berth_share_count(BERTH_VERDICT_REFUSED);
		errno = EADDRNOTAVAIL;
		return -1;
	}
	result = ask->go(ask);
	if (result >= 0 || (errno != EISCONN && errno != EALREADY))
		berth_share_count(BERTH_VERDICT_LEFT_ALONE);
	return result;
}

/* Gives the socket a port for the destination and makes the call through go. */
static long toward(int fd, const void *addr, socklen_t len, long (*go)(struct berth_ask *),
		   void *call)
{
	struct berth_ask plain = { .fd = fd, .go = go, .call = call };
	struct berth_note n = { 0 };
	struct known k;
	uint8_t dst[16];
	uint16_t dport;
	uint32_t scope;
	bool noted;

	if (!addr_read(addr, len, dst, &dport, &scope) || !dport || !know(fd, &k))
		return go(&plain);
	k.ask.go = go;
	k.ask.call = call;
	memcpy(k.ask.tuple.dst, dst, 16);
	k.ask.tuple.dport = dport;
	if (scope)
		k.ask.tuple.device = scope;
	noted = berth_note_find(fd, &n);
	if (k.port && noted && is_stale(&k, &n))
		k.port = 0;
	if (k.port)
		return go_on(&k, noted ? &n : NULL);
	if (noted) {
		release(fd);
		if (n.flags & BERTH_NOTE_ADDRESS)
			memset(k.ask.tuple.src, 0, 16);
	}
	if (has_own_range(fd)) {
		berth_share_count(BERTH_VERDICT_LEFT_ALONE);
		return go(&plain);
	}
	complete(&k);
	return berth_assign(&k.ask);
}

struct connect_call {
	const struct sockaddr *addr;
	socklen_t len;
};

static long go_connect(struct berth_ask *ask)
{
	const struct connect_call *c = ask->call;

	return real_connect(ask->fd, c->addr, c->len);
}

int shim_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct connect_call call = { addr, len };

	if (!berth_share)
		return real_connect(fd, addr, len);
	return (int)toward(fd, addr, len, go_connect, &call);
}

struct sendto_call {
	const void *data;
	size_t size;
	int flags;
	const struct sockaddr *addr;
	socklen_t len;
};

static long go_sendto(struct berth_ask *ask)
{
	const struct sendto_call *c = ask->call;

	return real_sendto(ask->fd, c->data, c->size, c->flags, c->addr, c->len);
}

ssize_t shim_sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *addr,
		    socklen_t len)
{
	struct sendto_call call = { data, size, flags, addr, len };

	if (!(flags & MSG_FASTOPEN) || !berth_share)
		return real_sendto(fd, data, size, flags, addr, len);
	return toward(fd, addr, len, go_sendto, &call);
}

struct sendmsg_call {
	const struct msghdr *msg;
	int flags;
};

static long go_sendmsg(struct berth_ask *ask)
{
	const struct sendmsg_call *c = ask->call;

	return real_sendmsg(ask->fd, c->msg, c->flags);
}

ssize_t shim_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct sendmsg_call call = { msg, flags };

	if (!(flags & MSG_FASTOPEN) || !berth_share || !msg)
		return real_sendmsg(fd, msg, flags);
	return toward(fd, msg->msg_name, msg->msg_namelen, go_sendmsg, &call);
}

static long go_bind(struct berth_ask *ask)
{
	const struct connect_call *c = ask->call;
	struct sockaddr_storage addr;

	memcpy(&addr, c->addr, c->len);
	((struct sockaddr_in *)&addr)->sin_port = htons(ask->tuple.sport);
	return real_bind(ask->fd, (struct sockaddr *)&addr, c->len);
}

_Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port),
	       "the port stands at one place in both");

static bool bind_is_for_berth(struct known *k)
{
	int fd = k->ask.fd;

	return !k->port && sys_get_int(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT) <= 0 &&
	       !has_own_range(fd);
}

/* Switches a flag of the socket off; true where it was on. */
static bool switch_off(int fd, int name)
{
	if (sys_get_int(fd, SOL_SOCKET, name) <= 0)
		return false;
	return !sys_set_int(fd, SOL_SOCKET, name, 0);
}

/* A port for this socket alone. */
static long bind_alone(struct berth_ask *ask)
{
	bool reuse_addr = switch_off(ask->fd, SO_REUSEADDR);
	bool reuse_port = switch_off(ask->fd, SO_REUSEPORT);
	long result = berth_assign(ask);

	if (reuse_addr)
		sys_set_int(ask->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (reuse_port)
		sys_set_int(ask->fd, SOL_SOCKET, SO_REUSEPORT, 1);
	return result;
}

int shim_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct connect_call call = { addr, len };
	struct known k;
	uint8_t src[16];
	uint16_t port;
	uint32_t scope;

	if (!berth_share || len > sizeof(struct sockaddr_storage) ||
	    !addr_read(addr, len, src, &port, &scope) || port || !know(fd, &k) ||
	    !bind_is_for_berth(&k))
		return real_bind(fd, addr, len);
	k.ask.bind_only = true;
	k.ask.go = go_bind;
	k.ask.call = &call;
	memcpy(k.ask.tuple.src, src, 16);
	k.ask.tuple.device = scope;
	complete(&k);
	return (int)bind_alone(&k.ask);
}

int shim_close(int fd)
{
	struct berth_note n;
	bool noted = berth_share && berth_note_take(fd, &n);
	int result = real_close(fd);

	if (noted && n.port) {
		berth_share_count(BERTH_VERDICT_RELEASED);
		berth_share_drop(n.lane, n.port);
	}
	return result;
}

static void release_from(unsigned int first, unsigned int last)
{
	unsigned int fd, end = (unsigned int)berth_note_end();

	for (fd = first; fd < end && fd <= last; fd++)
		release((int)fd);
}

int shim_close_range(unsigned int first, unsigned int last, int flags)
{
	int result = real_close_range(first, last, flags);

	if (!result && !(flags & CLOSE_RANGE_CLOEXEC))
		release_from(first, last);
	return result;
}

void shim_closefrom(int first)
{
	real_closefrom(first);
	release_from(first < 0 ? 0 : (unsigned int)first, ~0u);
}

int shim_dup2(int from, int to)
{
	int result = real_dup2(from, to);

	if (result >= 0 && from != to)
		release(to);
	return result;
}

int shim_dup3(int from, int to, int flags)
{
	int result = real_dup3(from, to, flags);

	if (result >= 0)
		release(to);
	return result;
}

int shim_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	if (level == SOL_SOCKET &&
	    (name == SO_MARK || name == SO_BINDTODEVICE || name == SO_BINDTOIFINDEX))
		uses_marks = true;
	else if (level == SOL_IP && name == IP_LOCAL_PORT_RANGE)
		uses_range = true;
	return real_setsockopt(fd, level, name, value, len);
}

int shim_setns(int fd, int type)
{
	moves_netns = true;
	return real_setns(fd, type);
}

int shim_unshare(int flags)
{
	moves_netns = true;
	return real_unshare(flags);
}
