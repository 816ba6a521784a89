/* SPDX-License-Identifier: MIT */
#ifndef PLACES_H
#define PLACES_H

#include "session.h"

/* In subvolumes that were there already: makes the mount points of managed entries inside them,
 * and sets NOCOW where it is asked for. What fails is reported. */
void places_complete(struct session *session);

#endif
