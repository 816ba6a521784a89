/* SPDX-License-Identifier: MIT */
#ifndef DEVICE_H
#define DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* An open block device, and the lock that keeps udev away from it. */
struct device {
    char *path;
    dev_t number;
    uint64_t size;  /* bytes */
    bool read_only; /* to the kernel */
    int fd;         /* read-only */
    int lock;       /* the whole disk, locked; -1: not locked */
};

#define DEVICE_NONE ((struct device){.fd = -1, .lock = -1})

/* Finds what a source of fstab(5) means now: a path, or a tag such as PARTLABEL=data, looked up
 * in udev's links and, without udev, on the devices. Does not wait and writes no cache. The
 * caller frees *ret. -ENOENT: nothing bears it. */
int device_resolve(const char *source, char **ret);

/* Two devices bear this tag: 1, with the other's path in *ret_other (the caller frees it). 0: only
 * this one does, or source is no tag. Reads all block devices; for use before formatting. */
int device_find_twin(const char *source, dev_t number, char **ret_other);

/* Opens path, takes its number and size. -ENOTBLK: not a block device; -ENXIO also when it has no
 * medium (size 0). */
int device_open(const char *path, struct device *ret);

/* Takes the BSD lock on the whole disk, as systemd's block device locking document asks of all
 * who write to one. Waits up to seconds: then -ETIMEDOUT; -EINTR when a signal says stop. */
int device_lock(struct device *device, unsigned seconds);
void device_unlock(struct device *device);

/* Opens it for us alone, with O_RDWR or O_RDONLY. -EBUSY: somebody has it mounted or holds it. */
int device_open_exclusive(const struct device *device, int access);

void device_close(struct device *device);

/* Takes an flock on fd, waiting for it until seconds have passed: -ETIMEDOUT, or -EINTR. */
int lock_patiently(int fd, unsigned seconds);

#endif
