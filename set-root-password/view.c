/* SPDX-License-Identifier: MIT */
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "attributes.h"
#include "carried.h"
#include "common/cleanup.h"
#include "common/path.h"
#include "common/volume.h"
#include "common/write-all.h"
#include "shadow-file.h"

/* A password must never end up on the real /etc by mistake. Invariants:
 *
 * 1. What fails here is fatal: passwd runs in a whole view or not at all.
 * 2. Nothing is mounted before every mount of the namespace is private.
 * 3. The last thing before passwd is a look: /etc is an overlay, and the files that passwd is to
 *    replace lie on it and not on a mount of their own.
 *
 * ramfs, which is never swapped, cannot be an overlay's upper layer: it has no extended
 * attributes. tmpfs has "noswap" since Linux 6.4. */

/* Several times the largest shadow file: passwd keeps a backup and writes a new one beside. */
#define TMPFS_SIZE "96m"
#define UPPER "upper"
#define WORK "work"

static int configure(int context, const char *key, const char *value) {
    return fsconfig(context, FSCONFIG_SET_STRING, key, value, 0) < 0 ? -errno : 0;
}

static int make_tmpfs(void) {
    _cleanup_close_ int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
    int fd, r;

    if (context < 0)
        return -errno;
    /* An older kernel does not know it. */
    (void)fsconfig(context, FSCONFIG_SET_FLAG, "noswap", NULL, 0);
    r = configure(context, "mode", "0700");
    if (r == 0)
        r = configure(context, "size", TMPFS_SIZE);
    if (r < 0)
        return r;
    if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    fd =
        fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Makes a directory that stands for another: an overlay shows the upper one's attributes. */
static int make_like(int folder, const char *name, int original) {
    _cleanup_close_ int fd = -1;

    if (mkdirat(folder, name, S_IRWXU) < 0)
        return -errno;
    fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : attributes_copy_label(original, fd);
}

/* Of the directories above a live file there is one at most: /etc/security. */
static int make_parent(int upper, int etc, const char *name) {
    const char *base_name = NULL;
    _cleanup_close_ int original = open_parent(etc, name, &base_name);
    char parent[64];

    if (original < 0)
        return original;
    if (base_name == name)
        return 0;
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(base_name - name - 1), name);
    return make_like(upper, parent, original);
}

static int put_live(int upper, int etc, const struct live *live) {
    _cleanup_close_ int fd = -1;
    int r;

    if (live->kind == LIVE_NONE)
        return 0;
    r = make_parent(upper, etc, live->name);
    if (r < 0)
        return r;
    fd = openat(upper, live->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR);
    if (fd < 0)
        return -errno;
    r = attributes_copy_label(live->fd, fd);
    return r < 0 ? r : write_all(fd, live->content.text, live->content.size);
}

static int fill(int top, int etc, const struct lives *lives) {
    _cleanup_close_ int upper = -1;
    int r = make_like(top, UPPER, etc);

    if (r < 0)
        return r;
    if (mkdirat(top, WORK, S_IRWXU) < 0)
        return -errno;
    upper = openat(top, UPPER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (upper < 0)
        return -errno;
    r = put_live(upper, etc, &lives->shadow);
    return r < 0 ? r : put_live(upper, etc, &lives->history);
}

int view_prepare(const struct settings *settings, const struct lives *lives, struct view *ret,
                 const char **ret_step) {
    _cleanup_close_ int etc = open(settings->etc, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_close_ int top = -1;
    int r;

    *ret_step = "opening it";
    if (etc < 0)
        return -errno;
    *ret_step = "making a tmpfs";
    top = make_tmpfs();
    if (top < 0)
        return top;
    *ret_step = "copying into a tmpfs what passwd changes";
    r = fill(top, etc, lives);
    if (r == 0)
        ret->top = take_fd(&top);
    return r;
}

/* The upper layer has to be reached by a mount of this namespace, for the moment of mounting. */
static int mount_overlay(const struct settings *settings, const struct view *view) {
    char options[4096 + 64];
    int r = 0;

    if (move_mount(view->top, "", AT_FDCWD, settings->run_directory, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return -errno;
    (void)snprintf(options, sizeof(options),
                   "lowerdir=%s,upperdir=" UPPER ",workdir=" WORK ",index=off,metacopy=off",
                   settings->etc);
    if (fchdir(view->top) < 0 ||
        mount("overlay", settings->etc, "overlay", MS_NOSUID | MS_NODEV, options) < 0)
        r = -errno;
    if (chdir("/") < 0 && r == 0)
        r = -errno;
    if (umount2(settings->run_directory, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && r == 0)
        r = -errno;
    return r;
}

static bool lies_on(int etc, const struct live *live) {
    _cleanup_close_ int fd = -1;
    struct statx details;

    if (live->kind == LIVE_NONE)
        return true;
    fd = open_beneath(etc, live->name, O_PATH);
    return fd >= 0 && statx(fd, "", AT_EMPTY_PATH, 0, &details) == 0 &&
           !(details.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static bool is_view(const struct settings *settings, const struct lives *lives) {
    _cleanup_close_ int etc = open(settings->etc, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct statfs fs;

    return etc >= 0 && fstatfs(etc, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC &&
           lies_on(etc, &lives->shadow) && lies_on(etc, &lives->history);
}

int view_enter(const struct settings *settings, const struct lives *lives, const struct view *view,
               const char **ret_step) {
    _cleanup_carried_ struct carried carried = {0};
    int r;

    *ret_step = "making a mount namespace";
    r = volume_enter_namespace();
    if (r < 0)
        return r;
    *ret_step = "looking for the mounts below it";
    r = carried_take(&carried, settings->etc);
    if (r < 0)
        return r;
    /* Of these the view has copies. */
    carried_drop(&carried, lives->shadow.name);
    carried_drop(&carried, lives->history.name);
    *ret_step = "mounting an overlay over it";
    r = mount_overlay(settings, view);
    if (r < 0)
        return r;
    *ret_step = "carrying over a mount below it";
    r = carried_put(&carried, settings->etc);
    if (r < 0)
        return r;
    /* This process is the first of a process namespace, and what runs in it will look for itself
     * by number. */
    *ret_step = "mounting a /proc for it";
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return -errno;
    *ret_step = "looking at the overlay over it";
    return is_view(settings, lives) ? 0 : -EIO;
}

int view_read(const struct view *view, const char *name, struct secret *ret) {
    _cleanup_close_ int upper =
        openat(view->top, UPPER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_close_ int place = upper < 0 ? -errno : open_beneath(upper, name, O_PATH);
    _cleanup_close_ int fd = -1;
    struct stat st;

    if (place < 0)
        return place;
    if (fstat(place, &st) < 0)
        return -errno;
    /* An overlay's whiteout stands for a file that was removed. */
    if (S_ISCHR(st.st_mode) && st.st_rdev == 0)
        return -ENOENT;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    fd = open_beneath(upper, name, O_RDONLY | O_NONBLOCK);
    return fd < 0 ? fd : secret_read(fd, SHADOW_LIMIT, ret);
}

void view_close(struct view *view) {
    close_fd(&view->top);
}
