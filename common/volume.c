/* SPDX-License-Identifier: MIT */
#include "common/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fstab.h"

int volume_enter_namespace(void) {
    if (unshare(CLONE_NEWNS) < 0)
        return -errno;
    /* Before the first mount: nothing of ours may show up anywhere else. */
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

int volume_clone_image(const char *root) {
    int fd = open_tree(AT_FDCWD, root, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

/* The kernel refuses a file system on a mount of itself, as a running system's /var is one. In our
 * namespace that goes away. */
static int mount_over(const char *device, const char *mount_point, unsigned long flags,
                      const char *options) {
    while (mount(device, mount_point, "btrfs", flags, options) < 0) {
        if (errno != EBUSY)
            return -errno;
        if (umount2(mount_point, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
            return -EBUSY;
    }
    return 0;
}

int volume_mount(const char *device, const char *options, enum volume_mode mode,
                 const char *mount_point, struct volume *ret) {
    _cleanup_free_ char *data = NULL, *all = NULL;
    unsigned long flags = 0;
    int r = fstab_mount_options(options, &flags, &data);

    if (r < 0)
        return r;
    if (asprintf(&all, "subvolid=5%s%s%s",
                 mode == VOLUME_READ_ONLY_NO_REPLAY ? ",rescue=nologreplay" : "", data ? "," : "",
                 data ? data : "") < 0)
        return -ENOMEM;
    if (mode != VOLUME_WRITABLE)
        flags |= MS_RDONLY;
    r = mount_over(device, mount_point, flags | MS_NOATIME, all);
    if (r < 0)
        return r;
    ret->top = open(mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret->top < 0)
        r = -errno;
    /* From here on the descriptor alone holds the mount, and the mount point shows again what the
     * image, or a caller's --root, has there. */
    if (umount2(mount_point, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && r == 0) {
        r = -errno;
        close_fd(&ret->top);
    }
    return r;
}

void volume_unmount(struct volume *volume) {
    close_fd(&volume->top);
}

int volume_sync(const struct volume *volume) {
    return syncfs(volume->top) < 0 ? -errno : 0;
}
