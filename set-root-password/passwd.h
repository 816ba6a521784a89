/* SPDX-License-Identifier: MIT */
#ifndef PASSWD_H
#define PASSWD_H

#include "common/problems.h"
#include "view.h"

/* Runs passwd, or chpasswd with a new password, in the view, as the first user's process of a
 * process namespace: when this returns, no process is left in the view, whatever PAM started.
 * What fails is reported. Returns 0 when the program said that it did its work; -errno. */
int passwd_run(const struct settings *settings, const struct lives *lives, const struct view *view,
               const struct secret *password, struct problems *problems);

#endif
