/* SPDX-License-Identifier: MIT */
#include "carried.h"

#include <errno.h>
#include <fcntl.h>
#include <libmount/libmount.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/path.h"

/* libmount's conventions end in this file: 0, 1 at the end of a table, or -errno. */

#define MOUNTINFO "/proc/self/mountinfo"

static void free_table(struct libmnt_table **table) {
    mnt_unref_table(*table);
}

static void free_iterator(struct libmnt_iter **iterator) {
    mnt_free_iter(*iterator);
}

/* Of two mounts on one place the upper one's parent is the lower one; and what another mount at
 * /etc covers has that one's parent. So the children of a mount are what can be seen on it, but for
 * those below another child. */
static int mount_id(const char *directory, int *ret) {
    struct statx details;

    if (statx(AT_FDCWD, directory, AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &details) < 0)
        return -errno;
    if (!(details.stx_mask & STATX_MNT_ID))
        return -ENOSYS;
    *ret = (int)details.stx_mnt_id;
    return 0;
}

static int remember(struct carried *carried, const char *path) {
    struct carried_mount *grown =
        reallocarray(carried->mounts, carried->count + 1, sizeof(*carried->mounts));

    if (!grown)
        return -ENOMEM;
    carried->mounts = grown;
    grown[carried->count] = (struct carried_mount){.tree = -1, .path = strdup(path)};
    return grown[carried->count++].path ? 0 : -ENOMEM;
}

static int find_children(struct carried *carried, const char *directory) {
    struct libmnt_table *table __attribute__((cleanup(free_table))) = NULL;
    struct libmnt_iter *iterator __attribute__((cleanup(free_iterator))) = NULL;
    struct libmnt_fs *fs;
    int id = -1, r = mount_id(directory, &id);

    if (r < 0)
        return r;
    table = mnt_new_table_from_file(MOUNTINFO);
    iterator = mnt_new_iter(MNT_ITER_FORWARD);
    if (!table || !iterator)
        return errno ? -errno : -ENOMEM;
    while ((r = mnt_table_next_fs(table, iterator, &fs)) == 0) {
        const char *target = mnt_fs_get_target(fs);
        const char *path = target ? path_below(target, directory) : NULL;

        if (mnt_fs_get_parent_id(fs) != id || !path || *path == '\0')
            continue;
        r = remember(carried, path);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : 0;
}

static bool is_covered(const struct carried *carried, const char *path) {
    for (size_t i = 0; i < carried->count; i++) {
        const char *below = path_below(path, carried->mounts[i].path);

        if (below && *below)
            return true;
    }
    return false;
}

static int clone_tree(struct carried_mount *mount, const char *directory) {
    _cleanup_free_ char *target = path_join(directory, mount->path);

    if (!target)
        return -ENOMEM;
    mount->tree = open_tree(AT_FDCWD, target,
                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
                                AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
    return mount->tree < 0 ? -errno : 0;
}

int carried_take(struct carried *ret, const char *directory) {
    int r = find_children(ret, directory);

    for (size_t i = 0; i < ret->count && r == 0; i++) {
        if (!is_covered(ret, ret->mounts[i].path))
            r = clone_tree(&ret->mounts[i], directory);
    }
    return r;
}

void carried_drop(struct carried *carried, const char *path) {
    for (size_t i = 0; i < carried->count; i++) {
        if (strcmp(carried->mounts[i].path, path) == 0)
            close_fd(&carried->mounts[i].tree);
    }
}

int carried_put(const struct carried *carried, const char *directory) {
    for (size_t i = 0; i < carried->count; i++) {
        _cleanup_free_ char *target = path_join(directory, carried->mounts[i].path);

        if (!target)
            return -ENOMEM;
        if (carried->mounts[i].tree >= 0 &&
            move_mount(carried->mounts[i].tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
            return -errno;
    }
    return 0;
}

void carried_free(struct carried *carried) {
    for (size_t i = 0; i < carried->count; i++) {
        close_fd(&carried->mounts[i].tree);
        free(carried->mounts[i].path);
    }
    free(carried->mounts);
    *carried = (struct carried){0};
}
