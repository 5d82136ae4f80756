/* SPDX-License-Identifier: BSD-2-Clause */
/* Chooses the source of sockets, and says in words what their numbers mean. */
#include "src/kernel/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/auto.h"
#include "src/kernel/file.h"
#include "src/kernel/keyset.h"
#include "src/kernel/netns.h"

/*
 * To load the programs takes 40 ms, most of it the kernel's 5 MB of types; sock_diag with /proc takes 1 us for
 * an open file. Fewer open files than this are quicker without BPF.
 */
#define FEW_FILES 40000u

#define FIRST_PID_NAMESPACE 0xeffffffcu /* PROC_PID_INIT_INO of the kernel, a constant */

static const char *const state_name[BERTH_STATE_COUNT] = {
#define NAME(id, number, name) [number] = name,
	BERTH_SOCKET_STATES(NAME)
#undef NAME
};

const char *berth_socket_state_name(unsigned state)
{
	return state < BERTH_STATE_COUNT && state_name[state] ? state_name[state] : "unknown";
}

const char *berth_socket_protocol_name(const struct berth_socket *s)
{
	if (s->flags & BERTH_SOCKET_RAW)
		return "raw";
	switch (s->protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_UDPLITE:
		return "udplite";
	case IPPROTO_MPTCP:
		return "mptcp";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_DCCP:
		return "dccp";
	}
	return "unknown";
}

static bool same_head(const uint8_t a[16], const uint8_t b[16], uint32_t bits)
{
	uint32_t bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes))
		return false;
	return !rest || !((a[bytes] ^ b[bytes]) >> (8 - rest));
}

bool berth_socket_is_asked(const struct berth_socket *s, const struct berth_socket_ask *ask)
{
	uint32_t i;

	if ((ask->netns && ask->netns != s->netns) ||
	    (ask->states && !(ask->states >> (s->state & 31) & 1)))
		return false;
	if (ask->pport && ask->pport != s->pport)
		return false;
	if (ask->peer_len && !same_head(s->peer, ask->peer, ask->peer_len))
		return false;
	if (ask->protocols && (s->flags & BERTH_SOCKET_RAW))
		return false;
	for (i = 0; i < ask->protocols && ask->protocol[i] != s->protocol;)
		i++;
	if (ask->protocols && i == ask->protocols)
		return false;
	for (i = 0; i < ask->lports; i++)
		if (s->lport >= ask->lport[i].first && s->lport <= ask->lport[i].last)
			return true;
	return !ask->lports;
}

/* ---- the choice ---- */

bool berth_sockets_in_pid_namespace(void)
{
	struct stat st;

	return !stat("/proc/self/ns/pid", &st) && st.st_ino != FIRST_PID_NAMESPACE;
}

/* How many files are open on the host. */
static unsigned long open_files(void)
{
	berth_auto_free char *text = NULL;

	return berth_file_read("/proc/sys/fs/file-nr", &text) ? 0 : strtoul(text, NULL, 10);
}

static enum berth_sockets_source choose(const struct berth_sockets_query *q)
{
	const char *forced = getenv("BERTH_SOCKETS");

	if (q->source != BERTH_SOCKETS_ANY)
		return q->source;
	if (forced && !strcmp(forced, "bpf"))
		return BERTH_SOCKETS_BPF;
	if (forced && !strcmp(forced, "diag"))
		return BERTH_SOCKETS_DIAG;
	/* One process is looked up in /proc at once, however many there are. */
	return geteuid() || q->ask.pid || open_files() < FEW_FILES ? BERTH_SOCKETS_ANY
								   : BERTH_SOCKETS_BPF;
}

/* The query as the sources want it: with the namespace that it is about. */
static struct berth_sockets_query complete(const struct berth_sockets_query *query)
{
	struct berth_sockets_query q = *query;

	q.ask.netns = q.all_namespaces ? 0 : berth_netns_own();
	return q;
}

int berth_sockets_read(const struct berth_sockets_query *query, berth_sockets_fn fn, void *arg,
		       struct berth_sockets_told *out_told, struct berth_why *why)
{
	struct berth_sockets_query q = complete(query);
	struct berth_sockets_told told = { 0 };
	enum berth_sockets_source source = choose(&q);
	int result = -EPERM;

	why->text[0] = '\0';
	if (source == BERTH_SOCKETS_BPF)
		result = berth_sockets_bpf_read(&q, fn, arg, &told, why);
	/* The programs are refused before the first row. */
	if (source != BERTH_SOCKETS_BPF ||
	    (q.source == BERTH_SOCKETS_ANY && !told.namespaces && result < 0))
		result = berth_sockets_diag_read(&q, fn, arg, &told, why);
	told.holders_outside = !q.no_holders && berth_sockets_in_pid_namespace();
	if (out_told)
		*out_told = told;
	return result;
}

/* ---- counts ---- */

void berth_sockets_count_key(const struct berth_socket *s, enum berth_count_by by,
			     struct berth_count_key *out_key)
{
	struct berth_count_key key = { 0 };
	bool local = by == BERTH_COUNT_BY_LOCAL || by == BERTH_COUNT_BY_LOCAL_ADDRESS;

	switch (by) {
	case BERTH_COUNT_BY_STATE:
		key.number = s->state;
		break;
	case BERTH_COUNT_BY_PROTOCOL:
		key.number = s->flags & BERTH_SOCKET_RAW ? BERTH_COUNT_RAW : s->protocol;
		break;
	case BERTH_COUNT_BY_UID:
		key.number = s->uid;
		break;
	case BERTH_COUNT_BY_NETNS:
		key.number = s->netns;
		break;
	case BERTH_COUNT_BY_LOCAL_PORT:
		key.port = s->lport;
		break;
	case BERTH_COUNT_BY_PEER_PORT:
		key.port = s->pport;
		break;
	case BERTH_COUNT_BY_LOCAL:
	case BERTH_COUNT_BY_PEER:
		key.port = local ? s->lport : s->pport; /* fallthrough */
	case BERTH_COUNT_BY_LOCAL_ADDRESS:
	case BERTH_COUNT_BY_PEER_ADDRESS:
		memcpy(key.addr, local ? s->local : s->peer, 16);
		key.family = s->family;
		break;
	}
	*out_key = key;
}

struct count {
	enum berth_count_by by;
	berth_sockets_count_fn fn;
	void *arg;
};

static int count_row(const struct berth_socket *s, const struct berth_task *task, void *arg)
{
	const struct count *c = arg;
	struct berth_count_key key;

	(void)task;
	berth_sockets_count_key(s, c->by, &key);
	return c->fn(&key, 1, c->arg);
}

int berth_sockets_count(const struct berth_sockets_query *query, enum berth_count_by by,
			berth_sockets_count_fn fn, void *arg, struct berth_sockets_told *out_told,
			struct berth_why *why)
{
	struct berth_sockets_query q = complete(query);
	struct berth_sockets_told told = { 0 };
	struct count c = { by, fn, arg };
	enum berth_sockets_source source;
	int result = -EPERM;

	why->text[0] = '\0';
	q.no_holders = true;
	q.ask.pid = 0;
	source = choose(&q);
	if (source == BERTH_SOCKETS_BPF)
		result = berth_sockets_bpf_count(&q, by, fn, arg, &told, why);
	if (source != BERTH_SOCKETS_BPF ||
	    (q.source == BERTH_SOCKETS_ANY && !told.namespaces && result < 0))
		result = berth_sockets_diag_read(&q, count_row, &c, &told, why);
	if (out_told)
		*out_told = told;
	return result;
}
