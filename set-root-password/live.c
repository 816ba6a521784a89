/* SPDX-License-Identifier: MIT */
#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "shadow-file.h"

/* Bind mounts pin inodes: a mount over /etc/shadow shows the inode that lay behind it when it was
 * made, in every mount namespace that has a copy of that mount. So that inode has to be written,
 * and it must be the one that the next boot will bind. */

/* Without following any link; /etc itself may be a mount, and so may the file. */
static int open_folder(const char *path) {
    _cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    return root < 0 ? -errno : open_beneath(root, path + 1, O_RDONLY | O_DIRECTORY);
}

/* Where /etc/<name> is now: a mount of its own, or not? */
static int look(int etc, struct live *live, struct stat *ret, bool *ret_mount) {
    _cleanup_close_ int fd = open_beneath(etc, live->name, O_PATH);
    struct statx details;

    if (fd < 0)
        return fd;
    if (fstat(fd, ret) < 0 || statx(fd, "", AT_EMPTY_PATH, 0, &details) < 0)
        return -errno;
    if (!(details.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
        return -ENOSYS; /* Linux before 5.8 */
    *ret_mount = details.stx_attributes & STATX_ATTR_MOUNT_ROOT;
    return 0;
}

static bool is_same_file(int fd, const struct stat *other) {
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_dev == other->st_dev && st.st_ino == other->st_ino;
}

static bool is_btrfs(int fd) {
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC;
}

static int open_bound(const struct settings *settings, struct live *live, const struct stat *seen,
                      struct problems *problems) {
    _cleanup_close_ int state = open_folder(settings->state);
    const char *advice = "it must be the mount that the boot makes of writable-etc(5)";

    if (state >= 0)
        live->folder = open_parent(state, live->name, &live->base_name);
    if (state < 0 || live->folder < 0) {
        int r = state < 0 ? state : live->folder;

        problem(problems, "%s: cannot open the folder behind %s/%s: %s; %s", settings->state,
                settings->etc, live->name,
                r == -ELOOP ? "there is a symbolic link on the way" : strerror(-r), advice);
        return r;
    }
    live->fd = openat(live->folder, live->base_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (live->fd < 0) {
        int r = -errno;

        problem(problems, "%s/%s: cannot open for writing: %s; not changed", settings->state,
                live->name, r == -ELOOP ? "it is a symbolic link" : strerror(-r));
        return r;
    }
    if (!is_same_file(live->fd, seen)) {
        problem(problems,
                "%s/%s: is another file than %s/%s; not changed, as the change would be "
                "lost at the next boot. Reboot first",
                settings->state, live->name, settings->etc, live->name);
        return -ESTALE;
    }
    if (!is_btrfs(live->fd)) {
        problem(problems,
                "%s/%s: is a mount, but not of a file on btrfs; not changed, as nothing else "
                "can replace a mounted file in one step",
                settings->etc, live->name);
        return -EMEDIUMTYPE;
    }
    live->kind = LIVE_BOUND;
    return 0;
}

static int open_plain(const struct settings *settings, struct live *live, int *etc,
                      struct problems *problems) {
    int r = 0;

    live->folder = take_fd(etc);
    live->base_name = live->name;
    live->fd = openat(live->folder, live->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (live->fd < 0 || faccessat(live->folder, ".", W_OK, AT_EACCESS) < 0)
        r = -errno;
    if (r == -EROFS)
        problem(problems,
                "%s/%s: is on a read-only file system and no mount of its own; not changed. List "
                "it in writable-etc(5), and boot",
                settings->etc, live->name);
    else if (r < 0)
        problem(problems, "%s/%s: cannot be replaced: %s; not changed", settings->etc, live->name,
                strerror(-r));
    live->kind = LIVE_PLAIN;
    return r;
}

/* Without what a write-back that was cut off has left at the end. */
static int read_trimmed(int fd, struct secret *ret) {
    int r = secret_read(fd, SHADOW_LIMIT, ret);

    if (r == 0)
        shadow_trim(ret);
    return r;
}

static int read_content(const struct settings *settings, struct live *live,
                        struct problems *problems) {
    int r = read_trimmed(live->fd, &live->content);

    if (r == -EFBIG)
        problem(problems, "%s/%s: is larger than %zu MiB; not changed", settings->etc, live->name,
                SHADOW_LIMIT >> 20);
    else if (r < 0)
        problem(problems, "%s/%s: cannot read: %s; not changed", settings->etc, live->name,
                strerror(-r));
    return r;
}

static int open_live(const struct settings *settings, struct live *live, bool only_bound,
                     struct problems *problems) {
    _cleanup_close_ int etc = open_folder(settings->etc);
    struct stat st = {0};
    bool mounted = false;
    int r = etc < 0 ? etc : look(etc, live, &st, &mounted);

    if (only_bound && (r == -ENOENT || r == -ELOOP || (r == 0 && !mounted)))
        return 0;
    if (r == -ELOOP || (r == 0 && !S_ISREG(st.st_mode))) {
        problem(problems, "%s/%s: is %s; not changed", settings->etc, live->name,
                r < 0 ? "reached by a symbolic link" : "no regular file");
        return -EINVAL;
    }
    if (r < 0) {
        problem(problems, "%s/%s: cannot be looked at: %s; not changed", settings->etc, live->name,
                r == -ENOSYS ? "Linux 5.9 is needed" : strerror(-r));
        return r;
    }
    r = mounted ? open_bound(settings, live, &st, problems)
                : open_plain(settings, live, &etc, problems);
    return r < 0 ? r : read_content(settings, live, problems);
}

int live_open(const struct settings *settings, struct live *live, struct problems *problems) {
    return open_live(settings, live, false, problems);
}

int live_open_bound(const struct settings *settings, struct live *live, struct problems *problems) {
    return open_live(settings, live, true, problems);
}

int live_check_unchanged(const struct live *live) {
    _cleanup_close_ int fd =
        openat(live->folder, live->base_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    _cleanup_secret_ struct secret now = {0};
    struct stat st;
    int r;

    if (fd < 0 || fstat(live->fd, &st) < 0)
        return -errno;
    if (!is_same_file(fd, &st))
        return -ESTALE;
    r = read_trimmed(fd, &now);
    if (r < 0)
        return r == -EAGAIN || r == -EFBIG ? -ESTALE : r;
    return secret_equal(&now, &live->content) ? 0 : -ESTALE;
}

void live_close(struct live *live) {
    close_fd(&live->folder);
    close_fd(&live->fd);
    secret_wipe(&live->content);
}
