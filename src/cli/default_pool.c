/* SPDX-License-Identifier: BSD-2-Clause */
/* The default pool: what the kernel and the registry leave, without what files declare. */
#include "src/cli/default_pool.h"

#include <string.h>

#include "src/cli/lint.h"
#include "src/kernel/pool.h"

/* Ports that a program listens on, or might: the source ports of another are the kernel's to check. */
static void add_declared(struct berth_portset *ports)
{
	struct berth_services services;
	struct berth_tree t = { .fd = -1 };
	struct berth_lint l;
	size_t i;

	if (berth_tree_init(&t, "/"))
		return;
	berth_services_init(&services, NULL, NULL);
	berth_lint_init(&l, berth_lint_port_named, &services);
	berth_lint_read_root(&l, &t, "");
	berth_lint_collect(&l);
	for (i = 0; i < l.decl_count; i++) {
		const struct berth_lint_decl *d = &l.decls[i];

		if (!d->ports.floating && !(d->key->flags & (BERTH_LINT_SOURCE | BERTH_LINT_AVOID)))
			berth_portset_add_range(ports, d->ports.ports);
	}
	berth_lint_fini(&l);
	berth_services_fini(&services);
	berth_tree_fini(&t);
}

int berth_default_pool(struct berth_portset *out_ports, struct berth_why *why)
{
	static struct berth_portset declared;

	memset(&declared, 0, sizeof(declared));
	add_declared(&declared);
	return berth_pool_default_ports(&declared, out_ports, why);
}
