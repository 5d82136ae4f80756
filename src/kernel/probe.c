/* SPDX-License-Identifier: BSD-2-Clause */
/* What this host offers to berth: one row for each fact, and how each is found. */
#include "src/kernel/probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/inet_diag.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/kernel/file.h"
#include "src/kernel/proctext.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* linux/in.h from 6.3 on */
#endif

#define OLDEST_RELEASE 6001     /* 6.1 as berth_release_parse() gives it */
#define NARROW_EPHEMERAL 16384u /* fewer ports than half of the kernel's default range */
#define FEW_DESCRIPTORS 16384u

#define REMEDY_KERNEL                                                                              \
	"boot a kernel >= 6.1 with CONFIG_BPF_SYSCALL, CONFIG_CGROUP_BPF and CONFIG_DEBUG_INFO_BTF"
#define REMEDY_PRIVILEGE                                                                           \
	"run as root, or: setcap cap_bpf,cap_net_admin,cap_perfmon,cap_dac_override+ep "           \
	"\"$(command -v berth)\""
#define REMEDY_CONTAINER                                                                           \
	"start it outside of the user namespace or container, or allow bpf() there: "              \
	"CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON on the host, a seccomp filter that lets bpf() pass"
#define COST_NO_BPF "`berth run` has to use the preload path, which static programs pass by"

struct row {
	const char *name;
	enum berth_need need;
	enum berth_health (*find)(const struct row *row, struct berth_fact *fact);
	const char *cost;
	const char *remedy;
	enum bpf_prog_type prog_type;
	enum bpf_attach_type attach_type;
	enum bpf_func_id helper;
};

static void say(char *into, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes one text of a fact, all of which have the same size, cut where it is too long. */
static void say(char *into, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(into, sizeof(((struct berth_fact *)NULL)->value), format, ap);
	va_end(ap);
}

/* A file's text without the newline at its end, to be freed; NULL with errno where unreadable. */
static char *read_text(const char *path)
{
	char *text = NULL;
	int err = berth_file_read(path, &text);
	size_t len = err ? 0 : strlen(text);

	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	errno = -err;
	return err ? NULL : text;
}

/* A file that holds one number, as most of /proc/sys does; -errno where it cannot be read. */
static int read_number(const char *path)
{
	berth_auto_free char *text = read_text(path);

	return text ? atoi(text) : -errno;
}

static const struct {
	cap_value_t cap;
	const char *name;
} capabilities[] = {
	{ CAP_BPF, "CAP_BPF" },
	{ CAP_NET_ADMIN, "CAP_NET_ADMIN" },
	{ CAP_PERFMON, "CAP_PERFMON" },
};

static bool has_capability(cap_t caps, cap_value_t cap)
{
	cap_flag_value_t has = CAP_CLEAR, admin = CAP_CLEAR;

	cap_get_flag(caps, cap, CAP_EFFECTIVE, &has);
	/* The kernel takes CAP_SYS_ADMIN for the two that were split off from it. */
	if (cap != CAP_NET_ADMIN)
		cap_get_flag(caps, CAP_SYS_ADMIN, CAP_EFFECTIVE, &admin);
	return has == CAP_SET || admin == CAP_SET;
}

/* True where no capability that berth asks for is missing; missing (or NULL) names the others. */
static bool all_capabilities(char *missing, size_t size)
{
	cap_t caps = cap_get_proc();
	size_t len = 0;
	bool all = true;

	for (size_t i = 0; caps && i < sizeof(capabilities) / sizeof(capabilities[0]); i++) {
		if (has_capability(caps, capabilities[i].cap))
			continue;
		all = false;
		if (missing && len < size)
			len += (size_t)snprintf(missing + len, size - len, "%s%s", len ? " " : "",
						capabilities[i].name);
	}
	cap_free(caps);
	return caps && all;
}

/* Fills a fact about something that the kernel refused with the given errno. */
static enum berth_health refused(struct berth_fact *fact, int err)
{
	bool privilege = err == EPERM || err == EACCES;

	say(fact->value, "refused: %s", strerror(err));
	if (privilege)
		say(fact->remedy, "%s",
		    all_capabilities(NULL, 0) ? REMEDY_CONTAINER : REMEDY_PRIVILEGE);
	return BERTH_HEALTH_MISSING;
}

static enum berth_health find_release(const struct row *row, struct berth_fact *fact)
{
	struct utsname name;
	int release;

	(void)row;
	uname(&name);
	release = berth_release_parse(name.release);
	say(fact->value, "%s", name.release);
	return release >= OLDEST_RELEASE ? BERTH_HEALTH_OK : BERTH_HEALTH_DEGRADED;
}

/* The caller's cgroup, below which `berth run` makes one: its path, and whether its mount is rw. */
static int own_cgroup(char *out_path, size_t size, bool *out_rw)
{
	berth_auto_free char *mounts = read_text("/proc/self/mounts");
	berth_auto_free char *own = read_text("/proc/self/cgroup");
	int err = mounts ? berth_mounts_find(mounts, "cgroup2", out_path, size, out_rw) : -ENOENT;
	size_t len = err ? 0 : strlen(out_path);

	if (!err && own)
		err = berth_own_cgroup_parse(own, out_path + len, size - len);
	return err;
}

static enum berth_health find_cgroup(const struct row *row, struct berth_fact *fact)
{
	char path[PATH_MAX];
	bool rw = false;

	(void)row;
	if (own_cgroup(path, sizeof(path), &rw)) {
		say(fact->value, "not mounted");
		return BERTH_HEALTH_MISSING;
	}
	say(fact->value, "%s", path);
	if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0)
		return BERTH_HEALTH_OK;
	say(fact->value, "%s, not writable: %s", path, strerror(errno));
	if (rw)
		say(fact->remedy, "%s", REMEDY_PRIVILEGE);
	else
		say(fact->remedy, "mount -o remount,rw \"$(findmnt -nt cgroup2 -o TARGET)\"");
	return BERTH_HEALTH_MISSING;
}

