/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a program under the preload shim: the shared file, the environment, and who can be
 * preloaded.
 */
#include "src/preload/launch.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "src/base/auto.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define SCRIPT_DEPTH 4  /* interpreters of interpreters; the kernel stops at four, too */
#define HEADERS_MAX 256 /* program headers of one file */

#define HOW_TO_MEND "run it with --via bpf, as root"

#define HEAD_BYTES                                                                                 \
	((sizeof(struct berth_preload_file) + BERTH_PRELOAD_PAGE - 1) / BERTH_PRELOAD_PAGE *       \
	 BERTH_PRELOAD_PAGE)

static const char *own_dir(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	return dir && dir[0] == '/' ? dir : NULL;
}

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* Removes this user's file when nobody holds its lock: its owner was killed. */
static void sweep_file(int dir_fd, const char *name)
{
	struct stat st;
	berth_auto_fd int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		unlinkat(dir_fd, name, 0);
}

static void sweep(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)))
		if (starts_with(e->d_name, BERTH_PRELOAD_FILE_PREFIX))
			sweep_file(dirfd(d), e->d_name);
	closedir(d);
}

/*
 * A new file in dir, locked, with its head allocated. It gets its name last, so that a sweep
 * never sees it without the lock.
 */
static int make_file(const char *dir, uint64_t size, struct berth_preload *out)
{
	berth_auto_fd int fd = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	char self[64];
	uint32_t i;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) || ftruncate(fd, (off_t)size) ||
	    fallocate(fd, 0, 0, (off_t)HEAD_BYTES))
		return -errno;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	for (i = 0; i < 1000; i++) {
		int n = snprintf(out->path, sizeof(out->path), "%s/%s%u.%d.%u", dir,
				 BERTH_PRELOAD_FILE_PREFIX, (unsigned int)geteuid(), (int)getpid(),
				 i);

		if (n >= (int)sizeof(out->path))
			return -ENAMETOOLONG;
		if (!linkat(AT_FDCWD, self, AT_FDCWD, out->path, AT_SYMLINK_FOLLOW)) {
			out->fd = berth_take_fd(&fd);
			return 0;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static void read_range(struct berth_preload_file *f)
{
	berth_auto_file FILE *in = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	unsigned int first = 32768, last = 60999;

	if (in && fscanf(in, "%u %u", &first, &last) != 2)
		first = last = 0;
	f->range = (first & 0xffff) | last << 16;
}

/* What the kernel can do for us, and which namespace this is. */
static void ask_kernel(struct berth_preload_file *f)
{
	berth_auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(f->config.netns);
	uint32_t one_port = f->range;

	if (fd < 0)
		return;
	f->range_option = !setsockopt(fd, SOL_IP, IP_LOCAL_PORT_RANGE, &one_port, sizeof(one_port));
	if (!f->config.netns)
		getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &f->config.netns, &len);
}

static void fill(struct berth_preload_file *f, uint64_t size,
		 const struct berth_assign_config *config, const struct berth_portset *pool,
		 const struct berth_pool_entry *entries)
{
	f->abi = BERTH_PRELOAD_ABI;
	f->lanes = BERTH_PRELOAD_LANES;
	f->size = size;
	f->lanes_at = HEAD_BYTES;
	f->owner = (uint32_t)getpid();
	f->config = *config;
	f->pool = *pool;
	if (config->entries)
		memcpy(f->entry, entries, config->entries * sizeof(*entries));
	read_range(f);
	ask_kernel(f);
	__atomic_store_n(&f->magic, BERTH_PRELOAD_MAGIC, __ATOMIC_RELEASE);
}

static bool runs_from_build(void)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n <= 0)
		return false;
	exe[n] = '\0';
	return starts_with(exe, BERTH_PRELOAD_BUILD_ROOT "/");
}

/* Where the library is to be, and what mends it where it is not. */
struct place {
	const char *path, *mend;
};

static struct place library_place(void)
{
	const char *given = getenv("BERTH_PRELOAD_LIB");

	if (given && *given)
		return (struct place){ given,
				       "unset BERTH_PRELOAD_LIB, or name the library there" };
	if (runs_from_build())
		return (struct place){ BERTH_PRELOAD_BUILD_LIB, "build berth again: make" };
	return (struct place){ BERTH_PRELOAD_INSTALLED_LIB,
			       "install berth again, or set BERTH_PRELOAD_LIB" };
}

static int find_library(char out[PATH_MAX], struct berth_why *why)
{
	struct place place = library_place();

	if (access(place.path, R_OK) || !realpath(place.path, out))
		return berth_why(why, -errno, "%s: not readable (%s); %s", place.path,
				 strerror(errno), place.mend);
	if (strpbrk(out, ": \t\n"))
		return berth_why(
			why, -EINVAL,
			"%s: the loader cannot preload a path with a space or colon in it; move the "
			"library and set BERTH_PRELOAD_LIB",
			out);
	return 0;
}

