/* SPDX-License-Identifier: MIT */
#ifndef COMPLETE_H
#define COMPLETE_H

#include "session.h"

/* Mounts the device's btrfs, looks at what is missing, and makes it. What fails is reported.
 * Returns 0, or -errno when nothing could be looked at or made; then nothing was changed. */
int complete_file_system(struct session *session);

/* --dry-run: says what would be made of what is missing, and marks it as made. */
void complete_pretend(struct session *session);

#endif
