/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "copy-reader.h"

#define ACL_PREFIX "system.posix_acl_" /* access and default, acl(5) */
#define ALIGN(size) (((size) + 7U) & ~(size_t)7U)

int reader_fail(struct reader *reader, int error, const char *step) {
    return copy_fail(reader->failure, error, reader->walk.path, step);
}

struct record *reader_reserve(struct reader *reader, enum record_kind kind, const char *name,
                              size_t payload_room) {
    size_t name_size = name ? strlen(name) + 1 : 0;
    struct record *record =
        queue_reserve(reader->queue, ALIGN(sizeof(*record) + name_size + payload_room));

    if (!record)
        return NULL;
    *record = (struct record){.kind = (uint16_t)kind, .name_size = (uint16_t)name_size};
    if (name)
        memcpy(record + 1, name, name_size);
    return record;
}

unsigned char *reader_payload(struct record *record) {
    return (unsigned char *)(record + 1) + record->name_size;
}

void reader_commit(struct reader *reader, struct record *record) {
    record->size = (uint32_t)ALIGN(sizeof(*record) + record->name_size + record->payload_size);
    queue_commit(reader->queue, record->size);
}

int reader_send_plain(struct reader *reader, enum record_kind kind) {
    struct record *record = reader_reserve(reader, kind, NULL, 0);

    if (!record)
        return COPY_STOPPED;
    reader_commit(reader, record);
    return 0;
}

void reader_set_attributes(struct record *record, const struct stat *st) {
    record->mode = st->st_mode;
    record->uid = st->st_uid;
    record->gid = st->st_gid;
    record->rdev = st->st_rdev;
    record->links = (uint32_t)st->st_nlink;
    record->identity[0] = st->st_dev;
    record->identity[1] = st->st_ino;
    record->times[0] = st->st_atim;
    record->times[1] = st->st_mtim;
    record->set_times = true;
}

/* Symbolic links, nodes and what must not be opened can only be reached by name from the current
 * directory, which is this thread's own. */
static int enter_parent(const struct image_object *object) {
    return object->fd < 0 && fchdir(object->parent) < 0 ? -errno : 0;
}

static ssize_t list_xattrs(const struct image_object *object, char *names) {
    ssize_t n = object->fd >= 0 ? flistxattr(object->fd, names, XATTR_LIST_SIZE)
                                : llistxattr(object->name, names, XATTR_LIST_SIZE);

    return n < 0 ? -errno : n;
}

static ssize_t get_xattr(const struct image_object *object, const char *name, void *value) {
    ssize_t n = object->fd >= 0 ? fgetxattr(object->fd, name, value, XATTR_LIST_SIZE)
                                : lgetxattr(object->name, name, value, XATTR_LIST_SIZE);

    return n < 0 ? -errno : n;
}

/* Where SELinux is active a label can always be read: the kernel makes one up for an object that
 * has none. The list of attributes says what is stored. */
static int has_stored_label(const struct reader *reader, const struct image_object *object) {
    ssize_t size = list_xattrs(object, reader->xattr_names);

    for (const char *name = reader->xattr_names; size > 0 && name < reader->xattr_names + size;
         name += strlen(name) + 1) {
        if (strcmp(name, LABEL_XATTR) == 0)
            return 1;
    }
    return size < 0 ? (int)size : 0;
}

/* Into value, size bytes, NUL-terminated. Returns 1, 0 when there is none, or -errno. */
static int read_label(const struct reader *reader, const struct image_object *object, char *value,
                      size_t size) {
    ssize_t n;
    int r;

    if (object->fd < 0 && object->parent < 0)
        return 0; /* the image lacks it */
    r = enter_parent(object);
    if (r == 0 && reader->context->labels->active) {
        r = has_stored_label(reader, object);
        if (r == 0)
            return 0;
    }
    if (r < 0)
        return r == -EOPNOTSUPP ? 0 : r;
    n = object->fd >= 0 ? fgetxattr(object->fd, LABEL_XATTR, value, size - 1)
                        : lgetxattr(object->name, LABEL_XATTR, value, size - 1);
    if (n < 0)
        return errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
    value[n] = '\0';
    return n > 0;
}

int reader_find_label(struct reader *reader, const struct image_object *object, mode_t mode,
                      bool look_up, char **ret) {
    char value[4096 + 1];
    int r = read_label(reader, object, value, sizeof(value));

    if (r < 0)
        return reader_fail(reader, r, "reading its label");
    if (r == 1) {
        *ret = strdup(value);
        return *ret ? 0 : reader_fail(reader, -ENOMEM, "reading its label");
    }
    if (!look_up)
        return 0;
    r = labels_lookup(reader->context->labels, reader->walk.path, mode, ret);
    return r < 0 ? reader_fail(reader, r, "looking its label up in file_contexts") : 1;
}

int reader_send_xattr(struct reader *reader, const char *name, const void *value, size_t size) {
    struct record *record = reader_reserve(reader, RECORD_XATTR, name, size);

    if (!record)
        return COPY_STOPPED;
    memcpy(reader_payload(record), value, size);
    record->payload_size = (uint32_t)size;
    reader_commit(reader, record);
    return 0;
}

int reader_send_xattrs(struct reader *reader, const struct image_object *object, bool with_label) {
    ssize_t size = enter_parent(object);

    if (size == 0)
        size = list_xattrs(object, reader->xattr_names);
    if (size == -EOPNOTSUPP)
        return 0;
    if (size < 0)
        return reader_fail(reader, (int)size, "listing its extended attributes");
    for (const char *name = reader->xattr_names; name < reader->xattr_names + size;
         name += strlen(name) + 1) {
        struct record *record;
        ssize_t n;

        if (strcmp(name, LABEL_XATTR) == 0 && !with_label)
            continue;
        if (object->no_acl && strncmp(name, ACL_PREFIX, sizeof(ACL_PREFIX) - 1) == 0)
            continue;
        record = reader_reserve(reader, RECORD_XATTR, name, XATTR_LIST_SIZE);
        if (!record)
            return COPY_STOPPED;
        n = get_xattr(object, name, reader_payload(record));
        if (n < 0)
            return reader_fail(reader, (int)n, "reading an extended attribute");
        record->payload_size = (uint32_t)n;
        reader_commit(reader, record);
    }
    return 0;
}

struct record *reader_begin(struct reader *reader, enum record_kind kind, const char *name,
                            const char *label, size_t payload_room) {
    size_t label_size = label && reader->context->labels->active ? strlen(label) + 1 : 0;
    struct record *record = reader_reserve(reader, kind, name, payload_room + label_size);

    if (record)
        record->label_size = (uint32_t)label_size;
    return record;
}

void reader_commit_begun(struct reader *reader, struct record *record, size_t size,
                         const char *label) {
    memcpy(reader_payload(record) + size, label ? label : "", record->label_size);
    record->payload_size = (uint32_t)(size + record->label_size);
    reader_commit(reader, record);
}
