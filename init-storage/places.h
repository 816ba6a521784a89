/* SPDX-License-Identifier: MIT */
#ifndef PLACES_H
#define PLACES_H

#include <stdbool.h>

#include "session.h"

/* In subvolumes that were there already: makes the mount points of managed entries inside them,
 * and sets NOCOW where it is asked for. What fails is reported. Returns whether anything was
 * changed. */
bool places_complete(struct session *session);

#endif
