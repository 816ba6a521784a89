/* SPDX-License-Identifier: MIT */
#ifndef LAST_RESET_H
#define LAST_RESET_H

#include "session.h"

/* Tells the new system, in STATE_PARENT/last-reset.json, what reset it came from: written into
 * the staging tree, so that it is there with the subvolume or not at all. Nothing to tell, or no
 * place to: nothing is done. What fails is a warning: a reset that is not told of is one. */
void last_reset_stage(struct session *session);

#endif
