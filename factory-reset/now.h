/* SPDX-License-Identifier: MIT */
#ifndef NOW_H
#define NOW_H

#include "target.h"

/* --now: wipes, at shutdown, when nothing has the device any more. The flag must be armed for
 * this file system, or the command line must name the device and say yes. Returns 0 or -errno
 * after reporting. */
int reset_now(struct target *target);

#endif
