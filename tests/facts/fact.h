/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fact: a program that proves one thing that berth believes of the kernel.
 *
 * Exit status: 0 it holds; 1 it does not, with what was seen; 77 it cannot be tested here, with the
 * reason; 99 the program itself went wrong. Each has a network namespace of its own with lo up.
 */
#ifndef BERTH_FACTS_FACT_H
#define BERTH_FACTS_FACT_H

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LO 0x7f000001u /* 127.0.0.1 */
#define PEER 9000      /* port of the listener in most facts */

/* Begins a fact: text is the sentence to be proved. Enters a new network namespace or skips. */
void fact_begin(const char *text);

/* As fact_begin(), in a private cgroup as well, which is removed when the program ends. */
void fact_begin_cgroup(const char *text);

/* Descriptor of the private cgroup's directory. */
int fact_cgroup(void);

/* Makes a cgroup within the private one and enters it; its directory. It goes with the private one. */
int fact_cgroup_within(void);

/* Ends the program: the fact holds. */
_Noreturn void fact_holds(void);

/* Ends the program: the fact cannot be tested here. */
_Noreturn void fact_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the program where ok is false: the fact does not hold, and this was seen. */
void fact_expect(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Ends the program with 99 where ok is false: a step that the fact is not about failed, errno says
 * why.
 */
void fact_need(bool ok, const char *what);

/* The name of an errno, or "success" for 0: for what was seen. */
const char *fact_errno(int code);

/*
 * Writes a sysctl of the namespace, as in fact_sysctl("ipv4/tcp_timestamps", "0"); skips where
 * refused.
 */
void fact_sysctl(const char *path, const char *value);

/* Makes a socket; type SOCK_STREAM or SOCK_DGRAM. */
int fact_socket(int type);

/* Sets SO_REUSEADDR. */
void fact_reuseaddr(int fd, int value);

/* Sets IP_LOCAL_PORT_RANGE; skips where the kernel has no such option. */
void fact_range(int fd, uint16_t first, uint16_t last);

/* bind() and connect() to an IPv4 endpoint; 0 or the errno. */
int fact_bind(int fd, uint32_t addr, uint16_t port);
int fact_connect(int fd, uint32_t addr, uint16_t port);

/* A socket with SO_REUSEADDR bound to 127.0.0.1:port. */
int fact_bound(int type, uint16_t port);

/* A TCP socket with SO_REUSEADDR that listens at 127.0.0.1:port. */
int fact_listen(uint16_t port);

/* The local endpoint's port; 0 where the socket is not bound. */
uint16_t fact_port(int fd);

/*
 * Leaves the pair 127.0.0.1:port -> the listener's 127.0.0.1:peer behind in TIME_WAIT, and waits
 * until the kernel's table says so.
 */
void fact_timewait(int listener, uint16_t port, uint16_t peer);

/*
 * Leaves the pair behind half closed: the listener's side is open, and is returned; waits until the kernel's
 * table has the pair in FIN_WAIT2.
 */
int fact_half_closed(int listener, uint16_t port, uint16_t peer);

/* States of /proc/net/tcp. */
enum { FACT_FIN_WAIT2 = 5, FACT_TIME_WAIT = 6 };

/* Waits until the kernel's table has the pair 127.0.0.1:port -> 127.0.0.1:peer in that state. */
void fact_await_state(uint16_t port, uint16_t peer, unsigned state);

/* State of the pair 127.0.0.1:port -> 127.0.0.1:peer in /proc/net/tcp; 0 where it has none. */
unsigned fact_state(uint16_t port, uint16_t peer);

#endif