static enum berth_health find_capabilities(const struct row *row, struct berth_fact *fact)
{
	char missing[128] = "";

	(void)row;
	if (all_capabilities(missing, sizeof(missing))) {
		say(fact->value, "CAP_BPF CAP_NET_ADMIN CAP_PERFMON");
		return BERTH_HEALTH_OK;
	}
	say(fact->value, "without %s", missing);
	return BERTH_HEALTH_MISSING;
}

static enum berth_health find_sharing(const struct row *row, struct berth_fact *fact)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t has = CAP_CLEAR;

	(void)row;
	if (caps)
		cap_get_flag(caps, CAP_SYS_ADMIN, CAP_EFFECTIVE, &has);
	cap_free(caps);
	say(fact->value, "%s CAP_SYS_ADMIN", has == CAP_SET ? "with" : "without");
	return has == CAP_SET ? BERTH_HEALTH_OK : BERTH_HEALTH_DEGRADED;
}

static enum berth_health find_bpf_call(const struct row *row, struct berth_fact *fact)
{
	berth_auto_fd int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "berth_probe", 4, 4, 1, NULL);
	enum berth_health health = BERTH_HEALTH_OK;
	int disabled = read_number("/proc/sys/kernel/unprivileged_bpf_disabled");
	size_t len;

	(void)row;
	say(fact->value, "permitted");
	if (fd < 0)
		health = refused(fact, -fd);
	len = strlen(fact->value);
	if (disabled >= 0)
		snprintf(fact->value + len, sizeof(fact->value) - len,
			 ", unprivileged_bpf_disabled=%d", disabled);
	return health;
}

static enum berth_health find_lockdown(const struct row *row, struct berth_fact *fact)
{
	berth_auto_free char *text = read_text("/sys/kernel/security/lockdown");
	const char *word = "none";
	int len = text ? berth_bracketed(text, &word) : -ENOENT;

	(void)row;
	if (len < 0) {
		say(fact->value, "none visible");
		return BERTH_HEALTH_OK;
	}
	say(fact->value, "%.*s", len, word);
	return strncmp(word, "confidentiality", (size_t)len) ? BERTH_HEALTH_OK
							     : BERTH_HEALTH_DEGRADED;
}

