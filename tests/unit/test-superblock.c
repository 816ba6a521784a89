/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "common/superblock.h"
#include "superblock-fixture.h"
#include "unit.h"

#define PRIMARY superblock_offsets[0]

static const enum fixture kinds[] = {FIXTURE_CRC32C, FIXTURE_XXHASH, FIXTURE_SHA256,
                                     FIXTURE_BLAKE2};

static struct superblock parse(const unsigned char *block) {
    struct superblock found;

    superblock_parse(block, PRIMARY, &found);
    return found;
}

TEST(superblocks_are_where_the_format_has_them) {
    assert_int_equal(superblock_offsets[0], 65536);
    assert_int_equal(superblock_offsets[1], 67108864);
    assert_int_equal(superblock_offsets[2], 274877906944);
}

TEST(real_superblocks_of_every_checksum_are_whole) {
    unsigned char block[SUPERBLOCK_SIZE];

    for (size_t i = 0; i < COUNT(kinds); i++) {
        char fsid[FSID_TEXT_SIZE];
        struct superblock found;

        fixture_load(kinds[i], block);
        found = parse(block);
        (void)snprintf(fsid, sizeof(fsid), FIXTURE_FSID "%zu", i);
        assert_int_equal(found.offset, PRIMARY);
        assert_int_equal(found.magic, SUPERBLOCK_MAGIC_FINAL);
        assert_int_equal(found.checksum, CHECKSUM_RIGHT);
        assert_true(found.right_place);
        assert_int_equal(found.device_size, FIXTURE_SIZE);
        assert_int_equal(found.device_count, 1);
        assert_string_equal(found.fsid, fsid);
        assert_string_equal(found.label, FIXTURE_LABEL);
        assert_true(superblock_is_whole(&found, FIXTURE_SIZE));
        assert_false(superblock_was_wiped(&found, FIXTURE_SIZE));
    }
}

TEST(copies_are_whole_at_their_own_place_only) {
    static const struct {
        enum fixture fixture;
        size_t place;
        uint64_t size;
    } rows[] = {
        {FIXTURE_CRC32C, 0, FIXTURE_SIZE},
        {FIXTURE_CRC32C_SECOND, 1, FIXTURE_SIZE},
        {FIXTURE_LARGE_THIRD, 2, FIXTURE_LARGE_SIZE},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned char block[SUPERBLOCK_SIZE];

        fixture_load(rows[i].fixture, block);
        for (size_t place = 0; place < SUPERBLOCK_COPIES; place++) {
            struct superblock found;

            superblock_parse(block, superblock_offsets[place], &found);
            assert_int_equal(found.offset, superblock_offsets[place]);
            assert_int_equal(found.checksum, CHECKSUM_RIGHT);
            assert_int_equal(found.right_place, place == rows[i].place);
            assert_int_equal(superblock_is_whole(&found, rows[i].size), place == rows[i].place);
        }
    }
}

/* Those of the checksum itself and of the first members one by one, then some of the rest. */
TEST(any_flipped_bit_makes_the_checksum_wrong) {
    for (size_t i = 0; i < COUNT(kinds); i++) {
        static const unsigned used[] = {4, 8, 32, 32};

        for (unsigned at = 0; at < SUPERBLOCK_SIZE; at += at < 320 ? 1 : 97) {
            unsigned char block[SUPERBLOCK_SIZE];
            struct superblock found;
            bool covered = at < used[i] || at >= AT_CHECKSUM_END;

            if (at == AT_CSUM_TYPE || at == AT_CSUM_TYPE + 1)
                continue; /* then another algorithm is asked */
            fixture_load(kinds[i], block);
            block[at] ^= (unsigned char)(1 << (at % 8));
            found = parse(block);
            if (found.checksum != (covered ? CHECKSUM_WRONG : CHECKSUM_RIGHT))
                fail_with("kind %zu, byte %u", i, at);
            if (covered && superblock_is_whole(&found, FIXTURE_SIZE))
                fail_with("kind %zu, byte %u: whole", i, at);
        }
    }
}

TEST(the_last_byte_is_covered) {
    for (size_t i = 0; i < COUNT(kinds); i++) {
        unsigned char block[SUPERBLOCK_SIZE];

        fixture_load(kinds[i], block);
        block[SUPERBLOCK_SIZE - 1] = 1;
        assert_int_equal(parse(block).checksum, CHECKSUM_WRONG);
    }
}

TEST(another_algorithm_than_the_one_that_made_it_is_wrong) {
    for (size_t i = 0; i < COUNT(kinds); i++) {
        for (size_t type = 0; type < COUNT(kinds); type++) {
            unsigned char block[SUPERBLOCK_SIZE];

            if (type == i)
                continue;
            fixture_load(kinds[i], block);
            assert_int_equal(block[AT_CSUM_TYPE], i);
            block[AT_CSUM_TYPE] = (unsigned char)type;
            assert_int_equal(parse(block).checksum, CHECKSUM_WRONG);
        }
    }
}

