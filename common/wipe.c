/* SPDX-License-Identifier: MIT */
#include "common/wipe.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/erase.h"
#include "common/probe.h"
#include "common/signatures.h"
#include "common/superblock.h"

/* Destroys. Invariants, each needed by a replayed power cut:
 *
 * 1. The copies of the superblock go before the primary, with a flush between: a device with a
 *    copy and no primary is DAMAGED for ever, one with a primary and no copies mounts, and its
 *    request is still in it.
 *    The beginning comes after that flush, too: over 0xff it would leave a device that no longer
 *    counts as cleared on purpose while a copy is still whole.
 * 2. The erase record is there before the primary goes: what was asked for is not forgotten.
 * 3. The primary goes in one write of 512 bytes, which no device tears.
 * 4. Everything else goes after that. A discard counts for nothing: what must go is overwritten.
 * 5. Success is what a new probe says, not what write(2) said. */

#define MIB (UINT64_C(1) << 20)
#define RECORD_END (ERASE_RECORD_OFFSET + ERASE_RECORD_SIZE)

/* Up to end or to the end of the device. */
static int zero(const struct wipe *wipe, uint64_t start, uint64_t end) {
    if (end > wipe->size)
        end = wipe->size;
    return start < end ? erase_write_zeros(wipe->fd, start, end - start) : 0;
}

static int flush(const struct wipe *wipe) {
    return fsync(wipe->fd) < 0 ? -errno : 0;
}

/* A device that ends before the record's place has none. */
static int write_record(const struct wipe *wipe, const struct erase_record *record) {
    return RECORD_END <= wipe->size ? erase_record_write(wipe->fd, record) : 0;
}

/* The bytes below 64 KiB, with the erase record in them if there is one to leave. */
static int write_beginning(const struct wipe *wipe, const struct erase_record *record) {
    int r = zero(wipe, 0, ERASE_RECORD_OFFSET);

    if (r == 0)
        r = wipe->request ? write_record(wipe, record)
                          : zero(wipe, ERASE_RECORD_OFFSET, RECORD_END);
    return r < 0 ? r : zero(wipe, RECORD_END, superblock_offsets[0]);
}

static int zero_copies(const struct wipe *wipe) {
    int r = 0;

    for (int i = 1; i < SUPERBLOCK_COPIES && r == 0; i++)
        r = zero(wipe, superblock_offsets[i], superblock_offsets[i] + SUPERBLOCK_SIZE);
    return r;
}

/* LUKS2's second header mends the first one when that is gone, so it goes before. It lies at one
 * of a few places (LUKS2 on-disk format, 2.1), of which these are behind the first superblock. */
static int zero_luks_headers(const struct wipe *wipe) {
    static const uint64_t offsets[] = {0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000};
    static const char magic[6] = "SKUL\xba\xbe";
    int r = 0;

    for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets) && r == 0; i++) {
        char found[sizeof(magic)];

        if (pread(wipe->fd, found, sizeof(found), (off_t)offsets[i]) == (ssize_t)sizeof(found) &&
            memcmp(found, magic, sizeof(magic)) == 0)
            r = zero(wipe, offsets[i], offsets[i] + 4096);
    }
    return r < 0 ? r : flush(wipe);
}

static int zero_ends(const struct wipe *wipe) {
    int r = zero(wipe, superblock_offsets[0] + SUPERBLOCK_FIRST_WRITE, MIB);

    return r < 0 ? r : zero(wipe, wipe->size > 2 * MIB ? wipe->size - MIB : MIB, wipe->size);
}

/* From the point on at which the primary is gone. */
static int finish(struct wipe *wipe, struct erase_record *record) {
    struct device_probe after;
    int r = zero_ends(wipe);

    if (r == 0)
        r = signatures_wipe(wipe->fd);
    if (r == 0)
        r = flush(wipe);
    if (r == 0 && wipe->request) {
        r = erase_run(wipe, record);
        record->done = r == 0;
        wipe->level = record->level;
        if (r == 0)
            r = write_record(wipe, record);
    }
    if (r < 0)
        return r;
    probe_device(wipe->fd, wipe->size, false, &after);
    return after.state == DEVICE_BLANK && !after.wipe_first ? 0 : -EEXIST;
}

int wipe_file_system(struct wipe *wipe) {
    struct erase_record record = {0};
    uint64_t primary = superblock_offsets[0];
    int r;

    if (wipe->request)
        record.request = *wipe->request;
    wipe->level = LEVEL_SIGNATURE;
    r = zero_luks_headers(wipe);
    if (r == 0)
        r = zero_copies(wipe);
    if (r == 0)
        r = flush(wipe);
    if (r == 0)
        r = write_beginning(wipe, &record);
    if (r == 0)
        r = flush(wipe);
    if (r == 0)
        r = zero(wipe, primary, primary + SUPERBLOCK_FIRST_WRITE);
    if (r == 0)
        r = flush(wipe);
    return r < 0 ? r : finish(wipe, &record);
}

int wipe_resume(struct wipe *wipe, const struct erase_record *record) {
    struct erase_record copy = *record;

    wipe->request = &record->request;
    wipe->level = LEVEL_SIGNATURE;
    return finish(wipe, &copy);
}
