/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of `berth explain` share: the answer that is being put together. */
#ifndef BERTH_CLI_EXPLAIN_H
#define BERTH_CLI_EXPLAIN_H

#include <jansson.h>
#include <stdbool.h>

#include "src/cli/what.h"
#include "src/kernel/view.h"

struct berth_explain {
	bool json, no_probe;
	int protocol; /* of --protocol; 0: not said */
	struct berth_what what;
	struct berth_view view;
	uint32_t uid; /* who would ask */
	bool findings;
	json_t *root; /* the JSON object: answer, evidence, ways, and what each kind adds */
};

/* A sentence of the answer; a line of evidence; both without a full stop of their own making. */
void berth_explain_say(struct berth_explain *e, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void berth_explain_show(struct berth_explain *e, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A way out: the command, and what it does. */
void berth_explain_way(struct berth_explain *e, const char *does, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Prints what was put together: text, or one JSON object. */
void berth_explain_print(const struct berth_explain *e);

/* "127.0.0.1:80", "[::1]:80"; port 0 is written "*". */
const char *berth_explain_endpoint(const struct berth_ip *ip, uint16_t port, char buf[64]);

/* One line on socket number at of the view: state, addresses, holder. */
void berth_explain_show_sock(struct berth_explain *e, uint32_t at);

/* "python3 (pid 4711, user www-data, unit x.service)", or who might have it. buf: 256 bytes. */
const char *berth_explain_holder(const struct berth_explain *e, uint32_t at, char *buf);

/* The ways out of a verdict on a bind() or connect() of sock at addr:port. */
void berth_explain_ways(struct berth_explain *e, const struct berth_request *req,
			const struct berth_verdict *v);

/* "TCP", "EADDRINUSE". */
const char *berth_explain_title(int protocol);
const char *berth_explain_error(int error);

/* Adds a verdict to the JSON object; kernel: what the kernel said, negative where it was not asked. */
void berth_explain_keep(struct berth_explain *e, const struct berth_request *req,
			const struct berth_verdict *v, int kernel);

#define BERTH_EXPLAIN_SHOWN 8     /* sockets in a list of evidence */
#define BERTH_EXPLAIN_ADDRESSES 4 /* of a name that is resolved */

struct berth_explain_addresses {
	struct berth_ip ip[BERTH_EXPLAIN_ADDRESSES];
	uint32_t scope[BERTH_EXPLAIN_ADDRESSES];
	int count;
};

/*
 * The addresses of what is asked, the IPv4 wildcard where it has none; numeric: names are not resolved.
 * Returns 0, or -EINVAL with the sentence in why.
 */
int berth_explain_resolve(const struct berth_explain *e, bool numeric,
			  struct berth_explain_addresses *out, struct berth_why *why);

/* Explains a connect(). Returns as berth_explain_resolve(). */
int berth_explain_connect(struct berth_explain *e, struct berth_why *why);

/* Explains an errno. */
void berth_explain_errno(struct berth_explain *e);

#endif
