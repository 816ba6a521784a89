/* SPDX-License-Identifier: MIT */
#include "common/superblock.h"

#include <endian.h>
#include <sodium.h>
#include <stddef.h>
#include <string.h>
#include <uuid.h>
#include <xxhash.h>

const uint64_t superblock_offsets[SUPERBLOCK_COPIES] = {UINT64_C(64) << 10, UINT64_C(64) << 20,
                                                        UINT64_C(256) << 30};

/* Offsets of struct btrfs_super_block's members, btrfs on-disk format. */
enum {
    OFFSET_CHECKSUM = 0x0,
    OFFSET_FSID = 0x20,
    OFFSET_BYTENR = 0x30,
    OFFSET_MAGIC = 0x40,
    OFFSET_BYTES_USED = 0x78,
    OFFSET_NUM_DEVICES = 0x88,
    OFFSET_CSUM_TYPE = 0xc4,
    OFFSET_DEV_ITEM_TOTAL_BYTES = 0xd1,
    OFFSET_LABEL = 0x12b,
    CHECKSUM_SIZE = 32, /* the checksum covers all that follows these */
};

/* enum btrfs_csum_type */
enum { CSUM_CRC32C = 0, CSUM_XXHASH64 = 1, CSUM_SHA256 = 2, CSUM_BLAKE2B = 3 };

static const char magic_final[8] = "_BHRfS_M", magic_temporary[8] = "!BHRfS_M", magic_zero[8];

static uint64_t read_u64(const unsigned char *block, size_t offset) {
    uint64_t value;

    memcpy(&value, block + offset, sizeof(value));
    return le64toh(value);
}

/* CRC-32C (Castagnoli), reflected polynomial 0x82f63b78, RFC 3720 appendix B.4. A bit at a time
 * will do for the few blocks that are read. */
static uint32_t crc32c(const unsigned char *data, size_t size) {
    uint32_t crc = UINT32_MAX;

    while (size--) {
        crc ^= *data++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ UINT32_C(0x82f63b78) : crc >> 1;
    }
    return ~crc;
}

static enum superblock_checksum check(const unsigned char *block) {
    const unsigned char *data = block + CHECKSUM_SIZE;
    const size_t size = SUPERBLOCK_SIZE - CHECKSUM_SIZE;
    unsigned char sum[CHECKSUM_SIZE] = {0};
    size_t sum_size;
    uint32_t crc;
    uint64_t hash;
    uint16_t type;

    memcpy(&type, block + OFFSET_CSUM_TYPE, sizeof(type));
    switch (le16toh(type)) {
    case CSUM_CRC32C:
        crc = htole32(crc32c(data, size));
        sum_size = sizeof(crc);
        memcpy(sum, &crc, sizeof(crc));
        break;
    case CSUM_XXHASH64:
        hash = htole64(XXH64(data, size, 0));
        sum_size = sizeof(hash);
        memcpy(sum, &hash, sizeof(hash));
        break;
    case CSUM_SHA256:
        sum_size = crypto_hash_sha256_BYTES;
        crypto_hash_sha256(sum, data, size);
        break;
    case CSUM_BLAKE2B:
        sum_size = CHECKSUM_SIZE;
        crypto_generichash(sum, sizeof(sum), data, size, NULL, 0);
        break;
    default:
        return CHECKSUM_UNKNOWN;
    }
    return memcmp(sum, block + OFFSET_CHECKSUM, sum_size) == 0 ? CHECKSUM_RIGHT : CHECKSUM_WRONG;
}

static enum superblock_magic magic_of(const unsigned char *block) {
    const unsigned char *magic = block + OFFSET_MAGIC;

    if (memcmp(magic, magic_final, sizeof(magic_final)) == 0)
        return SUPERBLOCK_MAGIC_FINAL;
    if (memcmp(magic, magic_temporary, sizeof(magic_temporary)) == 0)
        return SUPERBLOCK_MAGIC_TEMPORARY;
    if (memcmp(magic, magic_zero, sizeof(magic_zero)) == 0)
        return SUPERBLOCK_MAGIC_ZERO;
    return SUPERBLOCK_MAGIC_NONE;
}

void superblock_parse(const unsigned char *block, uint64_t offset, struct superblock *ret) {
    unsigned char restored[SUPERBLOCK_SIZE];

    *ret = (struct superblock){.offset = offset, .magic = magic_of(block)};
    memcpy(restored, block, sizeof(restored));
    if (ret->magic == SUPERBLOCK_MAGIC_ZERO)
        memcpy(restored + OFFSET_MAGIC, magic_final, sizeof(magic_final));
    ret->checksum = check(restored);
    ret->right_place = read_u64(block, OFFSET_BYTENR) == offset;
    ret->device_size = read_u64(block, OFFSET_DEV_ITEM_TOTAL_BYTES);
    ret->bytes_used = read_u64(block, OFFSET_BYTES_USED);
    ret->device_count = read_u64(block, OFFSET_NUM_DEVICES);
    uuid_unparse_lower(block + OFFSET_FSID, ret->fsid);
    memcpy(ret->label, block + OFFSET_LABEL, sizeof(ret->label));
    ret->label[sizeof(ret->label) - 1] = '\0';
}

bool superblock_is_whole(const struct superblock *superblock, uint64_t size) {
    return superblock->magic == SUPERBLOCK_MAGIC_FINAL && superblock->checksum != CHECKSUM_WRONG &&
           superblock->right_place && superblock->device_size <= size;
}

/* This one ends in a wipe, so a checksum that we cannot check does not count as valid here. */
bool superblock_was_wiped(const struct superblock *superblock, uint64_t size) {
    return superblock->magic == SUPERBLOCK_MAGIC_ZERO && superblock->checksum == CHECKSUM_RIGHT &&
           superblock->right_place && superblock->device_size <= size;
}
