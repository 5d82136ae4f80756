/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of berth ports share: a row, its fields, filters, and places to write to.
 *
 * A field is one row of a table (ports_field.c): out of it come the columns, the JSON schema (docs/ports.md), the filters
 * FIELD=VALUE and --count-by FIELD.
 */
#ifndef BERTH_CLI_PORTS_H
#define BERTH_CLI_PORTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "src/base/why.h"
#include "src/kernel/holder.h"
#include "src/kernel/sockets.h"

/* ---- output ---- */

/* A large buffer before a descriptor. */
struct ports_out {
	char *buf;
	size_t used;
	int fd;
	bool failed; /* nobody reads any more */
};

#define PORTS_OUT_SIZE (256u * 1024)
#define PORTS_OUT_ROOM (64u * 1024) /* that much of it is free for each row */

void ports_out_flush(struct ports_out *out);

/* ---- what is known around a row ---- */

struct ports_netns; /* what a port and an address mean in one network namespace */
struct ports_names; /* services, processes, users */

/* One socket and one holder; the rest is found when a field asks for it. */
struct ports_row {
	const struct berth_socket *socket;
	const struct berth_task *task; /* NULL: nobody */
	struct ports_names *names;
	bool details; /* fields that are details are shown */
};

struct ports_names *ports_names_new(struct berth_why *why);
void ports_names_free(struct ports_names *n);
struct berth_holders *ports_names_holders(struct ports_names *n);

/* Bytes of a foreign text, and the same as JSON with its quotes; made once a process. */
struct ports_text {
	const char *bytes;
	const char *json;
	uint32_t len, json_len;
};

enum {
	PORTS_PROGRAM,
	PORTS_EXE,
	PORTS_USER,
	PORTS_CGROUP,
	PORTS_UNIT,
	PORTS_CONTAINER,
	PORTS_TEXTS
};

/* A text of the row's holder, or of its user where nobody holds it; NULL where there is none. */
const struct ports_text *ports_names_text(const struct ports_row *row, int which);

/* The service name of a port, or NULL. */
const char *ports_names_service(struct ports_names *n, uint16_t protocol, uint16_t port);

/* "loopback", "link", "private", "public": who can reach a socket that takes from anybody; NULL for others. */
const char *ports_names_exposure(struct ports_names *n, const struct berth_socket *s);

bool ports_names_is_ephemeral(struct ports_names *n, const struct berth_socket *s);
bool ports_names_is_reserved(struct ports_names *n, const struct berth_socket *s);
bool ports_names_is_assigned(const struct ports_row *row);

/* ---- fields ---- */

enum ports_kind { PORTS_NONE, PORTS_NUMBER, PORTS_YES, PORTS_WORD, PORTS_FOREIGN };

/* What a field has in a row. */
struct ports_value {
	enum ports_kind kind;
	uint64_t number;
	const char *word; /* PORTS_WORD: plain ASCII; may be buf */
	uint32_t len;
	const struct ports_text *text; /* PORTS_FOREIGN */
	char buf[80];
};

struct ports_field {
	const char *name;
	const char *column; /* heading; NULL: not in the table unless it is asked for */
	const char *type;   /* in JSON: "string", "number", "boolean" */
	const char *
		words; /* that it may have, separated by '|'; NULL: anything. They are filters by themselves */
	const char *help;
	void (*get)(const struct ports_row *row, struct ports_value *out);
	enum berth_count_by count_by; /* what the kernel counts to know it; 0: rows are counted */
	enum { PORTS_OF_SOCKET, PORTS_OF_BOTH, PORTS_OF_HOLDER } of;
	bool no_json; /* other members say the same */
	bool detail;  /* costs more; shown where it is asked for: --details, or by its name */
};

extern const struct ports_field ports_fields[]; /* ends where name is NULL */

const struct ports_field *ports_field_find(const char *name, size_t len);

/* Says of a name that no field has what was probably meant; where: "--columns". Returns -EINVAL. */
int ports_field_refuse(const char *where, const char *name, size_t len, struct berth_why *why);

/* The name that --count-by takes beside those of fields ("destination" is peer). */
const struct ports_field *ports_field_to_count(const char *name);

/* The value as bytes: out of number and yes, too. Returns them; they are borrowed from the value. */
const char *ports_value_text(struct ports_value *v, size_t *out_len);

/* One JSON object and its newline. A field without a value, or that is false, is left out. */
void ports_json_row(struct ports_out *out, const struct ports_row *row);

/* The members that depend on the holder alone, as they stand in an object: ",..."; made once a process. */
const struct ports_text *ports_names_members(const struct ports_row *row);

/* Writes those members, PORTS_OUT_ROOM bytes at most; returns their end. */
char *ports_json_holder(char *p, const struct ports_row *row);

/* ---- filters ---- */

struct ports_filter;

/* NULL where there is no memory. */
struct ports_filter *ports_filter_new(void);
void ports_filter_free(struct ports_filter *f);

/* Takes one word of the command line in. -EINVAL with the sentence. */
int ports_filter_add(struct ports_filter *f, const char *word, struct berth_why *why);

/* Tells the kernel what it can decide by itself. */
void ports_filter_ask(const struct ports_filter *f, struct berth_socket_ask *out_ask);

bool ports_filter_has(const struct ports_filter *f, const struct ports_row *row);

/* Whether a term asks for a detail. */
bool ports_filter_needs_details(const struct ports_filter *f);

/* Whether a term asks who holds a socket; and whether the kernel's part is all there is. */
bool ports_filter_needs_holders(const struct ports_filter *f);
bool ports_filter_is_asked_whole(const struct ports_filter *f);

/* Where no row was found: says on standard error which words may be slips of those that fields have. */
void ports_filter_say_meant(const struct ports_filter *f);

/* ---- ways to show ---- */

struct ports_table;

/* columns: names of fields separated by ',', or NULL. marks: each row begins with a character of its own. */
struct ports_table *ports_table_new(const char *columns, bool marks, struct berth_why *why);
void ports_table_row(struct ports_table *t, const struct ports_row *row, char mark);
/* Prints what is still held back. */
void ports_table_flush(struct ports_table *t);
void ports_table_free(struct ports_table *t);

struct ports_query {
	struct berth_sockets_query sockets;
	struct ports_filter *filter;
	struct ports_names *names;
	const char *columns, *count_by;
	bool json, ancestry, watch, details, schema;
	double every_s;
};

/* --count-by. Exit status. */
int ports_count(struct ports_query *q, struct ports_out *out);
/* --watch, until a signal. Exit status. */
int ports_watch(struct ports_query *q, struct ports_out *out);

/* Ancestors of a holder, nearest first: as a JSON array, or as a line for people. */
void ports_ancestry_json(FILE *out, const struct berth_holder *h);
void ports_ancestry_text(FILE *out, const struct berth_holder *h);

/* Says on stderr whose holders could not be seen. */
void ports_say_hidden(const struct berth_sockets_told *told, uint64_t unowned);

#endif
