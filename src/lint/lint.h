/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linting: files in, declarations of ports, findings out.
 *
 * Workload: 2,000 files of a host, some 100 declarations. Files are read one by one and not kept; of each, only
 * the settings of the table (places.h) are. Declarations are compared in the order of their first port.
 */
#ifndef BERTH_LINT_LINT_H
#define BERTH_LINT_LINT_H

#include "src/lint/arena.h"
#include "src/lint/places.h"

/* id, name, level, what it is in one sentence; explain.c has why and when it breaks */
#define BERTH_LINT_RULES(X)                                                                        \
	X(SYNTAX, syntax, ERROR, "a file or a value that cannot be read")                          \
	X(INCLUDE, include, ERROR, "an include that cannot be followed")                           \
	X(REFUSED, refused, ERROR, "a sysctl that the kernel refuses")                             \
	X(EPHEMERAL, ephemeral, WARNING, "a listener's ports lie in the ephemeral range")          \
	X(OVERLAP, overlap, WARNING, "two programs' ranges share ports")                           \
	X(TWICE, twice, ERROR, "two programs listen on one port")                                  \
	X(DENIED, denied, ERROR, "a port that its own unit may not bind")                          \
	X(SOURCE, source, WARNING, "a pool of source ports holds a listener's port")               \
	X(CLIENTS, clients, WARNING, "a range has fewer ports than clients are allowed")           \
	X(LIVE, live, WARNING, "a listener is outside of the range its file declares")             \
	X(APPLIED, applied, WARNING, "the kernel does not have what sysctl.d says")                \
	X(NODEPORT, nodeport, WARNING, "a listener in the range of Kubernetes' NodePorts")         \
	X(RESVPORT, resvport, WARNING, "a low port that RPC clients may take first")               \
	X(SUPPRESS, suppress, WARNING, "a suppression without a reason")                           \
	X(FLOATING, floating, NOTE, "a listener whose port the kernel picks")                      \
	X(NAMES, names, NOTE, "ports that named services have")                                    \
	X(OPEN, open, NOTE, "low ports that every user may bind")                                  \
	X(RESERVED, reserved, NOTE, "a reservation that has no effect")                            \
	X(ADJACENT, adjacent, NOTE, "NodePorts end where the ephemeral range begins")

enum berth_lint_level { BERTH_LINT_NOTE, BERTH_LINT_WARNING, BERTH_LINT_ERROR };

#define BERTH_LINT_RULE_ENUM(id, name, level, what) BERTH_LINT_RULE_##id,
enum berth_lint_rule { BERTH_LINT_RULES(BERTH_LINT_RULE_ENUM) BERTH_LINT_RULE_COUNT };
#undef BERTH_LINT_RULE_ENUM

struct berth_lint_rule_text {
	const char *name, *what;
	enum berth_lint_level level; /* the usual one */
	const char *why;             /* why it breaks, and when */
};

/* One row for each rule. */
extern const struct berth_lint_rule_text berth_lint_rules[];

/* "note", "warning", "error" */
const char *berth_lint_level_name(enum berth_lint_level level);

/* Where something is written. line 0: nowhere in the file, a default. */
struct berth_lint_spot {
	const char *file;
	unsigned line;
	const char *raw;    /* the line itself, blanks off its ends; NULL for a default */
	const char *ignore; /* rules that are ignored there, "all" or "a,b"; NULL */
	const char *reason; /* for that; NULL where none is given */
};

struct berth_lint_decl {
	const struct berth_lint_place *place;
	const struct berth_lint_key *key;
	const char *scope;                   /* the instance that it is of */
	const char *service;                 /* the place's; of a unit its name without ".socket" */
	const char *label;                   /* the setting: "pasv_min_port, pasv_max_port" */
	struct berth_lint_spot spot, second; /* second: the other setting of a pair */
	struct berth_lint_ports ports;       /* protocols are set */
	bool implied;                        /* by the program's default */
	size_t order;                        /* of the setting among all */
};

#define BERTH_LINT_WAYS 5

struct berth_lint_finding {
	enum berth_lint_rule rule;
	enum berth_lint_level level;
	struct berth_lint_spot spot;
	const char *text;                 /* one line */
	const char *way[BERTH_LINT_WAYS]; /* ways out; NULL ends them */
	struct berth_range reserve;       /* what --fix would reserve of it */
	bool fixable;
	const char *suppressed; /* the reason; NULL where it counts */
};

struct berth_lint_found;

/* How many clients a place allows: to be compared with its range. */
struct berth_lint_clients {
	const struct berth_lint_place *place;
	const char *scope;
	struct berth_lint_spot spot;
	uint32_t ports, each; /* that they need, and one of them does */
	const char *service;
};

struct berth_lint_seen;
struct berth_lint_given;

/* How included files are read: given by the caller. */
struct berth_lint_reader {
	/*
	 * Calls fn for each file that a pattern means, in the order of names; a text lasts for the call, and calls nest.
	 * Returns how many files there were, or, for a path without '*', '?' and '[', -errno: -EISDIR for a directory.
	 * NULL: includes are not followed.
	 */
	int (*each)(void *arg, const char *pattern,
		    void (*fn)(void *with, const char *path, const char *text, size_t len),
		    void *with);
	void *arg;
	size_t shown; /* how much of a file's name stands in front of its path below the root */
	const char *above; /* the root is this directory of a host; "" for the host's own */
	bool is_host;      /* what is not there is missing */
};

#define BERTH_LINT_SEEN 256

