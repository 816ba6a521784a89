/* SPDX-License-Identifier: MIT */
#include "common/erase.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/interrupt.h"

/* The first MiB was overwritten before. A piece is what can be lost by a power cut, and what one
 * call may hold a device for. */
#define FIRST_BYTE (UINT64_C(1) << 20)
#define PIECE (UINT64_C(256) << 20)
#define ZEROS_SIZE (1 << 20)
#define RECORD_PERIOD 2.0 /* seconds between updates of the record */

static bool is_unsupported(int error) {
    return error == EOPNOTSUPP || error == ENOTTY || error == EINVAL;
}

int erase_write_zeros(int fd, uint64_t start, uint64_t length) {
    static const unsigned char zeros[ZEROS_SIZE];

    while (length > 0) {
        size_t size = length < ZEROS_SIZE ? (size_t)length : ZEROS_SIZE;
        ssize_t n = pwrite(fd, zeros, size, (off_t)start);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        start += (uint64_t)n;
        length -= (uint64_t)n;
    }
    return 0;
}

static int zero_piece(int fd, uint64_t start, uint64_t length) {
    uint64_t range[2] = {start, length};

    if (ioctl(fd, BLKZEROOUT, range) == 0)
        return 0;
    return is_unsupported(errno) ? erase_write_zeros(fd, start, length) : -errno;
}

static int discard_piece(int fd, unsigned long request, uint64_t start, uint64_t length) {
    uint64_t range[2] = {start, length};

    return ioctl(fd, request, range) < 0 ? -errno : 0;
}

static int do_piece(int fd, enum erase_level level, uint64_t start, uint64_t length) {
    switch (level) {
    case LEVEL_ZERO:
        return zero_piece(fd, start, length);
    case LEVEL_SECURE_DISCARD:
        return discard_piece(fd, BLKSECDISCARD, start, length);
    case LEVEL_DISCARD:
        return discard_piece(fd, BLKDISCARD, start, length);
    case LEVEL_SIGNATURE:
        break;
    }
    return 0;
}

static uint64_t piece_at(const struct wipe *wipe, uint64_t start) {
    return wipe->size - start < PIECE ? wipe->size - start : PIECE;
}

/* The strongest discard that the device has. */
static enum erase_level find_discard(const struct wipe *wipe, uint64_t start) {
    static const enum erase_level levels[] = {LEVEL_SECURE_DISCARD, LEVEL_DISCARD};

    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels) && start < wipe->size; i++) {
        if (do_piece(wipe->fd, levels[i], start, piece_at(wipe, start)) == 0)
            return levels[i];
    }
    return LEVEL_SIGNATURE;
}

int erase_run(struct wipe *wipe, struct erase_record *record) {
    uint64_t start = record->offset > FIRST_BYTE ? record->offset : FIRST_BYTE;
    double written = clock_seconds();
    int r = 0;

    if (start >= wipe->size && record->offset > FIRST_BYTE)
        return 0; /* it lacked nothing but its last word */
    record->level = LEVEL_SIGNATURE;
    if (record->request.erase == ERASE_ZERO)
        record->level = LEVEL_ZERO;
    else if (record->request.erase == ERASE_DISCARD)
        record->level = find_discard(wipe, start);
    if (record->level == LEVEL_SIGNATURE)
        return 0;
    progress_phase(wipe->progress, "erasing", wipe->size);
    progress_add(wipe->progress, start);
    while (start < wipe->size && r == 0) {
        uint64_t length = piece_at(wipe, start);

        if (interrupted())
            return -EINTR;
        r = do_piece(wipe->fd, record->level, start, length);
        start += length;
        progress_add(wipe->progress, length);
        record->offset = start;
        /* It may say less than was done, never more: what was done is flushed with it. */
        if (r == 0 && clock_seconds() - written >= RECORD_PERIOD) {
            r = fsync(wipe->fd) < 0 ? -errno : erase_record_write(wipe->fd, record);
            written = clock_seconds();
        }
    }
    return r == 0 && fsync(wipe->fd) < 0 ? -errno : r;
}
