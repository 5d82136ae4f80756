/* SPDX-License-Identifier: BSD-2-Clause */
/* What pure.sh must refuse: a function that asks the clock. */
#include <time.h>

long berth_impure(void);

long berth_impure(void)
{
	return (long)time(NULL);
}
