/* SPDX-License-Identifier: BSD-2-Clause */
/* The caller's network namespace as the rules of ports want it: settings, addresses, sockets, holders. */
#ifndef BERTH_KERNEL_VIEW_H
#define BERTH_KERNEL_VIEW_H

#include "src/base/why.h"
#include "src/core/rules.h"
#include "src/core/population.h"
#include "src/kernel/holder.h"

/* What is known of the socket of the same number in the population. */
struct berth_view_about {
	const struct berth_holder *holder; /* the first process met; NULL: none that can be seen */
	const char *user;                  /* of the socket */
	uint32_t holders;
	uint32_t ends_ms;   /* TIME_WAIT: until it ends */
	uint8_t state;      /* enum berth_socket_state */
	bool options_known; /* the reuse options were told, not guessed */
};

struct berth_view {
	struct berth_host host;
	struct berth_population population; /* ascends by port */
	struct berth_view_about *about;
	uint32_t elsewhere; /* sockets in other namespaces on the port asked for */
	uint32_t hidden;    /* 1: there are processes that could not be looked into */
	bool by_bpf;
	struct berth_holders *holders;
	struct berth_population_index *index;
	struct berth_portset *reserved;
	struct berth_local *local;
	uint32_t *device;
};

/*
 * Reads all that is asked for: port 0 every TCP and UDP socket, else those on that local port, and those of other
 * namespaces on it are counted where the caller may see them. Which ports connect() chose is guessed: the kernel
 * does not tell.
 * Returns 0, or -errno with the sentence in why; berth_view_fini() frees.
 */
int berth_view_init(struct berth_view *view, uint16_t port, struct berth_why *why);
void berth_view_fini(struct berth_view *view);

/* What the kernel was asked, and what it said. */
struct berth_probe_bind {
	const struct berth_sock *sock; /* protocol, family, options */
	const struct berth_ip *addr;
	uint16_t port;
	uint32_t scope;
	uint32_t uid; /* who asks; the caller's own, or any for root */
	bool listens; /* TCP: listen() too */
};

/*
 * Asks the kernel itself: a child makes a socket, binds it and closes it at once; nothing is sent, and TCP does
 * not listen unless asked. For that moment the port is taken.
 * Returns the errno of the call that failed, 0 where none did; negative where the kernel could not be asked.
 */
int berth_view_ask_bind(const struct berth_probe_bind *probe);

/* Whether a process of this user has CAP_NET_BIND_SERVICE: root's has, the caller's own as it is, others' not. */
bool berth_view_may_low(uint32_t uid);

/*
 * The source address that the routes choose for a destination (no packet is sent). Returns 0 with it in
 * out_source, or -errno: -ENETUNREACH, -EHOSTUNREACH, -EACCES.
 */
int berth_view_source(const struct berth_ip *to, uint32_t scope, struct berth_ip *out_source);

#endif
