/* SPDX-License-Identifier: BSD-2-Clause */
/* The rule files of authbind(1), as rules of berth. */
#ifndef BERTH_KERNEL_AUTHBIND_H
#define BERTH_KERNEL_AUTHBIND_H

#include "src/kernel/grant.h"

/*
 * Adds what a folder laid out like /etc/authbind grants: byport/PORT and byaddr/ADDR,PORT to whoever may
 * execute the file, byuid/UID by its lines. TCP and UDP alike; ports 512-1023 only where "!" marks them. A
 * byport file ends the search, so that the other two say nothing of its port. ACLs are not looked at. What
 * cannot be carried over is told to rules->note. 0; -ENOENT: no such folder; other -errno.
 */
int berth_authbind_add(struct berth_grant_rules *rules, const char *folder, struct berth_why *why);

#endif
