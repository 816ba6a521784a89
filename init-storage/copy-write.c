/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "copy-target.h"
#include "copy.h"
#include "links.h"
#include "nodatacow.h"
#include "subvolume.h"
#include "walk.h"

/* The writer does what the records say, in their order. */

#define ZERO_BLOCK 4096U /* btrfs's sector: a smaller hole is none */

struct writer_level {
    struct target target; /* the directory; its fd is always open */
    size_t path_length;
    struct links links; /* of the subvolume that begins here */
};

struct writer {
    const struct copy_context *context;
    const struct copy_request *request;
    struct copy_failure *failure;
    struct writer_level *levels;
    size_t depth, allocated;
    struct target begun;
    bool has_begun;
    uint64_t end;        /* of what was written to the begun file */
    char path[PATH_MAX]; /* of what is being made, on the running system; cut when too long */
};

static int fail(struct writer *writer, int error, const char *step) {
    return copy_fail(writer->failure, error, writer->path, step);
}

static struct writer_level *top_level(const struct writer *writer) {
    return &writer->levels[writer->depth - 1];
}

static int parent_of(const struct writer *writer) {
    return writer->depth > 0 ? top_level(writer)->target.fd : writer->request->parent;
}

static void set_path(struct writer *writer, const char *name) {
    size_t length = writer->depth > 0 ? top_level(writer)->path_length : 0;

    if (writer->depth == 0)
        (void)snprintf(writer->path, sizeof(writer->path), "%s", writer->request->source);
    else
        (void)snprintf(writer->path + length, sizeof(writer->path) - length, "/%s", name);
}

static int complete(struct writer *writer, struct target *target) {
    const char *step = NULL;
    int r = target_complete(target, &step);

    return r < 0 ? fail(writer, r, step) : 0;
}

/* However deep the tree is, only so many directories are open, and the tops of subvolumes. */
static void close_far_level(struct writer *writer) {
    struct writer_level *level;

    if (writer->depth < WALK_OPEN_LEVELS + 1)
        return;
    level = &writer->levels[writer->depth - WALK_OPEN_LEVELS];
    if (level->target.record.kind == RECORD_DIRECTORY)
        close_fd(&level->target.fd);
}

