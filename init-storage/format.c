/* SPDX-License-Identifier: MIT */
#include "format.h"

#include <blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/interrupt.h"
#include "common/log.h"
#include "common/wipe.h"
#include "mkfs.h"

/* Destroys. Invariants:
 *
 * 1. There is one call of mkfs_run() and one road to the wipe, both in format_device().
 * 2. Before either: the whole disk is locked, the device is open exclusively, and it was probed
 *    again in the state that the caller decided on; for a reset, with the same file system.
 * 3. After either, a probe says whether it worked, not an exit status. */

static int unusable(struct prepare *prepare, const char *state, int error) {
    const char *path = prepare->located.device.path;

    if (error == -EBUSY)
        problem(&prepare->report->problems, "%s: %s, but in use by something else; not formatted",
                path, state);
    else
        problem(&prepare->report->problems, "%s: cannot open for writing: %s", path,
                strerror(-error));
    return error;
}

/* The device open for us alone, and still as it was. Returns the descriptor or -errno. */
static int open_again(struct prepare *prepare, const struct device_probe *before) {
    /* Reading is enough to see whether somebody holds it. */
    int access = prepare->settings->dry_run ? O_RDONLY : O_RDWR;
    _cleanup_close_ int fd = device_open_exclusive(&prepare->located.device, access);
    struct device_probe again;

    if (fd < 0)
        return unusable(prepare, device_state_name(before->state), fd);
    probe_device(fd, prepare->located.device.size, prepare->var->blank != NULL, &again);
    if (again.state != before->state || again.wipe_first != before->wipe_first ||
        strcmp(again.primary.fsid, before->primary.fsid) != 0) {
        prepare->report->state = again.state;
        problem(&prepare->report->problems, "%s: was %s, and is %s now%s%s; not formatted",
                prepare->located.device.path, device_state_name(before->state),
                device_state_name(again.state), *again.found ? ": " : "", again.found);
        return -EIO;
    }
    return take_fd(&fd);
}

static int wipe(struct prepare *prepare, int fd, const struct erase_record *record) {
    struct reset_outcome *reset = &prepare->report->reset;
    struct wipe wipe = {.fd = fd,
                        .size = prepare->located.device.size,
                        .request = reset->origin == RESET_NONE ? NULL : &reset->request,
                        .progress = prepare->progress};
    int r;

    log_info("%s: %s", prepare->located.device.path,
             record         ? "going on with an erase that was interrupted"
             : wipe.request ? "reset, wiping its file system"
                            : "wiping what is left of an older btrfs");
    progress_phase(prepare->progress, "wiping", 0);
    r = record ? wipe_resume(&wipe, record) : wipe_file_system(&wipe);
    reset->level = wipe.level;
    if (r < 0)
        problem(&prepare->report->problems, "%s: cannot be wiped: %s; the next run goes on",
                prepare->located.device.path,
                r == -EEXIST ? "something is still found there" : strerror(-r));
    return r;
}

/* What has to go before mkfs.btrfs runs. */
static int clear(struct prepare *prepare, const struct device_probe *found, int fd) {
    struct reset_outcome *reset = &prepare->report->reset;
    struct erase_record record;

    if (reset->origin != RESET_NONE || found->wipe_first)
        return wipe(prepare, fd, NULL);
    if (erase_record_read(fd, &record) < 0)
        return 0;
    *reset = (struct reset_outcome){
        .origin = RESET_RECORD, .request = record.request, .level = record.level};
    return record.done ? 0 : wipe(prepare, fd, &record);
}

int format_wanted_tag(const struct prepare *prepare, const char *name, char **ret) {
    _cleanup_free_ char *its_name = NULL, *value = NULL;

    *ret = NULL;
    if (*prepare->var->source == '/' ||
        blkid_parse_tag_string(prepare->var->source, &its_name, &value) != 0)
        return 0;
    if (its_name && value && strcmp(its_name, name) == 0)
        *ret = take_pointer(value);
    return 0;
}

static int make_file_system(struct prepare *prepare) {
    _cleanup_free_ char *label = NULL, *uuid = NULL;
    int r = format_wanted_tag(prepare, "LABEL", &label);

    if (r == 0)
        r = format_wanted_tag(prepare, "UUID", &uuid);
    if (r < 0)
        return r;
    if (interrupted())
        return -EINTR;
    log_info("%s: blank, making a btrfs on it", prepare->located.device.path);
    progress_phase(prepare->progress, "making the file system", 0);
    r = mkfs_run(prepare->located.device.path, label, uuid, prepare->located.device.lock);
    if (r == -EINTR)
        problem(&prepare->report->problems,
                "%s: stopped by a signal while mkfs.btrfs ran; the next "
                "run begins anew",
                prepare->located.device.path);
    else if (r < 0)
        problem(&prepare->report->problems, "%s: cannot run " MKFS_BTRFS ": %s",
                prepare->located.device.path, strerror(-r));
    else if (r > 0)
        problem(&prepare->report->problems,
                "%s: mkfs.btrfs failed with %s %d (see its message above, and the kernel log)",
                prepare->located.device.path, r > 128 ? "signal" : "status", r > 128 ? r - 128 : r);
    return r > 0 ? -EIO : r;
}

static int check_result(struct prepare *prepare) {
    struct device_probe made;

    probe_device(prepare->located.device.fd, prepare->located.device.size, false, &made);
    if (made.state != DEVICE_BTRFS) {
        problem(&prepare->report->problems,
                "%s: mkfs.btrfs reported success, but the device is %s%s%s",
                prepare->located.device.path, device_state_name(made.state),
                *made.found ? ": " : "", made.found);
        return -EIO;
    }
    memcpy(prepare->report->fsid, made.primary.fsid, sizeof(prepare->report->fsid));
    prepare->report->action = ACTION_FORMATTED;
    log_info("%s: formatted, file system %s", prepare->located.device.path, made.primary.fsid);
    return 0;
}

int format_device(struct prepare *prepare, const struct device_probe *found) {
    _cleanup_close_ int fd = open_again(prepare, found);
    double start = clock_seconds();
    int r;

    if (fd < 0)
        return fd;
    if (prepare->settings->dry_run) {
        log_info("%s: %s, would be %sformatted", prepare->located.device.path,
                 device_state_name(prepare->report->state),
                 prepare->report->reset.origin == RESET_NONE ? "" : "wiped and ");
        prepare->report->action = ACTION_FORMATTED;
        return 1;
    }
    r = interrupted() ? -EINTR : clear(prepare, found, fd);
    close_fd(&fd); /* mkfs.btrfs opens it exclusively, too; the lock goes on */
    if (r == 0)
        r = make_file_system(prepare);
    if (r == 0)
        r = check_result(prepare);
    prepare->report->seconds.mkfs = clock_lap(&start);
    return r;
}
