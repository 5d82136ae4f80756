/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls of the shim's own: past the C library, so that none is a cancellation point that
 * the program did not have, and none comes back to the shim. Each returns >= 0 or -errno, and
 * leaves errno alone.
 */
#ifndef BERTH_PRELOAD_SYS_H
#define BERTH_PRELOAD_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BERTH_SYS(...)                                                                             \
	({                                                                                         \
		int sys_errno_ = errno;                                                            \
		long sys_result_ = syscall(__VA_ARGS__);                                           \
                                                                                                   \
		if (sys_result_ < 0)                                                               \
			sys_result_ = -errno;                                                      \
		errno = sys_errno_;                                                                \
		sys_result_;                                                                       \
	})

static inline int sys_socket(int family, int type, int protocol)
{
	return (int)BERTH_SYS(SYS_socket, family, type | SOCK_CLOEXEC, protocol);
}

static inline int sys_close(int fd)
{
	return (int)BERTH_SYS(SYS_close, fd);
}

static inline int sys_connect(int fd, const void *addr, socklen_t len)
{
	return (int)BERTH_SYS(SYS_connect, fd, addr, len);
}

static inline int sys_bind(int fd, const void *addr, socklen_t len)
{
	return (int)BERTH_SYS(SYS_bind, fd, addr, len);
}

static inline int sys_getsockname(int fd, void *addr, socklen_t *len)
{
	return (int)BERTH_SYS(SYS_getsockname, fd, addr, len);
}

/* An option whose value is no negative int; negative is -errno. */
static inline int sys_get_int(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);
	int err = (int)BERTH_SYS(SYS_getsockopt, fd, level, name, &value, &len);

	return err < 0 ? err : value;
}

static inline int sys_set_int(int fd, int level, int name, int value)
{
	return (int)BERTH_SYS(SYS_setsockopt, fd, level, name, &value, sizeof(value));
}

/* A cookie option of 64 bits; 0 where the kernel has none. */
static inline uint64_t sys_get_u64(int fd, int name)
{
	uint64_t value = 0;
	socklen_t len = sizeof(value);

	return BERTH_SYS(SYS_getsockopt, fd, SOL_SOCKET, name, &value, &len) < 0 ? 0 : value;
}

static inline uint32_t sys_pid(void)
{
	return (uint32_t)BERTH_SYS(SYS_getpid);
}

static inline uint32_t sys_tid(void)
{
	return (uint32_t)BERTH_SYS(SYS_gettid);
}

static inline uint64_t sys_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
