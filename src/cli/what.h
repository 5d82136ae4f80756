/* SPDX-License-Identifier: BSD-2-Clause */
/* What a person asks `berth explain`: a port, an endpoint, an action, a URL, an errno. */
#ifndef BERTH_CLI_WHAT_H
#define BERTH_CLI_WHAT_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/why.h"

enum berth_what_kind {
	BERTH_WHAT_PORT,
	BERTH_WHAT_BIND,    /* also "listen" */
	BERTH_WHAT_CONNECT, /* also a URL */
	BERTH_WHAT_ERRNO,
	BERTH_WHAT_WORD, /* the name of a service, perhaps */
};

#define BERTH_WHAT_TEXT 256

struct berth_what {
	enum berth_what_kind kind;
	int protocol;                /* 6 or 17; 0: not said */
	uint16_t port;               /* 0: not said; bind: the kernel chooses */
	bool has_port, default_port; /* default_port: of the URL's scheme */
	bool listens;
	int error;                    /* BERTH_WHAT_ERRNO */
	char host[BERTH_WHAT_TEXT];   /* address or name, without brackets; "" for none */
	char device[16];              /* behind "%" */
	char scheme[32];              /* of a URL */
	char user[64];                /* behind "as" */
	char source[BERTH_WHAT_TEXT]; /* behind "from" */
	uint16_t source_port;
};

/*
 * Reads the operands (count words, which may also come as one): "8080", "53/udp", "udp/53", "ssh", "127.0.0.1:80",
 * "[::1]:80", ":80", "bind ADDR:PORT|PORT [as USER]", "listen ...", "connect HOST:PORT [from ADDR[:PORT]]
 * [as USER]", a URL, "EADDRINUSE". Names are not resolved here.
 * Returns 0, or -EINVAL with the sentence in why.
 */
int berth_what_parse(char *const *words, int count, struct berth_what *out_what,
		     struct berth_why *why);

/* The name of an errno that was probably meant, case ignored; NULL where none is near. */
const char *berth_what_near(const char *name);

#endif
