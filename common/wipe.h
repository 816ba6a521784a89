/* SPDX-License-Identifier: MIT */
#ifndef WIPE_H
#define WIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/erase-record.h"
#include "common/progress.h"

/* A block device, open for writing and exclusively, that is to be wiped. */
struct wipe {
    int fd;
    uint64_t size; /* bytes */
    /* What the erase record says; NULL: nobody asked, and there is no record. */
    const struct reset_request *request;
    struct progress *progress;
    enum erase_level level; /* set by the two calls: what was reached */
};

/* Takes the file system off the device, so that nothing finds or restores it, erases what the
 * request asks for, and leaves the erase record. Returns 0 or -errno; -EEXIST: something is still
 * found there afterwards; -EINTR: a signal says stop, and the next boot goes on with the erase. */
int wipe_file_system(struct wipe *wipe);

/* Goes on with a wipe that left this record on an otherwise blank device. */
int wipe_resume(struct wipe *wipe, const struct erase_record *record);

#endif
