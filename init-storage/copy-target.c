/* SPDX-License-Identifier: MIT */
#include "copy-target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

const char *record_name(const struct record *record) {
    return (const char *)(record + 1);
}

const unsigned char *record_payload(const struct record *record) {
    return (const unsigned char *)(record + 1) + record->name_size;
}

static const char *label_of(const struct record *record) {
    if (record->label_size == 0)
        return NULL;
    return (const char *)record_payload(record) + record->payload_size - record->label_size;
}

int target_begin(struct target *target, const struct record *record, int parent,
                 const struct labels *labels) {
    int r;

    *target = (struct target){.fd = -1, .parent = parent, .record = *record};
    if (record->name_size > sizeof(target->name))
        return -ENAMETOOLONG;
    memcpy(target->name, record_name(record), record->name_size);
    r = labels_create_as(labels, label_of(record));
    target->label_late = r == -EINVAL;
    return target->label_late ? labels_create_as(labels, NULL) : r;
}

int target_set_owner(struct target *target) {
    const struct record *record = &target->record;
    int r;

    if (target->owned)
        return 0;
    target->owned = true;
    if (record->uid == geteuid() && record->gid == getegid())
        return 0;
    r = target->fd >= 0
            ? fchown(target->fd, record->uid, record->gid)
            : fchownat(target->parent, target->name, record->uid, record->gid, AT_SYMLINK_NOFOLLOW);
    return r < 0 ? -errno : 0;
}

int target_set_xattr(const struct target *target, const char *name, const void *value,
                     size_t size) {
    if (target->fd >= 0)
        return fsetxattr(target->fd, name, value, size, 0) < 0 ? -errno : 0;
    /* No other call reaches a symbolic link's or a node's; the current directory is ours. */
    if (fchdir(target->parent) < 0)
        return -errno;
    return lsetxattr(target->name, name, value, size, 0) < 0 ? -errno : 0;
}

int target_set_late_label(const struct target *target, const struct record *record) {
    if (!target->label_late)
        return 0;
    return target_set_xattr(target, LABEL_XATTR, label_of(record), record->label_size);
}

static int set_mode(const struct target *target) {
    mode_t mode = target->record.mode & 07777;

    if (S_ISLNK(target->record.mode))
        return 0;
    if (target->fd < 0)
        return fchmodat(target->parent, target->name, mode, 0) < 0 ? -errno : 0;
    if (!target->has_attributes && mode == (S_ISDIR(target->record.mode) ? 0700 : 0600))
        return 0;
    return fchmod(target->fd, mode) < 0 ? -errno : 0;
}

static int set_times(const struct target *target) {
    const struct timespec *times = target->record.times;

    if (!target->record.set_times)
        return 0;
    if (target->fd >= 0)
        return futimens(target->fd, times) < 0 ? -errno : 0;
    return utimensat(target->parent, target->name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int target_complete(struct target *target, const char **ret_step) {
    int r;

    *ret_step = "setting its owner";
    r = target_set_owner(target);
    if (r == 0) {
        *ret_step = "setting its mode";
        r = set_mode(target);
    }
    if (r == 0) {
        *ret_step = "setting its times";
        r = set_times(target);
    }
    return r;
}
