/* SPDX-License-Identifier: MIT */

/* record MOUNTPOINT IMAGE LOG DATA
 *
 * A FUSE file system of two files: "image", which stands for IMAGE and is to lie under a loop
 * device, and "mark". Every write, flush and discard of the first and every text written into the
 * second become a line of LOG; the bytes of the writes go to DATA, one after the other. See
 * README.md for the format. Returns when it is mounted, and ends when it is unmounted.
 *
 * 1. One thread serves one request at a time: the order of the lines is the order in which the
 *    requests took effect.
 * 2. Nothing is cached above (FOPEN_DIRECT_IO, no writeback cache): what the loop device was told
 *    is written has been through here before.
 * 3. A line is in the log before its request is answered. */

#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/cleanup.h"

#define KEEP_SECONDS 3600.0
#define BLOCK_SIZE 4096
#define REQUEST_SIZE (1U << 20)
#define MARK_SIZE 64

enum { INODE_ROOT = FUSE_ROOT_ID, INODE_IMAGE, INODE_MARK };

struct recorder {
    int image;
    int log;
    int data;
    off_t size;
};

static const struct recorder *recorder_of(fuse_req_t request) {
    return fuse_req_userdata(request);
}

static int log_line(const struct recorder *recorder, const char *operation, off_t offset,
                    uint64_t length) {
    int n = dprintf(recorder->log, "%s %lld %llu\n", operation, (long long)offset,
                    (unsigned long long)length);

    return n < 0 ? -errno : 0;
}

static int write_all(int fd, const char *bytes, size_t size, off_t offset, bool append) {
    while (size > 0) {
        ssize_t n = append ? write(fd, bytes, size) : pwrite(fd, bytes, size, offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        bytes += n;
        offset += n;
        size -= (size_t)n;
    }
    return 0;
}

static int record_write(const struct recorder *recorder, const char *bytes, size_t size,
                        off_t offset) {
    int r = write_all(recorder->image, bytes, size, offset, false);

    if (r == 0)
        r = write_all(recorder->data, bytes, size, 0, true);
    return r < 0 ? r : log_line(recorder, "write", offset, size);
}

/* One plain word, as it is to be one in the log. */
static int record_mark(const struct recorder *recorder, const char *bytes, size_t size) {
    char word[MARK_SIZE] = "";

    if (size >= sizeof(word))
        return -EINVAL;
    memcpy(word, bytes, size);
    word[strcspn(word, " \n")] = '\0';
    return dprintf(recorder->log, "mark %s\n", word) < 0 ? -errno : 0;
}

static struct stat attributes_of(const struct recorder *recorder, fuse_ino_t inode) {
    struct stat st = {.st_ino = inode, .st_nlink = 1, .st_blksize = BLOCK_SIZE};

    st.st_mode = inode == INODE_ROOT ? S_IFDIR | 0700 : S_IFREG | 0600;
    st.st_size = inode == INODE_IMAGE ? recorder->size : 0;
    return st;
}

static void serve_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
    struct fuse_entry_param entry = {.attr_timeout = KEEP_SECONDS, .entry_timeout = KEEP_SECONDS};

    if (parent == INODE_ROOT && strcmp(name, "image") == 0)
        entry.ino = INODE_IMAGE;
    else if (parent == INODE_ROOT && strcmp(name, "mark") == 0)
        entry.ino = INODE_MARK;
    else {
        (void)fuse_reply_err(request, ENOENT);
        return;
    }
    entry.attr = attributes_of(recorder_of(request), entry.ino);
    (void)fuse_reply_entry(request, &entry);
}

static void serve_getattr(fuse_req_t request, fuse_ino_t inode,
                          struct fuse_file_info *info __attribute__((unused))) {
    struct stat st = attributes_of(recorder_of(request), inode);

    (void)fuse_reply_attr(request, &st, KEEP_SECONDS);
}

/* A shell's ">mark" truncates. The image keeps its size. */
static void serve_setattr(fuse_req_t request, fuse_ino_t inode,
                          struct stat *wanted __attribute__((unused)),
                          int which __attribute__((unused)), struct fuse_file_info *info) {
    if (inode == INODE_MARK)
        serve_getattr(request, inode, info);
    else
        (void)fuse_reply_err(request, EPERM);
}

static void serve_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info) {
    if (inode == INODE_ROOT) {
        (void)fuse_reply_err(request, EISDIR);
        return;
    }
    info->direct_io = 1;
    (void)fuse_reply_open(request, info);
}

