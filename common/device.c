/* SPDX-License-Identifier: MIT */
#include "common/device.h"

#include <blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
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

/* sysfs writes "cciss!c0d0" for /dev/cciss/c0d0. The caller frees it. */
static char *path_of_device(const char *name) {
    char *path = NULL;

    if (asprintf(&path, "/dev/%s", name) < 0)
        return NULL;
    for (char *c = path; *c; c++) {
        if (*c == '!')
            *c = '/';
    }
    return path;
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

/* Whether the partition at path bears the tag: 1, 0, or -errno. A device that cannot be looked at
 * at all (no medium) bears none. */
static int bears(const char *path, const char *entry_name, const char *value) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    blkid_probe probe = fd < 0 ? NULL : blkid_new_probe();
    const char *found = NULL;
    int r = 0;

    if (!probe)
        return fd < 0 ? 0 : -ENOMEM;
    /* Only the partition table that it lies in: what is on it may be anything. */
    if (blkid_probe_set_device(probe, fd, 0, 0) == 0 &&
        blkid_probe_enable_superblocks(probe, 0) == 0 &&
        blkid_probe_enable_partitions(probe, 1) == 0 &&
        blkid_probe_set_partitions_flags(probe, BLKID_PARTS_ENTRY_DETAILS) == 0 &&
        blkid_do_fullprobe(probe) == 0 &&
        blkid_probe_lookup_value(probe, entry_name, &found, NULL) == 0)
        r = strcmp(found, value) == 0;
    blkid_free_probe(probe);
    return r;
}

static int look_for_twin(const char *entry_name, const char *value, dev_t number,
                         char **ret_other) {
    DIR *directory = opendir("/sys/class/block");
    struct dirent *entry;
    int r = 0;

    if (!directory)
        return -errno;
    while (r == 0 && (errno = 0, entry = readdir(directory))) {
        _cleanup_free_ char *path = NULL;
        struct stat st;

        if (entry->d_name[0] == '.')
            continue;
        path = path_of_device(entry->d_name);
        if (!path)
            r = -ENOMEM;
        else if (stat(path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev != number)
            r = bears(path, entry_name, value);
        if (r == 1)
            *ret_other = take_pointer(path);
    }
    if (r == 0)
        r = -errno;
    (void)closedir(directory);
    return r;
}

/* Only a partition's own tags can lead to a blank device. */
int device_find_twin(const char *source, dev_t number, char **ret_other) {
    _cleanup_free_ char *name = NULL, *value = NULL;

    if (*source == '/' || blkid_parse_tag_string(source, &name, &value) != 0 || !name || !value)
        return 0;
    if (strcmp(name, "PARTLABEL") == 0)
        return look_for_twin("PART_ENTRY_NAME", value, number, ret_other);
    if (strcmp(name, "PARTUUID") == 0)
        return look_for_twin("PART_ENTRY_UUID", value, number, ret_other);
    return 0;
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

static void do_nothing(int signal) {
    (void)signal;
}

/* From now on a call that waits in this thread returns with EINTR every 100 ms. The signal is one
 * that is ignored by default: it may come late. */
static int start_nudging(timer_t *ret) {
    const struct sigaction action = {.sa_handler = do_nothing};
    const struct itimerspec interval = {.it_interval.tv_nsec = 100 * 1000 * 1000,
                                        .it_value.tv_nsec = 100 * 1000 * 1000};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGURG};

    event._sigev_un._tid = gettid();
    if (sigaction(SIGURG, &action, NULL) < 0 || timer_create(CLOCK_MONOTONIC, &event, ret) < 0)
        return -errno;
    return timer_settime(*ret, 0, &interval, NULL) < 0 ? -errno : 0;
}

/* Waits in the kernel: who asks now and then is never there in the moment in which udev, at work on
 * the disk again and again, does not have it. */
static int wait_for_lock(int fd, double end) {
    timer_t timer = NULL;
    int r = start_nudging(&timer);

    if (r < 0)
        return r;
    do {
        r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
    } while (r == -EINTR && !interrupted() && clock_seconds() < end);
    (void)timer_delete(timer);
    return r == -EINTR && !interrupted() ? -ETIMEDOUT : r;
}

int lock_patiently(int fd, unsigned seconds) {
    double end = clock_seconds() + seconds;

    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK && errno != EINTR)
        return -errno;
    return seconds == 0 ? -ETIMEDOUT : wait_for_lock(fd, end);
}

/* A partition's lock is its whole disk's. */
static int open_whole_disk(const struct device *device) {
    _cleanup_free_ char *path = NULL;
    char name[PATH_MAX];
    _cleanup_close_ int fd = -1;
    struct stat st;
    dev_t disk = 0;

    if (blkid_devno_to_wholedisk(device->number, name, sizeof(name), &disk) != 0 ||
        disk == device->number) {
        /* Not a duplicate of fd: the lock would last as long as both. */
        return open(device->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    }
    path = path_of_device(name);
    if (!path)
        return -1;
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
