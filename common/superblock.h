/* SPDX-License-Identifier: MIT */
#ifndef SUPERBLOCK_H
#define SUPERBLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* The btrfs superblock as the kernel's fs/btrfs/disk-io.c and the format's documentation have it:
 * 4096 bytes at 64 KiB, copies at 64 MiB and 256 GiB where the device reaches that far. Integers
 * are little-endian. */

#define SUPERBLOCK_SIZE 4096
#define SUPERBLOCK_COPIES 3
/* The magic lies in these first bytes. A wipe zeroes them in one write, which no device tears. */
#define SUPERBLOCK_FIRST_WRITE 512
#define SUPERBLOCK_LABEL_SIZE 256
#define FSID_TEXT_SIZE 37 /* 36 characters and a NUL */

extern const uint64_t superblock_offsets[SUPERBLOCK_COPIES]; /* in bytes */

enum superblock_magic {
    SUPERBLOCK_MAGIC_NONE,      /* any other 8 bytes */
    SUPERBLOCK_MAGIC_ZERO,      /* 8 zero bytes: wipefs(8) leaves that */
    SUPERBLOCK_MAGIC_TEMPORARY, /* "!BHRfS_M": mkfs.btrfs writes it until all else is written */
    SUPERBLOCK_MAGIC_FINAL,     /* "_BHRfS_M" */
};

enum superblock_checksum { CHECKSUM_WRONG, CHECKSUM_RIGHT, CHECKSUM_UNKNOWN };

struct superblock {
    uint64_t offset; /* where it was read */
    enum superblock_magic magic;
    enum superblock_checksum checksum; /* for MAGIC_ZERO: with the final magic put in */
    bool right_place;                  /* its bytenr says offset */
    uint64_t device_size;              /* bytes of this device, as it has them */
    uint64_t device_count;
    uint64_t bytes_used; /* on all devices */
    char fsid[FSID_TEXT_SIZE];
    char label[SUPERBLOCK_LABEL_SIZE];
};

/* Takes block, SUPERBLOCK_SIZE bytes that were read at offset, apart. Any bytes will do. */
void superblock_parse(const unsigned char *block, uint64_t offset, struct superblock *ret);

/* Magic, checksum (or one that we cannot check), place, and it fits a device of size bytes. */
bool superblock_is_whole(const struct superblock *superblock, uint64_t size);

/* Only its magic was zeroed: everything else, checksum included, is as mkfs.btrfs left it. */
bool superblock_was_wiped(const struct superblock *superblock, uint64_t size);

#endif
