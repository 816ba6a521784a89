/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

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

int target_check(struct target *target) {
    const char *path = target->located.device.path;

    switch (target->found.state) {
    case DEVICE_BTRFS:
    case DEVICE_DAMAGED:
        if (target->located.device.read_only) {
            problem(target->problems, "%s: is read-only, it cannot be reset", path);
            return -EROFS;
        }
        if (target->found.primary.device_count == 1)
            return 0;
        refusal(target->problems, "%s: its file system spans several devices; not reset", path);
        return -EMEDIUMTYPE;
    case DEVICE_BLANK:
        problem(target->problems, "%s: is blank, there is nothing to reset", path);
        return -ENODATA;
    case DEVICE_FOREIGN:
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
