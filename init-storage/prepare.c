/* SPDX-License-Identifier: MIT */
#include "prepare.h"

#include <blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cleanup.h"
#include "log.h"
#include "mkfs.h"
#include "wipe.h"

/* Destroys, at most what is BLANK. Invariants:
 *
 * 1. There is one call of mkfs_run() and one of wipe_file_system(), both in format().
 * 2. Before either: the whole disk is locked, the device is open exclusively, it is probed again
 *    in that state, and no second device bears the tag that led here.
 * 3. After either, a probe says whether it worked, not an exit status. */

#define LOCK_SECONDS 60

static int find_by_fstab(struct prepare *prepare, char **ret) {
    const struct fstab_entry *var = prepare->var;
    int r = device_resolve(var->source, ret);

    prepare->tag = var->source;
    if (r == -ENOENT && var->locator) {
        prepare->tag = var->locator;
        prepare->by_locator = true;
        r = device_resolve(var->locator, ret);
    }
    if (r == -ENOENT && !var->locator &&
        (strncmp(var->source, "LABEL=", 6) == 0 || strncmp(var->source, "UUID=", 5) == 0))
        report_problem(
            prepare->report,
            "%s: no file system bears it, and a blank device cannot; if the data device "
            "is still blank, say in fstab where it is: x-init-storage.device=PARTLABEL=…",
            var->source);
    else if (r == -ENOENT)
        report_problem(prepare->report, "%s: no such device now", prepare->tag);
    else if (r < 0)
        report_problem(prepare->report, "%s: cannot be looked up: %s", prepare->tag,
                       r == -EINVAL ? "neither a path nor a tag such as PARTLABEL=data"
                                    : strerror(-r));
    return r;
}

int prepare_find(struct prepare *prepare) {
    _cleanup_free_ char *found = NULL;
    const char *path = prepare->settings->device;
    int r = 0;

    if (!path) {
        r = find_by_fstab(prepare, &found);
        if (r < 0)
            return r;
        path = found;
    }
    r = device_open(path, &prepare->device);
    if (r == -ENOTBLK)
        report_problem(prepare->report, "%s: not a block device", path);
    else if (r == -ENXIO)
        report_problem(prepare->report, "%s: has no medium (its size is 0)", path);
    else if (r < 0)
        report_problem(prepare->report, "%s: cannot open: %s", path, strerror(-r));
    if (r < 0)
        return r;
    prepare->report->device = strdup(prepare->device.path);
    return prepare->report->device ? 0 : -ENOMEM;
}

/* The label or UUID that mkfs.btrfs must give, for fstab to find the file system again. */
static int wanted_tag(const struct prepare *prepare, const char *name, char **ret) {
    _cleanup_free_ char *its_name = NULL, *value = NULL;

    *ret = NULL;
    if (*prepare->var->source == '/' ||
        blkid_parse_tag_string(prepare->var->source, &its_name, &value) != 0)
        return 0;
    if (its_name && value && strcmp(its_name, name) == 0)
        *ret = take_pointer(value);
    return 0;
}

/* 0, or -EEXIST after a refusal. */
static int check_twin(struct prepare *prepare) {
    _cleanup_free_ char *other = NULL;
    int r;

    if (!prepare->tag)
        return 0;
    r = device_find_twin(prepare->tag, prepare->device.number, &other);
    if (r == 1) {
        report_refusal(prepare->report,
                       "%s: two devices bear it, %s and %s, and this one is blank; nothing is "
                       "formatted until only one does",
                       prepare->tag, prepare->device.path, other);
        return -EEXIST;
    }
    if (r < 0)
        report_problem(prepare->report, "%s: cannot see whether another device bears it: %s",
                       prepare->tag, strerror(-r));
    return r;
}

