/* SPDX-License-Identifier: MIT */
#include "common/probe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/erase-record.h"
#include "common/signatures.h"

/* What is decided here decides whether somebody's data lives. Invariants:
 *
 * 1. BLANK is what remains when nothing else is true; a probe that cannot answer is not BLANK.
 * 2. libblkid is asked for bad checksums and partition tables too: a damaged foreign file system
 *    still holds somebody's data.
 * 3. A whole copy of the btrfs superblock means that there was a btrfs with data. It counts as
 *    blank only in the three cases that a person or an older appliance made on purpose.
 * 4. Nothing here writes. */

#define MIB (UINT64_C(1) << 20)
#define CHUNK (64 << 10)
/* "zeroed on purpose": how far from the start, and "strictly blank": how far. */
#define ZEROED_SIZE (16 * MIB)
#define STRICT_SIZE MIB

const char *device_state_name(enum device_state state) {
    static const char *const names[] = {
        [DEVICE_BLANK] = "blank",
        [DEVICE_BTRFS] = "btrfs",
        [DEVICE_RESET_REQUESTED] = "reset-requested",
        [DEVICE_DAMAGED] = "damaged",
        [DEVICE_FOREIGN] = "foreign",
        [DEVICE_UNREADABLE] = "unreadable",
    };

    return names[state];
}

static void conclude(struct device_probe *ret, enum device_state state) {
    ret->state = state;
}

static void unreadable(struct device_probe *ret, uint64_t offset, int error) {
    (void)snprintf(ret->found, sizeof(ret->found), "cannot read at byte %" PRIu64 ": %s", offset,
                   strerror(error));
    conclude(ret, DEVICE_UNREADABLE);
}

/* 0, or -errno; an end of the device before size bytes is -EIO. */
static int read_at(int fd, void *buffer, size_t size, uint64_t offset) {
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    return 0;
}

static uint64_t smaller(uint64_t one, uint64_t other) {
    return one < other ? one : other;
}

static bool is_all(const unsigned char *data, size_t size, unsigned char value) {
    return data[0] == value && memcmp(data, data + 1, size - 1) == 0;
}

/* What may lie between zeros: the primary superblock, if it is to be skipped, and an erase record.
 * Returns where the next such thing begins, or offset itself with *ret_length set. */
static uint64_t next_exception(uint64_t offset, bool skip_primary, bool skip_record,
                               uint64_t *ret_length) {
    const struct {
        bool skip;
        uint64_t offset, length;
    } exceptions[] = {{skip_record, ERASE_RECORD_OFFSET, ERASE_RECORD_SIZE},
                      {skip_primary, superblock_offsets[0], SUPERBLOCK_SIZE}};

    *ret_length = 0;
    for (size_t i = 0; i < sizeof(exceptions) / sizeof(*exceptions); i++) {
        if (!exceptions[i].skip || exceptions[i].offset < offset)
            continue;
        if (exceptions[i].offset == offset)
            *ret_length = exceptions[i].length;
        return exceptions[i].offset;
    }
    return UINT64_MAX;
}

/* Whether [0, end) is all 0x00 or all 0xff, but for what may be skipped. 1, 0, or -errno, with
 * *ret_offset set. */
static int is_uniform(int fd, uint64_t end, bool skip_primary, uint64_t *ret_offset) {
    static unsigned char buffer[CHUNK];
    struct erase_record record;
    bool skip_record = erase_record_read(fd, &record) == 0;
    unsigned char first = 0;

    for (uint64_t offset = 0; offset < end;) {
        uint64_t length, next = next_exception(offset, skip_primary, skip_record, &length);
        size_t size = (size_t)smaller(smaller(end, next) - offset, CHUNK);
        int r;

        if (length > 0) {
            offset += length;
            continue;
        }
        *ret_offset = offset;
        r = read_at(fd, buffer, size, offset);
        if (r < 0)
            return r;
        if (offset == 0)
            first = buffer[0];
        if ((first != 0x00 && first != 0xff) || !is_all(buffer, size, first))
            return 0;
        offset += size;
    }
    return 1;
}

/* Reads every copy that the device is large enough for; others stay without magic. */
static int read_superblocks(int fd, uint64_t size, struct superblock *copies,
                            struct device_probe *ret) {
    for (int i = 0; i < SUPERBLOCK_COPIES; i++) {
        unsigned char block[SUPERBLOCK_SIZE] = {0};
        uint64_t offset = superblock_offsets[i];
        int r;

        copies[i] = (struct superblock){.offset = offset};
        if (offset + SUPERBLOCK_SIZE > size)
            continue;
        r = read_at(fd, block, sizeof(block), offset);
        if (r < 0) {
            (void)unreadable(ret, offset, -r);
            return r;
        }
        superblock_parse(block, offset, &copies[i]);
    }
    return 0;
}

static const struct superblock *whole_copy(const struct superblock *copies, uint64_t size) {
    for (int i = 1; i < SUPERBLOCK_COPIES; i++) {
        if (superblock_is_whole(&copies[i], size))
            return &copies[i];
    }
    return NULL;
}

