/* SPDX-License-Identifier: MIT */
#include "now.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/interrupt.h"
#include "common/log.h"
#include "common/wipe.h"

/* Destroys. Invariants:
 *
 * 1. The device is open exclusively: the kernel says that no mount namespace has it.
 * 2. The whole disk is locked, and the device was probed under the lock.
 * 3. Its file system is the one that the request names. */

#define HELD_SECONDS 10
#define LOCK_SECONDS 10

/* What is to be reset, and that it may be. */
static int find_request(struct target *target, struct reset_request *ret, bool *ret_armed) {
    const struct settings *settings = target->settings;
    int r = request_flag_read(settings->run_directory, ret);

    *ret_armed = r == 0;
    if (r == -ENOENT && settings->device && settings->yes) {
        *ret = (struct reset_request){.erase = settings->erase};
        memcpy(ret->fsid, target->found.primary.fsid, sizeof(ret->fsid));
        request_sign(ret);
        return 0;
    }
    if (r == -ENOENT)
        refusal(target->problems,
                "no reset is armed; --now needs the flag %s/" REQUEST_FLAG
                ", or --device= with --yes",
                settings->run_directory);
    else if (r == -EBADMSG)
        problem(target->problems, "%s/" REQUEST_FLAG ": not a valid request, ignored",
                settings->run_directory);
    else if (r < 0)
        problem(target->problems, "%s/" REQUEST_FLAG ": cannot read: %s", settings->run_directory,
                strerror(-r));
    if (r == 0 && settings->erase_given)
        ret->erase = settings->erase;
    return r;
}

/* Unmounting a file system can outlast the word that it is unmounted. */
static int open_patiently(struct target *target) {
    const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    int fd = device_open_exclusive(&target->located.device, O_RDWR);

    for (unsigned tries = HELD_SECONDS * 10; fd == -EBUSY && tries > 0; tries--) {
        if (interrupted()) {
            problem(target->problems,
                    "%s: stopped by a signal while waiting for it; the next "
                    "boot does it",
                    target->located.device.path);
            return -EINTR;
        }
        (void)nanosleep(&pause, NULL);
        fd = device_open_exclusive(&target->located.device, O_RDWR);
    }
    if (fd == -EBUSY)
        refusal(target->problems,
                "%s: still mounted or held by something after %d s; not reset now, the next boot "
                "does it",
                target->located.device.path, HELD_SECONDS);
    else if (fd < 0)
        problem(target->problems, "%s: cannot open for writing: %s", target->located.device.path,
                strerror(-fd));
    return fd;
}

/* 1: there is nothing to wipe. */
static int check(struct target *target, const struct reset_request *request, bool armed) {
    const char *path = target->located.device.path;
    int r;

    if (target->found.state == DEVICE_BLANK && !target->found.wipe_first)
        return 1;
    /* A device with other signatures, too, is wiped only when the request names its btrfs. */
    r = target_check(target, armed);
    if (r < 0)
        return r;
    if (strcmp(request->fsid, target->found.primary.fsid) != 0) {
        refusal(target->problems,
                "%s: its file system is %s, and the request is for %s; not touched", path,
                target->found.primary.fsid, request->fsid);
        return -EMEDIUMTYPE;
    }
    return 0;
}

/* record: what an earlier wipe left to be done; NULL: begin. */
static int wipe(struct target *target, int fd, const struct reset_request *request,
                const struct erase_record *record) {
    struct progress progress;
    struct wipe wipe = {
        .fd = fd, .size = target->located.device.size, .request = request, .progress = &progress};
    const char *path = target->located.device.path;
    int r;

    log_trail("%s: %s, as requested by %s, %s, erase=%s", path,
              record ? "going on with an erase" : "resetting", request->by, request->time,
              erase_name(request->erase));
    (void)progress_start(&progress, PROGRESS_AUTO);
    r = record ? wipe_resume(&wipe, record) : wipe_file_system(&wipe);
    progress_stop(&progress);
    if (r < 0) {
        problem(target->problems, "%s: cannot be wiped: %s; the next boot goes on", path,
                r == -EEXIST ? "something is still found there" : strerror(-r));
        return r;
    }
    log_trail("%s: wiped: nothing is found there any more; erased: %s", path,
              erase_level_name(wipe.level));
    if (request->erase == ERASE_DISCARD && wipe.level == LEVEL_SIGNATURE)
        log_warning("%s: has no discard, so the old data was not erased", path);
    return 0;
}

/* A blank device: an erase may have been interrupted. */
static int finish_blank(struct target *target, int fd) {
    struct erase_record record;

    if (erase_record_read(fd, &record) == 0 && !record.done)
        return wipe(target, fd, &record.request, &record);
    log_info("%s: is blank already, nothing to wipe", target->located.device.path);
    return 0;
}

int reset_now(struct target *target) {
    _cleanup_close_ int fd = -1;
    struct reset_request request;
    bool armed;
    int r = find_request(target, &request, &armed);

    if (r < 0)
        return r;
    r = device_lock(&target->located.device, LOCK_SECONDS);
    if (r < 0) {
        problem(target->problems, "%s: cannot lock it: %s", target->located.device.path,
                r == -ETIMEDOUT ? "another program holds the lock for too long" : strerror(-r));
        return r;
    }
    fd = open_patiently(target);
    if (fd < 0)
        return fd;
    probe_device(fd, target->located.device.size, false, &target->found);
    r = check(target, &request, armed);
    if (r < 0)
        return r;
    r = r == 1 ? finish_blank(target, fd) : wipe(target, fd, &request, NULL);
    if (r == 0)
        (void)request_flag_remove(target->settings->run_directory);
    return r;
}
