/* SPDX-License-Identifier: MIT */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>

#include "common/progress.h"

/* What the command line says, and the paths that tests replace. */
struct settings {
    bool root_given;           /* on the command line */
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