TEST(a_checksum_of_an_unknown_kind_counts_as_valid) {
    static const unsigned types[] = {4, 5, 255, 256, 0xffff};

    for (size_t i = 0; i < COUNT(types); i++) {
        unsigned char block[SUPERBLOCK_SIZE];
        struct superblock found;

        fixture_load(FIXTURE_CRC32C, block);
        block[AT_CSUM_TYPE] = (unsigned char)types[i];
        block[AT_CSUM_TYPE + 1] = (unsigned char)(types[i] >> 8);
        found = parse(block);
        assert_int_equal(found.checksum, CHECKSUM_UNKNOWN);
        assert_true(superblock_is_whole(&found, FIXTURE_SIZE));
    }
}

TEST(a_zeroed_magic_alone_is_a_wiped_superblock) {
    for (size_t i = 0; i < COUNT(kinds); i++) {
        unsigned char block[SUPERBLOCK_SIZE], before[SUPERBLOCK_SIZE];
        struct superblock found;

        fixture_load(kinds[i], block);
        fixture_set_magic(block, MAGIC_ZERO);
        memcpy(before, block, sizeof(block));
        found = parse(block);
        assert_int_equal(found.magic, SUPERBLOCK_MAGIC_ZERO);
        assert_int_equal(found.checksum, CHECKSUM_RIGHT);
        assert_true(superblock_was_wiped(&found, FIXTURE_SIZE));
        assert_false(superblock_is_whole(&found, FIXTURE_SIZE));
        assert_memory_equal(block, before, sizeof(block));
    }
}

TEST(a_zeroed_magic_with_anything_else_changed_is_not) {
    unsigned char block[SUPERBLOCK_SIZE];
    struct superblock found;

    fixture_load(FIXTURE_CRC32C, block);
    fixture_set_magic(block, MAGIC_ZERO);
    block[AT_LABEL] ^= 1;
    found = parse(block);
    assert_int_equal(found.checksum, CHECKSUM_WRONG);
    assert_false(superblock_was_wiped(&found, FIXTURE_SIZE));

    /* Another place than its own. */
    fixture_load(FIXTURE_CRC32C_SECOND, block);
    fixture_set_magic(block, MAGIC_ZERO);
    found = parse(block);
    assert_int_equal(found.checksum, CHECKSUM_RIGHT);
    assert_false(superblock_was_wiped(&found, FIXTURE_SIZE));

    /* A checksum that cannot be checked does not say that it was one. */
    fixture_load(FIXTURE_CRC32C, block);
    fixture_set_magic(block, MAGIC_ZERO);
    block[AT_CSUM_TYPE] = 7;
    found = parse(block);
    assert_int_equal(found.checksum, CHECKSUM_UNKNOWN);
    assert_false(superblock_was_wiped(&found, FIXTURE_SIZE));

    memset(block, 0, sizeof(block));
    found = parse(block);
    assert_int_equal(found.magic, SUPERBLOCK_MAGIC_ZERO);
    assert_int_equal(found.checksum, CHECKSUM_WRONG);
    assert_false(superblock_was_wiped(&found, FIXTURE_SIZE));
    assert_false(superblock_is_whole(&found, FIXTURE_SIZE));
}

TEST(magics_are_told_apart) {
    static const struct {
        const char *bytes;
        enum superblock_magic magic;
    } rows[] = {
        {"_BHRfS_M", SUPERBLOCK_MAGIC_FINAL},
        {"!BHRfS_M", SUPERBLOCK_MAGIC_TEMPORARY},
        {"\0\0\0\0\0\0\0\0", SUPERBLOCK_MAGIC_ZERO},
        {"_BHRfS_N", SUPERBLOCK_MAGIC_NONE},
        {"_bhrfs_m", SUPERBLOCK_MAGIC_NONE},
        {"\0BHRfS_M", SUPERBLOCK_MAGIC_NONE},
        {"\0\0\0\0\0\0\0\1", SUPERBLOCK_MAGIC_NONE},
        {"\xff\xff\xff\xff\xff\xff\xff\xff", SUPERBLOCK_MAGIC_NONE},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned char block[SUPERBLOCK_SIZE];
        struct superblock found;

        fixture_load(FIXTURE_CRC32C, block);
        fixture_set_magic(block, rows[i].bytes);
        fixture_sign(block);
        found = parse(block);
        assert_int_equal(found.magic, rows[i].magic);
        assert_int_equal(superblock_is_whole(&found, FIXTURE_SIZE),
                         rows[i].magic == SUPERBLOCK_MAGIC_FINAL);
        assert_false(superblock_was_wiped(&found, FIXTURE_SIZE));
    }
}

TEST(the_temporary_magic_of_an_unfinished_mkfs_is_not_whole) {
    unsigned char block[SUPERBLOCK_SIZE];
    struct superblock found;

    fixture_load(FIXTURE_CRC32C, block);
    fixture_set_magic(block, MAGIC_TEMPORARY);
    fixture_sign(block);
    found = parse(block);
    assert_int_equal(found.magic, SUPERBLOCK_MAGIC_TEMPORARY);
    assert_int_equal(found.checksum, CHECKSUM_RIGHT);
    assert_false(superblock_is_whole(&found, FIXTURE_SIZE));
    assert_false(superblock_was_wiped(&found, FIXTURE_SIZE));
}

