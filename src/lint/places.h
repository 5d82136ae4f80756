/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where configuration files declare ports: the table. One row a place (a program and its files), and in it one
 * row a setting.
 */
#ifndef BERTH_LINT_PLACES_H
#define BERTH_LINT_PLACES_H

#include "src/lint/format.h"
#include "src/lint/value.h"

/* What a setting's value is. */
enum berth_lint_shape {
	BERTH_LINT_PORT,    /* entries of berth_lint_read_endpoint() */
	BERTH_LINT_SPAN,    /* two ports */
	BERTH_LINT_SET,     /* "a,b-c" */
	BERTH_LINT_PAIR,    /* the setting is two: key "MIN|MAX" */
	BERTH_LINT_MAPPING, /* what Docker publishes */
	BERTH_LINT_ADDRESS, /* where the ports of this place are bound that name no address; OFF: "" is nowhere */
	BERTH_LINT_CLIENTS,      /* how many the range must serve; offset: ports for each */
	BERTH_LINT_CONDITION,    /* another row asks for it */
	BERTH_LINT_EPHEMERAL,    /* sysctl: ip_local_port_range */
	BERTH_LINT_RESERVED,     /* sysctl: ip_local_reserved_ports */
	BERTH_LINT_POLICY,       /* what a unit may bind */
	BERTH_LINT_UNPRIVILEGED, /* sysctl: ip_unprivileged_port_start */
};

enum {
	BERTH_LINT_ADD = 1,      /* each one counts; else the last */
	BERTH_LINT_FIRST = 2,    /* the first counts */
	BERTH_LINT_RESET = 4,    /* each one counts, and an empty one forgets those before it */
	BERTH_LINT_ZERO_OFF = 8, /* 0 switches it off; else the kernel picks a port */
	BERTH_LINT_ZERO_INITIAL = 16, /* 0 means the default */
	BERTH_LINT_SOURCE = 32,       /* ports that it sends from, not listens on */
	BERTH_LINT_AVOID = 64,        /* ports that it does not send from */
	BERTH_LINT_RETRY = 128,       /* takes the next port of the range where one is taken */
	BERTH_LINT_NODEPORT = 256,    /* Kubernetes' range: kube-proxy holds its ports by rules */
	BERTH_LINT_UNNAMED = 512,     /* leaves out ports that IANA assigned */
	BERTH_LINT_LIST = 1024,       /* blanks separate entries, too */
	BERTH_LINT_SECOND = 2048,     /* the value is "ADDRESS PORT" */
	BERTH_LINT_COUNT = 4096,      /* PAIR: the second says how many ports */
	BERTH_LINT_FIXED = 8192,      /* no setting moves it: the key is a name for reports */
	BERTH_LINT_WORDS_UDP = 16384, /* "udp" or "quic" behind the port makes it UDP's */
	BERTH_LINT_COLONS =
		32768, /* entries stand between colons, or what "<" at the start names */
	BERTH_LINT_ORDERED = 65536,    /* AVOID: of ports that come later it takes none */
	BERTH_LINT_ELSEWHERE = 131072, /* not at the place's ADDRESS */
	BERTH_LINT_LEFT_OUT = 262144,  /* AVOID: of the ranges that it listens on */
	BERTH_LINT_NUMBER =
		524288, /* an option that means many things: a port where it is a number from 1024 on, or an address with one */
};

struct berth_lint_key {
	const char *
		key; /* path, '*' and '?' as for a shell, case ignored; '*' goes over '/'. PAIR without option: "MIN|MAX" */
	enum berth_lint_shape shape;
	uint8_t protocols; /* BERTH_LINT_TCP and _UDP; 0: all that the value does not say */
	unsigned flags;
	const char *
		initial; /* what holds where no file sets it: a port, a set, "0" floats; NULL: nothing */
	const char *
		option; /* the value is a command line: names of the option in it; PAIR: "MIN|MAX" */
	int offset;     /* added to each port; CLIENTS: ports for each client */
	const char *
		when; /* "KEY=VALUE[&KEY=VALUE]": counts only where the place is set so; VALUE as a key, above */
	uint16_t usual; /* the port of an address that stands alone; 0: it has none */
};

enum {
	BERTH_LINT_EACH = 1, /* each file is an instance; else they make up one */
	BERTH_LINT_CASE = 2, /* the case of letters in keys matters */
	BERTH_LINT_INSTANCES =
		4,            /* files are instances that run together: their ports must differ */
	BERTH_LINT_NAMED = 8, /* a file has the name of its program */
	BERTH_LINT_FORWARDS = 16 /* listens on loopback for its users, too */
};

struct berth_lint_place {
	const char *service; /* as reports name it */
	const char *same; /* other names of it: units and commands, separated by '|'; NULL: none */
	const char *package; /* of Debian 12 that has a sample, tried in tests; NULL: none has */
	const char *files;   /* globs below the root, separated by '|'; what comes later wins */
	enum berth_lint_format format;
	unsigned flags;
	const struct berth_lint_key *keys; /* ends with a row without key */
};

/* Ends with a place without service. */
extern const struct berth_lint_place berth_lint_places[];

/* The places whose files are found in their own way: sysctl.d, systemd's units. */
extern const struct berth_lint_place berth_lint_sysctl, berth_lint_unit;

/* Places that a file is known as wherever it lies: by what is in it. */
extern const struct berth_lint_place berth_lint_kubernetes, berth_lint_compose;

#endif
