/* SPDX-License-Identifier: BSD-2-Clause */
/* berth hold: keeps ports for services that are down, and hands them over without a gap. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/cli/cli.h"
#include "src/kernel/hold.h"

#define ENDPOINTS_MAX 32
#define FIRST_PASSED 3 /* SD_LISTEN_FDS_START of sd_listen_fds(3) */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

struct want {
	bool listens, json;
	struct berth_hold_for whom;
	struct berth_endpoint at[ENDPOINTS_MAX];
	int socket[ENDPOINTS_MAX], offer[ENDPOINTS_MAX];
	int taker[ENDPOINTS_MAX]; /* pidfd of whoever had the socket last, -1: none, or ended */
	int count;
};

BERTH_OPT_FLAG(listen, struct want, listens)

static int set_for(void *into, const char *value, struct berth_why *why)
{
	struct berth_hold_for *whom = &((struct want *)into)->whom;
	const struct passwd *p = NULL;
	const struct group *g = NULL;
	char *end;
	unsigned long id = strtoul(value + strcspn(value, "0123456789"), &end, 10);

	if (!strncmp(value, "user:", 5)) {
		p = getpwnam(value + 5);
		whom->uid = p ? p->pw_uid : (uid_t)id;
	} else if (!strncmp(value, "group:", 6)) {
		g = getgrnam(value + 6);
		whom->gid = g ? g->gr_gid : (gid_t)id;
	} else {
		return berth_why(why, -EINVAL, "--for: \"%s\": write user:NAME or group:NAME",
				 value);
	}
	value = strchr(value, ':') + 1;
	if (!p && !g && (!*value || value[strspn(value, "0123456789")] || id >= UINT32_MAX))
		return berth_why(why, -ENOENT, "--for: there is no \"%s\" on this host", value);
	return 0;
}

BERTH_OPT_FLAG(json, struct want, json)

const struct berth_opt berth_hold_opts[] = {
	{ "listen", NULL, NULL,
	  "Streams listen from the start: connections wait for the service. Without it they are refused until the "
	  "service has run once.",
	  NULL, set_listen },
	{ "for", "WHOM", NULL,
	  "Who may take the sockets beside root and the holder's own user: user:NAME or group:NAME, the primary one.",
	  NULL, set_for },
	{ "json", NULL, NULL, "JSON Lines, one object an endpoint that is held: endpoint, pid.",
	  NULL, set_json },
	{ NULL },
};

/* ---- holding ---- */

static int open_all(struct want *want, struct berth_why *why)
{
	int i, err = 0;

	for (i = 0; !err && i < want->count; i++) {
		/* The offer first: of two holders the second is told so. */
		err = berth_hold_offer(&want->at[i], &want->offer[i], why);
		if (!err)
			err = berth_hold_bind(&want->at[i], want->listens, &want->socket[i], why);
	}
	return err;
}

static void tell(const struct want *want)
{
	char text[BERTH_ENDPOINT_TEXT];
	int i;

	for (i = 0; i < want->count; i++) {
		berth_endpoint_format(&want->at[i], text);
		if (want->json)
			printf("{\"endpoint\":\"%s\",\"pid\":%d}\n", text, (int)getpid());
		else
			printf("held %s\n", text);
	}
	fflush(stdout);
}

/* Hears of the end of a process that was handed the endpoint: it may leave the socket as nobody is to have it. */
static void watch_taker(struct want *want, int watch, int i, int pid)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = (uint32_t)i };

	if (want->taker[i] >= 0)
		close(want->taker[i]);
	want->taker[i] = (int)syscall(SYS_pidfd_open, pid, 0);
	if (want->taker[i] < 0 || epoll_ctl(watch, EPOLL_CTL_ADD, want->taker[i], &e))
		berth_hold_guard(want->socket[i], want->listens);
}

/* One line for each hand-over and refusal. */
static void serve(struct want *want, int watch, int i)
{
	struct berth_why why;
	char text[BERTH_ENDPOINT_TEXT];
	int pid = berth_hold_serve(want->offer[i], want->socket[i], &want->whom, &why);

	berth_endpoint_format(&want->at[i], text);
	if (pid > 0) {
		watch_taker(want, watch, i, pid);
		fprintf(stderr, "berth hold: %s handed to process %d\n", text, pid);
	} else if (pid < 0) {
		fprintf(stderr, "berth hold: %s: %s\n", text, why.text);
	}
}

