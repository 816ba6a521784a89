/* SPDX-License-Identifier: MIT */
#ifndef WIPE_H
#define WIPE_H

#include <stdint.h>

/* Takes what is left of a btrfs off a device of size bytes, open for writing and exclusively
 * (fd), so that nothing finds or restores it. Returns 0 or -errno; -EEXIST: something is still
 * found there afterwards. */
int wipe_file_system(int fd, uint64_t size);

#endif