TEST(a_bytenr_that_is_not_its_place_is_not_whole) {
    static const uint64_t places[] = {0, 65535, 65537, 1 << 26, UINT64_MAX, UINT64_C(65536) << 32};

    for (size_t i = 0; i < COUNT(places); i++) {
        unsigned char block[SUPERBLOCK_SIZE];
        struct superblock found;

        fixture_load(FIXTURE_CRC32C, block);
        fixture_set(block, AT_BYTENR, 8, places[i]);
        found = parse(block);
        assert_int_equal(found.checksum, CHECKSUM_RIGHT);
        assert_false(found.right_place);
        assert_false(superblock_is_whole(&found, FIXTURE_SIZE));
    }
}

TEST(a_device_that_is_larger_than_the_one_it_lies_on_does_not_fit) {
    static const struct {
        uint64_t size;
        bool fits;
    } rows[] = {
        {FIXTURE_SIZE, true},      {FIXTURE_SIZE + 1, true}, {FIXTURE_SIZE * 1000, true},
        {FIXTURE_SIZE - 1, false}, {1 << 20, false},         {0, false},
    };
    unsigned char block[SUPERBLOCK_SIZE];
    struct superblock whole, wiped;

    fixture_load(FIXTURE_CRC32C, block);
    whole = parse(block);
    fixture_set_magic(block, MAGIC_ZERO);
    wiped = parse(block);
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(superblock_is_whole(&whole, rows[i].size), rows[i].fits);
        assert_int_equal(superblock_was_wiped(&wiped, rows[i].size), rows[i].fits);
    }
    fixture_load(FIXTURE_CRC32C, block);
    fixture_set(block, AT_TOTAL_BYTES, 8, UINT64_MAX);
    whole = parse(block);
    assert_int_equal(whole.device_size, UINT64_MAX);
    assert_false(superblock_is_whole(&whole, FIXTURE_SIZE));
}

TEST(the_number_of_devices_is_read) {
    unsigned char block[SUPERBLOCK_SIZE];

    fixture_load(FIXTURE_CRC32C, block);
    fixture_set(block, AT_NUM_DEVICES, 8, 3);
    assert_int_equal(parse(block).device_count, 3);
    assert_int_equal(parse(block).checksum, CHECKSUM_RIGHT);
}

TEST(a_label_without_end_is_ended) {
    unsigned char block[SUPERBLOCK_SIZE];
    struct superblock found;

    fixture_load(FIXTURE_CRC32C, block);
    memset(block + AT_LABEL, 'x', SUPERBLOCK_LABEL_SIZE);
    fixture_sign(block);
    found = parse(block);
    assert_int_equal(strlen(found.label), SUPERBLOCK_LABEL_SIZE - 1);
    assert_int_equal(found.checksum, CHECKSUM_RIGHT);
}

TEST(any_bytes_will_do) {
    unsigned char block[SUPERBLOCK_SIZE];
    uint32_t random = 12345;

    for (int i = 0; i < 200; i++) {
        struct superblock found;

        for (size_t at = 0; at < sizeof(block); at++) {
            random = random * 1664525 + 1013904223;
            block[at] = (unsigned char)(random >> 24);
        }
        found = parse(block);
        assert_int_equal(found.magic, SUPERBLOCK_MAGIC_NONE);
        assert_false(superblock_is_whole(&found, UINT64_MAX));
        assert_int_equal(strlen(found.fsid), FSID_TEXT_SIZE - 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(superblocks_are_where_the_format_has_them),
        UNIT_TEST(real_superblocks_of_every_checksum_are_whole),
        UNIT_TEST(copies_are_whole_at_their_own_place_only),
        UNIT_TEST(any_flipped_bit_makes_the_checksum_wrong),
        UNIT_TEST(the_last_byte_is_covered),
        UNIT_TEST(another_algorithm_than_the_one_that_made_it_is_wrong),
        UNIT_TEST(a_checksum_of_an_unknown_kind_counts_as_valid),
        UNIT_TEST(a_zeroed_magic_alone_is_a_wiped_superblock),
        UNIT_TEST(a_zeroed_magic_with_anything_else_changed_is_not),
        UNIT_TEST(magics_are_told_apart),
        UNIT_TEST(the_temporary_magic_of_an_unfinished_mkfs_is_not_whole),
        UNIT_TEST(a_bytenr_that_is_not_its_place_is_not_whole),
        UNIT_TEST(a_device_that_is_larger_than_the_one_it_lies_on_does_not_fit),
        UNIT_TEST(the_number_of_devices_is_read),
        UNIT_TEST(a_label_without_end_is_ended),
        UNIT_TEST(any_bytes_will_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
