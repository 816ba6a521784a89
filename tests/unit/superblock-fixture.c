/* SPDX-License-Identifier: MIT */
#include "superblock-fixture.h"

#include <string.h>
#include <unistd.h>

#include "fixtures/superblocks.h"
#include "unit.h"

void fixture_load(enum fixture fixture, unsigned char block[SUPERBLOCK_SIZE]) {
    static const struct superblock_run *const all[] = {
        [FIXTURE_CRC32C] = superblock_crc32c, [FIXTURE_CRC32C_SECOND] = superblock_crc32c_second,
        [FIXTURE_XXHASH] = superblock_xxhash, [FIXTURE_SHA256] = superblock_sha256,
        [FIXTURE_BLAKE2] = superblock_blake2, [FIXTURE_LARGE_THIRD] = superblock_large_third,
    };

    memset(block, 0, SUPERBLOCK_SIZE);
    for (const struct superblock_run *run = all[fixture]; run->bytes; run++)
        memcpy(block + run->offset, run->bytes, run->size);
}

/* With a table, unlike the code under test. */
static uint32_t crc32c(const unsigned char *data, size_t size) {
    uint32_t table[256], crc = UINT32_MAX;

    for (uint32_t byte = 0; byte < 256; byte++) {
        table[byte] = byte;
        for (int bit = 0; bit < 8; bit++)
            table[byte] = (table[byte] >> 1) ^ ((table[byte] & 1) * UINT32_C(0x82f63b78));
    }
    while (size--)
        crc = (crc >> 8) ^ table[(crc ^ *data++) & 0xff];
    return ~crc;
}

static void put_number(unsigned char *block, unsigned at, unsigned size, uint64_t value) {
    for (unsigned i = 0; i < size; i++)
        block[at + i] = (unsigned char)(value >> (8 * i));
}

void fixture_set_magic(unsigned char *block, const char *magic) {
    memcpy(block + AT_MAGIC, magic, MAGIC_SIZE);
}

void fixture_sign(unsigned char *block) {
    put_number(block, AT_CHECKSUM, 4,
               crc32c(block + AT_CHECKSUM_END, SUPERBLOCK_SIZE - AT_CHECKSUM_END));
}

void fixture_set(unsigned char *block, unsigned at, unsigned size, uint64_t value) {
    put_number(block, at, size, value);
    fixture_sign(block);
}

void fixture_put(int device, enum fixture fixture) {
    unsigned char block[SUPERBLOCK_SIZE];
    off_t at = 64 << 10;

    if (fixture == FIXTURE_CRC32C_SECOND)
        at = 64 << 20;
    else if (fixture == FIXTURE_LARGE_THIRD)
        at = (off_t)256 << 30;
    fixture_load(fixture, block);
    assert_int_equal(pwrite(device, block, sizeof(block), at), sizeof(block));
}
