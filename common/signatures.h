/* SPDX-License-Identifier: MIT */
#ifndef SIGNATURES_H
#define SIGNATURES_H

#include <stdbool.h>
#include <stddef.h>

/* What libblkid finds on a device: file systems, RAID members and the like, with wrong checksums,
 * too, and partition tables. */

enum signatures { SIGNATURES_NONE, SIGNATURES_BTRFS, SIGNATURES_OTHER, SIGNATURES_ERROR };

/* Looks, without changing anything. found, size bytes, says in words what it is when it is other
 * than btrfs alone, or what went wrong. */
enum signatures signatures_find(int fd, char *found, size_t size);

/* Destroys every signature on a device that is open for writing. Returns 0 or -errno. */
int signatures_wipe(int fd);

/* Whether the text of /sys/dev/block/<device>/dm/uuid names a part of a logical volume that is
 * not meant to be opened by itself; libblkid finds nothing on those, whatever is there. */
bool signatures_is_private_mapping(const char *uuid);

#endif
