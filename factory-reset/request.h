/* SPDX-License-Identifier: MIT */
#ifndef REQUEST_H
#define REQUEST_H

#include "target.h"

/* The admin's side: asks for confirmation, stores the request and arms the shutdown. Returns 0 or
 * -errno after reporting; -EPERM: the answer was not yes; -EINVAL: there is nobody to ask. */
int request_reset(struct target *target);

/* Takes a request back, from the file system and from the shutdown. */
int request_cancel(struct target *target);

#endif
