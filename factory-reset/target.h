/* SPDX-License-Identifier: MIT */
#ifndef TARGET_H
#define TARGET_H

#include "common/locate.h"
#include "common/probe.h"
#include "common/volume.h"
#include "settings.h"

/* The file system that is, or would be, reset. */
struct target {
    const struct settings *settings;
    struct problems *problems;
    struct fstab fstab;
    struct located located;
    struct device_probe found;
};

/* Finds the data device and looks at it. What is wrong is reported. Returns 0 or -errno; free
 * with target_free, also on failure. */
int target_find(struct target *target);
void target_free(struct target *target);

/* Whether a btrfs with a whole first superblock is there, whatever else is. */
bool target_has_btrfs(const struct target *target);

/* 0 when it may be reset: a btrfs, damaged or not, of one device that no other one is taken for.
 * with_others: also one beside which there are other signatures. Else -errno after refusing. */
int target_check(struct target *target, bool with_others);

/* Mounts the top of the file system where only this process sees it. Returns 0 or -errno, silent.
 */
int target_mount(struct target *target, enum volume_mode mode, struct volume *ret);

#endif
