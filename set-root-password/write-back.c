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
 * - both have the same size, and the shorter one is filled up with empty lines before, which
 *   shadow(5)'s readers skip. A clone leaves what lies behind it; and where it makes the file
 *   longer, there is a moment in which a reader gets the old content with zeros up to the new size;
 * - the nameless file is one extent: each is cloned in a transaction of its own. What is compressed
 *   is cut into extents of 128 KiB, and what is small lies in the metadata and is copied; but
 *   what is written to reserved space (fallocate) is neither;
 * - both have the same NODATACOW flag, or the clone is refused. */

#define NAME_LIMIT 64

static int append_newlines(int fd, size_t count) {
    char newlines[4096];

    if (lseek(fd, 0, SEEK_END) < 0)
        return -errno;
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

/* An empty file's flag can be changed, and it got the folder's. Setting it is not idle where it is
 * as wanted: it goes for NODATASUM, too, which a mount option may have given the new file. */
static int match_nodatacow(int from, int to) {
    int wanted = 0, flags = 0;

    if (ioctl(from, FS_IOC_GETFLAGS, &wanted) < 0 || ioctl(to, FS_IOC_GETFLAGS, &flags) < 0)
        return -errno;
    flags = (flags & ~FS_NOCOW_FL) | (wanted & FS_NOCOW_FL);
    return ioctl(to, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 0;
}

static int check_one_extent(int fd) {
    struct fiemap map = {.fm_length = FIEMAP_MAX_OFFSET};

    if (ioctl(fd, FS_IOC_FIEMAP, &map) < 0)
        return -errno;
    return map.fm_mapped_extents == 1 ? 0 : -ENOBUFS;
}

static int make_nameless(const struct live *live, const struct secret *content, size_t size) {
    _cleanup_close_ int fd =
        openat(live->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    int r;

    if (fd < 0)
        return -errno;
    r = match_nodatacow(live->fd, fd);
    if (r == 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) < 0)
        r = -errno;
    if (r == 0)
        r = write_all(fd, content->text, content->size);
    if (r == 0)
        r = append_newlines(fd, size - content->size);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r == 0)
        r = check_one_extent(fd);
    return r < 0 ? r : take_fd(&fd);
}

/* Fills the live file up to size and swaps its blocks. */
static int swap_blocks(const struct live *live, int nameless, size_t old_size, size_t size) {
    int r = append_newlines(live->fd, size - old_size);

    if (r == 0 && ioctl(live->fd, FICLONE, nameless) < 0)
        r = -errno;
    if (r < 0 && ftruncate(live->fd, (off_t)old_size) < 0)
        return r; /* with empty lines at its end: the old one all the same */
    return r;
}

static int clone_over(const struct live *live, const struct secret *content,
                      enum write_back_state *ret) {
    _cleanup_close_ int nameless = -1;
    size_t old_size, size;
    struct stat st;
    int r;

    if (fstat(live->fd, &st) < 0)
        return -errno;
    old_size = (size_t)st.st_size;
    size = old_size > content->size ? old_size : content->size;
    if (size == 0)
        return 0;
    nameless = make_nameless(live, content, size);
    if (nameless < 0)
        return nameless;
    r = swap_blocks(live, nameless, old_size, size);
    if (r < 0)
        return r;
    *ret = WRITE_BACK_UNKNOWN;
    if (fsync(live->fd) < 0)
        return -errno;
    if (size > content->size &&
        (ftruncate(live->fd, (off_t)content->size) < 0 || fsync(live->fd) < 0))
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
