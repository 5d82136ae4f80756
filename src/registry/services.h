/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a port means: services by port and by name, out of three lists that lie one above the other.
 *
 * The built-in list (IANA's registry when berth was built) is lowest, then a newer registry that was imported
 * (berth_services_import()), then /etc/services, which programs of this host ask. Where lists differ about
 * a port, the highest has the name, and the others' names are aliases; the description is the highest that
 * there is.
 */
#ifndef BERTH_REGISTRY_SERVICES_H
#define BERTH_REGISTRY_SERVICES_H

#include <stdbool.h>

#include "src/base/why.h"
#include "src/registry/layer.h"
#include "src/registry/parse.h"

enum berth_services_source {
	BERTH_SERVICES_IANA,
	BERTH_SERVICES_IMPORT,
	BERTH_SERVICES_ETC,
	BERTH_SERVICES_SOURCES
};

struct berth_services {
	struct berth_services_layer layer[BERTH_SERVICES_SOURCES];
};

#define BERTH_SERVICE_ALIASES 32

/* Strings are borrowed from the lists. */
struct berth_service {
	uint16_t port;
	enum berth_transport transport;
	enum berth_services_source source; /* of the name */
	uint32_t line;                     /* there; 0 for the built-in list */
	const char *name, *description;
	const char *alias[BERTH_SERVICE_ALIASES]; /* those beyond are left out */
	unsigned aliases;
};

/* Classes of RFC 6335 section 6: "system" (0-1023), "user" (1024-49151), "dynamic" (49152-65535). */
const char *berth_port_class(uint16_t port);

/*
 * Called for a file that could not be read as a whole (line 0) and for each malformed line of it. file and
 * what have no byte of its content.
 */
typedef void (*berth_services_complain)(void *arg, const char *file, unsigned line,
					const char *what);

/*
 * Loads all lists. A file that is not there is an empty list; one that cannot be read is told to complain
 * (which may be NULL), and left out. berth_services_fini() frees.
 */
void berth_services_init(struct berth_services *s, berth_services_complain complain, void *arg);

/*
 * Takes another /etc/services for this host's: an image's, of len bytes with a NUL behind them, which it changes while it
 * reads. Returns 0, -ENOMEM or -E2BIG; the list is empty then.
 */
int berth_services_set_etc(struct berth_services *s, char *text, size_t len);
void berth_services_fini(struct berth_services *s);

/* The service at a port; false where it has none. O(log n). */
bool berth_services_get(const struct berth_services *s, uint16_t port,
			enum berth_transport transport, struct berth_service *out_service);

/*
 * The first service that is not below (port, transport), by port, then by protocol; false where there is
 * none. To go on: the same port, transport + 1. O(log n).
 */
bool berth_services_next(const struct berth_services *s, uint32_t port, unsigned transport,
			 struct berth_service *out_service);

/*
 * Calls fn for each service that has this name or alias, case ignored, by port, then by protocol.
 * Returns how many, or -ENOMEM. O(log n) and what is found.
 */
int berth_services_named(const struct berth_services *s, const char *name,
			 void (*fn)(const struct berth_service *service, void *arg), void *arg);

/* The name or alias that was probably meant by one that does not exist; NULL where none is near. */
const char *berth_services_near(const struct berth_services *s, const char *name);

#endif
