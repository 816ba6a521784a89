/* SPDX-License-Identifier: MIT */
#ifndef SHADOW_FILE_H
#define SHADOW_FILE_H

#include <stddef.h>

#include "secret.h"

#define SHADOW_LIMIT ((size_t)16 << 20) /* bytes */

/* A reason in words; it never quotes more of a line than the user's name. */
struct shadow_reason {
    char text[160];
};

/* Takes the empty lines at its end off a file's text: a write-back that was cut off leaves some,
 * see write-back.c. */
void shadow_trim(struct secret *file);

/* Whether a shadow(5) file can be worked on: it has exactly one entry for root. Any bytes
 * will do. Returns 0 or -EBADMSG. */
int shadow_check_old(const struct secret *file, struct shadow_reason *ret);

/* Whether changed differs from old in root's entry alone, and that one is well-formed with a
 * hashed password. Any bytes will do. Returns 0, or -EBADMSG. */
int shadow_check_change(const struct secret *old, const struct secret *changed,
                        struct shadow_reason *ret);

/* The same for a file of old passwords, opasswd(5) of pam_pwhistory: it is text, and no more is
 * known of it. */
int shadow_check_history(const struct secret *changed, struct shadow_reason *ret);

#endif