static int check_config(const struct berth_assign_config *c, const struct berth_portset *pool,
			struct berth_why *why)
{
	if (!pool->count || berth_portset_has(pool, 0))
		return berth_why(why, -EINVAL,
				 "pool: no usable port is left in it; give --ports another set");
	if (c->entries > BERTH_POOL_MAX)
		return berth_why(why, -E2BIG,
				 "pool: %u addresses, %u are possible; give --pool prefixes",
				 c->entries, BERTH_POOL_MAX);
	if (c->policy >= BERTH_POLICY_COUNT || c->counters > BERTH_PRELOAD_COUNTERS ||
	    (c->counters & (c->counters - 1)))
		return berth_why(why, -EINVAL,
				 "policy %u with %u counters: not known to the preload path",
				 c->policy, c->counters);
	return 0;
}

int berth_preload_prepare(const struct berth_assign_config *config,
			  const struct berth_portset *pool, const struct berth_pool_entry *entries,
			  struct berth_preload *out, struct berth_why *why)
{
	const uint64_t size = HEAD_BYTES + (uint64_t)BERTH_PRELOAD_LANES * BERTH_PRELOAD_LANE_BYTES;
	const char *dirs[] = { "/dev/shm", own_dir() };
	struct berth_preload run = { .fd = -1 };
	int err = check_config(config, pool, why);
	void *map;
	size_t i;

	if (!err)
		err = find_library(run.library, why);
	if (err)
		return err;
	for (i = 0, err = -ENOENT; i < 2 && err; i++) {
		if (!dirs[i])
			continue;
		sweep(dirs[i]);
		err = make_file(dirs[i], size, &run);
	}
	if (err)
		return berth_why(
			why, err,
			"shared memory: no file can be made in /dev/shm or $XDG_RUNTIME_DIR (%s); mount a "
			"tmpfs at /dev/shm",
			strerror(-err));
	map = mmap(NULL, HEAD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, run.fd, 0);
	if (map == MAP_FAILED) {
		err = -errno;
		unlink(run.path);
		close(run.fd);
		return berth_why(why, err, "shared memory: %s cannot be mapped (%s)", run.path,
				 strerror(-err));
	}
	run.file = map;
	fill(run.file, size, config, pool, entries);
	*out = run;
	return 0;
}

static bool names_library(const char *list, const char *library)
{
	size_t len = strlen(library);
	const char *at = list;

	while ((at = strstr(at, library))) {
		if ((at == list || strchr(": ", at[-1])) && (!at[len] || strchr(": ", at[len])))
			return true;
		at += len;
	}
	return false;
}

int berth_preload_enter(const struct berth_preload *run, struct berth_why *why)
{
	const char *list = getenv("LD_PRELOAD");
	berth_auto_free char *both = NULL;

	if (list && *list && !names_library(list, run->library)) {
		if (asprintf(&both, "%s:%s", list, run->library) < 0) {
			both = NULL;
			return berth_why(why, -ENOMEM, "LD_PRELOAD: no memory for it");
		}
		list = both;
	} else if (!list || !*list) {
		list = run->library;
	}
	if (setenv("LD_PRELOAD", list, 1) || setenv(BERTH_PRELOAD_ENV, run->path, 1))
		return berth_why(why, -ENOMEM, "LD_PRELOAD: no memory for it");
	return 0;
}

void berth_preload_counters(const struct berth_preload *run, uint64_t out[BERTH_VERDICT_COUNT])
{
	int i;

	for (i = 0; i < BERTH_VERDICT_COUNT; i++)
		out[i] = __atomic_load_n(&run->file->verdict[i].n, __ATOMIC_RELAXED);
}

