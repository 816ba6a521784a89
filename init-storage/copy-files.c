/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/interrupt.h"
#include "copy-reader.h"

#define DATA_SIZE (128U << 10)      /* squashfs's usual block */
#define DATA_ROOM_WORTH (32U << 10) /* less room in a buffer is not worth a piece of its own */

static bool wants_nodatacow(const struct reader *reader) {
    const struct plan *plan = reader->context->plan;
    const struct place *place = plan ? plan_place_at(plan, reader->walk.path) : NULL;

    return place && place->nodatacow;
}

/* One piece of content, read straight into the buffer. *offset moves on. */
static int send_data(struct reader *reader, int fd, uint64_t *offset, uint64_t end, bool zeros) {
    size_t want = end - *offset < DATA_SIZE ? (size_t)(end - *offset) : DATA_SIZE;
    size_t room = queue_room(reader->queue);
    struct record *record;
    ssize_t n;

    if (room < sizeof(*record) + want && room >= sizeof(*record) + DATA_ROOM_WORTH)
        want = (room - sizeof(*record)) & ~(size_t)4095;
    record = reader_reserve(reader, RECORD_DATA, NULL, want);
    if (!record)
        return COPY_STOPPED;
    n = pread(fd, reader_payload(record), want, (off_t)*offset);
    if (n < 0)
        return errno == EINTR && !interrupted() ? 0 : reader_fail(reader, -errno, "reading");
    if (n == 0)
        return reader_fail(reader, -ESTALE, "reading");
    record->offset = *offset;
    record->payload_size = (uint32_t)n;
    record->skip_zeros = zeros;
    reader_commit(reader, record);
    *offset += (uint64_t)n;
    progress_add(reader->context->progress, (uint64_t)n);
    return 0;
}

/* Kernels before 6.17 do not tell where the holes of squashfs's sparse files are, nor those of
 * erofs's compressed ones. */
static bool has_hidden_holes(const struct reader *reader, int fd, const struct stat *st) {
    bool sparse = (uint64_t)st->st_blocks * 512 < (uint64_t)st->st_size;

    if (reader->fs_type != EROFS_SUPER_MAGIC_V1 && !(reader->fs_type == SQUASHFS_MAGIC && sparse))
        return false;
    return lseek(fd, 0, SEEK_HOLE) == st->st_size;
}

static int send_content(struct reader *reader, int fd, const struct stat *st) {
    bool zeros = has_hidden_holes(reader, fd, st);
    uint64_t size = (uint64_t)st->st_size, offset = 0;

    while (offset < size) {
        off_t data = lseek(fd, (off_t)offset, SEEK_DATA);
        off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        int r = 0;

        if (data < 0 && errno == ENXIO)
            break; /* the rest is a hole */
        if (data < 0 || hole < 0)
            return reader_fail(reader, -errno, "looking for its holes");
        progress_add(reader->context->progress, (uint64_t)data - offset);
        offset = (uint64_t)data;
        while (r == 0 && offset < (uint64_t)hole && offset < size) {
            r = interrupted() ? -EINTR : 0;
            if (r == 0)
                r = send_data(reader, fd, &offset, (uint64_t)hole < size ? (uint64_t)hole : size,
                              zeros);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static int send_file(struct reader *reader, const struct walk_entry *entry) {
    _cleanup_close_ int fd =
        openat(walk_level(&reader->walk)->fd, entry->name,
               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_NOCTTY | O_CLOEXEC);
    struct image_object object = {.fd = fd, .parent = -1, .name = entry->name};
    _cleanup_free_ char *label = NULL;
    struct record *record;
    struct stat st;
    int r;

    if (fd < 0)
        return reader_fail(reader, -errno, "opening");
    if (fstat(fd, &st) < 0)
        return reader_fail(reader, -errno, "opening");
    if (!same_unchanged(&st, &entry->st))
        return reader_fail(reader, -ESTALE, "opening");
    r = reader_find_label(reader, &object, st.st_mode, reader->context->labels->active, &label);
    if (r < 0)
        return r;
    record = reader_begin(reader, RECORD_FILE, entry->name, label, 0);
    if (!record)
        return COPY_STOPPED;
    reader_set_attributes(record, &st);
    record->length = (uint64_t)st.st_size;
    record->nodatacow = wants_nodatacow(reader);
    reader_commit_begun(reader, record, 0, label);
    r = send_content(reader, fd, &st);
    if (r == 0)
        r = reader_send_xattrs(reader, &object, !reader->context->labels->active);
    if (r < 0)
        return r;
    if (fstat(fd, &st) < 0 || !same_unchanged(&st, &entry->st))
        return reader_fail(reader, -ESTALE, "reading");
    return reader_send_plain(reader, RECORD_DONE);
}

static int send_symlink(struct reader *reader, const struct walk_entry *entry,
                        const struct image_object *object) {
    char target[PATH_MAX];
    _cleanup_free_ char *label = NULL;
    ssize_t n = readlinkat(object->parent, entry->name, target, sizeof(target));
    struct record *record;
    int r;

    if (n < 0 || n == sizeof(target))
        return reader_fail(reader, n < 0 ? -errno : -ENAMETOOLONG, "reading the symbolic link");
    r = reader_find_label(reader, object, S_IFLNK, reader->context->labels->active, &label);
    if (r < 0)
        return r;
    record = reader_begin(reader, RECORD_SYMLINK, entry->name, label, (size_t)n + 1);
    if (!record)
        return COPY_STOPPED;
    reader_set_attributes(record, &entry->st);
    memcpy(reader_payload(record), target, (size_t)n);
    reader_payload(record)[n] = '\0';
    reader_commit_begun(reader, record, (size_t)n + 1, label);
    return 0;
}

static int send_node(struct reader *reader, const struct walk_entry *entry,
                     const struct image_object *object) {
    _cleanup_free_ char *label = NULL;
    struct record *record;
    int r = reader_find_label(reader, object, entry->st.st_mode, reader->context->labels->active,
                              &label);

    if (r < 0)
        return r;
    record = reader_begin(reader, RECORD_NODE, entry->name, label, 0);
    if (!record)
        return COPY_STOPPED;
    reader_set_attributes(record, &entry->st);
    reader_commit_begun(reader, record, 0, label);
    return 0;
}

int reader_send_leaf(struct reader *reader, const struct walk_entry *entry) {
    struct image_object object = {
        .fd = -1, .parent = walk_level(&reader->walk)->fd, .name = entry->name};
    struct subvolume *inner = reader_inner_subvolume(reader);
    int r;

    if (inner && inner->implicit) {
        inner->state = MEMBER_PRESENT;
        inner->left_plain = true;
    } else if (inner) {
        inner->state = MEMBER_FAILED;
        inner->problem = "what the image has there is not a directory";
    }
    if (reader->counted)
        reader->counted->files++;
    if (S_ISREG(entry->st.st_mode)) {
        if (reader->counted)
            reader->counted->bytes += (uint64_t)entry->st.st_size;
        return send_file(reader, entry);
    }
    r = S_ISLNK(entry->st.st_mode) ? send_symlink(reader, entry, &object)
                                   : send_node(reader, entry, &object);
    if (r == 0)
        r = reader_send_xattrs(reader, &object, !reader->context->labels->active);
    return r < 0 ? r : reader_send_plain(reader, RECORD_DONE);
}
