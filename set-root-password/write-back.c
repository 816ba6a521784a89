/* SPDX-License-Identifier: MIT */
#include "write-back.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "attributes.h"
#include "common/cleanup.h"
#include "common/write-all.h"

/* Replaces the file that decides who may log in. Invariants:
 *
 * 1. The live file changes in one act: a clone of all its blocks, or a rename.
 * 2. What it changes to is on the medium before that, and so is the change before we return.
 * 3. Nothing that bears a name but the live file's holds a secret when we have returned.
 *
 * A mounted file cannot be renamed over (EBUSY), and the mount would go on to show the old inode.
 * So the blocks of a nameless file are cloned into the live inode (FICLONE). What must be so for
 * btrfs to do that in one transaction, and for a reader not to see half of it:
 *
 * - the nameless file covers the live one to its end, rounded up to whole blocks: a clone leaves
 *   what lies behind it. Hence the empty lines; shadow(5)'s readers skip them, and they are cut
 *   off afterwards;
 * - it has two blocks at least: a single one can become an inline extent in the metadata, and those
 *   are cloned by copying;
 * - it is one extent: each is cloned in a transaction of its own. What is compressed is cut into
 *   extents of 128 KiB, but what is written to reserved space (fallocate) is not compressed;
 * - both have the same NODATACOW flag, or the clone is refused. */

#define BLOCKS_AT_LEAST 2
#define NAME_LIMIT 64

static int write_newlines(int fd, size_t count) {
    char newlines[4096];

    memset(newlines, '\n', sizeof(newlines));
    while (count > 0) {
        size_t size = count < sizeof(newlines) ? count : sizeof(newlines);
        int r = write_all(fd, newlines, size);

        if (r < 0)
            return r;
        count -= size;
    }
    return 0;
}

/* How many bytes to clone: all of the old and of the new file, in whole blocks. */
static int padded_size(int live, size_t size, size_t *ret) {
    struct statfs fs;
    struct stat st;
    size_t block;

    if (fstatfs(live, &fs) < 0 || fstat(live, &st) < 0)
        return -errno;
    block = (size_t)fs.f_bsize;
    if (size < (size_t)st.st_size)
        size = (size_t)st.st_size;
    size = (size + block - 1) / block * block;
    *ret = size < BLOCKS_AT_LEAST * block ? BLOCKS_AT_LEAST * block : size;
    return 0;
}

/* An empty file's flag can be changed, and it got the folder's. */
static int match_nodatacow(int from, int to) {
    int wanted = 0, flags = 0;

    if (ioctl(from, FS_IOC_GETFLAGS, &wanted) < 0 || ioctl(to, FS_IOC_GETFLAGS, &flags) < 0)
        return -errno;
    if (((wanted ^ flags) & FS_NOCOW_FL) == 0)
        return 0;
    flags ^= FS_NOCOW_FL;
    return ioctl(to, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

static int check_one_extent(int fd) {
    struct fiemap map = {.fm_length = FIEMAP_MAX_OFFSET};

    if (ioctl(fd, FS_IOC_FIEMAP, &map) < 0)
        return -errno;
    return map.fm_mapped_extents == 1 ? 0 : -ENOBUFS;
}

static int make_nameless(const struct live *live, const struct secret *content) {
    _cleanup_close_ int fd =
        openat(live->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    size_t size = 0;
    int r;

    if (fd < 0)
        return -errno;
    r = match_nodatacow(live->fd, fd);
    if (r == 0)
        r = padded_size(live->fd, content->size, &size);
    if (r == 0 && fallocate(fd, 0, 0, (off_t)size) < 0)
        r = -errno;
    if (r == 0)
        r = write_all(fd, content->text, content->size);
    if (r == 0)
        r = write_newlines(fd, size - content->size);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r == 0)
        r = check_one_extent(fd);
    return r < 0 ? r : take_fd(&fd);
}

static int clone_over(const struct live *live, const struct secret *content,
                      enum write_back_state *ret) {
    _cleanup_close_ int nameless = make_nameless(live, content);

    if (nameless < 0)
        return nameless;
    if (ioctl(live->fd, FICLONE, nameless) < 0)
        return -errno;
    *ret = WRITE_BACK_UNKNOWN;
    if (fsync(live->fd) < 0)
        return -errno;
    if (ftruncate(live->fd, (off_t)content->size) < 0 || fsync(live->fd) < 0)
        return -errno;
    return 0;
}

static int make_beside(const struct live *live, const char *name, const struct secret *content) {
    _cleanup_close_ int fd =
        openat(live->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR);
    int r;

    if (fd < 0)
        return -errno;
    r = attributes_copy(live->fd, fd);
    if (r == 0)
        r = write_all(fd, content->text, content->size);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    return r;
}

static int rename_over(const struct live *live, const struct secret *content,
                       enum write_back_state *ret) {
    char name[NAME_LIMIT];
    int r;

    /* Left by a run that the power cut off. One name, so that it is found. */
    (void)snprintf(name, sizeof(name), ".%s.set-root-password", live->base_name);
    if (unlinkat(live->folder, name, 0) < 0 && errno != ENOENT)
        return -errno;
    r = make_beside(live, name, content);
    if (r == 0 && renameat(live->folder, name, live->folder, live->base_name) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlinkat(live->folder, name, 0);
        return r;
    }
    *ret = WRITE_BACK_UNKNOWN;
    return fsync(live->folder) < 0 ? -errno : 0;
}

/* What a new reader sees. */
static int check(const struct live *live, const struct secret *content) {
    _cleanup_close_ int fd =
        openat(live->folder, live->base_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_secret_ struct secret now = {0};
    int r = fd < 0 ? -errno : secret_read(fd, content->size, &now);

    if (r < 0)
        return r;
    return secret_equal(&now, content) ? 0 : -EIO;
}

int write_back(const struct live *live, const struct secret *content, enum write_back_state *ret) {
    int r;

    *ret = WRITE_BACK_OLD;
    r = live->kind == LIVE_BOUND ? clone_over(live, content, ret) : rename_over(live, content, ret);
    return r < 0 ? r : check(live, content);
}
