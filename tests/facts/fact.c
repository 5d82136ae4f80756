/* SPDX-License-Identifier: BSD-2-Clause */
/* The frame of the facts: namespaces, a private cgroup, verdicts, small socket helpers. */
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "fact.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* linux/in.h since 6.3 */
#endif

enum { HOLDS = 0, FAILS = 1, SKIPPED = 77, BROKEN = 99 };

#define WITHIN "within" /* the cgroup within the private one */

static const char *fact;
static int cgroup_fd = -1;
static volatile sig_atomic_t child;

static _Noreturn void verdict(int status, const char *word, const char *format, va_list args)
{
	printf("%s: %s", word, fact);
	if (format) {
		printf("; ");
		vprintf(format, args);
	}
	printf("\n");
	fflush(stdout);
	_exit(status);
}

void fact_holds(void)
{
	printf("holds: %s\n", fact);
	fflush(stdout);
	_exit(HOLDS);
}

void fact_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	verdict(SKIPPED, "cannot be tested here", format, args);
}

void fact_expect(bool ok, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!ok)
		verdict(FAILS, "does not hold", format, args);
	va_end(args);
}

void fact_need(bool ok, const char *what)
{
	if (ok)
		return;
	printf("broken: %s; %s: %s\n", fact, what, strerror(errno));
	fflush(stdout);
	_exit(BROKEN);
}

const char *fact_errno(int code)
{
	return code ? strerrorname_np(code) : "success";
}

static void lo_up(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	fact_need(fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &r), "lo up");
	close(fd);
}

/*
 * As root a namespace is to be had at once; for others the kernel may allow one inside a user
 * namespace.
 */
static void enter_namespace(void)
{
	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		fact_skip("no network namespace: %s", strerror(errno));
	lo_up();
}

void fact_begin(const char *text)
{
	fact = text;
	enter_namespace();
}

/* Where cgroup v2 is mounted; skips where it is not. */
static void find_cgroup2(char *out, size_t size)
{
	FILE *mounts = setmntent("/proc/mounts", "re");
	struct mntent *m;

	while (mounts && (m = getmntent(mounts))) {
		if (strcmp(m->mnt_type, "cgroup2"))
			continue;
		snprintf(out, size, "%s", m->mnt_dir);
		endmntent(mounts);
		return;
	}
	fact_skip("cgroup v2 is not mounted");
}

/* The caller's own place below the mount, "" for its root. */
static void own_cgroup(char *out, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX / 4];

	*out = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::", 3))
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(out, size, "%s", strcmp(line + 3, "/") ? line + 3 : "");
	}
	if (f)
		fclose(f);
}

static void end_child(int sig)
{
	(void)sig;
	if (child > 0)
		kill(child, SIGKILL);
}

/* Waits for the process in the cgroup, removes the cgroup and ends as that process did. */
static _Noreturn void mind_child(const char *path)
{
	char within[PATH_MAX + sizeof("/" WITHIN)];
	int status = 0, tries;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	snprintf(within, sizeof(within), "%s/" WITHIN, path);
	for (tries = 0; (rmdir(within), rmdir(path)) && errno == EBUSY && tries < 1000; tries++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN);
}

static int join_cgroup(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int procs = fd < 0 ? -1 : openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	fact_need(procs >= 0 && write(procs, "0", 1) == 1, "join the cgroup");
	close(procs);
	return fd;
}

void fact_begin_cgroup(const char *text)
{
	char mount[PATH_MAX / 4], own[PATH_MAX / 4], path[PATH_MAX];
	struct sigaction sa = { .sa_handler = end_child };

	fact = text;
	find_cgroup2(mount, sizeof(mount));
	own_cgroup(own, sizeof(own));
	snprintf(path, sizeof(path), "%s%s/berth-fact-%d", mount, own, getpid());
	if (mkdir(path, 0755))
		fact_skip("%s: %s", path, strerror(errno));
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	child = fork();
	if (child)
		mind_child(path);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cgroup_fd = join_cgroup(AT_FDCWD, path);
	enter_namespace();
}

