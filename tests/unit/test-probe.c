/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/probe.h"
#include "common/signatures.h"
#include "superblock-fixture.h"
#include "unit.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define PRIMARY (64 * KIB)

/* Devices are sparse files; what libblkid and the probe see of them is the same. */

static void put(int device, uint64_t at, const void *bytes, size_t size) {
    assert_int_equal(pwrite(device, bytes, size, (off_t)at), size);
}

static void fill(int device, uint64_t start, uint64_t end, unsigned char byte) {
    unsigned char bytes[64 << 10];

    memset(bytes, byte, sizeof(bytes));
    while (start < end) {
        size_t size = end - start < sizeof(bytes) ? (size_t)(end - start) : sizeof(bytes);

        put(device, start, bytes, size);
        start += size;
    }
}

static void put_primary(int device, const unsigned char *block) {
    put(device, PRIMARY, block, SUPERBLOCK_SIZE);
}

/* ---- what lies on the device ------------------------------------------------------------- */

static void nothing(int device) {
    (void)device;
}

static void all_ones(int device) {
    fill(device, 0, 2 * MIB, 0xff);
}

static void old_bytes(int device) {
    fill(device, 0, 200, 0x5a);
    fill(device, 3 * MIB, 4 * MIB, 0x17);
}

static void old_bytes_in_the_primary(int device) {
    fill(device, PRIMARY, PRIMARY + 4 * KIB, 0x5a);
}

static void old_bytes_behind_the_primary(int device) {
    fill(device, PRIMARY + 4 * KIB, PRIMARY + 4 * KIB + 1, 0x01);
}

static void old_bytes_at_the_end_of_the_first_mib(int device) {
    fill(device, MIB - 1, MIB, 0x01);
}

static void old_bytes_behind_the_first_mib(int device) {
    fill(device, MIB, MIB + 1, 0x01);
}

static void zeros_and_ones(int device) {
    fill(device, 512 * KIB, MIB, 0xff);
}

static void whole(int device) {
    fixture_put(device, FIXTURE_CRC32C);
    fixture_put(device, FIXTURE_CRC32C_SECOND);
}

static void whole_xxhash(int device) {
    fixture_put(device, FIXTURE_XXHASH);
}

static void whole_sha256(int device) {
    fixture_put(device, FIXTURE_SHA256);
}

static void whole_blake2(int device) {
    fixture_put(device, FIXTURE_BLAKE2);
}

static void unknown_checksum(int device) {
    unsigned char block[SUPERBLOCK_SIZE];

    fixture_load(FIXTURE_CRC32C, block);
    block[AT_CSUM_TYPE] = 9;
    put_primary(device, block);
}

static void several_devices(int device) {
    unsigned char block[SUPERBLOCK_SIZE];

    fixture_load(FIXTURE_CRC32C, block);
    fixture_set(block, AT_NUM_DEVICES, 8, 2);
    put_primary(device, block);
}

static void wiped_part_of_several(int device) {
    unsigned char block[SUPERBLOCK_SIZE];

    fixture_load(FIXTURE_CRC32C, block);
    fixture_set(block, AT_NUM_DEVICES, 8, 2);
    fixture_set_magic(block, MAGIC_ZERO);
    put_primary(device, block);
}

static void zeroed_part_of_several(int device) {
    unsigned char block[SUPERBLOCK_SIZE];

    fixture_load(FIXTURE_CRC32C_SECOND, block);
    fixture_set(block, AT_NUM_DEVICES, 8, 2);
    put(device, 64 * MIB, block, sizeof(block));
}

static void whole_on_old_bytes(int device) {
    fill(device, 0, PRIMARY, 0x5a);
    whole(device);
}

static void put_magic(int device, const char *magic) {
    unsigned char block[SUPERBLOCK_SIZE];

    fixture_load(FIXTURE_CRC32C, block);
    fixture_set_magic(block, magic);
    put_primary(device, block);
}

static void wiped(int device) {
    put_magic(device, MAGIC_ZERO);
}

static void wiped_on_old_bytes(int device) {
    old_bytes(device);
    wiped(device);
}

static void wiped_beside_a_copy(int device) {
    wiped(device);
    fixture_put(device, FIXTURE_CRC32C_SECOND);
}

static void wiped_and_changed(int device) {
    unsigned char block[SUPERBLOCK_SIZE];

    fixture_load(FIXTURE_CRC32C, block);
    fixture_set_magic(block, MAGIC_ZERO);
    block[AT_LABEL] ^= 1;
    put_primary(device, block);
}

