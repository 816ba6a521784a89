/* SPDX-License-Identifier: MIT */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>

#include "common/reset-request.h"

enum command { COMMAND_REQUEST, COMMAND_CANCEL, COMMAND_STATUS, COMMAND_NOW };

/* What comes after a request was stored. */
enum follow_up { FOLLOW_UP_NONE, FOLLOW_UP_REBOOT, FOLLOW_UP_POWEROFF };

/* What the command line says, and the paths that tests replace. */
struct settings {
    enum command command;
    bool yes;
    bool json;
    bool erase_given;
    enum erase_kind erase;
    enum follow_up follow_up;
    const char *device; /* NULL: what fstab says */
    const char *fstab;
    const char *run_directory;
    const char *mount_point; /* covered in our own mount namespace only */
};

#endif
