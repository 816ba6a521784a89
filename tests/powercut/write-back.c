/* SPDX-License-Identifier: MIT */

/* write-back HOW FILE
 *
 * Replaces FILE's content by standard input in a way that a power cut can disturb: the controls of
 * scenario-password.sh. */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define CONTENT_LIMIT ((size_t)4 << 20)
#define BLOCK ((size_t)4096)

struct content {
    char bytes[CONTENT_LIMIT];
    size_t size;
};

static int read_content(struct content *content) {
    for (;;) {
        ssize_t n =
            read(STDIN_FILENO, content->bytes + content->size, CONTENT_LIMIT - content->size);

        if (n < 0)
            return -errno;
        if (n == 0)
            return content->size < CONTENT_LIMIT ? 0 : -EFBIG;
        content->size += (size_t)n;
    }
}

static int write_all(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);

        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

static int flush(int fd) {
    return fsync(fd) < 0 ? -errno : 0;
}

static int open_folder(const char *path) {
    char copy[PATH_MAX];
    int fd;

    (void)snprintf(copy, sizeof(copy), "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* What lies behind the new file's last block stays until it is cut off. */
static int clone_short(const char *path, struct content *content) {
    _cleanup_close_ int folder = open_folder(path), temporary = -1, live = -1;
    size_t size = (content->size + BLOCK - 1) / BLOCK * BLOCK;
    int r;

    live = open(path, O_RDWR | O_CLOEXEC);
    if (live < 0)
        return -errno;
    temporary = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (temporary < 0)
        return -errno;
    memset(content->bytes + content->size, '\n', size - content->size);
    r = write_all(temporary, content->bytes, size);
    if (r == 0)
        r = flush(temporary);
    if (r == 0 && ioctl(live, FICLONE, temporary) < 0)
        r = -errno;
    if (r == 0)
        r = flush(live);
    if (r == 0 && ftruncate(live, (off_t)content->size) < 0)
        r = -errno;
    return r < 0 ? r : flush(live);
}

static int in_place(const char *path, const struct content *content) {
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
    int r;

    if (fd < 0 || ftruncate(fd, 0) < 0)
        return -errno;
    r = write_all(fd, content->bytes, content->size);
    return r < 0 ? r : flush(fd);
}

/* The new name becomes durable, what it names need not be. */
static int rename_unsynced(const char *path, const struct content *content) {
    _cleanup_close_ int folder = open_folder(path), fd = -1;
    char temporary[PATH_MAX];
    struct stat st;
    int r;

    (void)snprintf(temporary, sizeof(temporary), "%s+", path);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || stat(path, &st) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0 ||
        fchmod(fd, st.st_mode) < 0)
        return -errno;
    r = write_all(fd, content->bytes, content->size);
    if (r == 0 && rename(temporary, path) < 0)
        r = -errno;
    return r < 0 ? r : flush(folder);
}

static int write_back(const char *how, const char *path, struct content *content) {
    if (strcmp(how, "in-place") == 0)
        return in_place(path, content);
    if (strcmp(how, "rename-unsynced") == 0)
        return rename_unsynced(path, content);
    if (strcmp(how, "clone-short") == 0)
        return clone_short(path, content);
    return -EINVAL;
}

int main(int argc, char **argv) {
    static struct content content;
    int r;

    if (argc != 3) {
        fputs("usage: write-back HOW FILE <CONTENT\n", stderr);
        return 2;
    }
    r = read_content(&content);
    if (r == 0)
        r = write_back(argv[1], argv[2], &content);
    if (r < 0)
        fprintf(stderr, "write-back: %s: %s: %s\n", argv[2], argv[1], strerror(-r));
    return r < 0;
}
