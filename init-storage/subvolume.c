/* SPDX-License-Identifier: MIT */
#include "subvolume.h"

#include <btrfsutil.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/interrupt.h"
#include "common/path.h"

static int result(enum btrfs_util_error error) {
    if (error == BTRFS_UTIL_OK)
        return 0;
    if (error == BTRFS_UTIL_ERROR_NO_MEMORY)
        return -ENOMEM;
    return errno > 0 ? -errno : -EIO;
}

bool is_subvolume(int fd) {
    return btrfs_util_is_subvolume_fd(fd) == BTRFS_UTIL_OK;
}

int subvolume_create(int parent, const char *name) {
    return result(btrfs_util_create_subvolume_fd(parent, name, 0, NULL, NULL));
}

/* Nothing can be removed from inside a read-only one. */
static int make_writable(int parent, const char *name) {
    _cleanup_close_ int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct btrfs_util_subvolume_iterator *iterator = NULL;
    int r;

    if (fd < 0)
        return -errno;
    r = result(btrfs_util_set_subvolume_read_only_fd(fd, false));
    if (r == 0)
        r = result(btrfs_util_create_subvolume_iterator_fd(fd, 0, 0, &iterator));
    while (r == 0) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int inner = -1;
        enum btrfs_util_error e = btrfs_util_subvolume_iterator_next(iterator, &path, NULL);

        if (e == BTRFS_UTIL_ERROR_STOP_ITERATION)
            break;
        r = result(e);
        if (r == 0) {
            inner = open_beneath(fd, path, O_RDONLY | O_DIRECTORY);
            r = inner < 0 ? inner : result(btrfs_util_set_subvolume_read_only_fd(inner, false));
        }
    }
    if (iterator)
        btrfs_util_destroy_subvolume_iterator(iterator);
    return r;
}

int subvolume_remove(int parent, const char *name) {
    const int flags = BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE;
    int r = result(btrfs_util_delete_subvolume_fd(parent, name, flags));

    if (r != -EROFS)
        return r;
    r = make_writable(parent, name);
    return r < 0 ? r : result(btrfs_util_delete_subvolume_fd(parent, name, flags));
}

bool subvolume_is_removing(int top) {
    uint64_t *ids = NULL;
    size_t count = 0;

    if (btrfs_util_deleted_subvolumes_fd(top, &ids, &count) != BTRFS_UTIL_OK)
        return false;
    free(ids);
    return count > 0;
}

void subvolume_wait_removed(int top, unsigned seconds) {
    const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};

    for (unsigned tries = seconds * 10; tries > 0 && subvolume_is_removing(top); tries--) {
        /* This wakes the kernel's cleaner, which otherwise waits for half a minute. */
        if (interrupted() || btrfs_util_sync_fd(top) != BTRFS_UTIL_OK)
            return;
        (void)nanosleep(&pause, NULL);
    }
}

int subvolume_get_default(int top, uint64_t *ret_id) {
    return result(btrfs_util_get_default_subvolume_fd(top, ret_id));
}

int subvolume_make_default(int fd) {
    return result(btrfs_util_set_default_subvolume_fd(fd, 0));
}

int subvolume_path(int top, uint64_t id, char **ret) {
    return result(btrfs_util_subvolume_path_fd(top, id, ret));
}

bool subvolume_default_is_below(int top, const char *name) {
    _cleanup_free_ char *path = NULL;
    uint64_t id = 0;

    if (subvolume_get_default(top, &id) < 0)
        return true;
    if (id == BTRFS_TOP_ID)
        return false;
    return subvolume_path(top, id, &path) < 0 || path_below(path, name) != NULL;
}
