/* SPDX-License-Identifier: MIT */
#include "nodatacow.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

bool nodatacow_is_set(int fd) {
    int flags = 0;

    return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_NOCOW_FL) != 0;
}

int nodatacow_set(int fd) {
    int flags = 0;

    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
        return -errno;
    if (flags & FS_NOCOW_FL)
        return 0;
    flags |= FS_NOCOW_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0 ? -errno : 1;
}
