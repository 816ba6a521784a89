/* SPDX-License-Identifier: MIT */
#ifndef SUPERBLOCK_FIXTURE_H
#define SUPERBLOCK_FIXTURE_H

#include <stdint.h>

#include "common/superblock.h"

/* Superblocks that mkfs.btrfs made, one file system for each kind of checksum. */
enum fixture {
    FIXTURE_CRC32C,
    FIXTURE_CRC32C_SECOND, /* the same file system's copy at 64 MiB */
    FIXTURE_XXHASH,
    FIXTURE_SHA256,
    FIXTURE_BLAKE2,
    FIXTURE_LARGE_THIRD, /* a file system of 257 GiB, its copy at 256 GiB */
};

#define FIXTURE_SIZE (UINT64_C(128) << 20) /* of the device of all but the large one */
#define FIXTURE_LARGE_SIZE (UINT64_C(257) << 30)
#define FIXTURE_LABEL "data"
#define FIXTURE_FSID "6b1d7a52-0c7e-4f0a-9f5e-3c2b1a908f7" /* and one digit, 0 for crc32c */

/* Offsets of members, from the on-disk format's documentation. */
enum {
    AT_CHECKSUM = 0,
    AT_CHECKSUM_END = 32,
    AT_FSID = 32,
    AT_BYTENR = 48,
    AT_MAGIC = 64,
    AT_NUM_DEVICES = 136,
    AT_CSUM_TYPE = 196,
    AT_TOTAL_BYTES = 209, /* of the device, in its item */
    AT_LABEL = 299,
};

#define MAGIC_SIZE 8
#define MAGIC_FINAL "_BHRfS_M"
#define MAGIC_TEMPORARY "!BHRfS_M"
#define MAGIC_ZERO "\0\0\0\0\0\0\0\0"

void fixture_load(enum fixture fixture, unsigned char block[SUPERBLOCK_SIZE]);

/* Puts MAGIC_SIZE bytes in the magic's place; the checksum stays. */
void fixture_set_magic(unsigned char *block, const char *magic);

/* Puts a little-endian number into a block of checksum crc32c, and makes its checksum right. */
void fixture_set(unsigned char *block, unsigned at, unsigned size, uint64_t value);

/* Makes the checksum of a block right, crc32c. */
void fixture_sign(unsigned char *block);

/* Writes a superblock to its own place on a device. */
void fixture_put(int device, enum fixture fixture);

#endif
