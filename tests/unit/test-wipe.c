/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/probe.h"
#include "common/wipe.h"
#include "superblock-fixture.h"
#include "unit.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define PRIMARY (64 * KIB)
#define SECOND (64 * MIB)
#define THIRD (UINT64_C(256) << 30)

/* Never zero, and not the same in neighbouring blocks. */
static int wipe_all(int fd, uint64_t size) {
    struct wipe wipe = {.fd = fd, .size = size};

    return wipe_file_system(&wipe);
}

static unsigned char old_byte(uint64_t offset) {
    return (unsigned char)(0x80 | (offset >> 9 & 0x3f));
}

static unsigned char *map(int device, uint64_t start, size_t size) {
    unsigned char *bytes =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)start);

    assert_true(bytes != MAP_FAILED);
    return bytes;
}

static void fill(int device, uint64_t start, size_t size) {
    unsigned char *bytes = map(device, start, size);

    for (size_t i = 0; i < size; i++)
        bytes[i] = old_byte(start + i);
    assert_int_equal(munmap(bytes, size), 0);
}

/* What the wipe takes, by the design: the copies, the first MiB, and the last one. */
static bool is_taken(uint64_t offset, uint64_t size) {
    if (offset < MIB || (size <= 2 * MIB ? true : offset >= size - MIB))
        return true;
    return (offset >= SECOND && offset < SECOND + SUPERBLOCK_SIZE) ||
           (offset >= THIRD && offset < THIRD + SUPERBLOCK_SIZE);
}

static void check(int device, uint64_t size, uint64_t start, size_t length) {
    unsigned char *bytes = map(device, start, length);

    for (size_t i = 0; i < length; i++) {
        unsigned char wanted = is_taken(start + i, size) ? 0 : old_byte(start + i);

        if (bytes[i] != wanted)
            fail_with("size %ju: byte %ju is 0x%02x, not 0x%02x", (uintmax_t)size,
                      (uintmax_t)(start + i), bytes[i], wanted);
    }
    assert_int_equal(munmap(bytes, length), 0);
}

static void check_untouched(int device, uint64_t start, size_t length) {
    unsigned char *bytes = map(device, start, length);

    for (size_t i = 0; i < length; i++)
        assert_int_equal(bytes[i], old_byte(start + i));
    assert_int_equal(munmap(bytes, length), 0);
}

TEST(exactly_the_ends_and_the_copies_are_zeroed) {
    static const uint64_t sizes[] = {
        512,           4 * KIB,           PRIMARY,           PRIMARY + 256,
        PRIMARY + 512, PRIMARY + 4 * KIB, MIB - 512,         MIB,
        MIB + 4 * KIB, 2 * MIB,           2 * MIB + 4 * KIB, 3 * MIB,
        SECOND,        SECOND + 2 * KIB,  SECOND + 4 * KIB,  SECOND + 3 * MIB,
        100 * MIB,
    };

    for (size_t i = 0; i < COUNT(sizes); i++) {
        int device = put_sparse(unit_folder, "device", (off_t)sizes[i]);

        fill(device, 0, sizes[i]);
        assert_int_equal(wipe_all(device, sizes[i]), 0);
        check(device, sizes[i], 0, sizes[i]);
        assert_int_equal(lseek(device, 0, SEEK_END), sizes[i]);
        assert_int_equal(close(device), 0);
        assert_int_equal(unlinkat(unit_folder, "device", 0), 0);
    }
}

TEST(the_copy_at_256_gib_goes_too) {
    int device = put_sparse(unit_folder, "device", FIXTURE_LARGE_SIZE);
    static const uint64_t starts[] = {0, SECOND - MIB, THIRD - MIB, FIXTURE_LARGE_SIZE - 3 * MIB};

    for (size_t i = 0; i < COUNT(starts); i++)
        fill(device, starts[i], 3 * MIB);
    assert_int_equal(wipe_all(device, FIXTURE_LARGE_SIZE), 0);
    for (size_t i = 0; i < COUNT(starts); i++)
        check(device, FIXTURE_LARGE_SIZE, starts[i], 3 * MIB);
    assert_int_equal(close(device), 0);
}

