/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every socket of the host with every process that holds it.
 *
 * Two sources give the same rows: programs in the kernel (bpf/observe.bpf.c), and sock_diag with /proc, which needs no
 * privilege but sees only the holders that the caller may look into. A row is a socket and one process with a descriptor
 * for it; a socket that no process has a descriptor for (TIME_WAIT, an orphan, a request, a connection not accepted
 * yet, one of the kernel's, one on its way between two processes) is one row without a holder. A process counts once
 * however many descriptors it has. Sockets without a port (not bound, not connected) are no rows; raw ones are.
 *
 * Rows stream: memory does not grow with the number of sockets where BPF is the source. It is no snapshot: a connection
 * that is closed during the walk can come by once as open and once in TIME_WAIT.
 */
#ifndef BERTH_KERNEL_SOCKETS_H
#define BERTH_KERNEL_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/observe.h"
#include "src/base/why.h"

enum berth_sockets_source {
	BERTH_SOCKETS_ANY, /* what $BERTH_SOCKETS says (bpf, diag), else what is quicker here */
	BERTH_SOCKETS_BPF,
	BERTH_SOCKETS_DIAG,
};

struct berth_sockets_query {
	struct berth_socket_ask ask; /* netns is set by the reader */
	enum berth_sockets_source source;
	bool all_namespaces; /* false: the caller's network namespace only */
	bool no_holders;     /* each socket once, without a holder; cheaper */
};

/* What the reader tells of itself. */
struct berth_sockets_told {
	enum berth_sockets_source source;
	bool holders_hidden;  /* processes of other users could not be looked into */
	bool holders_outside; /* the caller is in a PID namespace: it does not see those out of it */
	unsigned namespaces;  /* that were looked into */
};

/*
 * One row; task is NULL where nobody holds the socket (or nobody that the caller may see). Both are borrowed for the
 * call. A result other than 0 ends the walk and is returned by it.
 */
typedef int (*berth_sockets_fn)(const struct berth_socket *socket, const struct berth_task *task,
				void *arg);

/*
 * Calls fn for every row that the query asks for, in no order. Switches the calling thread's network namespace for
 * a while where all of them are asked for (needs CAP_SYS_ADMIN). out_told may be NULL.
 * Returns 0, what fn returned, or -errno: -EPERM, -EACCES: the source is not permitted.
 */
int berth_sockets_read(const struct berth_sockets_query *query, berth_sockets_fn fn, void *arg,
		       struct berth_sockets_told *out_told, struct berth_why *why);

/* Sockets to add to what a key, as by says it, has already: a key may come more than once. */
typedef int (*berth_sockets_count_fn)(const struct berth_count_key *key, uint64_t sockets,
				      void *arg);

/*
 * Counts the sockets that the query asks for (holders are not looked at, ask.pid is ignored), each once; with BPF
 * those of TCP and UDP are counted in the kernel. Calls fn for the keys, in no order.
 * Returns as berth_sockets_read(); -E2BIG: the kernel had no room for all the keys.
 */
int berth_sockets_count(const struct berth_sockets_query *query, enum berth_count_by by,
			berth_sockets_count_fn fn, void *arg, struct berth_sockets_told *out_told,
			struct berth_why *why);

/* The key that berth_sockets_count() counts the socket under. */
void berth_sockets_count_key(const struct berth_socket *s, enum berth_count_by by,
			     struct berth_count_key *out_key);

/* True where the socket is what is asked for; ask.pid is not looked at. */
bool berth_socket_is_asked(const struct berth_socket *s, const struct berth_socket_ask *ask);

/* The word for a state ("listening"), "unknown" for a number that has none. */
const char *berth_socket_state_name(unsigned state);

/*
 * The word for the protocol: "tcp", "udp", "udplite", "mptcp", "sctp", "dccp", "raw"; "unknown". A static string.
 */
const char *berth_socket_protocol_name(const struct berth_socket *s);

/* ---- the sources; src/kernel/sockets.c chooses ---- */

/* Whether the caller's PID namespace is not the first one, whose process ids programs in the kernel see. */
bool berth_sockets_in_pid_namespace(void);

int berth_sockets_bpf_read(const struct berth_sockets_query *query, berth_sockets_fn fn, void *arg,
			   struct berth_sockets_told *told, struct berth_why *why);
int berth_sockets_bpf_count(const struct berth_sockets_query *query, enum berth_count_by by,
			    berth_sockets_count_fn fn, void *arg, struct berth_sockets_told *told,
			    struct berth_why *why);
int berth_sockets_diag_read(const struct berth_sockets_query *query, berth_sockets_fn fn, void *arg,
			    struct berth_sockets_told *told, struct berth_why *why);

#endif
