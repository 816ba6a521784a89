/* SPDX-License-Identifier: MIT */
#ifndef MKFS_H
#define MKFS_H

/* Runs mkfs.btrfs, without force, on a device that was probed as blank and is locked. label and
 * uuid may be NULL. (Nothing is changed in them: exec(3) knows no const.) When it fails, its own
 * words come out as messages. Returns 0; -errno when it could not be run or was stopped by a
 * signal to us (-EINTR); a positive number: its exit status, or 128 and the number of the signal
 * that ended it. lock is the device's lock: mkfs.btrfs gets it, too, so that it lasts as long as
 * that does, even if we are killed; a next run waits for it. */
int mkfs_run(char *device, char *label, char *uuid, int lock);

#endif
