/* SPDX-License-Identifier: MIT */
#ifndef COMMIT_H
#define COMMIT_H

#include "session.h"

/* Renames each complete staging tree to its final name, upper ones first, and makes the default
 * subvolume the default. The staging trees must be on the medium. One that cannot be renamed is
 * reported and marked; the others hold. Returns 0 or -errno. */
int commit_subvolumes(struct session *session);

/* Makes the directories above path that the file system lacks. Returns 0 or -errno. */
int commit_parents(struct session *session, const char *path);

/* Makes one directory of the file system, path, as the image has it or plain, with its label.
 * It appears whole. Its parent must be there. Returns 0 or -errno; -EEXIST: it is there. */
int commit_directory(struct session *session, const char *path);

#endif