/* Loads a program and lets go of it; 0, or negative errno. log may be NULL. */
static int try_load(const struct row *row, const struct bpf_insn *insns, size_t count, char *log,
		    size_t log_size)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = row->attach_type,
		    .log_buf = log, .log_size = (uint32_t)log_size, .log_level = log ? 1 : 0);
	berth_auto_fd int fd = -1;

	if (log)
		log[0] = '\0';
	if (row->attach_type == BPF_TRACE_ITER) {
		libbpf_print_fn_t print = libbpf_set_print(NULL);
		int id = libbpf_find_vmlinux_btf_id("tcp", BPF_TRACE_ITER);

		libbpf_set_print(print);
		if (id < 0)
			return id;
		opts.attach_btf_id = (uint32_t)id;
	}
	fd = bpf_prog_load(row->prog_type, NULL, "Dual BSD/GPL", insns, count, &opts);
	return fd < 0 ? fd : 0;
}

static enum berth_health find_program(const struct row *row, struct berth_fact *fact)
{
	/* return 1: within the range of verdicts of every type in the table */
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int err = try_load(row, insns, 2, NULL, 0);

	if (err)
		return refused(fact, -err);
	say(fact->value, "loads");
	return BERTH_HEALTH_OK;
}

/* The kernel's three ways to say that a helper is not there, or not for this type of program. */
static bool log_says_no_helper(const char *log)
{
	return strstr(log, "invalid func ") || strstr(log, "unknown func ") ||
	       strstr(log, "program of this type cannot use helper ");
}

/*
 * Calls the helper without arguments: the verifier looks the helper up before it looks at those,
 * so any other complaint means that the helper is there. (libbpf's own probe does not know the
 * third message, and takes EPERM for a yes.)
 */
static enum berth_health find_helper(const struct row *row, struct berth_fact *fact)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = row->helper },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	char log[4096];
	int err = try_load(row, insns, 3, log, sizeof(log));

	if (err && log_says_no_helper(log)) {
		say(fact->value, "not in this kernel");
		return BERTH_HEALTH_MISSING;
	}
	if (err && !log[0])
		return refused(fact, -err);
	say(fact->value, "there");
	return BERTH_HEALTH_OK;
}

static enum berth_health find_btf(const struct row *row, struct berth_fact *fact)
{
	const char *path = "/sys/kernel/btf/vmlinux";

	(void)row;
	say(fact->value, "%s", path);
	if (faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0)
		return BERTH_HEALTH_OK;
	say(fact->value, "%s: %s", path, strerror(errno));
	return BERTH_HEALTH_MISSING;
}

/* Asks sock_diag for the listening socket at this address; 0 where it answers with that socket. */
static int ask_sock_diag(const struct sockaddr_in *addr)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 body;
	} ask = {
		.head = { .nlmsg_len = sizeof(ask),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST },
		.body = { .sdiag_family = AF_INET,
			  .sdiag_protocol = IPPROTO_TCP,
			  .idiag_states = ~0u },
	};
	union {
		struct nlmsghdr head;
		char bytes[4096];
	} answer;
	berth_auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	ssize_t n;

	ask.body.id.idiag_sport = addr->sin_port;
	ask.body.id.idiag_src[0] = addr->sin_addr.s_addr;
	ask.body.id.idiag_cookie[0] = ask.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	if (fd < 0 || send(fd, &ask, sizeof(ask), 0) < 0)
		return -errno;
	n = recv(fd, &answer, sizeof(answer), 0);
	if (n < 0)
		return -errno;
	if ((size_t)n < sizeof(answer.head) || answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return -ENOENT;
	return 0;
}

static enum berth_health find_sock_diag(const struct row *row, struct berth_fact *fact)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(addr);
	berth_auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = 0;

	(void)row;
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		err = -errno;
	else
		err = ask_sock_diag(&addr);
	if (err) {
		say(fact->value, "does not answer: %s", strerror(-err));
		return BERTH_HEALTH_MISSING;
	}
	say(fact->value, "answers");
	return BERTH_HEALTH_OK;
}

static enum berth_health find_range_option(const struct row *row, struct berth_fact *fact)
{
	berth_auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint32_t one_port = 40000u << 16 | 40000u;

	(void)row;
	if (fd < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &one_port, sizeof(one_port))) {
		say(fact->value, "not in this kernel: %s", strerror(errno));
		return BERTH_HEALTH_DEGRADED;
	}
	say(fact->value, "there");
	return BERTH_HEALTH_OK;
}

/* The ephemeral range of this network namespace; -errno where it cannot be read. */
static int ephemeral_range(struct berth_range *out)
{
	berth_auto_free char *text = read_text("/proc/sys/net/ipv4/ip_local_port_range");

	return text ? berth_local_range_parse(text, out) : -errno;
}

