/* SPDX-License-Identifier: MIT */
#include "wipe.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "probe.h"
#include "superblock.h"

/* Destroys. Invariants, each needed by a replayed power cut:
 *
 * 1. The copies of the superblock go before the primary, with a flush between: a device with a
 *    copy and no primary is DAMAGED for ever, one with a primary and no copies mounts.
 * 2. The primary goes in one write of 512 bytes, which no device tears.
 * 3. Everything else goes after that.
 * 4. Success is what a new probe says, not what write(2) said. */

#define MIB (UINT64_C(1) << 20)
#define ATOMIC_WRITE 512
#define CHUNK (64 << 10)

static int zero(int fd, uint64_t start, uint64_t end) {
    static const unsigned char zeros[CHUNK];

    while (start < end) {
        size_t size = end - start < CHUNK ? (size_t)(end - start) : CHUNK;
        ssize_t n = pwrite(fd, zeros, size, (off_t)start);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        start += (uint64_t)n;
    }
    return 0;
}

static int flush(int fd) {
    return fsync(fd) < 0 ? -errno : 0;
}

static uint64_t clamp(uint64_t offset, uint64_t size) {
    return offset < size ? offset : size;
}

static int zero_copies(int fd, uint64_t size) {
    for (int i = 1; i < SUPERBLOCK_COPIES; i++) {
        uint64_t offset = superblock_offsets[i];
        int r = zero(fd, clamp(offset, size), clamp(offset + SUPERBLOCK_SIZE, size));

        if (r < 0)
            return r;
    }
    return zero(fd, 0, clamp(superblock_offsets[0], size));
}

static int zero_ends(int fd, uint64_t size) {
    uint64_t primary = superblock_offsets[0];
    int r = zero(fd, clamp(primary + ATOMIC_WRITE, size), clamp(MIB, size));

    return r < 0 ? r : zero(fd, size > 2 * MIB ? size - MIB : clamp(MIB, size), size);
}

int wipe_file_system(int fd, uint64_t size) {
    uint64_t primary = superblock_offsets[0];
    struct device_probe after;
    int r = zero_copies(fd, size);

    if (r == 0)
        r = flush(fd);
    if (r == 0)
        r = zero(fd, clamp(primary, size), clamp(primary + ATOMIC_WRITE, size));
    if (r == 0)
        r = flush(fd);
    if (r == 0)
        r = zero_ends(fd, size);
    if (r == 0)
        r = flush(fd);
    if (r < 0)
        return r;
    probe_device(fd, size, false, &after);
    return after.state == DEVICE_BLANK && !after.wipe_first ? 0 : -EEXIST;
}
