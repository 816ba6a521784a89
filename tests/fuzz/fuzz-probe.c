/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/erase-record.h"
#include "common/probe.h"
#include "common/signatures.h"
#include "fuzz.h"
#include "tests/unit/superblock-fixture.h"

/* The input: what lies on a device of 128 MiB that is otherwise zero, as a list of things (below),
 * each a byte and what that takes. What libblkid says, and what a superblock says, are taken as
 * they are; the table of init-storage(8) is read here once more. */

#define KIB ((off_t)1 << 10)
#define MIB ((off_t)1 << 20)
#define PRIMARY (64 * KIB)
#define COPY (64 * MIB)
#define RECORD (32 * KIB)
#define RECORD_END (36 * KIB)

struct input {
    const uint8_t *at, *end;
};

static int device = -1, reader = -1;

static void prepare(void) {
    char path[64];

    device = memfd_create("device", MFD_CLOEXEC);
    require(device >= 0 && ftruncate(device, FIXTURE_SIZE) == 0);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", device);
    reader = open(path, O_RDONLY | O_CLOEXEC);
    require(reader >= 0);
}

static uint8_t next(struct input *input) {
    return input->at < input->end ? *input->at++ : 0;
}

static void put(off_t at, const void *bytes, size_t size) {
    require(pwrite(device, bytes, size, at) == (ssize_t)size);
}

/* Up to so many bytes of the input, over what is there. */
static void put_bytes(struct input *input, off_t at, size_t most) {
    size_t size = next(input), left = (size_t)(input->end - input->at);

    size = size < left ? size : left;
    size = size < most ? size : most;
    if (size > 0)
        put(at, input->at, size);
    input->at += size;
}

static void put_superblock(struct input *input, enum fixture fixture, off_t at) {
    unsigned char block[SUPERBLOCK_SIZE];
    uint8_t how = next(input);

    fixture_load(fixture, block);
    if (how & 1)
        fixture_set(block, AT_NUM_DEVICES, 8, how >> 4);
    if (how & 2)
        fixture_set(block, AT_TOTAL_BYTES, 8, FIXTURE_SIZE + (how >> 4));
    if (how & 4)
        fixture_set_magic(block, how & 8 ? MAGIC_ZERO : MAGIC_TEMPORARY);
    put(at, block, sizeof(block));
}

static void put_record(struct input *input) {
    struct erase_record record = {.request = {.fsid = FIXTURE_FSID "0"}};
    unsigned char block[ERASE_RECORD_SIZE];

    record.done = next(input) & 1;
    erase_record_encode(&record, block);
    put(RECORD, block, sizeof(block));
}

static void fill_with_ones(void) {
    static unsigned char ones[MIB];

    memset(ones, 0xff, sizeof(ones));
    for (off_t at = 0; at < 16 * MIB; at += MIB)
        put(at, ones, sizeof(ones));
}

static void put_thing(struct input *input) {
    static const off_t places[] = {0,
                                   510,
                                   KIB + 56,
                                   32 * KIB + 1,
                                   RECORD_END,
                                   PRIMARY,
                                   PRIMARY + 64,
                                   PRIMARY + 512,
                                   PRIMARY + 4 * KIB,
                                   MIB - 8,
                                   16 * MIB - 1,
                                   16 * MIB,
                                   COPY,
                                   COPY + 64,
                                   512,
                                   (off_t)FIXTURE_SIZE - 512};
    uint8_t what = next(input);

    switch (what & 7) {
    case 0:
        put_superblock(input, FIXTURE_CRC32C, PRIMARY);
        break;
    case 1:
        put_superblock(input, FIXTURE_CRC32C_SECOND, COPY);
        break;
    case 2:
        put_record(input);
        break;
    case 3:
        put(PRIMARY + AT_MAGIC, MAGIC_ZERO, MAGIC_SIZE);
        break;
    case 4:
        if (what == 4)
            fill_with_ones();
        break;
    default:
        put_bytes(input, places[what >> 4], what & 8 ? 255 : 8);
    }
}

