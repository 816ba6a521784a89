/* SPDX-License-Identifier: MIT */
#include "common/run-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/write-all.h"

static int open_directory(int parent, const char *directory) {
    int fd = openat(parent, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int run_directory_make_at(int parent, const char *directory) {
    bool made = mkdirat(parent, directory, 0755) == 0;
    _cleanup_close_ int fd = -1;

    if (!made && errno != EEXIST)
        return -errno;
    fd = open_directory(parent, directory);
    if (fd < 0)
        return fd;
    if (made && fchmod(fd, 0755) < 0) /* the umask was in the way */
        return -errno;
    return take_fd(&fd);
}

int run_directory_make(const char *directory) {
    return run_directory_make_at(AT_FDCWD, directory);
}

int run_file_write_at(int folder, const char *name, const char *text, size_t size) {
    static const char suffix[] = ".new";
    _cleanup_close_ int fd = -1;
    char temporary[NAME_MAX + 1];
    int r;

    (void)snprintf(temporary, sizeof(temporary), "%.*s%s", (int)(NAME_MAX - strlen(suffix)), name,
                   suffix);
    if (unlinkat(folder, temporary, 0) < 0 && errno != ENOENT)
        return -errno;
    fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = write_all(fd, text, size);
    if (r == 0 && fchmod(fd, 0644) < 0)
        r = -errno;
    if (r == 0 && renameat(folder, temporary, folder, name) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(folder, temporary, 0);
    return r;
}

int run_file_write(const char *directory, const char *name, const char *text, size_t size) {
    _cleanup_close_ int folder = run_directory_make(directory);

    return folder < 0 ? folder : run_file_write_at(folder, name, text, size);
}

ssize_t run_file_read(const char *directory, const char *name, char *text, size_t size) {
    _cleanup_close_ int folder = open_directory(AT_FDCWD, directory);
    _cleanup_close_ int fd = -1;
    size_t length = 0;

    if (folder < 0)
        return folder;
    fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    while (length < size) {
        ssize_t n = read(fd, text + length, size - length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t)n;
    }
    return (ssize_t)length;
}

int run_file_remove(const char *directory, const char *name) {
    _cleanup_close_ int folder = open_directory(AT_FDCWD, directory);

    if (folder < 0)
        return folder == -ENOENT ? 0 : folder;
    return unlinkat(folder, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}
