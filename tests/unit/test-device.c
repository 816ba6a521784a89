/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/device.h"
#include "common/interrupt.h"
#include "init-storage/report.h"
#include "unit.h"

/* What can be said without a block device. */

static char path[4096 + 64];

static const char *path_of(const char *name) {
    (void)snprintf(path, sizeof(path), "%s/%s", unit_folder_path, name);
    return path;
}

/* ---- sources ----------------------------------------------------------------------------- */

TEST(a_path_is_what_it_says) {
    static const char *const paths[] = {"/dev/vda2", "/dev/disk/by-path/x", "/"};

    for (size_t i = 0; i < COUNT(paths); i++) {
        char *found = NULL;

        assert_int_equal(device_resolve(paths[i], &found), 0);
        assert_string_equal(found, paths[i]);
        free(found);
    }
}

TEST(what_is_neither_path_nor_tag_is_wrong) {
    static const char *const sources[] = {"", "data", "dev/vda", "tmpfs", "=", "LABEL"};

    for (size_t i = 0; i < COUNT(sources); i++) {
        char *found = NULL;

        if (device_resolve(sources[i], &found) != -EINVAL)
            fail_with("\"%s\": %s", sources[i], found ? found : "another error");
        assert_null(found);
    }
}

TEST(a_path_has_no_twin) {
    char *other = NULL;

    assert_int_equal(device_find_twin("/dev/vda2", 0, &other), 0);
    assert_int_equal(device_find_twin("nonsense", 0, &other), 0);
    assert_null(other);
}

static int find_a_twin(void *argument) {
    char *other = NULL;

    (void)argument;
    return -device_find_twin("PARTLABEL=t", 0, &other);
}

/* It would be taken for "there is none", and the device be formatted. */
TEST(devices_that_cannot_be_listed_are_an_error) {
    assert_int_equal(in_child_failing(SYS_getdents64, EIO, find_a_twin, NULL), EIO);
}

/* ---- opening ----------------------------------------------------------------------------- */

TEST(what_is_no_block_device_is_not_opened_and_holds_nobody) {
    static const char *const names[] = {"file", "folder", "fifo", "link"};

    put_file(unit_folder, "file", "x");
    put_folder(unit_folder, "folder");
    assert_int_equal(mkfifoat(unit_folder, "fifo", 0600), 0);
    assert_int_equal(symlinkat("file", unit_folder, "link"), 0);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct device device = DEVICE_NONE;

        assert_int_equal(device_open(path_of(names[i]), &device), -ENOTBLK);
        assert_int_equal(device.fd, -1);
        assert_null(device.path);
    }
}

TEST(a_device_that_is_not_there_is_told) {
    struct device device = DEVICE_NONE;

    assert_int_equal(device_open(path_of("none"), &device), -ENOENT);
    assert_int_equal(device_open(path_of("none/below"), &device), -ENOENT);
    device_close(&device);
    device_close(&device);
}

/* Something else may have got the name meanwhile. */
TEST(only_the_device_that_was_probed_is_opened_for_writing) {
    char name[sizeof(path)];
    struct device device = {.path = name, .number = 12345, .fd = -1, .lock = -1};

    put_file(unit_folder, "file", "x");
    (void)snprintf(name, sizeof(name), "%s", path_of("file"));
    assert_int_equal(device_open_exclusive(&device, O_RDWR), -ENODEV);
    assert_int_equal(unlinkat(unit_folder, "file", 0), 0);
    assert_int_equal(device_open_exclusive(&device, O_RDWR), -ENOENT);
}

/* ---- locks ------------------------------------------------------------------------------- */

static int open_file(void) {
    return open_path(unit_folder, "file", O_RDONLY);
}

TEST(a_free_lock_is_taken_at_once) {
    int one, other;

    put_file(unit_folder, "file", "");
    one = open_file();
    other = open_file();
    assert_int_equal(lock_patiently(one, 0), 0);
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
    assert_int_equal(close(one), 0);
    assert_int_equal(lock_patiently(other, 0), 0);
    assert_int_equal(close(other), 0);
}

TEST(a_held_lock_is_asked_for_as_long_as_wanted) {
    int one, other;
    double start;

    put_file(unit_folder, "file", "");
    one = open_file();
    other = open_file();
    assert_int_equal(flock(one, LOCK_EX), 0);
    start = clock_seconds();
    assert_int_equal(lock_patiently(other, 0), -ETIMEDOUT);
    assert_true(clock_seconds() - start < 0.5);
    start = clock_seconds();
    assert_int_equal(lock_patiently(other, 1), -ETIMEDOUT);
    assert_true(clock_seconds() - start >= 0.9);
    assert_true(clock_seconds() - start < 5);
    assert_int_equal(close(one), 0);
    assert_int_equal(close(other), 0);
}

