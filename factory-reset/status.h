/* SPDX-License-Identifier: MIT */
#ifndef STATUS_H
#define STATUS_H

#include "target.h"

/* Says whether a reset is armed, by whom and when, and what the next boot will do. Returns 0 or
 * -errno after reporting. */
int status_print(struct target *target);

#endif
