/* SPDX-License-Identifier: MIT */
#ifndef CHANGE_H
#define CHANGE_H

#include "common/problems.h"
#include "settings.h"

/* Changes root's password. Says what happened; returns what to exit with. */
enum exit_status change_password(const struct settings *settings);

#endif
