/* SPDX-License-Identifier: BSD-2-Clause */
/* Refuses a connect in the earlier of two programs of one cgroup, then in the later, and looks at what the other sees. */
#include "hooks_user.h"

int main(void)
{
	struct hooks_want *later_want;
	struct hooks_seen *later_seen;
	int fd, code;

	hooks_begin("programs of one cgroup run in the order in which they were attached");
	hooks_load(fact_cgroup(), &later_want, &later_seen);
	fact_listen(PEER);
	fd = fact_socket(SOCK_STREAM);
	*want = (struct hooks_want){ .refusal = -EAGAIN };
	code = fact_connect(fd, LO, PEER);
	fact_expect(code == EAGAIN && !seen->retval && later_seen->retval == -EAGAIN,
		    "refused by the earlier: %s, it sees %s, the later %s", fact_errno(code),
		    fact_errno(-seen->retval), fact_errno(-later_seen->retval));
	*want = (struct hooks_want){ .refusal = 0 };
	*later_want = (struct hooks_want){ .refusal = -EAGAIN };
	code = fact_connect(fd, LO, PEER);
	fact_expect(code == EAGAIN && !seen->retval && !later_seen->retval,
		    "refused by the later: %s, the earlier sees %s", fact_errno(code),
		    fact_errno(-seen->retval));
	close(fd);
	fact_holds();
}
