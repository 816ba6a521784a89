/* SPDX-License-Identifier: MIT */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>

enum exit_status {
    EXIT_STATUS_DONE = 0,
    EXIT_STATUS_FAILED = 1,
    EXIT_STATUS_USAGE = 2,
    EXIT_STATUS_REFUSED = 3,
};

enum progress_mode { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };

/* What the command line says, and the paths that tests replace. */
struct settings {
    const char *root;          /* the tree that is copied; its fstab and lists are read */
    const char *fstab;         /* NULL: etc/fstab below root */
    const char *device;        /* NULL: what fstab says */
    const char *run_directory; /* RUN_DIRECTORY; where the report goes */
    const char *mount_point;   /* covered in our own mount namespace only */
    bool dry_run;
    bool json;
    enum progress_mode progress;
};

#endif
