/* SPDX-License-Identifier: MIT */
#ifndef STAGING_H
#define STAGING_H

#include "session.h"

/* Removes what an interrupted run left, and makes an empty folder for this one. What the default
 * subvolume lies in stays. Returns 0 or -errno. */
int staging_open(struct session *session);

/* Removes the folder with all that is still in it, and those in subvolumes. */
int staging_close(struct session *session);

/* A folder of ours in a subvolume that is there, upper, for what is renamed to a place in it: a
 * plain directory or file cannot leave its subvolume. Returns a descriptor or -errno. */
int staging_open_in(const struct session *session, const struct subvolume *upper);

/* Removes name below directory, with subvolumes and all. -ENOENT is no error. */
int staging_remove(int directory, const char *name);

/* In subvolumes others may have such a folder: whether this is one that we made, root's and 0700.
 * At the top of the file system the name is ours whatever it is. 1, 0 or -errno. */
int staging_is_ours(int directory, const char *name);

/* Removes a folder of ours from a subvolume, if there is one. Returns 0 or -errno. */
int staging_clear_ours(int directory);

/* Copies the image into a staging tree for each missing subvolume; one that fails is reported,
 * removed, and marked. Returns 0, or -errno when there is no sense in going on (-EINTR). */
int staging_fill(struct session *session);

/* The name of a subvolume's staging tree. size must be at least STAGING_NAME_SIZE. */
#define STAGING_NAME_SIZE 32
void staging_name(const struct session *session, const struct subvolume *subvolume, char *name);

/* A directory inside the staging tree of a missing subvolume. Returns a descriptor or -errno. */
int staging_open_inside(const struct session *session, const struct subvolume *subvolume);

#endif