static void serve_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                       struct fuse_file_info *info __attribute__((unused))) {
    struct fuse_bufvec buffer = FUSE_BUFVEC_INIT(inode == INODE_IMAGE ? size : 0);

    buffer.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
    buffer.buf[0].fd = recorder_of(request)->image;
    buffer.buf[0].pos = offset;
    (void)fuse_reply_data(request, &buffer, FUSE_BUF_SPLICE_MOVE);
}

static void serve_write(fuse_req_t request, fuse_ino_t inode, const char *bytes, size_t size,
                        off_t offset, struct fuse_file_info *info __attribute__((unused))) {
    const struct recorder *recorder = recorder_of(request);
    int r = inode == INODE_MARK ? record_mark(recorder, bytes, size)
                                : record_write(recorder, bytes, size, offset);

    if (r < 0)
        (void)fuse_reply_err(request, -r);
    else
        (void)fuse_reply_write(request, size);
}

static void serve_fsync(fuse_req_t request, fuse_ino_t inode, int data_only __attribute__((unused)),
                        struct fuse_file_info *info __attribute__((unused))) {
    int r = inode == INODE_IMAGE ? log_line(recorder_of(request), "flush", 0, 0) : 0;

    (void)fuse_reply_err(request, -r);
}

/* What a discarded block reads as is a device's own affair; here it is zeros. */
static void serve_fallocate(fuse_req_t request, fuse_ino_t inode, int mode, off_t offset,
                            off_t length, struct fuse_file_info *info __attribute__((unused))) {
    const struct recorder *recorder = recorder_of(request);
    int r = 0;

    if (inode != INODE_IMAGE || !(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
        r = -EOPNOTSUPP;
    else if (fallocate(recorder->image, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                       length) < 0)
        r = -errno;
    if (r == 0)
        r = log_line(recorder, mode & FALLOC_FL_ZERO_RANGE ? "zero" : "discard", offset,
                     (uint64_t)length);
    (void)fuse_reply_err(request, -r);
}

/* The loop device offers discards only where it learns a block size from here. */
static void serve_statfs(fuse_req_t request, fuse_ino_t inode __attribute__((unused))) {
    struct statvfs st = {.f_bsize = BLOCK_SIZE, .f_frsize = BLOCK_SIZE, .f_namemax = MARK_SIZE};

    (void)fuse_reply_statfs(request, &st);
}

static void begin(void *user __attribute__((unused)), struct fuse_conn_info *connection) {
    connection->want &= ~(unsigned)FUSE_CAP_WRITEBACK_CACHE;
    connection->max_write = REQUEST_SIZE;
}

static const struct fuse_lowlevel_ops operations = {
    .init = begin,
    .lookup = serve_lookup,
    .getattr = serve_getattr,
    .setattr = serve_setattr,
    .open = serve_open,
    .read = serve_read,
    .write = serve_write,
    .fsync = serve_fsync,
    .fallocate = serve_fallocate,
    .statfs = serve_statfs,
};

static int open_files(struct recorder *recorder, char **names) {
    struct stat st;

    recorder->image = open(names[0], O_RDWR | O_CLOEXEC);
    recorder->log = open(names[1], O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    recorder->data = open(names[2], O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (recorder->image < 0 || recorder->log < 0 || recorder->data < 0 ||
        fstat(recorder->image, &st) < 0)
        return -errno;
    recorder->size = st.st_size;
    return 0;
}

static int serve(const char *mount_point, struct recorder *recorder) {
    static char name[] = "record";
    char *arguments[] = {name, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(1, arguments);
    struct fuse_session *session =
        fuse_session_new(&args, &operations, sizeof(operations), recorder);
    int r = -EIO;

    if (!session)
        return -EINVAL;
    if (fuse_session_mount(session, mount_point) == 0) {
        if (fuse_daemonize(0) == 0)
            r = fuse_session_loop(session);
        fuse_session_unmount(session);
    }
    fuse_session_destroy(session);
    return r;
}

int main(int argc, char **argv) {
    struct recorder recorder = {.image = -1, .log = -1, .data = -1};
    int r;

    if (argc != 5) {
        fputs("usage: record MOUNTPOINT IMAGE LOG DATA\n", stderr);
        return 2;
    }
    r = open_files(&recorder, argv + 2);
    if (r == 0)
        r = serve(argv[1], &recorder);
    if (r < 0)
        fprintf(stderr, "record: %s: %s\n", argv[1], strerror(-r));
    close_fd(&recorder.image);
    close_fd(&recorder.log);
    close_fd(&recorder.data);
    return r < 0;
}
