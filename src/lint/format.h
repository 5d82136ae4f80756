/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forms of configuration files: text in, settings with their line out.
 *
 * A setting is a path (sections and key, joined by '/') and a value. A parser knows nothing of ports. What it
 * cannot read is told with its line, and never keeps it from the settings that stand apart from it.
 */
#ifndef BERTH_LINT_FORMAT_H
#define BERTH_LINT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

/* id, name, parser */
#define BERTH_LINT_FORMATS(X)                                                                      \
	X(LINES, "key value", lines)         /* "key value", "key = value" or "key: value" */      \
	X(INI, "ini", ini)                   /* the same below "[section]" */                      \
	X(WORDS, "words", words)             /* "a b c": path "a/b", value "c"; also "a", "b c" */ \
	X(COLUMNS, "columns", columns)       /* "a b c ...": path "b/c", value "a" */              \
	X(BARE, "bare", bare)                /* the file holds a value: path "" */                 \
	X(SHELL, "shell", shell)             /* NAME="value" */                                    \
	X(BRACES, "braces", braces)          /* nginx, named: statements end with ';' */           \
	X(BLOCKS, "blocks", blocks)          /* dovecot, HCL, libconfig: or with their line */     \
	X(PARENS, "parentheses", parens)     /* syslog-ng: a(b(c)) is path "a/b", value "c" */     \
	X(JSON, "json", json)                /* RFC 8259, and comments; "[]" for elements */       \
	X(YAML, "yaml", yaml)                /* the same paths */                                  \
	X(XML, "xml", xml)                   /* names of elements; "@a" is an attribute */         \
	X(UNIT, "unit", unit)                /* systemd: as ini, lines may go on */                \
	X(SYSCTL, "sysctl", sysctl)          /* sysctl.d(5): the path has dots */                  \
	X(NETFILTER, "netfilter", netfilter) /* nft, iptables-save: "nat/PROTOCOL" */              \
	X(CALLS, "calls", calls)             /* Lua: a("b", 1) is path "a", value "b 1" */         \
	X(TERMS, "terms", terms)             /* Erlang: {a, [{b, 1}]} is path "a/b", value "1" */

#define BERTH_LINT_FORMAT_ENUM(id, name, parser) BERTH_LINT_##id,
enum berth_lint_format { BERTH_LINT_FORMATS(BERTH_LINT_FORMAT_ENUM) BERTH_LINT_FORMAT_COUNT };
#undef BERTH_LINT_FORMAT_ENUM

#define BERTH_LINT_PATH_MAX 256   /* of nested ones; what is longer is cut, and nobody's */
#define BERTH_LINT_VALUE_MAX 4096 /* longer ones are cut */
#define BERTH_LINT_DEPTH_MAX 64

struct berth_lint_sink {
	void *arg;
	/* A setting; both strings last for the call. Lines count from 1. */
	void (*item)(void *arg, const char *path, const char *value, unsigned line);
	/* What could not be read; what is a constant text. */
	void (*malformed)(void *arg, unsigned line, const char *what);
	/* What a variable of a file's earlier settings holds; NULL where it has none. NULL: no variables. */
	const char *(*variable)(void *arg, const char *name, size_t len);
};

/* The name of a format: "ini", ... */
const char *berth_lint_format_name(enum berth_lint_format format);

/*
 * Reads a file of len bytes; it needs no NUL at its end. A byte-order mark is passed over. A file that has a
 * NUL is no text: that is told, and nothing read of it.
 */
void berth_lint_parse(enum berth_lint_format format, const char *text, size_t len,
		      const struct berth_lint_sink *sink);

/* ---- for the parsers ---- */

/* "$NAME" and "${NAME}" with what sink->variable() says of them, where it does: text itself, or buf. */
const char *berth_lint_fill_in(const struct berth_lint_sink *sink, const char *text, char *buf,
			       size_t size);

/* Sections and key that are open: "a/b/c"; what does not fit is left out, and the depth kept. */
struct berth_lint_path {
	char text[BERTH_LINT_PATH_MAX];
	size_t mark[BERTH_LINT_DEPTH_MAX];
	unsigned depth;
};

/* Adds a name at the end; false where the path is too deep. */
bool berth_lint_path_push(struct berth_lint_path *p, const char *name, size_t len);
/* Takes the last name away; there is one. */
void berth_lint_path_pop(struct berth_lint_path *p);

#define BERTH_LINT_PARSER(id, name, parser)                                                        \
	void berth_lint_parse_##parser(const char *text, size_t len,                               \
				       const struct berth_lint_sink *sink);
BERTH_LINT_FORMATS(BERTH_LINT_PARSER)
#undef BERTH_LINT_PARSER

#endif