static int probe(struct prepare *prepare, int fd, struct device_probe *ret) {
    const char *blank = prepare->var->blank;

    if (blank && strcmp(blank, "zero") != 0) {
        report_problem(prepare->report, "fstab: /var: x-init-storage.blank= can only be zero, "
                                        "taken for that");
    }
    probe_device(fd, prepare->device.size, blank != NULL, ret);
    prepare->report->state = ret->state;
    prepare->report->has_state = true;
    return 0;
}

/* The device open for us alone, and still blank. Returns the descriptor or -errno. */
static int open_blank(struct prepare *prepare, struct device_probe *again) {
    /* Reading is enough to see whether somebody holds it. */
    int access = prepare->settings->dry_run ? O_RDONLY : O_RDWR;
    _cleanup_close_ int fd = device_open_exclusive(&prepare->device, access);

    if (fd == -EBUSY)
        report_problem(prepare->report, "%s: blank, but in use by something else; not formatted",
                       prepare->device.path);
    else if (fd < 0)
        report_problem(prepare->report, "%s: cannot open for writing: %s", prepare->device.path,
                       strerror(-fd));
    if (fd < 0)
        return fd;
    probe_device(fd, prepare->device.size, prepare->var->blank != NULL, again);
    if (again->state != DEVICE_BLANK) {
        prepare->report->state = again->state;
        report_problem(prepare->report, "%s: was blank, and is %s now%s%s; not formatted",
                       prepare->device.path, device_state_name(again->state),
                       *again->found ? ": " : "", again->found);
        return -EBUSY;
    }
    return take_fd(&fd);
}

static int wipe_leftovers(struct prepare *prepare, int fd) {
    int r;

    log_info("%s: wiping what is left of an older btrfs", prepare->device.path);
    progress_phase(prepare->progress, "wiping an older file system", 0);
    r = wipe_file_system(fd, prepare->device.size);
    if (r < 0)
        report_problem(prepare->report, "%s: cannot wipe what is left of an older btrfs: %s",
                       prepare->device.path,
                       r == -EEXIST ? "it is still found there" : strerror(-r));
    return r;
}

static int make_file_system(struct prepare *prepare) {
    _cleanup_free_ char *label = NULL, *uuid = NULL;
    int r = wanted_tag(prepare, "LABEL", &label);

    if (r == 0)
        r = wanted_tag(prepare, "UUID", &uuid);
    if (r < 0)
        return r;
    log_info("%s: blank, making a btrfs on it", prepare->device.path);
    progress_phase(prepare->progress, "making the file system", 0);
    r = mkfs_run(prepare->device.path, label, uuid);
    if (r == -EINTR)
        report_problem(prepare->report,
                       "%s: stopped by a signal while mkfs.btrfs ran; the next "
                       "run begins anew",
                       prepare->device.path);
    else if (r < 0)
        report_problem(prepare->report, "%s: cannot run " MKFS_BTRFS ": %s", prepare->device.path,
                       strerror(-r));
    else if (r > 0)
        report_problem(prepare->report, "%s: mkfs.btrfs failed with %s %d (see its message above)",
                       prepare->device.path, r > 128 ? "signal" : "status", r > 128 ? r - 128 : r);
    return r > 0 ? -EIO : r;
}

/* Takes over fd, the device open exclusively, as it was probed. */
static int format(struct prepare *prepare, int exclusive, bool wipe_first) {
    _cleanup_close_ int fd = exclusive;
    double start = clock_seconds();
    struct device_probe found;
    int r;

    if (wipe_first) {
        r = wipe_leftovers(prepare, fd);
        if (r < 0)
            return r;
    }
    close_fd(&fd); /* mkfs.btrfs opens it exclusively, too; the lock goes on */
    r = make_file_system(prepare);
    if (r < 0)
        return r;
    probe_device(prepare->device.fd, prepare->device.size, false, &found);
    if (found.state != DEVICE_BTRFS) {
        report_problem(prepare->report, "%s: mkfs.btrfs reported success, but the device is %s%s%s",
                       prepare->device.path, device_state_name(found.state),
                       *found.found ? ": " : "", found.found);
        return -EIO;
    }
    memcpy(prepare->report->fsid, found.primary.fsid, sizeof(prepare->report->fsid));
    prepare->report->action = ACTION_FORMATTED;
    prepare->report->seconds.mkfs = clock_lap(&start);
    log_info("%s: formatted, file system %s", prepare->device.path, found.primary.fsid);
    return 0;
}

