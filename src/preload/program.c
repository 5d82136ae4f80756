/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the loader will put the shim into a program: reads its ELF header, or its script's interpreter. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../base/auto.h"
#include "launch.h"

#define SCRIPT_DEPTH 4	/* interpreters of interpreters; the kernel stops at four, too */
#define HEADERS_MAX 256 /* program headers of one file */

#define HOW_TO_MEND "run it with --via bpf, as root"

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
			return berth_why(why, errno == ENOTDIR ? -ENOENT : -errno, "%s: %s", program,
					 strerror(errno));
		if (access(out, X_OK) || !S_ISREG(st.st_mode))
			return berth_why(why, -EACCES, "%s: not executable by this user", program);
		return 0;
	}
	for (dir = dir ? dir : "/bin:/usr/bin"; dir; dir = *end ? end + 1 : NULL) {
		end = strchrnul(dir, ':');
		if (snprintf(out, PATH_MAX, "%.*s%s%s", (int)(end - dir), dir, end == dir ? "" : "/",
			     program) >= PATH_MAX || stat(out, &st) || !S_ISREG(st.st_mode))
			continue;
		if (!access(out, X_OK))
			return 0;
		err = -EACCES;
	}
	return berth_why(why, err, err == -EACCES ? "%s: not executable by this user" : "%s: not found in PATH",
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
		  ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != getgid());
	if (!sets_id && (!getuid() || fgetxattr(fd, "security.capability", NULL, 0) <= 0))
		return 0;
	return berth_why(why, -ENOTSUP,
			 "%s: gains privileges when executed, so the loader refuses to preload berth; " HOW_TO_MEND,
			 path);
}

static ssize_t read_at(int fd, void *buf, size_t size, uint64_t at)
{
	return pread(fd, buf, size, (off_t)at);
}

/* The loader that the program names, "" for a static one. Only for files of our own class. */
static int read_interpreter(int fd, const ElfW(Ehdr) *h, char out[PATH_MAX])
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
	berth_auto_fd fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ElfW(Ehdr) h;

	out[0] = '\0';
	if (fd >= 0 && read_at(fd, &h, sizeof(h), 0) == sizeof(h))
		read_interpreter(fd, &h, out);
}

static int check_elf(int fd, const char *path, const ElfW(Ehdr) *h, struct berth_why *why)
{
	const int class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	char theirs[PATH_MAX], ours[PATH_MAX];
	berth_auto_fd self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ElfW(Ehdr) own;

	if (self < 0 || read_at(self, &own, sizeof(own), 0) != sizeof(own))
		return berth_why(why, -EIO, "/proc/self/exe: not readable; mount /proc");
	if (h->e_ident[EI_CLASS] != class || h->e_machine != own.e_machine)
		return berth_why(why, -ENOTSUP,
				 "%s: built for another architecture than berth, so the loader cannot preload it; "
				 HOW_TO_MEND, path);
	if (read_interpreter(fd, h, theirs) < 0)
		return berth_why(why, -ENOEXEC, "%s: damaged ELF file", path);
	if (!theirs[0])
		return berth_why(why, -ENOTSUP,
				 "%s: statically linked, so there is no loader that could preload berth; " HOW_TO_MEND,
				 path);
	own_interpreter(ours);
	if (ours[0] && strcmp(base_name(ours), base_name(theirs)))
		return berth_why(why, -ENOTSUP,
				 "%s: uses the C library of %s and berth was built for %s; " HOW_TO_MEND, path,
				 theirs, ours);
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
	berth_auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	union {
		ElfW(Ehdr) h;
		char text[PATH_MAX];
	} head;
	ssize_t n;

	if (fd < 0)
		return berth_why(why, -errno,
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
	return depth ? berth_why(why, -ENOEXEC, "%s: neither ELF nor a script", path) :
		       check("/bin/sh", depth + 1, why);
}

int berth_preload_check_program(const char *program, struct berth_why *why)
{
	char path[PATH_MAX];
	int err = find_program(program, path, why);

	return err ? err : check(path, 0, why);
}
