/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any filter words (a line, between blanks) and any socket (the bytes after it): words are refused with a sentence, or
 * what the kernel is asked for has each row that the filter takes, and no other where it says so.
 */
#include <netinet/in.h>
#include <string.h>

#include "fuzz.h"
#include "src/cli/ports.h"
#include "src/kernel/file.h"
#include "src/kernel/netns.h"
#include "src/registry/services.h"

/* ---- what is around a row is the same for all: no file of this host is read ---- */

const struct ports_text *ports_names_text(const struct ports_row *row, int which)
{
	static const struct ports_text nginx = { "nginx", "\"nginx\"", 5, 7 };

	return row->task && which == PORTS_PROGRAM ? &nginx : NULL;
}

const struct ports_text *ports_names_members(const struct ports_row *row)
{
	(void)row;
	return NULL;
}

const char *ports_names_service(struct ports_names *n, uint16_t protocol, uint16_t port)
{
	(void)n, (void)protocol;
	return port == 443 ? "https" : NULL;
}

const char *berth_port_class(uint16_t port)
{
	return port < 1024 ? "system" : "user";
}

const char *ports_names_exposure(struct ports_names *n, const struct berth_socket *s)
{
	(void)n;
	return s->state == BERTH_STATE_LISTEN ? "public" : NULL;
}

bool ports_names_is_ephemeral(struct ports_names *n, const struct berth_socket *s)
{
	(void)n;
	return s->lport >= 32768;
}

bool ports_names_is_reserved(struct ports_names *n, const struct berth_socket *s)
{
	(void)n;
	return s->lport == 8080;
}

bool ports_names_is_assigned(const struct ports_row *row)
{
	return row->task;
}

/* ---- and no socket of it ---- */

int berth_file_read(const char *path, char **out_text)
{
	(void)path, (void)out_text;
	return -1;
}

uint32_t berth_netns_own(void)
{
	return 1;
}

int berth_sockets_bpf_read(const struct berth_sockets_query *query, berth_sockets_fn fn, void *arg,
			   struct berth_sockets_told *told, struct berth_why *why)
{
	(void)query, (void)fn, (void)arg, (void)told, (void)why;
	return -1;
}

int berth_sockets_diag_read(const struct berth_sockets_query *query, berth_sockets_fn fn, void *arg,
			    struct berth_sockets_told *told, struct berth_why *why)
{
	(void)query, (void)fn, (void)arg, (void)told, (void)why;
	return -1;
}

int berth_sockets_bpf_count(const struct berth_sockets_query *query, enum berth_count_by by,
			    berth_sockets_count_fn fn, void *arg, struct berth_sockets_told *told,
			    struct berth_why *why)
{
	(void)query, (void)by, (void)fn, (void)arg, (void)told, (void)why;
	return -1;
}

/* ---- a socket out of bytes ---- */

struct bytes {
	const uint8_t *at;
	size_t left;
};

static uint8_t next(struct bytes *b)
{
	return (uint8_t)(b->left ? (b->left--, *b->at++) : 0);
}

static void make_address(struct bytes *b, uint8_t family, uint8_t addr[16])
{
	int i;

	memcpy(addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
	for (i = family == AF_INET ? 12 : 0; i < 16; i++)
		addr[i] = next(b);
}

static struct berth_socket make_socket(struct bytes *b)
{
	static const uint16_t protocol[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE,
					     IPPROTO_MPTCP };
	struct berth_socket s = { .family = (uint8_t)(next(b) & 1 ? AF_INET6 : AF_INET),
				  .netns = 1 };

	s.lport = (uint16_t)(next(b) << 8 | next(b));
	s.pport = (uint16_t)(next(b) << 8 | next(b));
	s.state = (uint8_t)(1 + next(b) % (BERTH_STATE_COUNT - 1));
	s.protocol = protocol[next(b) % 4];
	s.flags = next(b);
	if (s.flags & BERTH_SOCKET_RAW)
		s.lport = s.pport = 0;
	make_address(b, s.family, s.local);
	make_address(b, s.family, s.peer);
	s.uid = next(b);
	return s;
}

/* ---- the target ---- */

/* The words of a line; false where one is refused. */
static bool read_words(struct ports_filter *f, char *line)
{
	struct berth_why why = { "" };
	char *word, *rest = line;

	while ((word = strsep(&rest, " "))) {
		if (ports_filter_add(f, word, &why)) {
			REQUIRE(why.text[0] && !strchr(why.text, '\n'));
			return false;
		}
	}
	return true;
}

static void check(const struct ports_filter *f, struct bytes *b)
{
	struct berth_socket s = make_socket(b);
	struct berth_task task = { .pid = next(b) };
	struct ports_row row = { &s, task.pid ? &task : NULL, NULL, true };
	struct berth_socket_ask ask;
	bool has = ports_filter_has(f, &row), asked;

	ports_filter_ask(f, &ask);
	asked = berth_socket_is_asked(&s, &ask);
	REQUIRE(asked || !has);
	REQUIRE(!has || !ask.pid || ask.pid == task.pid);
	REQUIRE(!ports_filter_is_asked_whole(f) || asked == has);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t n = end ? (size_t)(end - data) : size;
	struct bytes b = { data + n + (end ? 1 : 0), size - n - (end ? 1 : 0) };
	struct ports_filter *f = ports_filter_new();
	char *line = strndup((const char *)data, n);

	REQUIRE(f && line);
	if (read_words(f, line))
		check(f, &b);
	ports_filter_free(f);
	free(line);
	return 0;
}
