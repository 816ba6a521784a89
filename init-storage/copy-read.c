/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "common/cleanup.h"
#include "common/interrupt.h"
#include "common/path.h"
#include "copy-reader.h"

struct subvolume *reader_inner_subvolume(const struct reader *reader) {
    struct subvolume *found;

    if (!reader->context->plan || !reader->request->subvolume)
        return NULL;
    found = plan_at_target(reader->context->plan, reader->walk.path);
    return found && found->inside == reader->request->subvolume ? found : NULL;
}

static bool is_mount_point(const struct reader *reader) {
    return reader->context->plan && plan_at_target(reader->context->plan, reader->walk.path);
}

static void count_for_path(struct reader *reader) {
    if (reader->context->plan && reader->request->subvolume)
        reader->counted = plan_above_target(reader->context->plan, reader->walk.path);
}

/* Announces the level that was just entered. */
static int send_enter(struct reader *reader, enum record_kind kind, const char *name) {
    const struct place *place =
        reader->context->plan ? plan_place_at(reader->context->plan, reader->walk.path) : NULL;
    const struct walk_level *level = walk_level(&reader->walk);
    struct image_object object = {.fd = level->fd, .parent = -1};
    bool subvolume = kind == RECORD_SUBVOLUME, missing = level->missing;
    _cleanup_free_ char *label = NULL;
    struct record *record;
    int r = reader_find_label(reader, &object, S_IFDIR,
                              subvolume || missing || reader->context->labels->active, &label);

    if (r < 0)
        return r;
    record = reader_begin(reader, kind, name, label, 0);
    if (!record)
        return COPY_STOPPED;
    if (missing)
        record->mode = S_IFDIR | 0755;
    else
        reader_set_attributes(record, &level->st);
    if (place && place->private) {
        record->mode = S_IFDIR | 0700;
        record->uid = record->gid = 0;
    }
    record->nodatacow = place && place->nodatacow;
    reader_commit_begun(reader, record, 0, label);
    /* What file_contexts says is an attribute like any other, where SELinux is not active; and a
     * subvolume does not get the label that new files get. */
    if (label && r == 1 && (subvolume || !reader->context->labels->active))
        return reader_send_xattr(reader, LABEL_XATTR, label, strlen(label) + 1);
    return 0;
}

static int enter(struct reader *reader, const char *name) {
    struct subvolume *inner = reader_inner_subvolume(reader);
    struct walk_level *level = walk_level(&reader->walk);

    level->barren = !inner && is_mount_point(reader);
    count_for_path(reader);
    return send_enter(reader, inner ? RECORD_SUBVOLUME : RECORD_DIRECTORY, name);
}

/* The next directory that must be below the level and that the image lacks: its name, else NULL.
 * *index counts the subvolumes and places that were looked at. */
