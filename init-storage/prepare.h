/* SPDX-License-Identifier: MIT */
#ifndef PREPARE_H
#define PREPARE_H

#include "device.h"
#include "fstab.h"
#include "progress.h"
#include "report.h"

/* The data device, before anything on it is mounted. */
struct prepare {
    const struct settings *settings;
    const struct fstab_entry *var;
    struct report *report;
    struct progress *progress;
    struct device device;
    const char *tag; /* the source that found the device; NULL: the command line did */
    bool by_locator; /* found by x-init-storage.device= */
};

/* Finds and opens the device of /var's line. What is wrong is reported. Returns 0 or -errno. */
int prepare_find(struct prepare *prepare);

/* Decides by what is on it: makes a file system if it is blank, refuses what is somebody's.
 * Returns 0 when there is a btrfs to go on with, 1 when there is none and none was to be made
 * (--dry-run), or -errno after reporting. */
int prepare_file_system(struct prepare *prepare);

#endif
