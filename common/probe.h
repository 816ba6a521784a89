/* SPDX-License-Identifier: MIT */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/superblock.h"

enum device_state {
    DEVICE_BLANK,
    DEVICE_BTRFS,
    DEVICE_RESET_REQUESTED,
    DEVICE_DAMAGED,
    DEVICE_FOREIGN,
    DEVICE_UNREADABLE,
};

const char *device_state_name(enum device_state state);

struct device_probe {
    enum device_state state;
    /* Blank (as is a device on which a wipe of ours was cut off: the erase record is there), but
     * what is left of an older btrfs has to go first: mkfs.btrfs zeroes the primary
     * superblock and the copies without a flush between them. */
    bool wipe_first;
    char found[512];  /* what forbids to format, or why it is unreadable, in words */
    char advice[128]; /* damaged: words and a command that may help, but the device */
    /* The superblock to go by: the first one if it is whole, else a whole copy, else what is left
     * of the first one. Says nothing in other states than btrfs and damaged. */
    struct superblock primary;
};

/* Looks at a block device of size bytes, without changing it, and decides which state of the
 * table in init-storage(8) it is in. strict_blank is x-init-storage.blank=zero. Whatever cannot
 * be read makes it unreadable. */
void probe_device(int fd, uint64_t size, bool strict_blank, struct device_probe *ret);

#endif