/* Whether no byte differs from the first one, up to end; what is in a hole is zero. */
static bool is_uniform(off_t end, bool but_record, bool but_primary) {
    unsigned char first = 0, bytes[4096];

    require(pread(device, &first, 1, 0) == 1);
    if (first != 0x00 && first != 0xff)
        return false;
    for (off_t at = 0; at < end; at += (off_t)sizeof(bytes)) {
        if (first == 0) {
            at = lseek(device, at, SEEK_DATA);
            if (at < 0 || at >= end)
                break;
            at -= at % (off_t)sizeof(bytes);
        }
        if ((but_record && at == RECORD) || (but_primary && at == PRIMARY))
            continue;
        require(pread(device, bytes, sizeof(bytes), at) == (ssize_t)sizeof(bytes));
        if (bytes[0] != first || memcmp(bytes, bytes + 1, sizeof(bytes) - 1) != 0)
            return false;
    }
    return true;
}

/* A wipe of ours that did not come to the other signatures. */
static bool is_cut_wipe(const struct erase_record *record, bool copy_whole) {
    static const unsigned char zero[512];
    unsigned char first[512];

    require(pread(device, first, sizeof(first), PRIMARY) == (ssize_t)sizeof(first));
    return record && !record->done && !copy_whole && is_uniform(PRIMARY, true, false) &&
           memcmp(first, zero, sizeof(zero)) == 0;
}

static void read_block(off_t at, struct superblock *ret) {
    unsigned char block[SUPERBLOCK_SIZE];

    require(pread(device, block, sizeof(block), at) == (ssize_t)sizeof(block));
    superblock_parse(block, (uint64_t)at, ret);
}

static enum device_state judge(enum signatures signatures, bool strict, bool *ret_wipe_first) {
    struct superblock primary, copy;
    struct erase_record found;
    const struct erase_record *record = erase_record_read(reader, &found) == 0 ? &found : NULL;
    bool copy_whole, wiped;

    read_block(PRIMARY, &primary);
    read_block(COPY, &copy);
    copy_whole = superblock_is_whole(&copy, FIXTURE_SIZE);
    wiped = superblock_was_wiped(&primary, FIXTURE_SIZE);
    *ret_wipe_first = false;
    if (signatures == SIGNATURES_OTHER)
        return is_cut_wipe(record, copy_whole) ? DEVICE_BLANK : DEVICE_FOREIGN;
    if (superblock_is_whole(&primary, FIXTURE_SIZE))
        return DEVICE_BTRFS;
    if (signatures == SIGNATURES_BTRFS || primary.magic == SUPERBLOCK_MAGIC_FINAL)
        return DEVICE_DAMAGED;
    if (!wiped && copy_whole && !is_uniform(16 * MIB, record, false))
        return DEVICE_DAMAGED;
    if (strict && (wiped || !copy_whole) && !is_uniform(MIB, record, true))
        return DEVICE_FOREIGN;
    if (!wiped && !copy_whole)
        return DEVICE_BLANK;
    if ((wiped ? primary : copy).device_count != 1)
        return DEVICE_DAMAGED;
    *ret_wipe_first = true;
    return DEVICE_BLANK;
}

static void check(enum signatures signatures, bool strict) {
    struct device_probe is;
    bool wipe_first, explained;

    memset(&is, 0xa5, sizeof(is));
    probe_device(reader, FIXTURE_SIZE, strict, &is);
    require(is.state == judge(signatures, strict, &wipe_first) && is.wipe_first == wipe_first);
    require(memchr(is.found, '\0', sizeof(is.found)) && memchr(is.advice, '\0', sizeof(is.advice)));
    explained = is.state == DEVICE_DAMAGED || is.state == DEVICE_FOREIGN;
    require(!explained || *is.found);
    require((is.state == DEVICE_DAMAGED) == (*is.advice != '\0'));
}

static void clear(void) {
    require(fallocate(device, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, FIXTURE_SIZE) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    struct input things = {.at = input, .end = input + size};
    enum signatures signatures;
    char words[512];

    if (device < 0)
        prepare();
    for (int i = 0; i < 32 && things.at < things.end; i++)
        put_thing(&things);
    signatures = signatures_find(reader, words, sizeof(words));
    check(signatures, false);
    check(signatures, true);
    clear();
    return 0;
}
