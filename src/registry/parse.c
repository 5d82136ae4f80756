/* SPDX-License-Identifier: BSD-2-Clause */
/* The two text forms of a list of services. */
#include "src/registry/parse.h"

#include <errno.h>
#include <string.h>

#include "src/registry/csv.h"

#define SPACE " \t\r\v\f"
#define FIELDS 64 /* of a record that are looked at; IANA's have 12 */

/* Reads a port (1-65535, digits only) and moves *text behind it. 0: none. */
static uint16_t read_port(const char **text)
{
	uint32_t port = 0;
	const char *at = *text;

	for (; *at >= '0' && *at <= '9' && port <= 65535; at++)
		port = port * 10 + (uint32_t)(*at - '0');
	*text = at;
	return port <= 65535 ? (uint16_t)port : 0;
}

/* ---- services(5) ---- */

/* What a line says; name is NULL where it has no service. */
struct etc_line {
	char *name, *aliases[BERTH_SERVICE_WORDS];
	const char *description;
	size_t alias_count;
	uint16_t port;
	int transport;
};

/* Cuts the comment off, which is the description. */
static void cut_comment(char *line, struct etc_line *out_line)
{
	char *hash = strchr(line, '#'), *end;

	out_line->description = "";
	if (!hash)
		return;
	*hash++ = '\0';
	out_line->description = hash + strspn(hash, SPACE);
	end = hash + strlen(hash);
	while (end > hash && strchr(SPACE, end[-1]))
		*--end = '\0';
}

/* Returns NULL, or what is wrong. out_line->name is NULL where the line has no service. */
static const char *read_line(char *line, struct etc_line *out_line)
{
	const char *at;
	char *word;

	memset(out_line, 0, sizeof(*out_line));
	cut_comment(line, out_line);
	out_line->name = strtok_r(line, SPACE, &line);
	if (!out_line->name)
		return NULL;
	at = strtok_r(NULL, SPACE, &line);
	if (!at)
		return "no port behind the name";
	out_line->port = read_port(&at);
	if (!out_line->port)
		return "no port from 1 to 65535 behind the name";
	if (at[0] != '/' || !at[1])
		return "no \"/PROTOCOL\" behind the port";
	out_line->transport = berth_transport_find(at + 1, strlen(at + 1));
	if (out_line->transport < 0)
		out_line->name = NULL;
	while ((word = strtok_r(NULL, SPACE, &line))) {
		if (out_line->alias_count == BERTH_SERVICE_WORDS)
			return "more than 64 aliases";
		out_line->aliases[out_line->alias_count++] = word;
	}
	return NULL;
}

int berth_services_parse_etc(char *text, size_t len, struct berth_services_builder *b,
			     berth_services_report report, void *arg)
{
	char *end = text + len, *line = text, *next;
	unsigned number = 1;
	int err = 0;

	for (; !err && line < end; line = next, number++) {
		char *nl = memchr(line, '\n', (size_t)(end - line));
		struct etc_line l;
		const char *wrong;

		next = nl ? nl + 1 : end;
		nl = nl ? nl : end;
		*nl = '\0';
		wrong = strlen(line) < (size_t)(nl - line) ? "a NUL byte" : read_line(line, &l);
		if (wrong) {
			if (report)
				report(arg, number, wrong);
		} else if (l.name) {
			err = berth_services_builder_add(b, (struct berth_range){ l.port, l.port },
							 (enum berth_transport)l.transport, l.name,
							 l.description, l.aliases, l.alias_count,
							 number);
		}
	}
	return err;
}

/* ---- IANA's CSV ---- */

/* White space, line ends too, becomes one space between words, and none at the ends. */
static void fold_space(char *text)
{
	const char *from = text;
	char *to = text;

	while (*(from += strspn(from, SPACE "\n"))) {
		if (to > text)
			*to++ = ' ';
		while (*from && !strchr(SPACE "\n", *from))
			*to++ = *from++;
	}
	*to = '\0';
}

/* Takes off a description what the registry says of the name: that it replaces another one, an alias here. */
static void cut_note(char *description)
{
	char *note = strstr(description, " IANA assigned this well-formed service name");

	if (note)
		*note = '\0';
}

static bool read_ports(const char *text, struct berth_range *out_ports)
{
	out_ports->first = out_ports->last = read_port(&text);
	if (*text == '-') {
		text++;
		out_ports->last = read_port(&text);
	}
	return out_ports->first && out_ports->first <= out_ports->last && !*text;
}

/* Adds what a record assigns. Returns 1, 0 where it assigns nothing, or negative. */
static int add_record(char **field, unsigned line, struct berth_services_builder *b,
		      struct berth_why *why)
{
	struct berth_range ports;
	int transport, err, i;

	for (i = 0; i < 4; i++)
		fold_space(field[i]);
	if (!*field[0] || !*field[1] || !*field[2])
		return 0;
	if (strchr(field[0], ' '))
		return berth_why(why, -EINVAL, "line %u: a space within the service name", line);
	if (!read_ports(field[1], &ports))
		return berth_why(
			why, -EINVAL,
			"line %u: the port number is neither PORT nor FIRST-LAST in 1-65535", line);
	transport = berth_transport_find(field[2], strlen(field[2]));
	if (transport < 0)
		return 0;
	cut_note(field[3]);
	err = berth_services_builder_add(b, ports, (enum berth_transport)transport, field[0],
					 field[3], NULL, 0, line);
	if (err)
		return berth_why(why, err, "line %u: %s", line,
				 err == -E2BIG ? "more than a million ports" : "no memory");
	return 1;
}

static int read_header(struct berth_csv *csv, char **field, struct berth_why *why)
{
	static const char *const wanted[] = { "Service Name", "Port Number", "Transport Protocol",
					      "Description" };
	int columns = berth_csv_record(csv, field, FIELDS, why), i;

	if (columns < 0)
		return columns;
	for (i = 0; i < 4; i++)
		if (columns < 4 || columns > FIELDS || strcmp(field[i], wanted[i]))
			return berth_why(
				why, -EINVAL,
				"line 1: not IANA's CSV, which begins \"Service Name,Port Number,Transport "
				"Protocol,Description\"");
	return columns;
}

int berth_services_parse_csv(char *text, size_t len, struct berth_services_builder *b,
			     struct berth_why *why)
{
	struct berth_csv csv = { text, 1 };
	char *field[FIELDS];
	int columns, n, added, rows = 0;

	text[len] = '\0';
	if (strlen(text) < len)
		return berth_why(why, -EINVAL, "a NUL byte at offset %zu", strlen(text));
	if (!strncmp(csv.at, "\xef\xbb\xbf", 3))
		csv.at += 3;
	columns = read_header(&csv, field, why);
	if (columns < 0)
		return columns;
	for (;;) {
		unsigned line = csv.line;

		n = berth_csv_record(&csv, field, FIELDS, why);
		if (n <= 0)
			break;
		if (n != columns)
			return berth_why(why, -EINVAL, "line %u: %d fields, the header has %d",
					 line, n, columns);
		added = add_record(field, line, b, why);
		if (added < 0)
			return added;
		rows += added;
	}
	if (!n && !rows)
		return berth_why(why, -EINVAL, "no service with a port in it");
	return n < 0 ? n : rows;
}