static int put_btrfs(void) {
    int device = put_sparse(unit_folder, "device", FIXTURE_SIZE);

    fixture_put(device, FIXTURE_CRC32C);
    fixture_put(device, FIXTURE_CRC32C_SECOND);
    return device;
}

TEST(what_was_a_btrfs_is_blank_afterwards) {
    int device = put_btrfs();
    struct device_probe found;

    for (int again = 0; again < 2; again++) {
        assert_int_equal(wipe_all(device, FIXTURE_SIZE), 0);
        probe_device(device, FIXTURE_SIZE, true, &found);
        assert_int_equal(found.state, DEVICE_BLANK);
        assert_false(found.wipe_first);
    }
    assert_int_equal(close(device), 0);
}

/* The second header of LUKS2 brings the first one back. */
TEST(a_second_header_of_luks_goes_with_the_file_system) {
    int device = put_btrfs();
    char after[8];

    assert_int_equal(pwrite(device, "SKUL\xba\xbe\0\2", 8, 2 * MIB), 8);
    assert_int_equal(pwrite(device, "\0\0\0\0\0\x20\0\0", 8, 2 * MIB + 256), 8);
    assert_int_equal(wipe_all(device, FIXTURE_SIZE), 0);
    assert_int_equal(pread(device, after, 8, 2 * MIB), 8);
    assert_memory_equal(after, "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(close(device), 0);
}

TEST(a_device_that_cannot_be_written_stays_as_it_is) {
    int device = put_sparse(unit_folder, "device", 3 * MIB);
    int fd = open_path(unit_folder, "device", O_RDONLY);

    fill(device, 0, 3 * MIB);
    assert_int_equal(wipe_all(fd, 3 * MIB), -EBADF);
    check_untouched(device, 0, 3 * MIB);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(device), 0);
}

struct limited {
    int device;
    uint64_t size, limit;
};

/* Writes at and above the limit fail. */
static int wipe_below_a_limit(void *argument) {
    const struct limited *limited = argument;
    struct rlimit limit = {.rlim_cur = limited->limit, .rlim_max = limited->limit};

    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 255;
    return -wipe_all(limited->device, limited->size);
}

TEST(while_a_copy_is_left_the_primary_stays) {
    static const struct {
        uint64_t limit;
        bool second_left;
    } rows[] = {{SECOND, true}, {THIRD, false}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct limited limited = {.device = put_sparse(unit_folder, "device", FIXTURE_LARGE_SIZE),
                                  .size = FIXTURE_LARGE_SIZE,
                                  .limit = rows[i].limit};
        unsigned char *bytes;

        fill(limited.device, 0, 2 * MIB);
        fill(limited.device, SECOND, 64 * KIB);
        fill(limited.device, THIRD, 64 * KIB);
        assert_int_equal(in_child(wipe_below_a_limit, &limited), EFBIG);
        check_untouched(limited.device, PRIMARY, MIB);
        check_untouched(limited.device, THIRD, 64 * KIB);
        bytes = map(limited.device, SECOND, 4 * KIB);
        assert_int_equal(bytes[0] != 0, rows[i].second_left);
        assert_int_equal(munmap(bytes, 4 * KIB), 0);
        assert_int_equal(close(limited.device), 0);
        assert_int_equal(unlinkat(unit_folder, "device", 0), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(exactly_the_ends_and_the_copies_are_zeroed),
        UNIT_TEST(the_copy_at_256_gib_goes_too),
        UNIT_TEST(what_was_a_btrfs_is_blank_afterwards),
        UNIT_TEST(a_second_header_of_luks_goes_with_the_file_system),
        UNIT_TEST(a_device_that_cannot_be_written_stays_as_it_is),
        UNIT_TEST(while_a_copy_is_left_the_primary_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