static void *release_soon(void *argument) {
    const struct timespec pause = {.tv_nsec = 300 * 1000 * 1000};

    (void)nanosleep(&pause, NULL);
    (void)flock(*(const int *)argument, LOCK_UN);
    return NULL;
}

TEST(a_lock_that_becomes_free_is_taken) {
    int one, other;
    pthread_t thread;

    put_file(unit_folder, "file", "");
    one = open_file();
    other = open_file();
    assert_int_equal(flock(one, LOCK_EX), 0);
    assert_int_equal(pthread_create(&thread, NULL, release_soon, &one), 0);
    assert_int_equal(lock_patiently(other, 30), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(flock(one, LOCK_EX | LOCK_NB), -1);
    assert_int_equal(close(one), 0);
    assert_int_equal(close(other), 0);
}

struct visitor {
    int fd;
    atomic_bool stop;
};

/* As udev does with every event: most of the time somebody has the lock. */
static void *have_it_again_and_again(void *argument) {
    const struct timespec hold = {.tv_nsec = 20 * 1000 * 1000}, leave = {.tv_nsec = 200 * 1000};
    struct visitor *visitor = argument;

    while (!atomic_load(&visitor->stop)) {
        if (flock(visitor->fd, LOCK_SH | LOCK_NB) == 0)
            (void)nanosleep(&hold, NULL);
        (void)flock(visitor->fd, LOCK_UN);
        (void)nanosleep(&leave, NULL);
    }
    return NULL;
}

TEST(a_lock_that_is_free_for_moments_only_is_taken) {
    const struct timespec pause = {.tv_nsec = 30 * 1000 * 1000};
    struct visitor visitor = {.fd = -1};
    double start, waited = 0;
    pthread_t thread;
    int other;

    put_file(unit_folder, "file", "");
    visitor.fd = open_file();
    other = open_file();
    assert_int_equal(pthread_create(&thread, NULL, have_it_again_and_again, &visitor), 0);
    for (unsigned i = 0; i < 10; i++) {
        (void)nanosleep(&pause, NULL); /* the other one has it again */
        start = clock_seconds();
        assert_int_equal(lock_patiently(other, 30), 0);
        waited += clock_seconds() - start;
        assert_int_equal(flock(other, LOCK_UN), 0);
    }
    assert_true(waited < 2);
    atomic_store(&visitor.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(close(visitor.fd), 0);
    assert_int_equal(close(other), 0);
}

static int wait_after_a_signal(void *argument) {
    if (interrupt_catch() < 0 || raise(SIGINT) != 0)
        return 255;
    return -lock_patiently(*(const int *)argument, 60);
}

TEST(a_signal_ends_the_waiting) {
    int one, other;

    put_file(unit_folder, "file", "");
    one = open_file();
    other = open_file();
    assert_int_equal(flock(one, LOCK_EX), 0);
    assert_int_equal(in_child(wait_after_a_signal, &other), EINTR);
    assert_int_equal(close(one), 0);
    assert_int_equal(close(other), 0);
}

TEST(what_cannot_be_locked_is_an_error) {
    assert_int_equal(lock_patiently(-1, 0), -EBADF);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_path_is_what_it_says),
        UNIT_TEST(what_is_neither_path_nor_tag_is_wrong),
        UNIT_TEST(a_path_has_no_twin),
        UNIT_TEST(devices_that_cannot_be_listed_are_an_error),
        UNIT_TEST(what_is_no_block_device_is_not_opened_and_holds_nobody),
        UNIT_TEST(a_device_that_is_not_there_is_told),
        UNIT_TEST(only_the_device_that_was_probed_is_opened_for_writing),
        UNIT_TEST(a_free_lock_is_taken_at_once),
        UNIT_TEST(a_held_lock_is_asked_for_as_long_as_wanted),
        UNIT_TEST(a_lock_that_becomes_free_is_taken),
        UNIT_TEST(a_lock_that_is_free_for_moments_only_is_taken),
        UNIT_TEST(a_signal_ends_the_waiting),
        UNIT_TEST(what_cannot_be_locked_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
