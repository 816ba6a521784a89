/* SPDX-License-Identifier: MIT */
#ifndef ERASE_H
#define ERASE_H

#include "common/wipe.h"

/* Erases the rest of the device as the record's request asks for, from where the record says that
 * it got, and keeps the record up to date on the way. Sets its level to what was
 * reached.
 * Returns 0 or -errno. */
int erase_run(struct wipe *wipe, struct erase_record *record);

/* Writes zeros over length bytes from start. Returns 0 or -errno. */
int erase_write_zeros(int fd, uint64_t start, uint64_t length);

#endif
