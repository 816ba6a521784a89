/* SPDX-License-Identifier: MIT */
#ifndef VIEW_H
#define VIEW_H

#include "live.h"
#include "settings.h"

/* A private /etc that passwd can write to: an overlay over the caller's, in a mount namespace of
 * its own. What is written lies on a tmpfs that no mount table ever shows but that namespace's,
 * and that is gone with the last descriptor. */
struct view {
    int top; /* of the tmpfs: a detached mount */
};

#define VIEW_NONE ((struct view){.top = -1})

/* The files that passwd replaces by renaming, and that may be mounts of their own. */
struct lives {
    struct live shadow;
    struct live history; /* of old passwords, for pam_pwhistory; may be of LIVE_NONE */
};

/* Makes the tmpfs with a copy of each live file in it. Returns 0, or -errno and in *ret_step what
 * failed. */
int view_prepare(const struct settings *settings, const struct lives *lives, struct view *ret,
                 const char **ret_step);

/* Puts this process, which is about to run passwd, into a mount namespace with the view at /etc
 * and every mount below /etc that the caller has. Returns as above; after an error nothing may
 * be run. */
int view_enter(const struct settings *settings, const struct lives *lives, const struct view *view,
               const char **ret_step);

/* What is in the view of a live file, once no process is left in it. -ENOENT: it was
 * removed; -EINVAL: it is no regular file any more; -ELOOP: it is a symbolic link. */
int view_read(const struct view *view, const char *name, struct secret *ret);

void view_close(struct view *view);

#endif