static void wiped_and_changed_beside_a_copy(int device) {
    wiped_and_changed(device);
    fixture_put(device, FIXTURE_CRC32C_SECOND);
}

static void unfinished(int device) {
    unsigned char block[SUPERBLOCK_SIZE];

    fixture_load(FIXTURE_CRC32C, block);
    fixture_set_magic(block, MAGIC_TEMPORARY);
    fixture_sign(block);
    put_primary(device, block);
}

static void unfinished_beside_a_copy(int device) {
    unfinished(device);
    fixture_put(device, FIXTURE_CRC32C_SECOND);
}

static void zeroed_beside_a_copy(int device) {
    fixture_put(device, FIXTURE_CRC32C_SECOND);
}

static void ones_beside_a_copy(int device) {
    fill(device, 0, 16 * MIB, 0xff);
    fixture_put(device, FIXTURE_CRC32C_SECOND);
}

static void zeroed_as_far_as_needed(int device) {
    fill(device, 16 * MIB, 17 * MIB, 0x5a);
    fixture_put(device, FIXTURE_CRC32C_SECOND);
}

static void zeroed_not_far_enough(int device) {
    fill(device, 16 * MIB - 1, 16 * MIB, 0x5a);
    fixture_put(device, FIXTURE_CRC32C_SECOND);
}

static void first_byte_beside_a_copy(int device) {
    fill(device, 0, 1, 0x01);
    fixture_put(device, FIXTURE_CRC32C_SECOND);
}

static void ones_and_zeros_beside_a_copy(int device) {
    fill(device, 0, 8 * MIB, 0xff);
    fixture_put(device, FIXTURE_CRC32C_SECOND);
}

static void garbage_beside_a_copy(int device) {
    fill(device, PRIMARY, PRIMARY + 4 * KIB, 0x5a);
    fixture_put(device, FIXTURE_CRC32C_SECOND);
}

static void garbage_beside_a_damaged_copy(int device) {
    garbage_beside_a_copy(device);
    fill(device, 64 * MIB + 1000, 64 * MIB + 1001, 0x5a);
}

static void garbage_beside_a_wiped_copy(int device) {
    garbage_beside_a_copy(device);
    fill(device, 64 * MIB + AT_MAGIC, 64 * MIB + AT_MAGIC + 8, 0);
}

static void wrong_checksum(int device) {
    fixture_put(device, FIXTURE_CRC32C);
    fill(device, PRIMARY + 1000, PRIMARY + 1001, 0x5a);
}

static void wrong_checksum_beside_a_copy(int device) {
    wrong_checksum(device);
    fixture_put(device, FIXTURE_CRC32C_SECOND);
}

static void another_place(int device) {
    unsigned char block[SUPERBLOCK_SIZE];

    fixture_load(FIXTURE_CRC32C_SECOND, block);
    put_primary(device, block);
}

static void another_size(int device) {
    unsigned char block[SUPERBLOCK_SIZE];

    fixture_load(FIXTURE_CRC32C, block);
    fixture_set(block, AT_TOTAL_BYTES, 8, FIXTURE_SIZE + 4 * KIB);
    put_primary(device, block);
}

static void ext2(int device) {
    put(device, 1024 + 56, "\x53\xef", 2);
}

static void lvm_with_a_wrong_checksum(int device) {
    put(device, 512, "LABELONE\1\0\0\0\0\0\0\0wron\x20\0\0\0LVM2 001", 32);
}

static void swap(int device) {
    put(device, 1024, "\1\0\0\0\xff\0\0\0", 8);
    put(device, 4096 - 10, "SWAPSPACE2", 10);
}

static void squashfs(int device) {
    put(device, 0, "hsqs", 4);
    put(device, 28, "\4\0\0\0", 4);
}

static void luks1(int device) {
    put(device, 0, "LUKS\xba\xbe\0\1", 8);
}

/* The primary header is gone, and still there is a key to somebody's data. */
static void second_luks2_header(int device) {
    put(device, 2 * MIB, "SKUL\xba\xbe\0\2", 8);
    put(device, 2 * MIB + 256, "\0\0\0\0\0\x20\0\0", 8); /* its offset, big-endian */
}

