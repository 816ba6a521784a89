/* SPDX-License-Identifier: MIT */
#include "common/erase-record.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    OFFSET_VERSION = 16,
    OFFSET_LENGTH = 20,
    OFFSET_REACHED = 24,
    OFFSET_DONE = 32,
    OFFSET_LEVEL = 33,
    OFFSET_CHECKSUM = 40,
    OFFSET_TEXT = 48,
};

static const char magic[16] = "AimeeOS erased\n";

static const char *const level_names[] = {[LEVEL_SIGNATURE] = "signature",
                                          [LEVEL_DISCARD] = "discard",
                                          [LEVEL_SECURE_DISCARD] = "secure-discard",
                                          [LEVEL_ZERO] = "zero"};

const char *erase_level_name(enum erase_level level) {
    return level_names[level];
}

static uint64_t checksum(const unsigned char *block) {
    unsigned char copy[ERASE_RECORD_SIZE];

    memcpy(copy, block, sizeof(copy));
    memset(copy + OFFSET_CHECKSUM, 0, sizeof(uint64_t));
    return XXH64(copy, sizeof(copy), 0);
}

void erase_record_encode(const struct erase_record *record, unsigned char *block) {
    char text[REQUEST_SIZE] = "";
    size_t size = request_format(&record->request, text);
    uint32_t version = htole32(1), length = htole32((uint32_t)size);
    uint64_t offset = htole64(record->offset), sum;

    memset(block, 0, ERASE_RECORD_SIZE);
    memcpy(block, magic, sizeof(magic));
    memcpy(block + OFFSET_TEXT, text, size);
    memcpy(block + OFFSET_VERSION, &version, sizeof(version));
    memcpy(block + OFFSET_LENGTH, &length, sizeof(length));
    memcpy(block + OFFSET_REACHED, &offset, sizeof(offset));
    block[OFFSET_DONE] = record->done;
    block[OFFSET_LEVEL] = (unsigned char)record->level;
    sum = htole64(checksum(block));
    memcpy(block + OFFSET_CHECKSUM, &sum, sizeof(sum));
}

int erase_record_decode(const unsigned char *block, struct erase_record *ret) {
    struct erase_record record = {0};
    uint32_t version = 0, length = 0;
    uint64_t sum = 0;

    memcpy(&version, block + OFFSET_VERSION, sizeof(version));
    memcpy(&length, block + OFFSET_LENGTH, sizeof(length));
    memcpy(&record.offset, block + OFFSET_REACHED, sizeof(record.offset));
    memcpy(&sum, block + OFFSET_CHECKSUM, sizeof(sum));
    if (memcmp(block, magic, sizeof(magic)) != 0 || le32toh(version) != 1 ||
        le64toh(sum) != checksum(block) || le32toh(length) > REQUEST_SIZE ||
        block[OFFSET_LEVEL] > LEVEL_ZERO)
        return -EBADMSG;
    if (request_parse((const char *)block + OFFSET_TEXT, le32toh(length), &record.request) < 0)
        return -EBADMSG;
    record.offset = le64toh(record.offset);
    record.done = block[OFFSET_DONE] == 1;
    record.level = (enum erase_level)block[OFFSET_LEVEL];
    *ret = record;
    return 0;
}

int erase_record_read(int fd, struct erase_record *ret) {
    unsigned char block[ERASE_RECORD_SIZE];
    ssize_t n = pread(fd, block, sizeof(block), (off_t)ERASE_RECORD_OFFSET);

    if (n < 0)
        return -errno;
    return n == sizeof(block) && erase_record_decode(block, ret) == 0 ? 0 : -ENODATA;
}

int erase_record_write(int fd, const struct erase_record *record) {
    unsigned char block[ERASE_RECORD_SIZE];
    ssize_t n;

    erase_record_encode(record, block);
    n = pwrite(fd, block, sizeof(block), (off_t)ERASE_RECORD_OFFSET);
    if (n != sizeof(block))
        return n < 0 ? -errno : -EIO;
    return fsync(fd) < 0 ? -errno : 0;
}
