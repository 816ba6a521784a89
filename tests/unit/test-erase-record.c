/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/erase-record.h"
#include "unit.h"

static struct erase_record example(void) {
    return (struct erase_record){
        .request = {.fsid = "0b7a6f2e-1d2c-4b3a-9e8f-00112233aabb",
                    .boot_id = "95c77e75-2363-4f93-87e3-4358daf7e86e",
                    .time = "2026-11-21T22:50:27Z",
                    .by = "uid 0",
                    .erase = ERASE_DISCARD},
        .offset = UINT64_C(0x123456789abc),
        .level = LEVEL_SECURE_DISCARD,
    };
}

TEST(what_is_written_reads_back_from_32_kib) {
    struct erase_record record = example(), back;
    int fd = put_sparse(unit_folder, "device", 1 << 20);
    char magic[14];

    assert_int_equal(erase_record_read(fd, &back), -ENODATA);
    assert_int_equal(erase_record_write(fd, &record), 0);
    assert_int_equal(pread(fd, magic, sizeof(magic), 32 << 10), sizeof(magic));
    assert_memory_equal(magic, "AimeeOS erased", sizeof(magic));
    assert_int_equal(erase_record_read(fd, &back), 0);
    assert_string_equal(back.request.fsid, record.request.fsid);
    assert_string_equal(back.request.by, record.request.by);
    assert_int_equal(back.request.erase, ERASE_DISCARD);
    assert_true(back.offset == record.offset);
    assert_int_equal(back.level, LEVEL_SECURE_DISCARD);
    assert_false(back.done);
    record.done = true;
    assert_int_equal(erase_record_write(fd, &record), 0);
    assert_int_equal(erase_record_read(fd, &back), 0);
    assert_true(back.done);
    assert_int_equal(close(fd), 0);
}

TEST(a_torn_or_changed_record_is_none) {
    unsigned char block[ERASE_RECORD_SIZE];
    struct erase_record record = example(), back;

    erase_record_encode(&record, block);
    assert_int_equal(erase_record_decode(block, &back), 0);
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] ^= 0x10;
        assert_int_equal(erase_record_decode(block, &back), -EBADMSG);
        block[i] ^= 0x10;
    }
    memset(block + 512, 0xff, sizeof(block) - 512);
    assert_int_equal(erase_record_decode(block, &back), -EBADMSG);
    memset(block, 0, sizeof(block));
    assert_int_equal(erase_record_decode(block, &back), -EBADMSG);
}

TEST(a_device_that_is_too_small_has_none) {
    struct erase_record back;
    int fd = put_sparse(unit_folder, "device", 33 << 10);

    assert_int_equal(erase_record_read(fd, &back), -ENODATA);
    assert_int_equal(close(fd), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(what_is_written_reads_back_from_32_kib),
        UNIT_TEST(a_torn_or_changed_record_is_none),
        UNIT_TEST(a_device_that_is_too_small_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
