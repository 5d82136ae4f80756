/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What bpf/observe.bpf.c and user space agree on: a socket, who holds it, what is asked for, what is counted.
 *
 * Integers are in host order; addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. Programs and
 * user space come out of one build, so the structs may change from one version to the next.
 */
#ifndef BERTH_ABI_OBSERVE_H
#define BERTH_ABI_OBSERVE_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u8 uint8_t;
typedef __u16 uint16_t;
typedef __u32 uint32_t;
typedef __u64 uint64_t;
#else
#include <stdint.h>
#endif

/* One row a state: enumerator, the kernel's number (net/tcp_states.h), name in table and JSON. */
#define BERTH_SOCKET_STATES(X)                                                                     \
	X(ESTABLISHED, 1, "established")                                                           \
	X(SYN_SENT, 2, "syn-sent")                                                                 \
	X(SYN_RECV, 3, "syn-recv")                                                                 \
	X(FIN_WAIT1, 4, "fin-wait-1")                                                              \
	X(FIN_WAIT2, 5, "fin-wait-2")                                                              \
	X(TIME_WAIT, 6, "time-wait")                                                               \
	X(CLOSE, 7, "unconnected")                                                                 \
	X(CLOSE_WAIT, 8, "close-wait")                                                             \
	X(LAST_ACK, 9, "last-ack")                                                                 \
	X(LISTEN, 10, "listening")                                                                 \
	X(CLOSING, 11, "closing")                                                                  \
	X(NEW_SYN_RECV, 12, "syn-recv") /* shown as SYN_RECV */                                    \
	X(BOUND, 13, "bound")           /* TCP: holds a port, neither listens nor is connected */

#define BERTH_STATE_ENUM(id, number, name) BERTH_STATE_##id = number,
enum berth_socket_state { BERTH_SOCKET_STATES(BERTH_STATE_ENUM) BERTH_STATE_COUNT };
#undef BERTH_STATE_ENUM

/* Bits of berth_socket.flags. */
#define BERTH_SOCKET_REUSEADDR 1u
#define BERTH_SOCKET_REUSEPORT 2u
#define BERTH_SOCKET_V6ONLY 4u
#define BERTH_SOCKET_REUSE_KNOWN 8u /* the two REUSE bits mean something */
#define BERTH_SOCKET_FILE 16u /* a file refers to it: somebody holds, or is about to receive it */
#define BERTH_SOCKET_SUBFLOW 32u /* of an MPTCP socket, whose inode it has */
#define BERTH_SOCKET_SHARED 64u  /* more than one descriptor may refer to it */
#define BERTH_SOCKET_SHORT                                                                         \
	256u /* in TIME_WAIT, or a request: the kernel keeps neither user nor options */
#define BERTH_SOCKET_RAW 128u /* protocol is the number of an IP protocol; no ports */

/* A socket as the kernel has it. */
struct berth_socket {
	uint8_t local[16];
	uint8_t peer[16];
	uint64_t inode;    /* of sockfs; 0 where no descriptor refers to it */
	uint64_t cookie;   /* 0 where the kernel has not given it one yet */
	uint64_t cgroup;   /* id of the cgroup that made it; 0: not known */
	uint32_t netns;    /* inode of its network namespace */
	uint32_t device;   /* interface that it is bound to, or 0 */
	uint32_t uid;      /* who made it */
	uint32_t rqueue;   /* bytes to read; a listener's connections to accept */
	uint32_t wqueue;   /* bytes not acknowledged; a listener's backlog */
	uint32_t timer_ms; /* TIME_WAIT: until it ends */
	uint16_t protocol; /* IPPROTO_ */
	uint16_t lport;
	uint16_t pport;
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t state;  /* enum berth_socket_state */
	uint16_t flags;
	uint8_t pad[6];
};
_Static_assert(sizeof(struct berth_socket) == 96, "socket");

/* A process that has a descriptor for it. */
struct berth_task {
	uint64_t cgroup;   /* id of its cgroup v2 */
	uint64_t start_ns; /* since boot */
	uint32_t pid;
	uint32_t thread; /* pid, but where a thread has descriptors of its own */
	uint32_t uid;    /* effective */
	uint32_t fd;     /* the first that was met */
	char comm[16];
};
_Static_assert(sizeof(struct berth_task) == 48, "task");

/* What the programs write for each: task.pid 0 where no process has a descriptor. */
struct berth_observed {
	struct berth_socket socket;
	struct berth_task task;
};
_Static_assert(sizeof(struct berth_observed) == 144, "observed");

#define BERTH_ASK_PORTS 8u
#define BERTH_ASK_PROTOCOLS 8u

/* Which sockets are asked for. All that is set must hold; zero asks for anything. */
struct berth_socket_ask {
	uint32_t netns;
	uint32_t states; /* bit 1 << state */
	uint32_t pid;
	uint32_t lports; /* ranges in lport: one of them must hold */
	struct {
		uint16_t first, last;
	} lport[BERTH_ASK_PORTS];
	uint8_t peer[16];
	uint32_t peer_len; /* bits of peer that must be equal, 128 at most */
	uint16_t pport;
	uint16_t protocols; /* in protocol: one of them must be it; raw sockets are none */
	uint16_t protocol[BERTH_ASK_PROTOCOLS];
	/*
	 * Not 0: inode, cookie, cgroup and queues may be left out where that is quicker, but for the queues of
	 * listeners. Each of them is another line of memory that the kernel has to fetch, half of the cost of a row.
	 */
	uint32_t brief;
};
_Static_assert(sizeof(struct berth_socket_ask) == 92, "ask");

/* What the walk over the table of TCP is for. */
enum berth_tables {
	BERTH_TABLES_AFTER,  /* the walk over descriptors: what that did not come by */
	BERTH_TABLES_BESIDE, /* it: what has no file; what has one is noted until that has come by */
	BERTH_TABLES_FILES,  /* both: what has a file, and was noted in vain */
};

/* What the counting programs add up by. */
enum berth_count_by {
	BERTH_COUNT_BY_STATE = 1,
	BERTH_COUNT_BY_PROTOCOL,
	BERTH_COUNT_BY_LOCAL_ADDRESS,
	BERTH_COUNT_BY_LOCAL_PORT,
	BERTH_COUNT_BY_LOCAL,
	BERTH_COUNT_BY_PEER_ADDRESS,
	BERTH_COUNT_BY_PEER_PORT,
	BERTH_COUNT_BY_PEER,
	BERTH_COUNT_BY_UID,
	BERTH_COUNT_BY_NETNS,
};

#define BERTH_COUNT_RAW 0x10000u /* number, by protocol, of raw sockets */

struct berth_count_key {
	uint8_t addr[16];
	uint32_t number; /* state, protocol, uid or namespace */
	uint16_t port;
	uint8_t family;
	uint8_t pad;
};
_Static_assert(sizeof(struct berth_count_key) == 24, "count key");

/* A place of the table of counts; free where sockets is 0. */
struct berth_count {
	struct berth_count_key key;
	uint64_t sockets;
};
_Static_assert(sizeof(struct berth_count) == 32, "count");

#endif
