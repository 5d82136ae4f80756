/* SPDX-License-Identifier: BSD-2-Clause */
/* Refuses a connect in a cgroup, then in the one around it, and looks at what the other one sees. */
#include "hooks_user.h"

static struct hooks_want *within_want;
static struct hooks_seen *within_seen;

/* Connects; each hook refuses with its errno, or allows with 0. Returns the errno that the program sees. */
static int try(int within, int around)
{
	int fd = fact_socket(SOCK_STREAM), code;

	*within_want = (struct hooks_want){ .refusal = -within };
	*want = (struct hooks_want){ .refusal = -around };
	*within_seen = *seen = (struct hooks_seen){ 0 };
	code = fact_connect(fd, LO, PEER);
	fact_expect(within_seen->connects == 1 && seen->connects == 1,
		    "within ran %u times, around %u", within_seen->connects, seen->connects);
	fact_expect(!within_seen->retval, "within sees %s", fact_errno(-within_seen->retval));
	close(fd);
	return code;
}

int main(void)
{
	int code;

	hooks_begin(
		"programs of nested cgroups all run, the innermost first; bpf_get_retval tells of a "
		"refusal before");
	hooks_load(fact_cgroup_within(), &within_want, &within_seen);
	fact_listen(PEER);
	code = try(0, 0);
	fact_expect(!code && !seen->retval, "both allow: %s, around sees %s", fact_errno(code),
		    fact_errno(-seen->retval));
	code = try(EADDRNOTAVAIL, 0);
	fact_expect(code == EADDRNOTAVAIL && seen->retval == -EADDRNOTAVAIL,
		    "refused within: %s, around sees %s", fact_errno(code),
		    fact_errno(-seen->retval));
	code = try(0, EAGAIN);
	fact_expect(code == EAGAIN && !seen->retval, "refused around: %s", fact_errno(code));
	fact_holds();
}