int fact_cgroup(void)
{
	return cgroup_fd;
}

int fact_cgroup_within(void)
{
	fact_need(!mkdirat(cgroup_fd, WITHIN, 0755), "a cgroup within");
	return join_cgroup(cgroup_fd, WITHIN);
}

void fact_sysctl(const char *path, const char *value)
{
	char name[PATH_MAX];
	int fd;

	snprintf(name, sizeof(name), "/proc/sys/net/%s", path);
	fd = open(name, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		fact_skip("%s: %s", name, strerror(errno));
	close(fd);
}

int fact_socket(int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	fact_need(fd >= 0, "socket");
	return fd;
}

void fact_reuseaddr(int fd, int value)
{
	fact_need(!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value)), "SO_REUSEADDR");
}

void fact_range(int fd, uint16_t first, uint16_t last)
{
	uint32_t range = (uint32_t)last << 16 | first;

	if (setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)))
		fact_skip("IP_LOCAL_PORT_RANGE: %s", strerror(errno));
}

static struct sockaddr_in endpoint(uint32_t addr, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(addr) };
}

int fact_bind(int fd, uint32_t addr, uint16_t port)
{
	struct sockaddr_in sa = endpoint(addr, port);

	return bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ? errno : 0;
}

int fact_connect(int fd, uint32_t addr, uint16_t port)
{
	struct sockaddr_in sa = endpoint(addr, port);

	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) ? errno : 0;
}

int fact_bound(int type, uint16_t port)
{
	int fd = fact_socket(type), code;

	fact_reuseaddr(fd, 1);
	code = fact_bind(fd, LO, port);
	errno = code;
	fact_need(!code, "bind");
	return fd;
}

int fact_listen(uint16_t port)
{
	int fd = fact_bound(SOCK_STREAM, port);

	fact_need(!listen(fd, 128), "listen");
	return fd;
}

uint16_t fact_port(int fd)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);

	fact_need(!getsockname(fd, (struct sockaddr *)&sa, &len), "getsockname");
	return ntohs(sa.sin_port);
}

unsigned fact_state(uint16_t port, uint16_t peer)
{
	FILE *f = fopen("/proc/self/net/tcp", "re");
	unsigned src, sport, dst, dport, state, found = 0;
	char line[256];

	fact_need(f != NULL, "/proc/self/net/tcp");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " %*u: %x:%x %x:%x %x", &src, &sport, &dst, &dport, &state) == 5 &&
		    sport == port && dport == peer)
			found = state;
	fclose(f);
	return found;
}

/* Accepts the connection that comes from port; those of others stay open. */
static int accept_from(int listener, uint16_t port)
{
	struct sockaddr_in sa;
	socklen_t len;
	int fd;

	do {
		len = sizeof(sa);
		fd = accept4(listener, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC);
		fact_need(fd >= 0, "accept");
	} while (ntohs(sa.sin_port) != port);
	return fd;
}

void fact_await_state(uint16_t port, uint16_t peer, unsigned state)
{
	int tries;

	for (tries = 0; fact_state(port, peer) != state; tries++) {
		errno = ETIMEDOUT;
		fact_need(tries < 20000, state == FACT_TIME_WAIT ? "TIME_WAIT" : "FIN_WAIT2");
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

int fact_half_closed(int listener, uint16_t port, uint16_t peer)
{
	int fd = fact_bound(SOCK_STREAM, port), server;

	errno = fact_connect(fd, LO, peer);
	fact_need(!errno, "connect");
	server = accept_from(listener, port);
	close(fd);
	fact_await_state(port, peer, FACT_FIN_WAIT2);
	return server;
}

void fact_timewait(int listener, uint16_t port, uint16_t peer)
{
	close(fact_half_closed(listener, port, peer));
	fact_await_state(port, peer, FACT_TIME_WAIT);
}
