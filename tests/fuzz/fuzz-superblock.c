/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/superblock.h"
#include "fuzz.h"
#include "tests/unit/superblock-fixture.h"

/* The input: a byte that says what to do, and the begin of a superblock; the rest is that of a real
 * one. Even: the checksum is made right, crc32c. */

/* The place of the first copy, and of one that there never is. */
static const uint64_t places[] = {UINT64_C(64) << 10, UINT64_C(64) << 20, UINT64_C(256) << 30, 12};

static uint64_t number_at(const unsigned char *block, size_t at, size_t size) {
    uint64_t number = 0;

    while (size--)
        number = number << 8 | block[at + size];
    return number;
}

static void require_fsid(const char *is, const unsigned char *block) {
    char wanted[40] = "", *to = wanted;

    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        to += snprintf(to, 3, "%02x", block[AT_FSID + i]);
    }
    require(strcmp(is, wanted) == 0);
}

static void require_magic(enum superblock_magic magic, const unsigned char *block) {
    static const char *const texts[] = {[SUPERBLOCK_MAGIC_ZERO] = MAGIC_ZERO,
                                        [SUPERBLOCK_MAGIC_TEMPORARY] = MAGIC_TEMPORARY,
                                        [SUPERBLOCK_MAGIC_FINAL] = MAGIC_FINAL};

    for (size_t i = SUPERBLOCK_MAGIC_ZERO; i <= SUPERBLOCK_MAGIC_FINAL; i++)
        require((memcmp(block + AT_MAGIC, texts[i], MAGIC_SIZE) == 0) == (magic == i));
}

/* Of crc32c, as the other sums are their libraries': signed again with the magic that it had, the
 * block must be as it was. */
static void require_checksum(enum superblock_checksum checksum, const unsigned char *block) {
    unsigned char again[SUPERBLOCK_SIZE];
    uint64_t type = number_at(block, AT_CSUM_TYPE, 2);

    require((checksum == CHECKSUM_UNKNOWN) == (type > 3));
    if (type != 0)
        return;
    memcpy(again, block, sizeof(again));
    if (memcmp(again + AT_MAGIC, MAGIC_ZERO, MAGIC_SIZE) == 0)
        fixture_set_magic(again, MAGIC_FINAL);
    fixture_sign(again);
    require((checksum == CHECKSUM_RIGHT) == (memcmp(again, block, 4) == 0));
}

static void check(const unsigned char *block, uint64_t offset) {
    struct superblock is;
    const uint64_t size = number_at(block, AT_TOTAL_BYTES, 8);
    bool in_place = number_at(block, AT_BYTENR, 8) == offset;

    memset(&is, 0xa5, sizeof(is));
    superblock_parse(block, offset, &is);
    require(is.offset == offset && is.device_size == size && is.right_place == in_place);
    require(is.bytes_used == number_at(block, 0x78, 8));
    require(is.device_count == number_at(block, AT_NUM_DEVICES, 8));
    require_fsid(is.fsid, block);
    require_magic(is.magic, block);
    require_checksum(is.checksum, block);
    require(memchr(is.label, '\0', SUPERBLOCK_LABEL_SIZE) != NULL);
    require(memcmp(is.label, block + AT_LABEL, SUPERBLOCK_LABEL_SIZE - 1) == 0);
    require(!superblock_is_whole(&is, size) || !superblock_was_wiped(&is, size));
    require(superblock_is_whole(&is, size) ==
            (is.magic == SUPERBLOCK_MAGIC_FINAL && in_place && is.checksum != CHECKSUM_WRONG));
    require(superblock_was_wiped(&is, size) ==
            (is.magic == SUPERBLOCK_MAGIC_ZERO && in_place && is.checksum == CHECKSUM_RIGHT));
    require(size == 0 ||
            (!superblock_is_whole(&is, size - 1) && !superblock_was_wiped(&is, size - 1)));
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    static const enum fixture fixtures[] = {FIXTURE_CRC32C, FIXTURE_XXHASH, FIXTURE_SHA256,
                                            FIXTURE_BLAKE2};
    unsigned char *block = malloc(SUPERBLOCK_SIZE);
    uint8_t how = size ? input[0] : 0;

    require(block != NULL);
    fixture_load(fixtures[how >> 1 & 3], block);
    if (size > 1)
        memcpy(block, input + 1, size - 1 < SUPERBLOCK_SIZE ? size - 1 : SUPERBLOCK_SIZE);
    if (how % 2 == 0) {
        unsigned char magic[MAGIC_SIZE];

        /* The sum of a wiped one is that of the magic which it had. */
        memcpy(magic, block + AT_MAGIC, sizeof(magic));
        if (memcmp(magic, MAGIC_ZERO, sizeof(magic)) == 0)
            fixture_set_magic(block, MAGIC_FINAL);
        fixture_sign(block);
        memcpy(block + AT_MAGIC, magic, sizeof(magic));
    }
    check(block, places[how >> 3 & 3]);
    free(block);
    return 0;
}