static void damaged(const struct superblock *copies, uint64_t size, struct device_probe *ret) {
    const struct superblock *primary = &copies[0], *copy = whole_copy(copies, size);
    const char *what = "no signature in its first superblock";

    if (primary->magic == SUPERBLOCK_MAGIC_FINAL && primary->checksum == CHECKSUM_WRONG)
        what = "a wrong checksum in its first superblock";
    else if (primary->magic == SUPERBLOCK_MAGIC_FINAL && !primary->right_place)
        what = "a first superblock that belongs elsewhere";
    else if (primary->magic == SUPERBLOCK_MAGIC_FINAL)
        what = "a size larger than the device";
    if (primary->device_count > 1 && primary->magic == SUPERBLOCK_MAGIC_ZERO)
        what = "a wiped signature, and a part of a file system on several devices";
    if (copy)
        (void)snprintf(ret->found, sizeof(ret->found),
                       "%s (byte %" PRIu64 "), and a whole copy of it at byte %" PRIu64, what,
                       primary->offset, copy->offset);
    else
        (void)snprintf(ret->found, sizeof(ret->found), "%s (byte %" PRIu64 ")", what,
                       primary->offset);
    (void)snprintf(ret->advice, sizeof(ret->advice), "%s",
                   copy ? "to mend it: btrfs rescue super-recover -v"
                        : "to look at it: btrfs inspect-internal dump-super -fa");
    conclude(ret, DEVICE_DAMAGED);
}

/* x-init-storage.blank=zero: nothing unknown may be in the first MiB. Concludes when it is. */
static bool is_strictly_blank(int fd, uint64_t size, struct device_probe *ret) {
    uint64_t offset = 0;
    int r = is_uniform(fd, smaller(size, STRICT_SIZE), true, &offset);

    if (r < 0) {
        unreadable(ret, offset, -r);
        return false;
    }
    if (r == 0) {
        (void)snprintf(ret->found, sizeof(ret->found),
                       "unknown data in its first MiB, near byte %" PRIu64
                       " (x-init-storage.blank=zero)",
                       offset);
        conclude(ret, DEVICE_FOREIGN);
    }
    return r == 1;
}

/* Blank once what is left of a btrfs is gone. Other devices may still hold their parts of one
 * that spanned several: that is not ours to decide. */
static void blank_after_wipe(const struct superblock *left, const struct superblock *copies,
                             uint64_t size, struct device_probe *ret) {
    if (left->device_count != 1) {
        damaged(copies, size, ret);
        return;
    }
    ret->wipe_first = true;
    conclude(ret, DEVICE_BLANK);
}

/* Nothing that libblkid knows: what do the three superblocks say? */
static void judge_unknown(int fd, uint64_t size, bool strict, const struct superblock *copies,
                          struct device_probe *ret) {
    const struct superblock *copy = whole_copy(copies, size);
    uint64_t offset = 0;
    int zeroed;

    if (strict && (superblock_was_wiped(&copies[0], size) || !copy) &&
        !is_strictly_blank(fd, size, ret))
        return;
    if (superblock_was_wiped(&copies[0], size)) {
        blank_after_wipe(&copies[0], copies, size, ret);
        return;
    }
    if (!copy) {
        conclude(ret, DEVICE_BLANK);
        return;
    }
    zeroed = is_uniform(fd, smaller(size, ZEROED_SIZE), false, &offset);
    if (zeroed < 0)
        unreadable(ret, offset, -zeroed);
    else if (zeroed && copy)
        blank_after_wipe(copy, copies, size, ret);
    else
        damaged(copies, size, ret);
}

/* A wipe of ours that was cut off before it came to another signature: its record says that it is
 * not done, and everything else that it overwrites first is zero. A foreign file system that was
 * made later has something there. */
static bool is_unfinished_wipe(int fd, uint64_t size, const struct superblock *copies) {
    unsigned char primary[SUPERBLOCK_FIRST_WRITE];
    struct erase_record record;
    uint64_t offset;

    return superblock_offsets[0] + SUPERBLOCK_SIZE <= size && !whole_copy(copies, size) &&
           erase_record_read(fd, &record) == 0 && !record.done &&
           is_uniform(fd, superblock_offsets[0], false, &offset) == 1 &&
           read_at(fd, primary, sizeof(primary), superblock_offsets[0]) == 0 &&
           is_all(primary, sizeof(primary), 0);
}

void probe_device(int fd, uint64_t size, bool strict_blank, struct device_probe *ret) {
    struct superblock copies[SUPERBLOCK_COPIES];
    const struct superblock *copy;
    enum signatures signatures;

    *ret = (struct device_probe){0};
    if (read_superblocks(fd, size, copies, ret) < 0)
        return;
    copy = whole_copy(copies, size);
    ret->primary = superblock_is_whole(&copies[0], size) || !copy ? copies[0] : *copy;
    signatures = signatures_find(fd, ret->found, sizeof(ret->found));
    if (signatures == SIGNATURES_ERROR)
        conclude(ret, DEVICE_UNREADABLE);
    else if (signatures == SIGNATURES_OTHER)
        conclude(ret, is_unfinished_wipe(fd, size, copies) ? DEVICE_BLANK : DEVICE_FOREIGN);
    else if (superblock_is_whole(&copies[0], size))
        conclude(ret, DEVICE_BTRFS);
    else if (signatures == SIGNATURES_BTRFS || copies[0].magic == SUPERBLOCK_MAGIC_FINAL)
        damaged(copies, size, ret);
    else
        judge_unknown(fd, size, strict_blank, copies, ret);
}