static int refuse(struct prepare *prepare, const struct device_probe *found) {
    const char *path = prepare->device.path;

    if (found->state == DEVICE_DAMAGED)
        report_refusal(prepare->report, "%s: holds a damaged btrfs with %s; not touched; %s %s",
                       path, found->found, found->advice, path);
    else
        report_refusal(prepare->report,
                       "%s: holds something else: %s; not touched; if nobody needs it, clear it "
                       "(wipefs -a %s, or blkdiscard -z %s) and start again",
                       path, found->found, path, path);
    prepare->report->action = ACTION_REFUSED;
    return -EEXIST;
}

/* A file system that was found by its place must also be the one that fstab mounts. */
static int check_tag(struct prepare *prepare, const struct superblock *primary) {
    _cleanup_free_ char *label = NULL, *uuid = NULL;
    int r = wanted_tag(prepare, "LABEL", &label);

    if (r == 0)
        r = wanted_tag(prepare, "UUID", &uuid);
    if (r < 0 || !prepare->by_locator)
        return r;
    if ((label && strcmp(label, primary->label) != 0) ||
        (uuid && strcasecmp(uuid, primary->fsid) != 0)) {
        report_problem(prepare->report,
                       "%s: found by %s, but its file system is not %s (label \"%s\", UUID %s); "
                       "not touched",
                       prepare->device.path, prepare->tag, prepare->var->source, primary->label,
                       primary->fsid);
        return -ENODEV;
    }
    return 0;
}

static int blank(struct prepare *prepare) {
    _cleanup_close_ int fd = -1;
    struct device_probe found;
    int r = check_twin(prepare);

    if (r < 0)
        return r;
    if (prepare->device.read_only) {
        report_problem(prepare->report, "%s: blank and read-only, it cannot be formatted",
                       prepare->device.path);
        return -EROFS;
    }
    fd = open_blank(prepare, &found);
    if (fd < 0)
        return fd;
    if (prepare->settings->dry_run) {
        log_info("%s: blank, would be formatted", prepare->device.path);
        prepare->report->action = ACTION_FORMATTED;
        return 1;
    }
    return format(prepare, take_fd(&fd), found.wipe_first);
}

static int decide(struct prepare *prepare, const struct device_probe *found) {
    switch (found->state) {
    case DEVICE_BLANK:
        return blank(prepare);
    case DEVICE_BTRFS:
        memcpy(prepare->report->fsid, found->primary.fsid, sizeof(prepare->report->fsid));
        return check_tag(prepare, &found->primary);
    case DEVICE_DAMAGED:
    case DEVICE_FOREIGN:
        return refuse(prepare, found);
    case DEVICE_UNREADABLE:
    case DEVICE_RESET_REQUESTED:
        break;
    }
    report_problem(prepare->report, "%s: %s", prepare->device.path, found->found);
    return -EIO;
}

int prepare_file_system(struct prepare *prepare) {
    struct device_probe found;
    double start = clock_seconds();
    int r;

    progress_phase(prepare->progress, "waiting for the device's lock", 0);
    r = device_lock(&prepare->device, LOCK_SECONDS);
    if (r < 0) {
        report_problem(prepare->report, "%s: cannot lock it: %s", prepare->device.path,
                       r == -ETIMEDOUT ? "another program holds the lock for too long"
                                       : strerror(-r));
        return r;
    }
    progress_phase(prepare->progress, "looking at the device", 0);
    r = probe(prepare, prepare->device.fd, &found);
    prepare->report->seconds.probe = clock_lap(&start);
    if (r == 0)
        r = decide(prepare, &found);
    device_unlock(&prepare->device);
    return r;
}
