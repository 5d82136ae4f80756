/* SPDX-License-Identifier: BSD-2-Clause */
/* Binds a low port without CAP_NET_BIND_SERVICE, with and without a program that returns 3. */
#include <sys/capability.h>

#include "hooks_user.h"

static void drop_capability(void)
{
	cap_value_t cap = CAP_NET_BIND_SERVICE;
	cap_t caps = cap_get_proc();

	fact_need(caps && !cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_CLEAR) &&
			  !cap_set_proc(caps),
		  "drop the capability");
	cap_free(caps);
}

int main(void)
{
	int code;

	hooks_begin("bind4 may return 3 to lift the need for CAP_NET_BIND_SERVICE");
	drop_capability();
	code = fact_bind(fact_socket(SOCK_STREAM), LO, 80);
	fact_expect(code == EACCES, "without: %s", fact_errno(code));
	*want = (struct hooks_want){ .lift = 1 };
	code = fact_bind(fact_socket(SOCK_STREAM), LO, 80);
	fact_expect(!code, "with: %s", fact_errno(code));
	fact_holds();
}
