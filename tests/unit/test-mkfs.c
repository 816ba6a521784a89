/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/interrupt.h"
#include "common/probe.h"
#include "init-storage/mkfs.h"
#include "superblock-fixture.h"
#include "unit.h"

/* With the real mkfs.btrfs, on sparse files. */

#define SIZE FIXTURE_SIZE
#define UUID "0b7d9e5a-3f51-4c7e-9d5b-6a1f2e3d4c5b"

/* Any descriptor will do for the lock. */
static int lock_fd(void) {
    return unit_folder;
}

static char device_path[4096];

static int make_device(void) {
    skip_unless(access(MKFS_BTRFS, X_OK) == 0, "no " MKFS_BTRFS);
    (void)snprintf(device_path, sizeof(device_path), "%s/device", unit_folder_path);
    return put_sparse(unit_folder, "device", SIZE);
}

TEST(label_and_uuid_are_given_on) {
    static const struct {
        const char *label, *uuid;
    } rows[] = {
        {NULL, NULL},
        {"data", NULL},
        {NULL, UUID},
        {"data", UUID},
        {"-f", NULL},
        {"a b", UUID},
        {"$(touch x);`y`", NULL},
        {"--help", NULL},
        {"gr\xc3\xbc\xc3\x9f", NULL},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        int device = make_device();
        char label[64], uuid[64];
        struct device_probe found;

        (void)snprintf(label, sizeof(label), "%s", rows[i].label ? rows[i].label : "");
        (void)snprintf(uuid, sizeof(uuid), "%s", rows[i].uuid ? rows[i].uuid : "");
        assert_int_equal(mkfs_run(device_path, rows[i].label ? label : NULL,
                                  rows[i].uuid ? uuid : NULL, lock_fd()),
                         0);
        probe_device(device, SIZE, false, &found);
        assert_int_equal(found.state, DEVICE_BTRFS);
        assert_string_equal(found.primary.label, label);
        if (rows[i].uuid)
            assert_string_equal(found.primary.fsid, UUID);
        else
            assert_string_not_equal(found.primary.fsid, UUID);
        assert_int_equal(found.primary.device_count, 1);
        assert_int_equal(close(device), 0);
        assert_int_equal(unlinkat(unit_folder, "device", 0), 0);
    }
    /* A success is not worth a word. */
    assert_string_equal(unit_said(), "");
}

static int make_on_a_dash(void *argument) {
    char name[] = "-f";

    (void)argument;
    return fchdir(unit_folder) < 0 ? 255 : mkfs_run(name, NULL, NULL, lock_fd());
}

TEST(a_devices_name_is_never_an_option) {
    int device = make_device();
    struct device_probe found;

    assert_int_equal(renameat(unit_folder, "device", unit_folder, "-f"), 0);
    assert_int_equal(in_child(make_on_a_dash, NULL), 0);
    probe_device(device, SIZE, false, &found);
    assert_int_equal(found.state, DEVICE_BTRFS);
    assert_int_equal(close(device), 0);
}

TEST(what_holds_something_is_not_forced) {
    int device = make_device();
    char before[2], after[SUPERBLOCK_SIZE], zeros[SUPERBLOCK_SIZE] = {0};
    const char *said;

    assert_int_equal(pwrite(device, "\x53\xef", 2, 1024 + 56), 2); /* ext2 */
    assert_true(mkfs_run(device_path, NULL, NULL, lock_fd()) > 0);
    said = unit_said();
    assert_non_null(strstr(said, "mkfs.btrfs: "));
    assert_non_null(strstr(said, device_path));
    assert_int_equal(pread(device, before, 2, 1024 + 56), 2);
    assert_memory_equal(before, "\x53\xef", 2);
    assert_int_equal(pread(device, after, sizeof(after), 65536), sizeof(after));
    assert_memory_equal(after, zeros, sizeof(after));
    assert_int_equal(close(device), 0);
}

TEST(a_failure_is_a_status_with_its_words) {
    char missing[4096 + 16];
    int device = make_device();

    (void)snprintf(missing, sizeof(missing), "%s/missing", unit_folder_path);
    assert_in_range(mkfs_run(missing, NULL, NULL, lock_fd()), 1, 127);
    assert_true(unit_count(unit_said(), "mkfs.btrfs: ") >= 1);
    assert_int_equal(ftruncate(device, 64 << 10), 0);
    assert_in_range(mkfs_run(device_path, NULL, NULL, lock_fd()), 1, 127);
    assert_true(unit_count(unit_said(), "mkfs.btrfs: ") >= 1);
    assert_int_equal(close(device), 0);
}

static size_t open_descriptors(void) {
    DIR *stream = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(stream);
    while (readdir(stream))
        count++;
    (void)closedir(stream);
    return count;
}

TEST(no_descriptor_is_left_open) {
    size_t before = open_descriptors();
    int device = make_device();
    char missing[] = "/nonexistent/device";

    (void)mkfs_run(device_path, NULL, NULL, lock_fd());
    (void)mkfs_run(missing, NULL, NULL, lock_fd());
    assert_int_equal(close(device), 0);
    assert_int_equal(open_descriptors(), before);
}

static int make_while_asked_to_stop(void *argument) {
    (void)argument;
    if (interrupt_catch() < 0 || raise(SIGTERM) != 0)
        return 255;
    return -mkfs_run(device_path, NULL, NULL, lock_fd());
}

TEST(a_signal_that_asks_to_stop_is_told) {
    int device = make_device();

    assert_int_equal(in_child(make_while_asked_to_stop, NULL), EINTR);
    assert_int_equal(close(device), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(label_and_uuid_are_given_on),
        UNIT_TEST(a_devices_name_is_never_an_option),
        UNIT_TEST(what_holds_something_is_not_forced),
        UNIT_TEST(a_failure_is_a_status_with_its_words),
        UNIT_TEST(no_descriptor_is_left_open),
        UNIT_TEST(a_signal_that_asks_to_stop_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