int berth_preload_read(const char *path, uint64_t out[BERTH_VERDICT_COUNT])
{
	berth_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct berth_preload run = { 0 };
	struct stat st;
	int err = 0;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (st.st_size < (off_t)HEAD_BYTES)
		return -EPROTO;
	run.file = mmap(NULL, HEAD_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (run.file == MAP_FAILED)
		return -errno;
	if (run.file->magic == BERTH_PRELOAD_MAGIC && run.file->abi == BERTH_PRELOAD_ABI)
		berth_preload_counters(&run, out);
	else
		err = -EPROTO;
	munmap(run.file, HEAD_BYTES);
	return err;
}

void berth_preload_remove(struct berth_preload *run)
{
	unlink(run->path);
	munmap(run->file, HEAD_BYTES);
	close(run->fd);
	run->file = NULL;
	run->fd = -1;
}

static int check(const char *path, int depth, struct berth_why *why);

/* As execvp(): a name with a slash is a path, another is looked for in PATH. */
static int find_program(const char *program, char out[PATH_MAX], struct berth_why *why)
{
	const char *dir = getenv("PATH"), *end;
	struct stat st;
	int err = -ENOENT;

	if (!*program)
		return berth_why(why, -ENOENT, "'': not a program");
	if (strchr(program, '/')) {
		snprintf(out, PATH_MAX, "%s", program);
		if (stat(out, &st))
			return berth_why(why, errno == ENOTDIR ? -ENOENT : -errno, "%s: %s",
					 program, strerror(errno));
		if (access(out, X_OK) || !S_ISREG(st.st_mode))
			return berth_why(why, -EACCES, "%s: not executable by this user", program);
		return 0;
	}
	for (dir = dir ? dir : "/bin:/usr/bin"; dir; dir = *end ? end + 1 : NULL) {
		end = strchrnul(dir, ':');
		if (snprintf(out, PATH_MAX, "%.*s%s%s", (int)(end - dir), dir,
			     end == dir ? "" : "/", program) >= PATH_MAX ||
		    stat(out, &st) || !S_ISREG(st.st_mode))
			continue;
		if (!access(out, X_OK))
			return 0;
		err = -EACCES;
	}
	return berth_why(why, err,
			 err == -EACCES ? "%s: not executable by this user"
					: "%s: not found in PATH",
			 program);
}

/* The loader leaves LD_PRELOAD out where executing the file gives privileges. */
static int check_privileges(int fd, const char *path, struct berth_why *why)
{
	struct statvfs fs;
	struct stat st;
	bool sets_id;

	if (fstat(fd, &st) || fstatvfs(fd, &fs))
		return berth_why(why, -errno, "%s: %s", path, strerror(errno));
	if (fs.f_flag & ST_NOSUID || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return 0;
	sets_id = (st.st_mode & S_ISUID && st.st_uid != getuid()) ||
		  ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
		   st.st_gid != getgid());
	if (!sets_id && (!getuid() || fgetxattr(fd, "security.capability", NULL, 0) <= 0))
		return 0;
	return berth_why(
		why, -ENOTSUP,
		"%s: gains privileges when executed, so the loader refuses to preload berth; " HOW_TO_MEND,
		path);
}

static ssize_t read_at(int fd, void *buf, size_t size, uint64_t at)
{
	return pread(fd, buf, size, (off_t)at);
}

/* The loader that the program names, "" for a static one. Only for files of our own class. */
static int read_interpreter(int fd, const ElfW(Ehdr) * h, char out[PATH_MAX])
{
	ElfW(Phdr) p;
	ssize_t n;
	unsigned int i;

	out[0] = '\0';
	if (h->e_phentsize != sizeof(p) || h->e_phnum > HEADERS_MAX)
		return -ENOEXEC;
	for (i = 0; i < h->e_phnum; i++) {
		if (read_at(fd, &p, sizeof(p), h->e_phoff + (uint64_t)i * sizeof(p)) != sizeof(p))
			return -ENOEXEC;
		if (p.p_type != PT_INTERP)
			continue;
		if (!p.p_filesz || p.p_filesz >= PATH_MAX)
			return -ENOEXEC;
		n = read_at(fd, out, p.p_filesz, p.p_offset);
		out[n < 0 ? 0 : n] = '\0';
		return n == (ssize_t)p.p_filesz ? 0 : -ENOEXEC;
	}
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The loader of this process: the shim was built for the same one. */
static void own_interpreter(char out[PATH_MAX])
{
	berth_auto_fd int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ElfW(Ehdr) h;

	out[0] = '\0';
	if (fd >= 0 && read_at(fd, &h, sizeof(h), 0) == sizeof(h))
		read_interpreter(fd, &h, out);
}

/* Reads to the end; what does not fit into text is left out. */
static void read_all(int fd, char *text, size_t size)
{
	char rest[512];
	size_t len = 0;
	ssize_t n;

	do {
		n = len + 1 < size ? read(fd, text + len, size - 1 - len)
				   : read(fd, rest, sizeof(rest));
		if (n > 0 && len + 1 < size)
			len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	text[len] = '\0';
}

/* Starts the loader of this process with "--list library"; said: what it prints. Its wait status, or -errno. */
static int ask_loader(const char *library, char *said, size_t size)
{
	char loader[PATH_MAX];
	char *const argv[] = { loader, "--list", (char *)library, NULL };
	char *const envp[] = { NULL };
	posix_spawn_file_actions_t to_pipe;
	int end[2], err, status = -ECHILD;
	pid_t pid;

	own_interpreter(loader);
	if (pipe2(end, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&to_pipe);
	posix_spawn_file_actions_adddup2(&to_pipe, end[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&to_pipe, end[1], STDERR_FILENO);
	err = posix_spawn(&pid, loader, &to_pipe, NULL, argv, envp);
	posix_spawn_file_actions_destroy(&to_pipe);
	close(end[1]);
	if (!err) {
		read_all(end[0], said, size);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(end[0]);
	return err ? -err : status;
}

int berth_preload_check_library(char out_path[PATH_MAX], struct berth_why *why)
{
	static const char head[] = "error while loading shared libraries: ";
	char path[PATH_MAX], said[1024] = "", *reason;
	int err = find_library(path, why), status;

	if (err)
		return err;
	status = ask_loader(path, said, sizeof(said));
	if (!status) {
		memcpy(out_path, path, sizeof(path));
		return 0;
	}
	reason = strstr(said, head);
	reason = reason ? reason + strlen(head) : said;
	reason[strcspn(reason, "\n")] = '\0';
	return berth_why(why, status < 0 ? status : -ELIBBAD, "%s: the loader refuses it (%s); %s",
			 path,
			 status < 0            ? strerror(-status)
			 : WIFSIGNALED(status) ? strsignal(WTERMSIG(status))
					       : reason,
			 library_place().mend);
}

static int check_elf(int fd, const char *path, const ElfW(Ehdr) * h, struct berth_why *why)
{
	const int class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	char theirs[PATH_MAX], ours[PATH_MAX];
	berth_auto_fd int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ElfW(Ehdr) own;

	if (self < 0 || read_at(self, &own, sizeof(own), 0) != sizeof(own))
		return berth_why(why, -EIO, "/proc/self/exe: not readable; mount /proc");
	if (h->e_ident[EI_CLASS] != class || h->e_machine != own.e_machine)
		return berth_why(
			why, -ENOTSUP,
			"%s: built for another architecture than berth, so the loader cannot preload it; " HOW_TO_MEND,
			path);
	if (read_interpreter(fd, h, theirs) < 0)
		return berth_why(why, -ENOEXEC, "%s: damaged ELF file", path);
	if (!theirs[0])
		return berth_why(
			why, -ENOTSUP,
			"%s: statically linked, so there is no loader that could preload berth; " HOW_TO_MEND,
			path);
	own_interpreter(ours);
	if (ours[0] && strcmp(base_name(ours), base_name(theirs)))
		return berth_why(
			why, -ENOTSUP,
			"%s: uses the C library of %s and berth was built for %s; " HOW_TO_MEND,
			path, theirs, ours);
	return check_privileges(fd, path, why);
}

/* Script: "#!interpreter argument"; with env as interpreter the argument names the program. */
static int check_script(char *line, const char *path, int depth, struct berth_why *why)
{
	char found[PATH_MAX];
	char *save = NULL, *interpreter, *argument;
	int err;

	line[strcspn(line, "\n")] = '\0';
	interpreter = strtok_r(line + 2, " \t", &save);
	argument = strtok_r(NULL, " \t", &save);
	if (!interpreter)
		return berth_why(why, -ENOEXEC, "%s: script without an interpreter after #!", path);
	if (depth >= SCRIPT_DEPTH)
		return berth_why(why, -ELOOP, "%s: interpreters of interpreters without end", path);
	err = find_program(interpreter, found, why);
	if (!err)
		err = check(found, depth + 1, why);
	if (!err && argument && argument[0] != '-' && !strchr(argument, '=') &&
	    !strcmp(base_name(interpreter), "env")) {
		err = find_program(argument, found, why);
		if (!err)
			err = check(found, depth + 1, why);
	}
	return err;
}

static int check(const char *path, int depth, struct berth_why *why)
{
	berth_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	union {
		ElfW(Ehdr) h;
		char text[PATH_MAX];
	} head;
	ssize_t n;

	if (fd < 0)
		return berth_why(
			why, -errno,
			"%s: executable but not readable (%s), so berth cannot tell whether it can be preloaded",
			path, strerror(errno));
	n = read_at(fd, head.text, sizeof(head.text) - 1, 0);
	if (n < 0)
		return berth_why(why, -errno, "%s: %s", path, strerror(errno));
	head.text[n] = '\0';
	if (n >= (ssize_t)sizeof(head.h) && !memcmp(head.h.e_ident, ELFMAG, SELFMAG))
		return check_elf(fd, path, &head.h, why);
	if (!strncmp(head.text, "#!", 2))
		return check_script(head.text, path, depth, why);
	/* execvp() gives what the kernel does not know to the shell. */
	return depth ? berth_why(why, -ENOEXEC, "%s: neither ELF nor a script", path)
		     : check("/bin/sh", depth + 1, why);
}

int berth_preload_check_program(const char *program, struct berth_why *why)
{
	char path[PATH_MAX];
	int err = find_program(program, path, why);

	return err ? err : check(path, 0, why);
}