/* The one above the level that is left, if it was closed. The staging tree is ours alone. */
static int reopen_upper_level(struct writer *writer) {
    struct writer_level *level = top_level(writer), *upper = level - 1;

    if (writer->depth < 2 || upper->target.fd >= 0)
        return 0;
    upper->target.fd =
        openat(level->target.fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return upper->target.fd < 0 ? -errno : 0;
}

static int push_level(struct writer *writer, struct target *target) {
    if (writer->depth == writer->allocated) {
        size_t allocated = writer->allocated ? writer->allocated * 2 : 16;
        struct writer_level *grown =
            reallocarray(writer->levels, allocated, sizeof(*writer->levels));

        if (!grown)
            return -ENOMEM;
        writer->levels = grown;
        writer->allocated = allocated;
    }
    close_far_level(writer);
    writer->levels[writer->depth++] = (struct writer_level){
        .target = *target, .path_length = strlen(writer->path), .links = LINKS_NONE};
    return 0;
}

static int make_directory(const struct writer *writer, const struct record *record) {
    if (record->kind == RECORD_SUBVOLUME)
        return subvolume_create(parent_of(writer), record_name(record));
    return mkdirat(parent_of(writer), record_name(record), 0700) < 0 ? -errno : 0;
}

static int enter(struct writer *writer, const struct record *record) {
    struct target target;
    int r = target_begin(&target, record, parent_of(writer), writer->context->labels);

    set_path(writer, record_name(record));
    if (r == 0)
        r = make_directory(writer, record);
    if (r < 0)
        return fail(writer, r,
                    record->kind == RECORD_SUBVOLUME ? "making the subvolume"
                                                     : "making the directory");
    target.fd =
        openat(parent_of(writer), target.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (target.fd < 0)
        return fail(writer, -errno, "opening the new directory");
    r = target_set_late_label(&target, record);
    if (r == 0 && record->nodatacow)
        r = nodatacow_set(target.fd);
    if (r >= 0)
        r = push_level(writer, &target);
    if (r < 0)
        close_fd(&target.fd);
    return r < 0 ? fail(writer, r, "setting up the new directory") : 0;
}

/* The nearest subvolume that is entered; its hard link groups are its own. */
static struct writer_level *subvolume_level(const struct writer *writer, size_t depth) {
    while (depth > 1 && writer->levels[depth - 1].target.record.kind != RECORD_SUBVOLUME)
        depth--;
    return depth > 0 ? &writer->levels[depth - 1] : NULL;
}

static int leave(struct writer *writer) {
    struct writer_level *level = top_level(writer);
    int r;

    writer->path[level->path_length] = '\0';
    if (links_are_open(&level->links)) {
        r = links_close(&level->links, level->target.fd);
        if (r < 0)
            return fail(writer, r, "removing the index of hard links");
        if (r > 0)
            log_info("%s: files with more names in the image: %d; no hard link can lead out of a "
                     "subvolume, so those are files of their own",
                     writer->path, r);
    }
    r = complete(writer, &level->target);
    if (r == 0) {
        r = reopen_upper_level(writer);
        if (r < 0)
            (void)fail(writer, r, "opening the directory above");
    }
    close_fd(&level->target.fd);
    writer->depth--;
    return r;
}

/* Whether the record is another name of a file that was made already: 1, 0 or -errno. */
static int link_again(struct writer *writer, const struct record *record) {
    struct writer_level *level = subvolume_level(writer, writer->depth);
    int r;

    if (record->links < 2 || !level)
        return 0;
    r = links_find(&level->links, record->identity);
    if (r <= 0)
        return r < 0 ? fail(writer, r, "looking for its hard links") : 0;
    r = links_add_name(&level->links, record->identity, record->links, parent_of(writer),
                       record_name(record));
    return r < 0 ? fail(writer, r, "linking it") : 1;
}

static int begin_file(struct writer *writer, const struct record *record) {
    struct target *target = &writer->begun;
    struct writer_level *level = subvolume_level(writer, writer->depth);
    int r;

    r = target_begin(target, record, parent_of(writer), writer->context->labels);
    if (r < 0)
        return fail(writer, r, "preparing its label");
    target->fd = openat(parent_of(writer), target->name,
                        O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (target->fd < 0)
        return fail(writer, -errno, "creating");
    writer->has_begun = true;
    writer->end = 0;
    r = target_set_late_label(target, record);
    if (r == 0 && record->nodatacow)
        r = nodatacow_set(target->fd);
    if (r < 0)
        return fail(writer, r, "creating");
    if (record->links > 1 && level) {
        r = links_remember(&level->links, level->target.fd, record->identity, parent_of(writer),
                           target->name);
        if (r < 0)
            return fail(writer, r, "remembering its hard links");
    }
    return 0;
}

static int begin_other(struct writer *writer, const struct record *record) {
    struct target *target = &writer->begun;
    int r = target_begin(target, record, parent_of(writer), writer->context->labels);

    if (r == 0 && record->kind == RECORD_SYMLINK)
        r = symlinkat((const char *)record_payload(record), parent_of(writer), target->name) < 0
                ? -errno
                : 0;
    else if (r == 0)
        r = mknodat(parent_of(writer), target->name, (record->mode & S_IFMT) | 0600, record->rdev) <
                    0
                ? -errno
                : 0;
    if (r == 0)
        r = target_set_late_label(target, record);
    if (r == 0 && record->links > 1 && writer->depth > 0) {
        struct writer_level *level = subvolume_level(writer, writer->depth);

        r = links_remember(&level->links, level->target.fd, record->identity, parent_of(writer),
                           target->name);
    }
    writer->has_begun = r == 0;
    return r < 0 ? fail(writer, r, "creating") : 0;
}

static int write_piece(struct writer *writer, const unsigned char *data, size_t size,
                       uint64_t offset) {
    while (size > 0) {
        ssize_t n = pwrite(writer->begun.fd, data, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail(writer, n < 0 ? -errno : -EIO, "writing");
        data += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
        writer->end = offset;
    }
    return 0;
}

static bool is_zero(const unsigned char *data, size_t size) {
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* Writes the runs of blocks that are not zero. */
static int write_sparse(struct writer *writer, const unsigned char *data, size_t size,
                        uint64_t offset) {
    size_t start = 0, end = 0;

    while (end < size) {
        size_t block = size - end < ZERO_BLOCK ? size - end : ZERO_BLOCK;
        bool hole = is_zero(data + end, block);
        int r = 0;

        if (hole && end > start)
            r = write_piece(writer, data + start, end - start, offset + start);
        if (r < 0)
            return r;
        end += block;
        if (hole)
            start = end;
    }
    return end > start ? write_piece(writer, data + start, end - start, offset + start) : 0;
}

static int write_data(struct writer *writer, const struct record *record) {
    const unsigned char *data = record_payload(record);

    return record->skip_zeros ? write_sparse(writer, data, record->payload_size, record->offset)
                              : write_piece(writer, data, record->payload_size, record->offset);
}

/* A hole at the end was not written. Before any attribute: truncating drops capabilities. */
static int settle_size(struct writer *writer) {
    const struct record *record = &writer->begun.record;

    if (!writer->has_begun || record->kind != RECORD_FILE || writer->end >= record->length)
        return 0;
    writer->end = record->length;
    return ftruncate(writer->begun.fd, (off_t)record->length) < 0
               ? fail(writer, -errno, "setting its size")
               : 0;
}

static int write_xattr(struct writer *writer, const struct record *record) {
    struct target *target = writer->has_begun ? &writer->begun : &top_level(writer)->target;
    int r = settle_size(writer);

    if (!writer->has_begun)
        writer->path[top_level(writer)->path_length] = '\0';
    if (r < 0)
        return r;
    target->has_attributes = true;
    r = target_set_owner(target);
    if (r < 0)
        return fail(writer, r, "setting its owner");
    r = target_set_xattr(target, record_name(record), record_payload(record), record->payload_size);
    if (r < 0) {
        char step[128];

        (void)snprintf(step, sizeof(step), "setting its extended attribute %.80s",
                       record_name(record));
        return fail(writer, r, step);
    }
    return 0;
}

static int finish_begun(struct writer *writer) {
    struct target *target = &writer->begun;
    int r = settle_size(writer);

    writer->has_begun = false;
    if (r == 0)
        r = complete(writer, target);
    close_fd(&target->fd);
    return r;
}

static int do_begin(struct writer *writer, const struct record *record, bool *ret_skip) {
    int r;

    set_path(writer, record_name(record));
    r = link_again(writer, record);
    *ret_skip = r == 1;
    if (r != 0)
        return r < 0 ? r : 0;
    return record->kind == RECORD_FILE ? begin_file(writer, record) : begin_other(writer, record);
}

/* One record. While *skip is set, the begun object is a further name of a known file and what
 * follows until RECORD_DONE is known, too. */
static int do_record(struct writer *writer, const struct record *record, bool *skip) {
    if (*skip) {
        *skip = record->kind != RECORD_DONE;
        return 0;
    }
    switch ((enum record_kind)record->kind) {
    case RECORD_SUBVOLUME:
    case RECORD_DIRECTORY:
        return enter(writer, record);
    case RECORD_LEAVE:
        return leave(writer);
    case RECORD_FILE:
    case RECORD_SYMLINK:
    case RECORD_NODE:
        return do_begin(writer, record, skip);
    case RECORD_DATA:
        return write_data(writer, record);
    case RECORD_XATTR:
        return write_xattr(writer, record);
    case RECORD_DONE:
        return finish_begun(writer);
    case RECORD_END:
        break;
    }
    return 1;
}

static int do_chunk(struct writer *writer, const struct chunk *chunk, bool *skip) {
    int r = 0;

    for (size_t at = 0; r == 0 && at < chunk->used;) {
        const struct record *record = (const struct record *)(const void *)(chunk->data + at);

        r = do_record(writer, record, skip);
        at += record->size;
    }
    return r;
}

static void release(struct writer *writer) {
    if (writer->has_begun)
        close_fd(&writer->begun.fd);
    while (writer->depth > 0) {
        links_forget(&top_level(writer)->links);
        close_fd(&top_level(writer)->target.fd);
        writer->depth--;
    }
    free(writer->levels);
    (void)labels_create_as(writer->context->labels, NULL);
}

int copy_write(const struct copy_context *context, const struct copy_request *request,
               struct copy_queue *queue, struct copy_failure *failure) {
    struct writer writer = {.context = context, .request = request, .failure = failure};
    bool skip = false;
    int r = 0;

    /* A current directory of this thread's own, for set_xattr(). */
    if (unshare(CLONE_FS) < 0)
        return copy_fail(failure, -errno, request->source, "writing");
    while (r == 0) {
        struct chunk *chunk = queue_take(queue);

        r = chunk ? do_chunk(&writer, chunk, &skip) : COPY_STOPPED;
        if (chunk)
            queue_give_back(queue, chunk);
    }
    release(&writer);
    return r < 0 ? r : 0; /* 1: the end was reached */
}