static enum berth_health find_ephemeral(const struct row *row, struct berth_fact *fact)
{
	struct berth_range range;
	int err = ephemeral_range(&range);

	(void)row;
	if (err) {
		say(fact->value, "unknown: %s", strerror(-err));
		return BERTH_HEALTH_DEGRADED;
	}
	say(fact->value, "%u-%u, %u ports", range.first, range.last, berth_range_len(range));
	return berth_range_len(range) < NARROW_EPHEMERAL ? BERTH_HEALTH_DEGRADED : BERTH_HEALTH_OK;
}

/* Reads ip_local_reserved_ports into set; -errno where that fails. */
static int reserved_ports(struct berth_portset *set)
{
	berth_auto_free char *text = read_text("/proc/sys/net/ipv4/ip_local_reserved_ports");
	struct berth_range_error where;

	memset(set, 0, sizeof(*set));
	if (!text)
		return -errno;
	return *text ? berth_portset_parse(text, set, &where) : 0;
}

static enum berth_health find_reserved(const struct row *row, struct berth_fact *fact)
{
	struct berth_portset set;
	int err = reserved_ports(&set);
	char text[160];

	(void)row;
	if (err) {
		say(fact->value, "unknown: %s", strerror(-err));
		return BERTH_HEALTH_DEGRADED;
	}
	if (!set.count)
		say(fact->value, "none");
	else if (berth_portset_format(&set, text, sizeof(text)) < sizeof(text))
		say(fact->value, "%s (%u)", text, set.count);
	else
		say(fact->value, "%u ports", set.count);
	return BERTH_HEALTH_OK;
}

static enum berth_health find_bpffs(const struct row *row, struct berth_fact *fact)
{
	const char *path = "/sys/fs/bpf";
	struct statfs fs;

	(void)row;
	if (statfs(path, &fs) || fs.f_type != BPF_FS_MAGIC) {
		say(fact->value, "not mounted at %s", path);
		return BERTH_HEALTH_DEGRADED;
	}
	say(fact->value, "%s", path);
	return BERTH_HEALTH_OK;
}

static enum berth_health find_tw_reuse(const struct row *row, struct berth_fact *fact)
{
	static const char *const meaning[] = { "never", "always", "on loopback" };
	int value = read_number("/proc/sys/net/ipv4/tcp_tw_reuse");

	(void)row;
	if (value < 0)
		say(fact->value, "unknown: %s", strerror(-value));
	else
		say(fact->value, "%d (%s)", value, value <= 2 ? meaning[value] : "?");
	return value > 0 ? BERTH_HEALTH_OK : BERTH_HEALTH_DEGRADED;
}

static enum berth_health find_timestamps(const struct row *row, struct berth_fact *fact)
{
	int value = read_number("/proc/sys/net/ipv4/tcp_timestamps");

	(void)row;
	if (value < 0)
		say(fact->value, "unknown: %s", strerror(-value));
	else
		say(fact->value, "%d", value);
	return value > 0 ? BERTH_HEALTH_OK : BERTH_HEALTH_DEGRADED;
}

static enum berth_health find_unprivileged_start(const struct row *row, struct berth_fact *fact)
{
	int value = read_number("/proc/sys/net/ipv4/ip_unprivileged_port_start");

	(void)row;
	if (value < 0)
		say(fact->value, "unknown: %s", strerror(-value));
	else
		say(fact->value, "%d", value);
	return value >= 0 && value <= 1024 ? BERTH_HEALTH_OK : BERTH_HEALTH_DEGRADED;
}

static enum berth_health find_descriptors(const struct row *row, struct berth_fact *fact)
{
	struct rlimit limit;

	(void)row;
	getrlimit(RLIMIT_NOFILE, &limit);
	say(fact->value, "%llu, may be raised to %llu", (unsigned long long)limit.rlim_cur,
	    (unsigned long long)limit.rlim_max);
	if (limit.rlim_cur >= FEW_DESCRIPTORS)
		return BERTH_HEALTH_OK;
	say(fact->cost, "one process can hold %llu connections at most",
	    (unsigned long long)limit.rlim_cur);
	if (limit.rlim_max > limit.rlim_cur)
		say(fact->remedy, "ulimit -n %llu", (unsigned long long)limit.rlim_max);
	return BERTH_HEALTH_DEGRADED;
}

