/* SPDX-License-Identifier: MIT */
#include "attributes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/cleanup.h"

#define LABEL_XATTR "security.selinux"
#define ACL_XATTR "system.posix_acl_access"

/* Of xattr(7): XATTR_LIST_MAX and XATTR_SIZE_MAX. */
#define LIST_LIMIT 65536
#define VALUE_LIMIT 65536

static int copy_xattr(int from, int to, const char *name) {
    _cleanup_free_ char *value = malloc(VALUE_LIMIT);
    ssize_t size = value ? fgetxattr(from, name, value, VALUE_LIMIT) : -1;

    if (!value)
        return -ENOMEM;
    if (size < 0)
        return -errno;
    return fsetxattr(to, name, value, (size_t)size, 0) < 0 ? -errno : 0;
}

/* A new file gets its folder's default ACL, and those in it could read what the mode lets the
 * group read. */
static int remove_acl(int fd) {
    if (fremovexattr(fd, ACL_XATTR) < 0 && errno != ENODATA && errno != EOPNOTSUPP)
        return -errno;
    return 0;
}

static int copy_xattrs(int from, int to) {
    int r = remove_acl(to);
    _cleanup_free_ char *names = malloc(LIST_LIMIT);
    ssize_t size = names ? flistxattr(from, names, LIST_LIMIT) : -1;

    if (r < 0)
        return r;
    if (!names)
        return -ENOMEM;
    if (size < 0)
        return errno == EOPNOTSUPP ? 0 : -errno;
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        r = copy_xattr(from, to, name);
        if (r < 0 && r != -ENODATA)
            return r;
    }
    return 0;
}

static int copy_label(int from, int to) {
    int r = copy_xattr(from, to, LABEL_XATTR);

    return r == -ENODATA || r == -EOPNOTSUPP ? 0 : r;
}

/* The owner first: a change of it takes setuid bits and capabilities away. */
static int copy_all(int from, int to, int (*copy)(int, int)) {
    struct stat st;
    int r;

    if (fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0)
        return -errno;
    r = copy(from, to);
    if (r == 0 && fchmod(to, st.st_mode & ALLPERMS) < 0)
        r = -errno;
    return r;
}

int attributes_copy(int from, int to) {
    return copy_all(from, to, copy_xattrs);
}

int attributes_copy_label(int from, int to) {
    return copy_all(from, to, copy_label);
}
