/* SPDX-License-Identifier: MIT */
#ifndef VOLUME_H
#define VOLUME_H

/* The data file system's top (subvolid=5), mounted where only this process sees it: a descriptor
 * and no path at all. */
struct volume {
    int top; /* the top directory, -1: not mounted */
};

#define VOLUME_NONE ((struct volume){.top = -1})

/* Gives this process a mount namespace of its own in which every mount is private. */
int volume_enter_namespace(void);

/* A clone of the mount that root lies on, without the mounts on top of it: the image itself.
 * Returns a directory descriptor or -errno. */
int volume_clone_image(const char *root);

enum volume_mode { VOLUME_READ_ONLY, VOLUME_READ_ONLY_NO_REPLAY, VOLUME_WRITABLE };

/* Mounts device with the options of an fstab entry, as far as they are the file system's own.
 * mount_point, any directory, is covered for a moment in our namespace; a mount of the same file
 * system that lies there goes away in it. Returns 0 or -errno. */
int volume_mount(const char *device, const char *options, enum volume_mode mode,
                 const char *mount_point, struct volume *ret);

/* Unmounts: with the last descriptor below it, so every other one must be closed. */
void volume_unmount(struct volume *volume);

/* Writes everything out; the error of any earlier write that failed shows here at the latest. */
int volume_sync(const struct volume *volume);

#endif