/* Watches the streams; the descriptor is readable when one is shut down. Of connections it hears nothing. */
static int watch_streams(const struct want *want, int *out_fd, struct berth_why *why)
{
	berth_auto_fd int fd = epoll_create1(EPOLL_CLOEXEC);
	bool watched = fd >= 0;
	int i;

	for (i = 0; watched && i < want->count; i++) {
		struct epoll_event e = { .events = EPOLLET, .data.u32 = (uint32_t)i };

		watched = want->at[i].udp || !epoll_ctl(fd, EPOLL_CTL_ADD, want->socket[i], &e);
	}
	if (!watched)
		return berth_why(why, -errno,
				 "the kernel refused to watch the sockets (%s); see \"ulimit -n\"",
				 strerror(errno));
	*out_fd = berth_take_fd(&fd);
	return 0;
}

/* Sees to one endpoint, whose stream was shut down or whose taker has ended; one line where a program did the former. */
static void guard_one(struct want *want, int i, bool begun)
{
	struct pollfd taker = { .fd = want->taker[i], .events = POLLIN };
	char text[BERTH_ENDPOINT_TEXT];
	int done = berth_hold_guard(want->socket[i], want->listens);

	berth_endpoint_format(&want->at[i], text);
	if (done < 0)
		fprintf(stderr,
			"berth hold: %s: shut down by the program, and another has the port (%s); see \"ss "
			"-anp\"\n",
			text, strerror(-done));
	else if (done && begun)
		fprintf(stderr, "berth hold: %s: shut down by the program, held again\n", text);
	if (want->taker[i] >= 0 && poll(&taker, 1, 0) > 0) {
		close(want->taker[i]);
		want->taker[i] = -1;
	}
}

/* begun: something may have been handed over. */
static void guard(struct want *want, int watch, bool begun)
{
	struct epoll_event e[2 * ENDPOINTS_MAX];
	int n = epoll_wait(watch, e, 2 * ENDPOINTS_MAX, 0), i;

	for (i = 0; i < n; i++)
		guard_one(want, (int)e[i].data.u32, begun);
}

/* The descriptor is readable when a signal asks for the end. */
static int watch_signals(int *out_fd, struct berth_why *why)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	*out_fd = signalfd(-1, &ends, SFD_CLOEXEC);
	if (*out_fd < 0)
		return berth_why(why, -errno,
				 "the kernel refused to watch for signals (%s); see \"ulimit -n\"",
				 strerror(errno));
	sigprocmask(SIG_BLOCK, &ends, NULL);
	return 0;
}

/* Serves takers until a signal asks for the end. */
static int keep(struct want *want, int watch, int ends)
{
	struct pollfd fds[ENDPOINTS_MAX + 2];
	int i;

	fds[want->count] = (struct pollfd){ .fd = ends, .events = POLLIN };
	for (i = 0; i < want->count; i++)
		fds[i] = (struct pollfd){ .fd = want->offer[i], .events = POLLIN };
	fds[want->count + 1] = (struct pollfd){ .fd = watch, .events = POLLIN };
	guard(want, watch, false);
	tell(want);
	while (poll(fds, (nfds_t)want->count + 2, -1) >= 0 || errno == EINTR) {
		if (fds[want->count].revents & POLLIN)
			return BERTH_EXIT_OK;
		if (fds[want->count + 1].revents & POLLIN)
			guard(want, watch, true);
		for (i = 0; i < want->count; i++)
			if (fds[i].revents & POLLIN)
				serve(want, watch, i);
	}
	return BERTH_EXIT_FAILURE;
}

static int hold(struct want *want)
{
	berth_auto_fd int watch = -1, ends = -1;
	struct berth_why why;
	int i, status = open_all(want, &why) || watch_streams(want, &watch, &why) ||
					watch_signals(&ends, &why)
				? berth_complain("hold", &why, BERTH_EXIT_FAILURE)
				: keep(want, watch, ends);

	for (i = 0; i < want->count; i++)
		if (want->offer[i] >= 0)
			berth_hold_withdraw(&want->at[i]);
	return status;
}

/* ---- taking ---- */

