/* SPDX-License-Identifier: MIT */
#ifndef ETC_COPIES_H
#define ETC_COPIES_H

#include "session.h"

/* Copies writable-etc's entries into the staging tree of their folder, when that one is being
 * made. A failure is reported and marked. Returns 0 or -EINTR. */
int etc_copies_stage(struct session *session);

/* Adds the missing ones to a folder that is there: a copy beside, synced, renamed, one by one.
 * A failure is reported and marked. */
void etc_copies_add(struct session *session);

#endif
