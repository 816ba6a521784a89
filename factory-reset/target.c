/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/cleanup.h"

static int read_fstab(struct target *target) {
    const char *name = target->settings->fstab;
    int fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), r;

    if (fd >= 0)
        return fstab_read(fd, name, &target->fstab, target->problems);
    r = -errno;
    problem(target->problems, "%s: cannot open: %s", name, strerror(-r));
    return r;
}

int target_find(struct target *target) {
    const struct settings *settings = target->settings;
    int r = settings->device ? 0 : read_fstab(target);

    if (r < 0)
        return r;
    r = locate_device(target->fstab.count ? &target->fstab.entries[target->fstab.var] : NULL,
                      settings->device, &target->located, target->problems);
    if (r == 0)
        probe_device(target->located.device.fd, target->located.device.size, false, &target->found);
    return r;
}

void target_free(struct target *target) {
    device_close(&target->located.device);
    fstab_free(&target->fstab);
}

bool target_has_btrfs(const struct target *target) {
    return (target->found.state == DEVICE_BTRFS || target->found.state == DEVICE_FOREIGN) &&
           superblock_is_whole(&target->found.primary, target->located.device.size) &&
           target->found.primary.offset == superblock_offsets[0];
}

static int check_alone(struct target *target) {
    const char *path = target->located.device.path;
    _cleanup_free_ char *other = NULL;
    int r = 0;

    if (target->located.device.read_only) {
        problem(target->problems, "%s: is read-only, it cannot be reset", path);
        return -EROFS;
    }
    if (target->found.primary.device_count != 1) {
        refusal(target->problems, "%s: its file system spans several devices; not touched", path);
        return -EMEDIUMTYPE;
    }
    if (target->located.tag)
        r = device_find_twin(target->located.tag, target->located.device.number, &other);
    if (r == 1)
        refusal(target->problems, "%s: two devices bear it, %s and %s; not touched",
                target->located.tag, path, other);
    else if (r < 0)
        problem(target->problems, "%s: cannot see whether another device bears it: %s",
                target->located.tag, strerror(-r));
    return r == 1 ? -EEXIST : r;
}

int target_check(struct target *target, bool with_others) {
    const char *path = target->located.device.path;

    switch (target->found.state) {
    case DEVICE_BTRFS:
    case DEVICE_DAMAGED:
        return check_alone(target);
    case DEVICE_BLANK:
        if (target->found.wipe_first)
            return check_alone(target);
        problem(target->problems, "%s: is blank, there is nothing to reset", path);
        return -ENODATA;
    case DEVICE_FOREIGN:
        if (with_others && target_has_btrfs(target))
            return check_alone(target);
        refusal(target->problems, "%s: holds something else than btrfs: %s; not reset", path,
                target->found.found);
        return -EMEDIUMTYPE;
    case DEVICE_UNREADABLE:
    case DEVICE_RESET_REQUESTED:
        break;
    }
    problem(target->problems, "%s: %s", path, target->found.found);
    return -EIO;
}

int target_mount(struct target *target, enum volume_mode mode, struct volume *ret) {
    const char *options =
        target->fstab.count ? target->fstab.entries[target->fstab.var].options : "";
    int r = volume_enter_namespace();

    if (r < 0)
        return r;
    return volume_mount(target->located.device.path, options, mode, target->settings->mount_point,
                        ret);
}
