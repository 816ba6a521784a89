/* SPDX-License-Identifier: MIT */
#ifndef ERASE_RECORD_H
#define ERASE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/reset-request.h"

/* What a wipe leaves on the blank device for the next boot: who asked, what for, and how far the
 * erasing got. 4 KiB at 32 KiB, where no file system of ours has anything. Integers are
 * little-endian:
 *
 *   0  16  magic "AimeeOS erased\n\0"
 *  16   4  version, 1
 *  20   4  length of the text
 *  24   8  offset: bytes of the device that the erase has reached
 *  32   1  1: done
 *  33   1  level reached, enum erase_level
 *  34   6  zero
 *  40   8  XXH64 of the 4096 bytes with these eight zero
 *  48      text: the request, as it was stored
 */

#define ERASE_RECORD_OFFSET (UINT64_C(32) << 10)
#define ERASE_RECORD_SIZE 4096

/* What an erase came to, honestly. */
enum erase_level { LEVEL_SIGNATURE, LEVEL_DISCARD, LEVEL_SECURE_DISCARD, LEVEL_ZERO };

const char *erase_level_name(enum erase_level level);

struct erase_record {
    struct reset_request request;
    uint64_t offset; /* bytes; see above */
    bool done;
    enum erase_level level;
};

void erase_record_encode(const struct erase_record *record, unsigned char *block);

/* Any bytes will do. Returns 0 or -EBADMSG. */
int erase_record_decode(const unsigned char *block, struct erase_record *ret);

/* Returns 0, -ENODATA when there is none, or -errno. */
int erase_record_read(int fd, struct erase_record *ret);

/* Writes and flushes it. Returns 0 or -errno. */
int erase_record_write(int fd, const struct erase_record *record);

#endif
