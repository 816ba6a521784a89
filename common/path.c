/* SPDX-License-Identifier: MIT */
#include "common/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "common/cleanup.h"

static bool name_is_plain(const char *name, size_t length) {
    if (length == 0 || (length == 1 && name[0] == '.'))
        return false;
    return !(length == 2 && name[0] == '.' && name[1] == '.');
}

bool path_is_plain(const char *path) {
    for (;;) {
        size_t length = strcspn(path, "/");

        if (!name_is_plain(path, length))
            return false;
        path += length;
        if (!*path)
            return true;
        path++;
    }
}

const char *path_below(const char *path, const char *upper) {
    size_t length = strlen(upper);

    if (length == 0)
        return path;
    if (strcmp(upper, "/") == 0)
        return *path == '/' ? path + 1 : NULL;
    if (strncmp(path, upper, length) != 0)
        return NULL;
    if (path[length] == '\0')
        return path + length;
    return path[length] == '/' ? path + length + 1 : NULL;
}

char *path_join(const char *upper, const char *rest) {
    size_t length = strlen(upper);
    char *joined = NULL;
    const char *slash = "/";

    if (length == 0 || *rest == '\0' || upper[length - 1] == '/')
        slash = "";
    return asprintf(&joined, "%s%s%s", upper, slash, rest) < 0 ? NULL : joined;
}

int path_normalize(const char *text, char **ret) {
    _cleanup_free_ char *path = NULL;
    char *end;

    if (*text != '/')
        return -EINVAL;
    path = malloc(strlen(text) + 2);
    if (!path)
        return -ENOMEM;
    end = path;
    while (*text) {
        size_t length;

        text += strspn(text, "/");
        length = strcspn(text, "/");
        if (length == 0)
            break;
        if (!name_is_plain(text, length))
            return -EINVAL;
        *end++ = '/';
        memcpy(end, text, length);
        end += length;
        text += length;
    }
    if (end == path)
        *end++ = '/';
    *end = '\0';
    *ret = take_pointer(path);
    return 0;
}

static int call_openat2(int directory, const char *path, int flags, uint64_t resolve) {
    struct open_how how = {.flags = (uint64_t)(unsigned)flags | O_CLOEXEC, .resolve = resolve};
    int fd;

    do {
        fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));
    } while (fd < 0 && errno == EAGAIN); /* a rename elsewhere raced with ".." */
    return fd < 0 ? -errno : fd;
}

static bool is_link(int directory, const char *name) {
    int keep = errno;
    struct stat st;
    bool link = fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);

    errno = keep;
    return link;
}

/* For kernels before 5.6: a component at a time, each without following. */
static int open_by_steps(int directory, const char *path, int flags) {
    _cleanup_close_ int current = openat(directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

    while (current >= 0) {
        char name[NAME_MAX + 1];
        size_t length = strcspn(path, "/");
        bool last = path[length] == '\0';
        int next;

        if (length > NAME_MAX)
            return -ENAMETOOLONG;
        if (!name_is_plain(path, length))
            return last && length == 0 ? -ENOENT : -EXDEV;
        memcpy(name, path, length);
        name[length] = '\0';
        next =
            openat(current, name, (last ? flags : O_PATH | O_DIRECTORY) | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return errno == ENOTDIR && is_link(current, name) ? -ELOOP : -errno;
        if (last)
            return next;
        close_fd(&current);
        current = next;
        path += length + 1;
    }
    return -errno;
}

int open_beneath(int directory, const char *path, int flags) {
    int fd;

    if (*path == '\0')
        path = ".";
    fd = call_openat2(directory, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (fd == -ENOSYS && strcmp(path, ".") == 0) {
        fd = openat(directory, path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
    }
    return fd == -ENOSYS ? open_by_steps(directory, path, flags) : fd;
}

int open_in_root(int root, const char *path, int flags) {
    int fd = call_openat2(root, path, flags, RESOLVE_IN_ROOT);

    /* An older kernel: no symbolic link at all rather than one that leads out. */
    return fd == -ENOSYS ? open_by_steps(root, path, flags) : fd;
}

int open_parent(int directory, const char *path, const char **ret_name) {
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *parent = NULL;
    int fd;

    parent = slash ? strndup(path, (size_t)(slash - path)) : strdup("");
    if (!parent)
        return -ENOMEM;
    fd = open_beneath(directory, parent, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    if (fd >= 0)
        *ret_name = slash ? slash + 1 : path;
    return fd;
}

DIR *directory_stream(int fd) {
    _cleanup_close_ int owned = fd;
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);

    if (stream)
        (void)take_fd(&owned);
    return stream;
}