/* The socket from its holder; where nobody holds the endpoint, bound here. A stream listens. */
static int take_one(struct want *want, int i, struct berth_why *why)
{
	char text[BERTH_ENDPOINT_TEXT];
	int err = berth_hold_take(&want->at[i], &want->socket[i], why);

	if (err == -ENOENT) {
		err = berth_hold_bind(&want->at[i], true, &want->socket[i], why);
		berth_endpoint_format(&want->at[i], text);
		if (!err)
			fprintf(stderr,
				"berth hold: nobody holds %s; bound here, it is free when the program ends\n",
				text);
		return err;
	}
	if (err || want->at[i].udp)
		return err;
	err = berth_hold_listen(want->socket[i]);
	return err ? berth_why(why, err, "the socket from the holder does not listen: %s",
			       strerror(-err))
		   : 0;
}

/* Moves the sockets to 3, 4, ...: first out of the way of each other. */
static int place_all(struct want *want, struct berth_why *why)
{
	int i, high;

	for (i = 0; i < want->count; i++) {
		high = fcntl(want->socket[i], F_DUPFD_CLOEXEC, FIRST_PASSED + want->count);
		if (high < 0)
			return berth_why(why, -errno, "descriptors: %s; see ulimit -n",
					 strerror(errno));
		close(want->socket[i]);
		want->socket[i] = high;
	}
	for (i = 0; i < want->count; i++)
		if (dup2(want->socket[i], FIRST_PASSED + i) < 0)
			return berth_why(why, -errno, "descriptors: %s", strerror(errno));
	return 0;
}

/* LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES, as sd_listen_fds(3) has them. */
static void set_environment(const struct want *want)
{
	char names[ENDPOINTS_MAX * 16] = "", number[16];
	size_t n = 0;
	int i;

	for (i = 0; i < want->count; i++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s-%u", i ? ":" : "",
				      want->at[i].udp ? "udp" : "tcp", want->at[i].port);
	snprintf(number, sizeof(number), "%d", want->count);
	setenv("LISTEN_FDS", number, 1);
	setenv("LISTEN_FDNAMES", names, 1);
	snprintf(number, sizeof(number), "%d", (int)getpid());
	setenv("LISTEN_PID", number, 1);
}

static int run(struct want *want, char **program)
{
	struct berth_why why;
	int i, err = 0;

	for (i = 0; !err && i < want->count; i++)
		err = take_one(want, i, &why);
	if (!err)
		err = place_all(want, &why);
	if (err)
		return berth_complain("hold", &why, BERTH_EXIT_FAILURE);
	set_environment(want);
	execvp(program[0], program);
	err = errno;
	berth_why(&why, 0, "%s: %s", program[0], strerror(err));
	return berth_complain("hold", &why, err == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* ---- words ---- */

/* Options, endpoints, "--" and a program. Returns the index of the program, argc without one; negative: refused. */
static int parse_words(struct want *want, int argc, char **argv, struct berth_why *why)
{
	bool ended = !strcmp(argv[argc - 1], "--"); /* looked at before the words are moved */
	int rest, words = berth_opt_words(berth_hold_opts, argc, argv, want, &rest, why), err = 0;

	if (words > ENDPOINTS_MAX)
		return berth_why(why, -E2BIG, "more than %d endpoints; start a second holder",
				 ENDPOINTS_MAX);
	for (; !err && want->count < words; want->count++)
		err = berth_endpoint_parse(argv[want->count], &want->at[want->count], why);
	if (words < 0 || err)
		return words < 0 ? words : err;
	if (!words)
		return berth_why(why, -EINVAL,
				 "name what is to be held, e.g. berth hold 443 udp:443");
	return ended && rest == argc ? berth_why(why, -EINVAL, "no program after \"--\"") : rest;
}

int berth_hold_main(int argc, char **argv)
{
	struct want want = { .whom = { (uid_t)-1, (gid_t)-1 } };
	struct berth_why why;
	int i, program;

	for (i = 0; i < ENDPOINTS_MAX; i++)
		want.socket[i] = want.offer[i] = want.taker[i] = -1;
	program = parse_words(&want, argc, argv, &why);
	if (program < 0)
		return berth_complain("hold", &why, BERTH_EXIT_FAILURE);
	return program < argc ? run(&want, argv + program) : hold(&want);
}