/* clang-format off */
#define BPF_ROW(text, need_id, type, attach)                                                       \
	{ .name = text, .need = BERTH_NEED_##need_id, .find = find_program, .cost = COST_NO_BPF,   \
	 .remedy = REMEDY_KERNEL, .prog_type = BPF_PROG_TYPE_##type, .attach_type = BPF_##attach }
#define GRANT_ROW(text, attach)                                                                    \
	{ .name = text, .need = BERTH_NEED_USEFUL, .find = find_program,                           \
	 .cost = "`berth grant` cannot enforce its rules", .remedy = REMEDY_KERNEL,                \
	 .prog_type = BPF_PROG_TYPE_CGROUP_SOCK, .attach_type = BPF_CGROUP_##attach }
#define HELPER_ROW(text, id, type, attach)                                                         \
	{ .name = text, .need = BERTH_NEED_BPF, .find = find_helper, .cost = COST_NO_BPF,          \
	 .remedy = REMEDY_KERNEL, .prog_type = BPF_PROG_TYPE_##type, .attach_type = BPF_##attach,  \
	 .helper = BPF_FUNC_##id }

static const struct row rows[] = {
	{ .name = "kernel", .need = BERTH_NEED_USEFUL, .find = find_release,
	 .cost = "older than 6.1, where berth has not been tried", .remedy = REMEDY_KERNEL },
	{ .name = "cgroup v2", .need = BERTH_NEED_BPF, .find = find_cgroup, .cost = COST_NO_BPF,
	 .remedy = "mkdir -p /sys/fs/cgroup/unified && "
		   "mount -t cgroup2 none /sys/fs/cgroup/unified" },
	{ .name = "capabilities", .need = BERTH_NEED_BPF, .find = find_capabilities,
	 .cost = COST_NO_BPF, .remedy = REMEDY_PRIVILEGE },
	{ .name = "bpf()", .need = BERTH_NEED_BPF, .find = find_bpf_call, .cost = COST_NO_BPF,
	 .remedy = REMEDY_KERNEL },
	{ .name = "shared lanes", .need = BERTH_NEED_USEFUL, .find = find_sharing,
	 .cost = "a second run beside another one cannot share its lanes",
	 .remedy = "run as root; a run opens the maps of another by their ids" },
	{ .name = "lockdown", .need = BERTH_NEED_USEFUL, .find = find_lockdown,
	 .cost = "in confidentiality mode the kernel refuses BPF programs that read its memory",
	 .remedy = "boot without lockdown=confidentiality" },
	{ .name = "kernel BTF", .need = BERTH_NEED_BPF, .find = find_btf, .cost = COST_NO_BPF,
	 .remedy = "boot a kernel built with CONFIG_DEBUG_INFO_BTF" },
	BPF_ROW("BPF connect4", BPF, CGROUP_SOCK_ADDR, CGROUP_INET4_CONNECT),
	BPF_ROW("BPF connect6", BPF, CGROUP_SOCK_ADDR, CGROUP_INET6_CONNECT),
	BPF_ROW("BPF bind4", BPF, CGROUP_SOCK_ADDR, CGROUP_INET4_BIND),
	BPF_ROW("BPF bind6", BPF, CGROUP_SOCK_ADDR, CGROUP_INET6_BIND),
	BPF_ROW("BPF sock_release", BPF, CGROUP_SOCK, CGROUP_INET_SOCK_RELEASE),
	HELPER_ROW("bpf_bind", bind, CGROUP_SOCK_ADDR, CGROUP_INET4_CONNECT),
	HELPER_ROW("bpf_skc_lookup_tcp", skc_lookup_tcp, CGROUP_SOCK_ADDR, CGROUP_INET4_CONNECT),
	HELPER_ROW("bpf_skc_to_tcp_timewait_sock", skc_to_tcp_timewait_sock, CGROUP_SOCK_ADDR,
		   CGROUP_INET4_CONNECT),
	HELPER_ROW("bpf_get_retval", get_retval, CGROUP_SOCK_ADDR, CGROUP_INET4_CONNECT),
	HELPER_ROW("bpf_get_netns_cookie", get_netns_cookie, CGROUP_SOCK_ADDR,
		   CGROUP_INET4_CONNECT),
	HELPER_ROW("bpf_loop", loop, CGROUP_SOCK_ADDR, CGROUP_INET4_CONNECT),
	HELPER_ROW("bpf_probe_read_kernel", probe_read_kernel, CGROUP_SOCK_ADDR,
		   CGROUP_INET4_CONNECT),
	HELPER_ROW("bpf_set_retval", set_retval, CGROUP_SOCK_ADDR, CGROUP_INET4_CONNECT),
	GRANT_ROW("BPF post_bind4", INET4_POST_BIND),
	GRANT_ROW("BPF post_bind6", INET6_POST_BIND),
	{ .name = "BPF file system", .need = BERTH_NEED_USEFUL, .find = find_bpffs,
	 .cost = "`berth grant` has no place to pin its rules at",
	 .remedy = "mount -t bpf bpf /sys/fs/bpf" },
	BPF_ROW("BPF iter/tcp", SPARE, TRACING, TRACE_ITER),
	BPF_ROW("BPF sk_lookup", SPARE, SK_LOOKUP, SK_LOOKUP),
	BPF_ROW("BPF xdp", SPARE, XDP, XDP),
	{ .name = "sock_diag", .need = BERTH_NEED_PRELOAD, .find = find_sock_diag,
	 .cost = "the preload path cannot tell which ports beyond the ephemeral range are free",
	 .remedy = "modprobe tcp_diag" },
	{ .name = "IP_LOCAL_PORT_RANGE", .need = BERTH_NEED_USEFUL, .find = find_range_option,
	 .cost = "the preload path cannot assign ports inside the ephemeral range",
	 .remedy = "boot a kernel >= 6.3" },
	{ .name = "ip_local_port_range", .need = BERTH_NEED_USEFUL, .find = find_ephemeral,
	 .cost = "programs that do not run under berth have few ports toward one destination",
	 .remedy = "sysctl -w net.ipv4.ip_local_port_range='32768 60999'" },
	{ .name = "ip_local_reserved_ports", .need = BERTH_NEED_USEFUL, .find = find_reserved,
	 .cost = "`berth run` cannot keep off the reserved ports",
	 .remedy = "mount -t proc proc /proc" },
	{ .name = "tcp_tw_reuse", .need = BERTH_NEED_USEFUL, .find = find_tw_reuse,
	 .cost = "ports that the kernel chooses, also for the preload path, rest 60 s once closed",
	 .remedy = "sysctl -w net.ipv4.tcp_tw_reuse=2" },
	{ .name = "tcp_timestamps", .need = BERTH_NEED_USEFUL, .find = find_timestamps,
	 .cost = "a closed connection keeps its port for 60 s: no quick reuse, under berth neither",
	 .remedy = "sysctl -w net.ipv4.tcp_timestamps=1" },
	{ .name = "ip_unprivileged_port_start", .need = BERTH_NEED_USEFUL,
	 .find = find_unprivileged_start,
	 .cost = "pool ports below it are refused to programs without CAP_NET_BIND_SERVICE",
	 .remedy = "sysctl -w net.ipv4.ip_unprivileged_port_start=1024" },
	{ .name = "descriptors", .need = BERTH_NEED_USEFUL, .find = find_descriptors,
	 .cost = "one process can hold few connections",
	 .remedy = "as root: prlimit --nofile=1048576 --pid $$" },
};
/* clang-format on */

size_t berth_probe_count(void)
{
	return sizeof(rows) / sizeof(rows[0]);
}

void berth_probe_fact(size_t i, struct berth_fact *out_fact)
{
	const struct row *row = &rows[i];

	*out_fact = (struct berth_fact){ .name = row->name, .need = row->need };
	out_fact->health = row->find(row, out_fact);
	if (out_fact->health == BERTH_HEALTH_OK)
		return;
	if (row->need == BERTH_NEED_SPARE) {
		out_fact->health = BERTH_HEALTH_DEGRADED;
		say(out_fact->cost, "nothing yet");
	}
	if (!out_fact->cost[0])
		say(out_fact->cost, "%s", row->cost);
	if (!out_fact->remedy[0])
		say(out_fact->remedy, "%s", row->remedy);
}

#define NAME_OF(id, name) name,
const char *berth_health_name(enum berth_health health)
{
	static const char *const names[] = { BERTH_HEALTHS(NAME_OF) };

	return names[health];
}

const char *berth_need_name(enum berth_need need)
{
	static const char *const names[] = { BERTH_NEEDS(NAME_OF) };

	return names[need];
}
#undef NAME_OF