static const char *next_missing(const struct reader *reader, size_t *index, char *name) {
    const struct plan *plan = reader->context->plan;
    const struct walk_level *level = walk_level(&reader->walk);

    if (!plan || !reader->request->subvolume || level->barren)
        return NULL;
    while (*index < plan->count + plan->place_count) {
        size_t i = (*index)++;
        const char *target =
            i < plan->count ? plan->subvolumes[i].target : plan->places[i - plan->count].target;
        const char *rest = path_below(target, reader->walk.path);
        size_t length = rest ? strcspn(rest, "/") : 0;
        struct stat st;

        if (length == 0 || length > NAME_MAX)
            continue;
        if (i < plan->count && plan->subvolumes[i].inside != reader->request->subvolume)
            continue;
        memcpy(name, rest, length);
        name[length] = '\0';
        if (level->fd < 0 || fstatat(level->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return name;
    }
    return NULL;
}

static bool named_before(const struct reader *reader, const char *name, size_t index) {
    char earlier[NAME_MAX + 1];
    size_t i = 0;

    while (i < index && next_missing(reader, &i, earlier)) {
        if (i < index && strcmp(earlier, name) == 0)
            return true;
    }
    return false;
}

static int walk_level_tree(struct reader *reader);

static int add_missing(struct reader *reader) {
    char name[NAME_MAX + 1];
    size_t index = 0;

    while (next_missing(reader, &index, name)) {
        int r;

        if (named_before(reader, name, index))
            continue;
        r = walk_down_missing(&reader->walk, name);
        if (r < 0)
            return reader_fail(reader, r, "adding a directory");
        r = enter(reader, name);
        if (r == 0)
            r = walk_level_tree(reader);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Whose owner and mode are ours, so that the image's access control list is not for it. */
static bool is_private(const struct reader *reader) {
    const struct plan *plan = reader->context->plan;
    const struct place *place = plan ? plan_place_at(plan, reader->walk.path) : NULL;

    return place && place->private;
}

/* The level is complete: what is missing in it, its attributes, and back up. */
static int leave(struct reader *reader) {
    struct image_object object = {
        .fd = walk_level(&reader->walk)->fd, .parent = -1, .no_acl = is_private(reader)};
    bool top = reader->walk.depth == 1 && reader->request->kind == COPY_SUBVOLUME;
    /* A subvolume does not get the label that new files get. */
    bool with_label = !reader->context->labels->active || top || reader_inner_subvolume(reader);
    int r = add_missing(reader);

    if (r < 0)
        return r;
    if (object.fd >= 0) {
        r = reader_send_xattrs(reader, &object, with_label);
        if (r == 0 && walk_check(&reader->walk) < 0)
            r = reader_fail(reader, -ESTALE, "reading");
    }
    if (r == 0)
        r = reader_send_plain(reader, RECORD_LEAVE);
    if (r == 0 && walk_up(&reader->walk) < 0)
        r = reader_fail(reader, -ESTALE, "going back to the directory above");
    if (r == 0 && reader->walk.depth > 0)
        count_for_path(reader);
    return r;
}

/* Everything below the deepest level, and that level's end. */
static int walk_level_tree(struct reader *reader) {
    const size_t floor = reader->walk.depth;

    while (reader->walk.depth >= floor) {
        struct walk_entry entry;
        int r = interrupted() ? -EINTR : walk_next(&reader->walk, &entry);

        if (r < 0)
            return reader_fail(reader, r, "reading the directory");
        if (r == 0) {
            r = leave(reader);
        } else if (S_ISDIR(entry.st.st_mode)) {
            char name[NAME_MAX + 1];

            (void)snprintf(name, sizeof(name), "%s", entry.name);
            r = walk_down(&reader->walk, &entry);
            r = r < 0 ? reader_fail(reader, r, "opening the directory") : enter(reader, name);
        } else {
            r = reader_send_leaf(reader, &entry);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* The image's directory that the copy begins at; -1: it has none. */
static int read_tree(struct reader *reader) {
    const struct copy_request *request = reader->request;
    int fd = open_beneath(reader->context->image, request->source + 1,
                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME);
    struct statfs fs;
    int r;

    if (fd < 0 && (fd != -ENOENT || request->kind == COPY_OBJECT))
        return copy_fail(reader->failure, fd, request->source, "opening the image's directory");
    if (fd < 0)
        fd = -1;
    reader->fs_type = fd >= 0 && fstatfs(fd, &fs) == 0 ? (uint64_t)fs.f_type : 0;
    r = walk_begin(&reader->walk, fd, request->source);
    if (r < 0)
        return copy_fail(reader->failure, r, request->source, "opening the image's directory");
    reader->counted = request->subvolume;
    walk_level(&reader->walk)->barren = request->kind == COPY_DIRECTORY_ONLY;
    r = send_enter(reader, request->kind == COPY_SUBVOLUME ? RECORD_SUBVOLUME : RECORD_DIRECTORY,
                   request->name);
    return r < 0 ? r : walk_level_tree(reader);
}

static int read_one_file(struct reader *reader) {
    const char *source = reader->request->source, *name = NULL;
    int parent = open_parent(reader->context->image, source + 1, &name);
    _cleanup_free_ char *folder = strndup(source, (size_t)(strrchr(source, '/') - source));
    struct walk_entry entry;
    int r = parent;

    if (r >= 0)
        r = folder ? walk_begin(&reader->walk, parent, folder) : -ENOMEM;
    if (r < 0)
        return copy_fail(reader->failure, r, source, "opening");
    if (fstatat(parent, name, &entry.st, AT_SYMLINK_NOFOLLOW) < 0)
        return copy_fail(reader->failure, -errno, source, "opening");
    entry.name = name;
    free(reader->walk.path);
    reader->walk.path = strdup(source);
    return reader->walk.path ? reader_send_leaf(reader, &entry) : -ENOMEM;
}

int copy_read(const struct copy_context *context, const struct copy_request *request,
              struct copy_queue *queue, struct copy_failure *failure) {
    struct reader reader = {
        .context = context, .request = request, .queue = queue, .failure = failure};
    _cleanup_free_ char *names = malloc(XATTR_LIST_SIZE);
    struct stat st;
    _cleanup_close_ int fd = open_beneath(context->image, request->source + 1, O_PATH | O_NOFOLLOW);
    int r = 0;

    if (!names)
        return copy_fail(failure, -ENOMEM, request->source, "reading");
    reader.xattr_names = names;
    /* A current directory of this thread's own, for enter_parent(). */
    if (unshare(CLONE_FS) < 0)
        return copy_fail(failure, -errno, request->source, "reading");
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && request->kind == COPY_OBJECT)
        r = read_one_file(&reader);
    else
        r = read_tree(&reader);
    walk_end(&reader.walk);
    if (r == 0)
        r = reader_send_plain(&reader, RECORD_END);
    if (r == 0)
        queue_flush(queue);
    return r;
}

/* Into a subvolume that is not made together with the one around it. */
static bool goes_elsewhere(const struct plan *plan, const char *path) {
    const struct subvolume *subvolume = plan ? plan_at_target(plan, path) : NULL;

    return subvolume && !subvolume->inside;
}

uint64_t copy_measure(const struct copy_context *context, const char *source) {
    int fd =
        open_beneath(context->image, source + 1, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME);
    struct walk walk = {0};
    uint64_t total = 0;

    if (fd < 0 || walk_begin(&walk, fd, source) < 0)
        return 0;
    while (walk.depth > 0 && !interrupted()) {
        struct walk_entry entry;
        int r = walk_next(&walk, &entry);

        if (r < 0)
            break; /* the copy will meet it and say so */
        if (r == 0)
            r = walk_up(&walk);
        else if (S_ISDIR(entry.st.st_mode) && !goes_elsewhere(context->plan, walk.path))
            r = walk_down(&walk, &entry);
        else if (S_ISREG(entry.st.st_mode))
            total += (uint64_t)entry.st.st_size;
        if (r < 0)
            break;
    }
    walk_end(&walk);
    return total;
}