static void raid_member(int device) {
    put(device, 4096, "\xfc\x4e\x2b\xa9\1\0\0\0", 8);
    put(device, 4096 + 144, "\x08\0\0\0\0\0\0\0", 8); /* its offset, sectors */
}

static void partition_table(int device) {
    put(device, 446, "\0\0\0\0\x83\0\0\0\0\x08\0\0\0\x08\0\0", 16);
    put(device, 510, "\x55\xaa", 2);
}

static void partition_table_and_btrfs(int device) {
    partition_table(device);
    whole(device);
}

static void two_file_systems(int device) {
    ext2(device);
    swap(device);
}

static void btrfs_and_another(int device) {
    whole(device);
    ext2(device);
}

static void another_beside_a_copy(int device) {
    ext2(device);
    fixture_put(device, FIXTURE_CRC32C_SECOND);
}

static void another_on_a_wiped_btrfs(int device) {
    wiped(device);
    swap(device);
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct row {
    const char *name;
    void (*prepare)(int device);
    const char *found; /* part of the words, where there are any */
    enum device_state state;
    bool wipe_first;
    bool strict;
} table[] = {
    {"nothing", nothing, NULL, DEVICE_BLANK, false, false},
    {"all ones", all_ones, NULL, DEVICE_BLANK, false, false},
    {"old bytes", old_bytes, NULL, DEVICE_BLANK, false, false},
    {"old bytes in the primary", old_bytes_in_the_primary, NULL, DEVICE_BLANK, false, false},

    {"strict, nothing", nothing, NULL, DEVICE_BLANK, false, true},
    {"strict, all ones", all_ones, NULL, DEVICE_BLANK, false, true},
    {"strict, old bytes", old_bytes, "unknown data", DEVICE_FOREIGN, false, true},
    {"strict, primary", old_bytes_in_the_primary, NULL, DEVICE_BLANK, false, true},
    {"strict, behind", old_bytes_behind_the_primary, "unknown data", DEVICE_FOREIGN, false, true},
    {"strict, last byte", old_bytes_at_the_end_of_the_first_mib, "unknown data", DEVICE_FOREIGN,
     false, true},
    {"strict, beyond", old_bytes_behind_the_first_mib, NULL, DEVICE_BLANK, false, true},
    {"strict, zeros and ones", zeros_and_ones, "unknown data", DEVICE_FOREIGN, false, true},
    {"strict, unfinished mkfs", unfinished, NULL, DEVICE_BLANK, false, true},
    {"strict, wiped", wiped, NULL, DEVICE_BLANK, true, true},
    {"strict, wiped on old bytes", wiped_on_old_bytes, "unknown data", DEVICE_FOREIGN, false, true},
    {"strict, zeroed beside a copy", zeroed_beside_a_copy, NULL, DEVICE_BLANK, true, true},
    {"strict, a whole btrfs on old bytes", whole_on_old_bytes, NULL, DEVICE_BTRFS, false, true},

    {"whole", whole, NULL, DEVICE_BTRFS, false, false},
    {"whole, xxhash", whole_xxhash, NULL, DEVICE_BTRFS, false, false},
    {"whole, sha256", whole_sha256, NULL, DEVICE_BTRFS, false, false},
    {"whole, blake2", whole_blake2, NULL, DEVICE_BTRFS, false, false},
    {"whole, unknown checksum", unknown_checksum, NULL, DEVICE_BTRFS, false, false},
    {"whole, several devices", several_devices, NULL, DEVICE_BTRFS, false, false},

    {"wiped", wiped, NULL, DEVICE_BLANK, true, false},
    {"wiped beside a copy", wiped_beside_a_copy, NULL, DEVICE_BLANK, true, false},
    {"wiped and changed", wiped_and_changed, NULL, DEVICE_BLANK, false, false},
    {"wiped and changed beside a copy", wiped_and_changed_beside_a_copy, "67108864", DEVICE_DAMAGED,
     false, false},
    {"unfinished mkfs", unfinished, NULL, DEVICE_BLANK, false, false},
    {"unfinished mkfs beside a copy", unfinished_beside_a_copy, "67108864", DEVICE_DAMAGED, false,
     false},
    {"zeroed beside a copy", zeroed_beside_a_copy, NULL, DEVICE_BLANK, true, false},
    {"ones beside a copy", ones_beside_a_copy, NULL, DEVICE_BLANK, true, false},
    {"zeroed as far as needed", zeroed_as_far_as_needed, NULL, DEVICE_BLANK, true, false},
    {"zeroed not far enough", zeroed_not_far_enough, "67108864", DEVICE_DAMAGED, false, false},
    {"first byte", first_byte_beside_a_copy, "67108864", DEVICE_DAMAGED, false, false},
    {"ones and zeros", ones_and_zeros_beside_a_copy, "67108864", DEVICE_DAMAGED, false, false},

    /* Other devices may hold the rest of it. */
    {"wiped part of several", wiped_part_of_several, "several", DEVICE_DAMAGED, false, false},
    {"zeroed part of several", zeroed_part_of_several, "67108864", DEVICE_DAMAGED, false, false},

    {"garbage beside a copy", garbage_beside_a_copy, "67108864", DEVICE_DAMAGED, false, false},
    {"garbage beside a damaged copy", garbage_beside_a_damaged_copy, NULL, DEVICE_BLANK, false,
     false},
    {"garbage beside a wiped copy", garbage_beside_a_wiped_copy, NULL, DEVICE_BLANK, false, false},
    {"wrong checksum", wrong_checksum, "checksum", DEVICE_DAMAGED, false, false},
    {"wrong checksum beside a copy", wrong_checksum_beside_a_copy, "67108864", DEVICE_DAMAGED,
     false, false},
    {"of another place", another_place, "elsewhere", DEVICE_DAMAGED, false, false},
    {"of a larger device", another_size, "larger", DEVICE_DAMAGED, false, false},

    {"ext2", ext2, "ext2", DEVICE_FOREIGN, false, false},
    {"LVM, wrong checksum", lvm_with_a_wrong_checksum, "checksum", DEVICE_FOREIGN, false, false},
    {"swap", swap, "swap", DEVICE_FOREIGN, false, false},
    {"squashfs", squashfs, "squashfs", DEVICE_FOREIGN, false, false},
    {"LUKS1", luks1, "crypto_LUKS", DEVICE_FOREIGN, false, false},
    {"second LUKS2 header", second_luks2_header, "crypto_LUKS", DEVICE_FOREIGN, false, false},
    {"RAID member", raid_member, "linux_raid_member", DEVICE_FOREIGN, false, false},
    {"partition table", partition_table, "dos", DEVICE_FOREIGN, false, false},
    {"partition table and btrfs", partition_table_and_btrfs, "dos", DEVICE_FOREIGN, false, false},
    {"two file systems", two_file_systems, "more than one", DEVICE_FOREIGN, false, false},
    {"btrfs and another", btrfs_and_another, "more than one", DEVICE_FOREIGN, false, false},
    {"another beside a copy", another_beside_a_copy, "ext2", DEVICE_FOREIGN, false, false},
    {"another on a wiped btrfs", another_on_a_wiped_btrfs, "swap", DEVICE_FOREIGN, false, false},
};

static void probe(int device, uint64_t size, bool strict, struct device_probe *found) {
    /* Read-only: nothing here may write. */
    char path[64];
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", device);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    memset(found, 0x5a, sizeof(*found));
    probe_device(fd, size, strict, found);
    assert_int_equal(close(fd), 0);
}

static void check_row(const struct row *row) {
    int device = put_sparse(unit_folder, "device", FIXTURE_SIZE);
    struct device_probe found;

    row->prepare(device);
    probe(device, FIXTURE_SIZE, row->strict, &found);
    if (found.state != row->state || found.wipe_first != row->wipe_first)
        fail_with("%s: %s%s: %s", row->name, device_state_name(found.state),
                  found.wipe_first ? ", wipe first" : "", found.found);
    if (row->found && !strstr(found.found, row->found))
        fail_with("%s: \"%s\"", row->name, found.found);
    /* A refusal says why, and how a damaged one may be mended. */
    assert_int_equal(*found.found != '\0',
                     found.state == DEVICE_FOREIGN || found.state == DEVICE_DAMAGED);
    assert_int_equal(*found.advice != '\0', found.state == DEVICE_DAMAGED);
    assert_int_equal(close(device), 0);
    assert_int_equal(unlinkat(unit_folder, "device", 0), 0);
}

TEST(every_row_of_the_table_of_states) {
    for (size_t i = 0; i < COUNT(table); i++)
        check_row(&table[i]);
}

TEST(what_was_found_is_said_with_its_place) {
    int device = put_sparse(unit_folder, "device", FIXTURE_SIZE);
    struct device_probe found;

    ext2(device);
    put(device, 1024 + 120, "somebodys", 9);
    probe(device, FIXTURE_SIZE, false, &found);
    assert_non_null(strstr(found.found, "ext2"));
    assert_non_null(strstr(found.found, "\"somebodys\""));
    assert_non_null(strstr(found.found, "1080"));
    assert_int_equal(close(device), 0);
}

TEST(every_signature_of_an_ambivalent_device_is_said) {
    int device = put_sparse(unit_folder, "device", FIXTURE_SIZE);
    struct device_probe found;

    btrfs_and_another(device);
    swap(device);
    probe(device, FIXTURE_SIZE, false, &found);
    assert_int_equal(found.state, DEVICE_FOREIGN);
    assert_non_null(strstr(found.found, "btrfs"));
    assert_non_null(strstr(found.found, "ext2"));
    assert_non_null(strstr(found.found, "swap"));
    assert_int_equal(close(device), 0);
}

TEST(words_about_many_signatures_are_cut) {
    int device = put_sparse(unit_folder, "device", FIXTURE_SIZE);
    struct device_probe found;
    char label[17];

    btrfs_and_another(device);
    swap(device);
    squashfs(device);
    memset(label, 'x', sizeof(label));
    put(device, 1024 + 120, label, 16);
    fill(device, PRIMARY + AT_LABEL, PRIMARY + AT_LABEL + 255, 'y');
    probe(device, FIXTURE_SIZE, false, &found);
    assert_int_equal(found.state, DEVICE_FOREIGN);
    assert_true(strlen(found.found) < sizeof(found.found));
    assert_int_equal(close(device), 0);
}

TEST(a_damaged_one_is_mended_from_a_copy_where_there_is_one) {
    int device = put_sparse(unit_folder, "device", FIXTURE_SIZE);
    struct device_probe found;

    wrong_checksum(device);
    probe(device, FIXTURE_SIZE, false, &found);
    assert_int_equal(found.state, DEVICE_DAMAGED);
    assert_null(strstr(found.advice, "super-recover"));
    fixture_put(device, FIXTURE_CRC32C_SECOND);
    probe(device, FIXTURE_SIZE, false, &found);
    assert_int_equal(found.state, DEVICE_DAMAGED);
    assert_non_null(strstr(found.advice, "super-recover"));
    assert_int_equal(close(device), 0);
}

TEST(a_btrfs_comes_with_its_primary_superblock) {
    int device = put_sparse(unit_folder, "device", FIXTURE_SIZE);
    struct device_probe found;

    several_devices(device);
    probe(device, FIXTURE_SIZE, false, &found);
    assert_int_equal(found.state, DEVICE_BTRFS);
    assert_string_equal(found.primary.fsid, FIXTURE_FSID "0");
    assert_string_equal(found.primary.label, FIXTURE_LABEL);
    assert_int_equal(found.primary.device_count, 2);
    assert_int_equal(close(device), 0);
}

TEST(the_copy_at_256_gib_counts) {
    int device = put_sparse(unit_folder, "device", FIXTURE_LARGE_SIZE);
    struct device_probe found;

    fixture_put(device, FIXTURE_LARGE_THIRD);
    probe(device, FIXTURE_LARGE_SIZE, false, &found);
    assert_int_equal(found.state, DEVICE_BLANK);
    assert_true(found.wipe_first);
    fill(device, PRIMARY, PRIMARY + 512, 0x5a);
    probe(device, FIXTURE_LARGE_SIZE, false, &found);
    assert_int_equal(found.state, DEVICE_DAMAGED);
    assert_non_null(strstr(found.found, "274877906944"));
    assert_int_equal(close(device), 0);
}

TEST(a_copy_of_a_larger_device_is_none_of_this_one) {
    int device = put_sparse(unit_folder, "device", 100 * MIB);
    struct device_probe found;

    fixture_put(device, FIXTURE_CRC32C_SECOND);
    probe(device, 100 * MIB, false, &found);
    assert_int_equal(found.state, DEVICE_BLANK);
    assert_false(found.wipe_first);
    assert_int_equal(close(device), 0);
}

TEST(small_devices_are_blank) {
    static const uint64_t sizes[] = {
        512, 4 * KIB,  PRIMARY,  PRIMARY + 4 * KIB - 1, PRIMARY + 4 * KIB,
        MIB, 16 * MIB, 64 * MIB, 64 * MIB + 4 * KIB};

    for (size_t i = 0; i < COUNT(sizes); i++) {
        int device = put_sparse(unit_folder, "device", (off_t)sizes[i]);

        for (int strict = 0; strict < 2; strict++) {
            struct device_probe found;

            probe(device, sizes[i], strict, &found);
            if (found.state != DEVICE_BLANK || found.wipe_first)
                fail_with("%ju bytes: %s: %s", (uintmax_t)sizes[i], device_state_name(found.state),
                          found.found);
        }
        assert_int_equal(close(device), 0);
        assert_int_equal(unlinkat(unit_folder, "device", 0), 0);
    }
}

TEST(a_device_that_ends_early_is_unreadable) {
    static const struct {
        uint64_t length;
        const char *where;
    } rows[] = {{0, "65536"}, {PRIMARY, "65536"}, {PRIMARY + 512, "65536"}, {MIB, "67108864"}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        int device = put_sparse(unit_folder, "device", (off_t)rows[i].length);
        struct device_probe found;

        probe(device, FIXTURE_SIZE, false, &found);
        assert_int_equal(found.state, DEVICE_UNREADABLE);
        assert_non_null(strstr(found.found, rows[i].where));
        assert_int_equal(close(device), 0);
        assert_int_equal(unlinkat(unit_folder, "device", 0), 0);
    }
}

TEST(a_device_that_cannot_be_read_is_unreadable) {
    int device = put_sparse(unit_folder, "device", FIXTURE_SIZE);
    int fd = open_path(unit_folder, "device", O_WRONLY);
    struct device_probe found;

    probe_device(fd, FIXTURE_SIZE, false, &found);
    assert_int_equal(found.state, DEVICE_UNREADABLE);
    assert_true(*found.found);
    assert_int_equal(close(fd), 0);
    assert_int_equal(close(device), 0);
}

TEST(states_have_the_names_of_the_report) {
    assert_string_equal(device_state_name(DEVICE_BLANK), "blank");
    assert_string_equal(device_state_name(DEVICE_BTRFS), "btrfs");
    assert_string_equal(device_state_name(DEVICE_RESET_REQUESTED), "reset-requested");
    assert_string_equal(device_state_name(DEVICE_DAMAGED), "damaged");
    assert_string_equal(device_state_name(DEVICE_FOREIGN), "foreign");
    assert_string_equal(device_state_name(DEVICE_UNREADABLE), "unreadable");
}

#define LVM_ID "LVM-0123456789abcdef0123456789abcdefFEDCBA9876543210FEDCBA9876543210"

TEST(private_parts_of_logical_volumes_are_known) {
    static const struct {
        const char *uuid;
        bool private;
    } rows[] = {
        {LVM_ID, false},
        {LVM_ID "-real", true},
        {LVM_ID "-cow", true},
        {LVM_ID "-tdata", true},
        {"LVM-", false},
        {"LVM-short-real", false},
        {"lvm-0123456789abcdef0123456789abcdefFEDCBA9876543210FEDCBA9876543210-real", false},
        {"CRYPT-LUKS2-0123456789abcdef0123456789abcdef-a-name", false},
        {"mpath-36001405", false},
        {"stratis-1-private-0123-flex-mdv", true},
        {"stratis-1-0123-thin-fs", false},
        {"", false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (signatures_is_private_mapping(rows[i].uuid) != rows[i].private)
            fail_with("%s", rows[i].uuid);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(every_row_of_the_table_of_states),
        UNIT_TEST(what_was_found_is_said_with_its_place),
        UNIT_TEST(every_signature_of_an_ambivalent_device_is_said),
        UNIT_TEST(words_about_many_signatures_are_cut),
        UNIT_TEST(a_damaged_one_is_mended_from_a_copy_where_there_is_one),
        UNIT_TEST(a_btrfs_comes_with_its_primary_superblock),
        UNIT_TEST(the_copy_at_256_gib_counts),
        UNIT_TEST(a_copy_of_a_larger_device_is_none_of_this_one),
        UNIT_TEST(small_devices_are_blank),
        UNIT_TEST(a_device_that_ends_early_is_unreadable),
        UNIT_TEST(a_device_that_cannot_be_read_is_unreadable),
        UNIT_TEST(states_have_the_names_of_the_report),
        UNIT_TEST(private_parts_of_logical_volumes_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
