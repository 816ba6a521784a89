/* SPDX-License-Identifier: MIT */
#ifndef PREPARE_H
#define PREPARE_H

#include "common/locate.h"
#include "common/progress.h"
#include "report.h"
#include "settings.h"

/* The data device, before anything on it is mounted. */
struct prepare {
    const struct settings *settings;
    const struct fstab_entry *var;
    struct report *report;
    struct progress *progress;
    struct located located;
};

/* Decides by what is on it: makes a file system if it is blank, refuses what is somebody's.
 * Returns 0 when there is a btrfs to go on with, 1 when there is none and none was to be made
 * (--dry-run), or -errno after reporting. */
int prepare_file_system(struct prepare *prepare);

#endif
