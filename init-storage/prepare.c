/* SPDX-License-Identifier: MIT */
#include "prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "format.h"

/* Decides. Invariants:
 *
 * 1. One switch over the state, in decide(), is the only road to format_device().
 * 2. Only BLANK, and a btrfs that is to be reset, take it; and only if no second device bears the
 *    tag that led here. */

#define LOCK_SECONDS 60

/* 0, or -EEXIST after a refusal. */
static int check_twin(struct prepare *prepare) {
    _cleanup_free_ char *other = NULL;
    int r;

    if (!prepare->located.tag)
        return 0;
    r = device_find_twin(prepare->located.tag, prepare->located.device.number, &other);
    if (r == 1) {
        refusal(&prepare->report->problems,
                "%s: two devices bear it, %s and %s, and this one would be formatted; "
                "nothing is done until only one does",
                prepare->located.tag, prepare->located.device.path, other);
        return -EEXIST;
    }
    if (r < 0)
        problem(&prepare->report->problems, "%s: cannot see whether another device bears it: %s",
                prepare->located.tag, strerror(-r));
    return r;
}

static void probe(struct prepare *prepare, struct device_probe *ret) {
    const char *blank = prepare->var->blank;

    if (blank && strcmp(blank, "zero") != 0)
        problem(&prepare->report->problems,
                "fstab: /var: x-init-storage.blank= can only be zero, taken for that");
    probe_device(prepare->located.device.fd, prepare->located.device.size, blank != NULL, ret);
    prepare->report->state = ret->state;
    prepare->report->has_state = true;
}

static int refuse(struct prepare *prepare, const struct device_probe *found) {
    const char *path = prepare->located.device.path;

    if (found->state == DEVICE_DAMAGED)
        refusal(&prepare->report->problems, "%s: holds a damaged btrfs with %s; not touched; %s %s",
                path, found->found, found->advice, path);
    else
        refusal(&prepare->report->problems,
                "%s: holds something else: %s; not touched; if nobody needs it, clear it "
                "(wipefs -a %s, or blkdiscard -z %s) and start again",
                path, found->found, path, path);
    prepare->report->action = ACTION_REFUSED;
    return -EEXIST;
}

/* A file system that was found by its place must also be the one that fstab mounts. */
static int check_tag(struct prepare *prepare, const struct superblock *primary) {
    _cleanup_free_ char *label = NULL, *uuid = NULL;
    int r = format_wanted_tag(prepare, "LABEL", &label);

    if (r == 0)
        r = format_wanted_tag(prepare, "UUID", &uuid);
    if (r < 0 || !prepare->located.by_locator)
        return r;
    if ((label && strcmp(label, primary->label) != 0) ||
        (uuid && strcasecmp(uuid, primary->fsid) != 0)) {
        problem(&prepare->report->problems,
                "%s: found by %s, but its file system is not %s (label \"%s\", UUID %s); "
                "not touched",
                prepare->located.device.path, prepare->located.tag, prepare->var->source,
                primary->label, primary->fsid);
        return -ENODEV;
    }
    return 0;
}

static int format_checked(struct prepare *prepare, const struct device_probe *found) {
    int r = check_twin(prepare);

    if (r < 0)
        return r;
    if (prepare->located.device.read_only) {
        problem(&prepare->report->problems, "%s: %s and read-only, it cannot be formatted",
                prepare->located.device.path, device_state_name(prepare->report->state));
        return -EROFS;
    }
    return format_device(prepare, found);
}

/* While it is mounted somewhere the reset waits: for the shutdown, or the next boot. */
static bool is_in_use(const struct prepare *prepare) {
    _cleanup_close_ int fd = device_open_exclusive(&prepare->located.device, O_RDONLY);

    return fd == -EBUSY;
}

/* 1: it was not, the file system is to be used as it is. */
static int reset(struct prepare *prepare, const struct device_probe *found) {
    struct reset_outcome wanted;
    int r;

    r = reset_is_wanted(prepare, found, &wanted);
    if (r <= 0)
        return r < 0 ? r : 1;
    if (is_in_use(prepare)) {
        log_warning("%s: is to be reset, but is in use; left for the shutdown or the next boot",
                    prepare->located.device.path);
        return 1;
    }
    if (wanted.origin == RESET_COMMAND_LINE) {
        r = reset_mark_boot(prepare->settings);
        if (r < 0) {
            problem(&prepare->report->problems,
                    "%s: the kernel command line asks for a reset, but that it was done cannot be "
                    "noted in %s: %s; not reset",
                    prepare->located.device.path, prepare->settings->run_directory, strerror(-r));
            return 1;
        }
    }
    log_info("%s: a reset was asked for, by %s, %s", prepare->located.device.path,
             wanted.request.by, wanted.request.time);
    prepare->report->state = DEVICE_RESET_REQUESTED;
    prepare->report->reset = wanted;
    return format_checked(prepare, found);
}

static int decide(struct prepare *prepare, const struct device_probe *found) {
    int r;

    switch (found->state) {
    case DEVICE_BLANK:
        return format_checked(prepare, found);
    case DEVICE_BTRFS:
        memcpy(prepare->report->fsid, found->primary.fsid, sizeof(prepare->report->fsid));
        r = reset(prepare, found);
        return r == 1 && prepare->report->state == DEVICE_BTRFS
                   ? check_tag(prepare, &found->primary)
                   : r;
    case DEVICE_DAMAGED:
        r = reset(prepare, found);
        return r == 1 && prepare->report->state == DEVICE_DAMAGED ? refuse(prepare, found) : r;
    case DEVICE_FOREIGN:
        return refuse(prepare, found);
    case DEVICE_UNREADABLE:
    case DEVICE_RESET_REQUESTED:
        break;
    }
    problem(&prepare->report->problems, "%s: %s", prepare->located.device.path, found->found);
    return -EIO;
}

int prepare_file_system(struct prepare *prepare) {
    struct device_probe found;
    double start = clock_seconds();
    int r;

    r = device_lock(&prepare->located.device, 0);
    if (r == -ETIMEDOUT) {
        progress_phase(prepare->progress, "waiting for the device's lock", 0);
        r = device_lock(&prepare->located.device, LOCK_SECONDS);
    }
    if (r < 0) {
        problem(&prepare->report->problems, "%s: cannot lock it: %s", prepare->located.device.path,
                r == -ETIMEDOUT ? "another program holds the lock for too long" : strerror(-r));
        return r;
    }
    progress_phase(prepare->progress, "looking at the device", 0);
    probe(prepare, &found);
    prepare->report->seconds.probe = clock_lap(&start);
    r = decide(prepare, &found);
    device_unlock(&prepare->located.device);
    return r;
}
