/* SPDX-License-Identifier: MIT */
#include "common/device.h"

#include <blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/interrupt.h"

static void free_cache(blkid_cache *cache) {
    if (*cache)
        blkid_put_cache(*cache);
}

/* Without a file: libblkid would write one below /run. */
static blkid_cache new_cache(void) {
    blkid_cache cache = NULL;

    return blkid_get_cache(&cache, "/dev/null") == 0 ? cache : NULL;
}

int device_resolve(const char *source, char **ret) {
    blkid_cache cache __attribute__((cleanup(free_cache))) = NULL;
    _cleanup_free_ char *name = NULL, *value = NULL, *path = NULL;

    if (*source == '/') {
        path = strdup(source);
    } else {
        if (blkid_parse_tag_string(source, &name, &value) != 0 || !name || !value)
            return -EINVAL;
        cache = new_cache();
        if (!cache)
            return -ENOMEM;
        path = blkid_evaluate_tag(name, value, &cache);
        if (!path)
            return -ENOENT;
    }
    *ret = take_pointer(path);
    return *ret ? 0 : -ENOMEM;
}

int device_find_twin(const char *source, dev_t number, char **ret_other) {
    blkid_cache cache __attribute__((cleanup(free_cache))) = NULL;
    _cleanup_free_ char *name = NULL, *value = NULL;
    blkid_dev_iterate iterator;
    blkid_dev found;
    int r = 0;

    if (*source == '/' || blkid_parse_tag_string(source, &name, &value) != 0)
        return 0;
    cache = new_cache();
    if (!cache || blkid_probe_all(cache) < 0)
        return -EIO;
    iterator = blkid_dev_iterate_begin(cache);
    if (!iterator)
        return -ENOMEM;
    if (blkid_dev_set_search(iterator, name, value) != 0)
        r = -EINVAL;
    while (r == 0 && blkid_dev_next(iterator, &found) == 0) {
        struct stat st;

        if (stat(blkid_dev_devname(found), &st) < 0 || st.st_rdev == number)
            continue;
        *ret_other = strdup(blkid_dev_devname(found));
        r = *ret_other ? 1 : -ENOMEM;
    }
    blkid_dev_iterate_end(iterator);
    return r;
}

int device_open(const char *path, struct device *ret) {
    struct device device __attribute__((cleanup(device_close))) = DEVICE_NONE;
    struct stat st;
    int read_only = 0;

    /* O_NONBLOCK: a FIFO of that name must not hold us. */
    device.fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (device.fd < 0)
        return -errno;
    if (fstat(device.fd, &st) < 0)
        return -errno;
    if (!S_ISBLK(st.st_mode))
        return -ENOTBLK;
    device.number = st.st_rdev;
    if (ioctl(device.fd, BLKGETSIZE64, &device.size) < 0 ||
        ioctl(device.fd, BLKROGET, &read_only) < 0)
        return -errno;
    if (device.size == 0)
        return -ENXIO;
    device.read_only = read_only != 0;
    /* Not a link of udev's, which may mean another device the next time it is looked at. */
    device.path = realpath(path, NULL);
    if (!device.path)
        return -errno;
    *ret = device;
    device = DEVICE_NONE;
    return 0;
}

int lock_patiently(int fd, unsigned seconds) {
    const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    const unsigned tries = seconds * 10;

    for (unsigned i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (interrupted())
            return -EINTR;
        if (i >= tries)
            return -ETIMEDOUT;
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}

/* A partition's lock is its whole disk's. */
static int open_whole_disk(const struct device *device) {
    char name[PATH_MAX], path[PATH_MAX + sizeof("/dev/")];
    _cleanup_close_ int fd = -1;
    struct stat st;
    dev_t disk = 0;

    if (blkid_devno_to_wholedisk(device->number, name, sizeof(name), &disk) != 0 ||
        disk == device->number) {
        /* Not a duplicate of fd: the lock would last as long as both. */
        return open(device->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    }
    (void)snprintf(path, sizeof(path), "/dev/%s", name);
    for (char *c = path + strlen("/dev/"); *c; c++) {
        if (*c == '!') /* sysfs writes "cciss!c0d0" */
            *c = '/';
    }
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0)
        return -1;
    if (!S_ISBLK(st.st_mode) || st.st_rdev != disk) {
        errno = ENODEV;
        return -1;
    }
    return take_fd(&fd);
}

int device_lock(struct device *device, unsigned seconds) {
    _cleanup_close_ int fd = open_whole_disk(device);
    int r;

    if (fd < 0)
        return -errno;
    r = lock_patiently(fd, seconds);
    if (r == 0)
        device->lock = take_fd(&fd);
    return r;
}

void device_unlock(struct device *device) {
    close_fd(&device->lock);
}

int device_open_exclusive(const struct device *device, int access) {
    _cleanup_close_ int fd = open(device->path, access | O_EXCL | O_NOCTTY | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    /* The path must still mean the device that was probed and locked. */
    if (!S_ISBLK(st.st_mode) || st.st_rdev != device->number)
        return -ENODEV;
    return take_fd(&fd);
}

void device_close(struct device *device) {
    close_fd(&device->fd);
    close_fd(&device->lock);
    free(device->path);
    device->path = NULL;
}
