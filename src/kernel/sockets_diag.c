/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows out of sock_diag and /proc: first who has which inode, then the sockets, each with all that have its inode.
 *
 * Needs no privilege. Memory grows with the descriptors that are sockets: 16 bytes each.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/kernel/diag.h"
#include "src/kernel/keyset.h"
#include "src/kernel/netns.h"
#include "src/kernel/procfd.h"
#include "src/kernel/sockets.h"

struct holding {
	uint32_t task; /* index into tasks */
	uint32_t next; /* another one of the same inode, plus one; 0 ends */
};

struct reader {
	const struct berth_sockets_query *query;
	struct berth_socket_ask ask;
	berth_sockets_fn fn;
	void *arg;
	struct berth_keyset inodes; /* inode -> index of a holding, plus one */
	struct holding *holdings;
	size_t holding_count, holding_room;
	struct berth_task *tasks; /* that have a socket; pid 0: gone */
	size_t task_count, task_room;
};

/* Makes room for one more in an array of count; 0 or -ENOMEM. */
static int make_room(void *array, size_t count, size_t *room, size_t size)
{
	size_t want = *room ? *room * 2 : 64;
	void *more;

	if (count < *room)
		return 0;
	more = reallocarray(*(void **)array, want, size);
	if (!more)
		return -ENOMEM;
	*(void **)array = more;
	*room = want;
	return 0;
}

/* The index of the process in tasks; descriptors of one come together. */
static int task_index(struct reader *r, uint32_t pid, uint32_t thread, uint32_t fd)
{
	struct berth_task *t = r->task_count ? &r->tasks[r->task_count - 1] : NULL;
	int err;

	if (t && t->pid == pid)
		return (int)r->task_count - 1;
	err = make_room(&r->tasks, r->task_count, &r->task_room, sizeof(*r->tasks));
	if (err)
		return err;
	t = &r->tasks[r->task_count];
	*t = (struct berth_task){ .pid = pid, .thread = thread, .fd = fd };
	return (int)r->task_count++;
}

/* Notes one descriptor; the process has it already where an earlier one is of the same socket. */
static int on_descriptor(uint32_t pid, uint32_t thread, uint32_t fd, uint64_t inode, void *arg)
{
	struct reader *r = arg;
	int task = task_index(r, pid, thread, fd), err;
	uint32_t *head, at;

	if (task < 0)
		return task;
	err = make_room(&r->holdings, r->holding_count, &r->holding_room, sizeof(*r->holdings));
	if (err)
		return err;
	if (berth_keyset_add(&r->inodes, inode, 0) < 0)
		return -ENOMEM;
	head = berth_keyset_find(&r->inodes, inode);
	for (at = *head; at; at = r->holdings[at - 1].next)
		if (r->holdings[at - 1].task == (uint32_t)task)
			return 0;
	r->holdings[r->holding_count] = (struct holding){ (uint32_t)task, *head };
	*head = (uint32_t)++r->holding_count;
	return 0;
}

/* What is known of a process is read once, when its first row is written. */
static const struct berth_task *find_task(struct reader *r, uint32_t index)
{
	struct berth_task *t = &r->tasks[index], full;

	if (!t->start_ns && t->pid) {
		if (berth_procfd_task(t->pid, &full)) {
			t->pid = 0;
		} else {
			full.thread = t->thread;
			full.fd = t->fd;
			*t = full;
		}
	}
	return t->pid ? t : NULL;
}

static int on_socket(const struct berth_socket *s, void *arg)
{
	struct reader *r = arg;
	const struct berth_task *task;
	uint32_t at, *head;
	int result, rows = 0;

	if (!berth_socket_is_asked(s, &r->ask))
		return 0;
	head = s->inode && !r->query->no_holders ? berth_keyset_find(&r->inodes, s->inode) : NULL;
	for (at = head ? *head : 0; at; at = r->holdings[at - 1].next) {
		task = find_task(r, r->holdings[at - 1].task);
		if (!task)
			continue;
		rows++;
		result = r->fn(s, task, r->arg);
		if (result)
			return result;
	}
	return rows || r->ask.pid ? 0 : r->fn(s, NULL, r->arg);
}

static bool asks_for(const struct berth_socket_ask *ask, uint16_t protocol)
{
	uint32_t i;

	for (i = 0; i < ask->protocols; i++)
		if (ask->protocol[i] == protocol)
			return true;
	return !ask->protocols;
}

static int read_namespace(struct reader *r, struct berth_why *why)
{
	uint32_t states = r->ask.states ? r->ask.states : ~0u;
	int i, result = 0;

	for (i = 0; !result && berth_diag_protocols[i]; i++)
		if (asks_for(&r->ask, berth_diag_protocols[i]))
			result =
				berth_diag_dump(berth_diag_protocols[i], states, on_socket, r, why);
	return result;
}

static int read_all(struct reader *r, struct berth_sockets_told *told, struct berth_why *why)
{
	struct berth_netns_list list;
	int result = berth_netns_find(&list, why), back;
	size_t i;

	if (result)
		return result;
	for (i = list.count; !result && i-- > 0;) {
		result = berth_netns_enter(&list.netns[i]);
		if (result)
			berth_why(
				why, result,
				"network namespace %u: the kernel does not let berth in (%s); run as root, "
				"or without --all-namespaces",
				list.netns[i].inode, strerror(-result));
		else
			result = read_namespace(r, why);
	}
	back = berth_netns_enter(&list.netns[0]);
	told->namespaces = (unsigned)list.count;
	berth_netns_free(&list);
	return result ? result : r->query->all_namespaces ? back : 0;
}

int berth_sockets_diag_read(const struct berth_sockets_query *query, berth_sockets_fn fn, void *arg,
			    struct berth_sockets_told *told, struct berth_why *why)
{
	struct reader r = { .query = query, .ask = query->ask, .fn = fn, .arg = arg };
	int result = 0;

	*told = (struct berth_sockets_told){ .source = BERTH_SOCKETS_DIAG, .namespaces = 1 };
	if (!query->no_holders)
		result =
			berth_procfd_each(query->ask.pid, on_descriptor, &r, &told->holders_hidden);
	if (result)
		berth_why(why, result, "/proc: descriptors cannot be read (%s)", strerror(-result));
	else
		result = query->all_namespaces ? read_all(&r, told, why) : read_namespace(&r, why);
	berth_keyset_free(&r.inodes);
	free(r.holdings);
	free(r.tasks);
	return result;
}
