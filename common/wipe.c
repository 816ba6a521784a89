/* SPDX-License-Identifier: MIT */
#include "common/wipe.h"

#include <blkid.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/erase.h"
#include "common/probe.h"
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
#define ATOMIC_WRITE 512
#define CHUNK (64 << 10)
#define RECORD_END (ERASE_RECORD_OFFSET + ERASE_RECORD_SIZE)

static int zero(const struct wipe *wipe, uint64_t start, uint64_t end) {
    static const unsigned char zeros[CHUNK];

    if (end > wipe->size)
        end = wipe->size;
    while (start < end) {
        size_t size = end - start < CHUNK ? (size_t)(end - start) : CHUNK;
        ssize_t n = pwrite(wipe->fd, zeros, size, (off_t)start);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        start += (uint64_t)n;
    }
    return 0;
}

static int flush(const struct wipe *wipe) {
    return fsync(wipe->fd) < 0 ? -errno : 0;
}

/* The bytes below 64 KiB, with the erase record in them. */
static int write_beginning(const struct wipe *wipe, const struct erase_record *record) {
    int r = zero(wipe, 0, wipe->request ? ERASE_RECORD_OFFSET : superblock_offsets[0]);

    if (r == 0 && wipe->request && RECORD_END <= wipe->size)
        r = erase_record_write(wipe->fd, record);
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
    uint64_t primary = superblock_offsets[0];
    int r = zero(wipe, primary + ATOMIC_WRITE, MIB);

    if (r == 0 && !wipe->request)
        r = zero(wipe, 0, primary);
    return r < 0 ? r : zero(wipe, wipe->size > 2 * MIB ? wipe->size - MIB : MIB, wipe->size);
}

/* What else libblkid knows, wherever it is. */
static int zero_other_signatures(const struct wipe *wipe) {
    blkid_probe probe = blkid_new_probe();
    int r = -EIO, found = 1;

    if (!probe)
        return -ENOMEM;
    if (blkid_probe_set_device(probe, wipe->fd, 0, 0) == 0 &&
        blkid_probe_enable_superblocks(probe, 1) == 0 &&
        blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_BADCSUM) == 0 &&
        blkid_probe_enable_partitions(probe, 1) == 0 &&
        blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT) == 0)
        r = 0;
    while (r == 0 && (found = blkid_do_probe(probe)) == 0)
        r = blkid_do_wipe(probe, 0) < 0 ? -EIO : 0;
    if (r == 0 && found < 0)
        r = -EIO;
    blkid_free_probe(probe);
    return r;
}

/* From the point on at which the primary is gone. */
static int finish(struct wipe *wipe, struct erase_record *record) {
    struct device_probe after;
    int r = zero_ends(wipe);

    if (r == 0)
        r = zero_other_signatures(wipe);
    if (r == 0)
        r = flush(wipe);
    if (r == 0 && wipe->request) {
        r = erase_run(wipe, record);
        record->done = r == 0;
        wipe->level = record->level;
        if (r == 0 && RECORD_END <= wipe->size)
            r = erase_record_write(wipe->fd, record);
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
        r = zero(wipe, primary, primary + ATOMIC_WRITE);
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