/* What the kernel begins with: net/ipv4/af_inet.c, and PROT_SOCK. */
#define BERTH_LINT_EPHEMERAL_DEFAULT ((struct berth_range){ 32768, 60999 })
#define BERTH_LINT_UNPRIVILEGED_DEFAULT 1024

struct berth_lint {
	struct berth_lint_arena arena;
	struct berth_lint_reader reader; /* set after berth_lint_init() */
	struct berth_lint_seen
		*seen[BERTH_LINT_SEEN]; /* files of places that have includes, by name */
	/* What a place said names are relative to; NULL where it did not. */
	const struct berth_lint_place *include_base_of;
	const char *include_base;
	unsigned followed; /* files that were included */
	/* Variables, of the place and scope that is read: what comes next begins anew. */
	struct berth_lint_given *given;
	size_t given_count, given_room;
	struct berth_lint_arena given_texts;
	const struct berth_lint_place *given_place;
	const char *given_scope;
	berth_lint_named named; /* from the caller: the port of a service's name; may be NULL */
	void *named_arg;
	struct berth_lint_found *found; /* settings, until berth_lint_collect() */
	size_t found_count, found_room;
	struct berth_lint_decl *decls;
	size_t decl_count, decl_room;
	struct berth_lint_clients *clients;
	size_t client_count, client_room;
	struct berth_lint_finding *findings;
	size_t finding_count, finding_room;
	/* What the kernel chooses from, and what it leaves out; the spots say who said so. */
	struct berth_range ephemeral;
	uint32_t unprivileged; /* the first port that needs no privilege */
	struct berth_lint_spot ephemeral_spot, reserved_spot, unprivileged_spot;
	size_t ephemeral_order, unprivileged_order; /* 0: no file says so */
	struct berth_portset reserved;
	struct berth_portset
		lost; /* ephemeral ports that only an earlier file of sysctl.d reserves */
	bool has_rpc; /* something on this host takes ports with bindresvport() */
	struct berth_portset rpc_spared; /* /etc/bindresvport.blacklist */
	struct berth_portset
		declared; /* ports of listeners, and those that ways offer; of ways.c */
	bool has_declared;
	unsigned files;
	bool is_full; /* settings were left out */
	bool no_memory;
};

/* Begins with the kernel's defaults. */
void berth_lint_init(struct berth_lint *l, berth_lint_named named, void *named_arg);
void berth_lint_fini(struct berth_lint *l);

/*
 * Reads a file of a place: its settings are remembered, what cannot be read becomes a finding. name is shown in
 * reports. scope: settings of one scope make up one instance; NULL: the place's, or, with BERTH_LINT_EACH, the
 * file's. Files of a place come in the order in which their settings override each other.
 */
void berth_lint_add(struct berth_lint *l, const struct berth_lint_place *place, const char *name,
		    const char *scope, const char *text, size_t len);

/* True where the text is one of Kubernetes' objects: "apiVersion:" and "kind:" begin lines of it. */
bool berth_lint_is_kubernetes(const char *text, size_t len);

/* Reads /etc/bindresvport.blacklist. */
void berth_lint_add_spared(struct berth_lint *l, const char *text, size_t len);

/* Makes declarations of the settings, once, after the last file. */
void berth_lint_collect(struct berth_lint *l);

/* True where a command is one that a declaration is of: after berth_lint_collect(). */
bool berth_lint_knows(const struct berth_lint *l, const char *command);

/* A listener of this host, for berth_lint_judge(). */
struct berth_lint_listener {
	const char *command;
	uint16_t port;
	uint8_t protocol; /* BERTH_LINT_TCP or _UDP */
	bool loopback;
};

/* What is known of the running host; all may be absent. */
struct berth_lint_live {
	const struct berth_lint_listener *listeners;
	size_t listener_count;
	bool has_sysctl;
	struct berth_range ephemeral;
	struct berth_portset reserved;
};

/* What the registry knows of a port. */
struct berth_lint_registry {
	/* The service at a port; NULL where it has none. is_local: of this host's /etc/services. */
	const char *(*name)(void *arg, uint16_t port, uint8_t protocols, bool *out_is_local);
	void *arg;
};

/*
 * Applies the rules; findings are sorted by file and line. live and registry may be NULL.
 * Returns 0 or -ENOMEM.
 */
int berth_lint_judge(struct berth_lint *l, const struct berth_lint_live *live,
		     const struct berth_lint_registry *registry);

/* ---- between the files of this room ---- */

/* Frees what note_read() has. */
void berth_lint_forget_read(struct berth_lint *l);

/* A finding to be filled in; NULL where there is no memory. */
struct berth_lint_finding *berth_lint_find(struct berth_lint *l, enum berth_lint_rule rule,
					   const struct berth_lint_spot *spot);

/* The number of ports that two ranges share. */
static inline uint32_t berth_lint_shared(struct berth_range a, struct berth_range b)
{
	uint32_t first = a.first > b.first ? a.first : b.first,
		 last = a.last < b.last ? a.last : b.last;

	return first > last ? 0 : last - first + 1;
}

/* The lowest port of a set that is above a port; -1 where there is none. */
static inline int32_t berth_lint_after(const struct berth_portset *s, int32_t port)
{
	return port == 65535 ? -1 : berth_portset_next(s, (uint32_t)port + 1);
}

/* Makes room for one more of size bytes; the new one is zero. NULL where there is no memory. */
void *berth_lint_grow(struct berth_lint *l, void **array, size_t *count, size_t *room, size_t size);

#endif
