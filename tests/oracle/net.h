/* SPDX-License-Identifier: BSD-2-Clause */
/* The namespace that the differential test works in: interfaces, addresses, sysctls, users, sock_diag. */
#ifndef BERTH_TESTS_ORACLE_NET_H
#define BERTH_TESTS_ORACLE_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "src/core/rules.h"

#define NET_LOCALS 8

struct net {
	struct berth_local local[NET_LOCALS];
	uint32_t device[3]; /* lo, v0, v1 */
	bool users;         /* sockets can be made as other users */
};

/*
 * Enters a new network namespace (in a user namespace where the caller is not root) and builds lo and a veth
 * pair in it. Returns 0, or -errno where the kernel refuses namespaces.
 */
int net_enter(struct net *net);

/* Writes a number or text to /proc/sys/net/NAME; aborts where that is refused. */
void net_sysctl(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Files made from now on belong to uid. */
void net_user(uint32_t uid);

/* Gives up or takes back CAP_NET_BIND_SERVICE. */
void net_low_ports(bool may);

/* Makes the address that a system call wants; family is that of the address. */
socklen_t net_sockaddr(struct sockaddr_storage *out, uint8_t family, const struct berth_ip *ip,
		       uint16_t port, uint32_t scope);

/* The local address and port of a socket. */
void net_local_of(int fd, struct berth_ip *out_ip, uint16_t *out_port);

/* Waits until the kernel has the pair in TIME_WAIT and its mirror is gone; false where that takes too long. */
bool net_await_time_wait(const struct berth_sock *s, uint32_t peer_device);

/* True while the kernel has the pair in TIME_WAIT. */
bool net_is_time_wait(const struct berth_sock *s);

uint32_t net_now_ms(void);

#endif
