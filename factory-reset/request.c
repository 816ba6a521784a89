/* SPDX-License-Identifier: MIT */
#include "request.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "confirm.h"

/* Stores before it arms: a flag without a stored request would be forgotten with the power. */

static int store(struct target *target, const struct reset_request *request) {
    struct volume volume = VOLUME_NONE;
    int r = target_mount(target, VOLUME_WRITABLE, &volume);

    if (r == 0)
        r = request_store(volume.top, request);
    volume_unmount(&volume);
    return r;
}

static int store_and_arm(struct target *target, const struct reset_request *request) {
    const char *path = target->located.device.path;
    int stored = store(target, request), armed;

    if (stored < 0)
        log_warning("%s: cannot take the request: %s; it will not survive a power cut, shut down "
                    "in an orderly way",
                    path, strerror(-stored));
    armed = request_flag_arm(target->settings->run_directory, request);
    if (armed < 0 && stored < 0) {
        problem(target->problems, "%s: cannot arm the shutdown either: %s; nothing will be reset",
                target->settings->run_directory, strerror(-armed));
        return armed;
    }
    if (armed < 0)
        log_warning("%s: cannot arm the shutdown: %s; the next boot does it",
                    target->settings->run_directory, strerror(-armed));
    log_trail("%s: reset requested by %s, %s, erase=%s", path, request->by, request->time,
              erase_name(request->erase));
    if (target->settings->follow_up == FOLLOW_UP_NONE)
        log_info("it happens at the next shutdown or reboot; factory-reset --cancel takes it back");
    return 0;
}

int request_reset(struct target *target) {
    struct reset_request request = {.erase = target->settings->erase};
    int r = target_check(target, true);

    if (r < 0)
        return r;
    memcpy(request.fsid, target->found.primary.fsid, sizeof(request.fsid));
    request_sign(&request);
    r = confirm(target, &request);
    return r < 0 ? r : store_and_arm(target, &request);
}

static int remove_stored(struct target *target, bool *ret_removed) {
    struct volume volume = VOLUME_NONE;
    struct reset_request request;
    int r;

    if (target->found.state == DEVICE_UNREADABLE)
        return -EIO; /* there may be one */
    if (!target_has_btrfs(target))
        return 0;
    r = target_mount(target, VOLUME_WRITABLE, &volume);
    if (r < 0)
        return r;
    *ret_removed = request_read(volume.top, &request) != -ENODATA;
    r = *ret_removed ? request_remove(volume.top) : 0;
    volume_unmount(&volume);
    return r;
}

int request_cancel(struct target *target) {
    const char *run_directory = target->settings->run_directory;
    struct reset_request request;
    bool armed = request_flag_read(run_directory, &request) != -ENOENT, stored = false;
    int flag = request_flag_remove(run_directory), r;

    if (flag < 0)
        problem(target->problems,
                "%s/" REQUEST_FLAG ": cannot remove: %s; the shutdown may still carry it out",
                run_directory, strerror(-flag));
    r = remove_stored(target, &stored);
    if (r < 0)
        problem(target->problems,
                "%s: cannot take the request off it: %s; the next boot may still carry it out",
                target->located.device.path, strerror(-r));
    else if (flag < 0)
        return flag;
    else if (armed || stored)
        log_trail("%s: the reset is cancelled", target->located.device.path);
    else
        log_info("%s: no reset was requested", target->located.device.path);
    return r;
}
