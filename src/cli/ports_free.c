/* SPDX-License-Identifier: BSD-2-Clause */
/* berth ports free: says who holds a port, and ends it, or its socket alone. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/base/text.h"
#include "src/cli/cli.h"
#include "src/cli/ports.h"
#include "src/kernel/diag.h"
#include "src/kernel/procfd.h"

#define END_WAIT_MS 5000 /* how long a holder may take to end */

struct wish {
	bool dry_run, socket, json;
	int signal;
	uint16_t port;
};

struct victim {
	struct berth_socket socket;
	struct berth_task task; /* pid 0: nobody */
	bool taker;             /* listens, or takes datagrams from anybody */
};

struct list {
	struct victim *victim;
	size_t count;
	bool takers;
};

BERTH_OPT_FLAG(dry_run, struct wish, dry_run)
BERTH_OPT_FLAG(socket, struct wish, socket)
BERTH_OPT_FLAG(json, struct wish, json)

static const struct {
	const char *name;
	int number;
} signals[] = { { "TERM", SIGTERM }, { "INT", SIGINT },   { "HUP", SIGHUP },  { "QUIT", SIGQUIT },
		{ "KILL", SIGKILL }, { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 } };

static int set_signal(void *into, const char *value, struct berth_why *why)
{
	size_t i;

	(void)why;
	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (!strcmp(signals[i].name, value))
			((struct wish *)into)->signal = signals[i].number;
	return 0;
}

const struct berth_opt berth_ports_free_opts[] = {
	{ "dry-run", NULL, NULL, "Only say who holds the port.", NULL, set_dry_run },
	{ "signal", "SIGNAL", "TERM", "Send this signal to the holder.",
	  "TERM|INT|HUP|QUIT|KILL|USR1|USR2", set_signal },
	{ "socket", NULL, NULL,
	  "Destroy the sockets and leave the processes alone: they get an error at their next call. TCP and UDP; "
	  "needs CAP_NET_ADMIN.",
	  NULL, set_socket },
	{ "json", NULL, NULL, "JSON Lines, one object a holder: as berth ports, and \"freed\".",
	  NULL, set_json },
	{ NULL },
};

/* ---- who ---- */

