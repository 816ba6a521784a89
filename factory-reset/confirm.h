/* SPDX-License-Identifier: MIT */
#ifndef CONFIRM_H
#define CONFIRM_H

#include "target.h"

/* Says what will be lost, and how. On a terminal waits for the word "yes". Returns 0 when it may
 * go on; -EPERM: another answer; -EINVAL: no terminal, and no --yes. */
int confirm(const struct target *target, const struct reset_request *request);

#endif