static int on_row(const struct berth_socket *s, const struct berth_task *t, void *arg)
{
	struct list *l = arg;
	struct victim *more = reallocarray(l->victim, l->count + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	l->victim = more;
	more += l->count++;
	memset(more, 0, sizeof(*more));
	more->socket = *s;
	if (t)
		more->task = *t;
	more->taker = s->state == BERTH_STATE_LISTEN || s->state == BERTH_STATE_BOUND ||
		      s->state == BERTH_STATE_CLOSE;
	l->takers = l->takers || more->taker;
	return 0;
}

/* Where somebody takes connections at the port, the connections themselves are not in the way. */
static void keep_takers(struct list *l)
{
	size_t i, kept = 0;

	for (i = 0; i < l->count; i++)
		if (!l->takers || l->victim[i].taker)
			l->victim[kept++] = l->victim[i];
	l->count = kept;
}

static void safe(const char *label, const char *text)
{
	if (!*text)
		return;
	fputs(label, stdout);
	berth_text_print_safe(stdout, text, strlen(text));
}

static void say(struct ports_names *names, const struct victim *v)
{
	struct ports_row row = { &v->socket, v->task.pid ? &v->task : NULL, names, true };
	const struct berth_holder *h =
		v->task.pid ? berth_holders_get(ports_names_holders(names), &v->task) : NULL;
	struct ports_value local = { PORTS_NONE };
	size_t n;
	const char *text;

	ports_field_find("local", 5)->get(&row, &local);
	text = ports_value_text(&local, &n);
	printf("%s %.*s %s: ", berth_socket_protocol_name(&v->socket), (int)n, text,
	       berth_socket_state_name(v->socket.state));
	if (!h) {
		puts("no process that can be seen holds it");
		return;
	}
	berth_text_print_safe(stdout, h->program, strlen(h->program));
	printf(", pid %u", h->pid);
	safe(", user ", h->user);
	safe(", unit ", h->unit);
	safe(", container ", h->container);
	safe(", ", h->exe);
	putchar('\n');
}

/* ---- the end ---- */

/* The process that was seen, not another one that has its number by now. */
static int open_process(const struct berth_task *t, int *out_fd)
{
	struct berth_task now;
	berth_auto_fd int fd = (int)syscall(SYS_pidfd_open, (pid_t)t->pid, 0);

	if (fd < 0)
		return -errno;
	if (berth_procfd_task(t->pid, &now) || now.start_ns / 10000000 != t->start_ns / 10000000)
		return -ESRCH;
	*out_fd = berth_take_fd(&fd);
	return 0;
}

static int end_process(const struct victim *v, int signal_number, struct berth_why *why)
{
	berth_auto_fd int fd = -1;
	struct pollfd p = { .events = POLLIN };
	int err;

	if (v->task.pid == 1 || v->task.pid == (uint32_t)getpid())
		return berth_why(why, -EPERM, "pid %u: berth does not end %s; try --socket",
				 v->task.pid, v->task.pid == 1 ? "init" : "itself");
	err = open_process(&v->task, &fd);
	if (err == -ESRCH)
		return 0;
	if (!err && syscall(SYS_pidfd_send_signal, fd, signal_number, NULL, 0))
		err = -errno;
	if (err == -ESRCH)
		return 0;
	if (err)
		return berth_why(
			why, err,
			"pid %u: the kernel does not let you signal it (%s); run as root or as its user",
			v->task.pid, strerror(-err));
	p.fd = fd;
	while ((err = poll(&p, 1, END_WAIT_MS)) < 0 && errno == EINTR)
		;
	if (err == 0)
		return berth_why(
			why, -ETIMEDOUT,
			"pid %u: has not ended within 5 s of the signal; try --signal KILL, or --socket",
			v->task.pid);
	return 0;
}

static int end_socket(const struct victim *v, struct berth_why *why)
{
	int err = berth_diag_destroy(&v->socket);

	if (!err || err == -ENOENT)
		return 0;
	if (err == -EOPNOTSUPP)
		return berth_why(
			why, err,
			"%s port %u: the kernel destroys no such socket (CONFIG_INET_DIAG_DESTROY, TCP "
			"and UDP only); end its holder instead, without --socket",
			berth_socket_protocol_name(&v->socket), v->socket.lport);
	return berth_why(why, err,
			 "port %u: the kernel did not destroy the socket (%s); run as root",
			 v->socket.lport, strerror(-err));
}

static bool is_repeated(const struct list *l, size_t i, bool by_socket)
{
	const struct victim *v = &l->victim[i], *u;

	for (u = l->victim; u < v; u++)
		if (by_socket ? v->socket.inode && u->socket.inode == v->socket.inode
			      : v->task.pid && u->task.pid == v->task.pid)
			return true;
	return false;
}

static int end_one(const struct list *l, size_t i, const struct wish *w, struct berth_why *why)
{
	const struct victim *v = &l->victim[i];

	if (is_repeated(l, i, w->socket))
		return 0;
	if (w->socket)
		return end_socket(v, why);
	if (!v->task.pid)
		return berth_why(
			why, -ESRCH,
			"port %u: no process that can be seen holds a socket of it; run as root to see "
			"those of others, or use --socket",
			v->socket.lport);
	return end_process(v, w->signal, why);
}

static int end_all(const struct list *l, const struct wish *w)
{
	struct berth_why why;
	int status = BERTH_EXIT_OK;
	size_t i;

	for (i = 0; i < l->count; i++)
		if (end_one(l, i, w, &why) < 0)
			status = berth_complain("ports free", &why, BERTH_EXIT_FAILURE);
	return status;
}

static void print_json(struct ports_names *names, const struct list *l, bool freed)
{
	struct ports_out out = { malloc(PORTS_OUT_SIZE), 0, STDOUT_FILENO, false };
	size_t i;

	for (i = 0; out.buf && i < l->count; i++) {
		const struct victim *v = &l->victim[i];
		struct ports_row row = { &v->socket, v->task.pid ? &v->task : NULL, names, true };

		ports_json_row(&out, &row);
		out.used -= 2;
		out.used += (size_t)snprintf(out.buf + out.used, 32, ",\"freed\":%s}\n",
					     freed ? "true" : "false");
	}
	if (out.buf)
		ports_out_flush(&out);
	free(out.buf);
}

static int free_port(const struct wish *w, struct ports_names *names, struct list *l)
{
	int status;
	size_t i;

	keep_takers(l);
	if (!l->count) {
		fprintf(stderr, "berth ports free: nobody holds port %u here\n", w->port);
		return BERTH_EXIT_FINDINGS;
	}
	for (i = 0; i < l->count && !w->json; i++)
		say(names, &l->victim[i]);
	fflush(stdout);
	/* Who it is has to be read before it is gone. */
	if (w->json)
		for (i = 0; i < l->count; i++)
			if (l->victim[i].task.pid)
				berth_holders_get(ports_names_holders(names), &l->victim[i].task);
	status = w->dry_run ? BERTH_EXIT_OK : end_all(l, w);
	if (w->json)
		print_json(names, l, !w->dry_run && !status);
	return status;
}

static int parse(int argc, char **argv, struct wish *w, struct berth_why *why)
{
	int words = berth_opt_words(berth_ports_free_opts, argc, argv, w, NULL, why);
	unsigned long port;
	char *end;

	if (words < 0)
		return words;
	if (!words)
		return berth_why(why, -EINVAL, "PORT is missing; write berth ports free 8080");
	port = strtoul(argv[0], &end, 10);
	if (words > 1 || *end || port < 1 || port > 65535)
		return berth_why(why, -EINVAL, "\"%s\": name one port, 1 to 65535",
				 argv[words - 1]);
	w->port = (uint16_t)port;
	return 0;
}

int berth_ports_free_main(int argc, char **argv)
{
	struct wish w = { .signal = SIGTERM };
	struct berth_sockets_query q = { 0 };
	struct ports_names *names = NULL;
	struct list l = { 0 };
	struct berth_why why;
	int status = BERTH_EXIT_FAILURE, err;

	err = parse(argc, argv, &w, &why);
	if (!err) {
		names = ports_names_new(&why);
		err = names ? 0 : -ENOMEM;
	}
	q.ask.lports = 1;
	q.ask.lport[0].first = q.ask.lport[0].last = w.port;
	if (!err)
		err = berth_sockets_read(&q, on_row, &l, NULL, &why);
	status = err ? berth_complain("ports free", &why, BERTH_EXIT_FAILURE)
		     : free_port(&w, names, &l);
	ports_names_free(names);
	free(l.victim);
	return status;
}
