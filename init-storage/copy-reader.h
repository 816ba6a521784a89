/* SPDX-License-Identifier: MIT */
#ifndef COPY_READER_H
#define COPY_READER_H

#include <stdbool.h>
#include <sys/stat.h>

#include "copy.h"
#include "walk.h"

#define XATTR_LIST_SIZE 65536 /* XATTR_LIST_MAX, and XATTR_SIZE_MAX for a value */

/* The reader: it goes through the image and says in records what the writer has to make. It owns
 * all access to the image: two threads that both read are slower than one, as squashfs
 * decompresses the same fragment for each. */
struct reader {
    const struct copy_context *context;
    const struct copy_request *request;
    struct copy_queue *queue;
    struct copy_failure *failure;
    struct walk walk;
    struct subvolume *counted; /* whose files and bytes are counted now */
    uint64_t fs_type;          /* of the image, as statfs(2) has it */
    char *xattr_names;
};

/* An object of the image, or a directory that it lacks. */
struct image_object {
    int fd;           /* open file or directory, -1: none */
    int parent;       /* to reach one that cannot be opened by name; -1: it has fd, or nothing */
    const char *name; /* NULL: the entered directory itself */
    bool no_acl;      /* a directory whose owner and mode are ours */
};

/* Keeps what could not be done to the walk's path. Returns error. */
int reader_fail(struct reader *reader, int error, const char *step);

/* A record with room for payload_room bytes of payload behind the name; NULL: the writer ended,
 * which is COPY_STOPPED for all that follow. It counts once it is committed. */
struct record *reader_reserve(struct reader *reader, enum record_kind kind, const char *name,
                              size_t payload_room);
unsigned char *reader_payload(struct record *record);
void reader_commit(struct reader *reader, struct record *record);

/* The same for one that begins an object, with the label to create it with where that matters.
 * Its payload is size bytes long. */
struct record *reader_begin(struct reader *reader, enum record_kind kind, const char *name,
                            const char *label, size_t payload_room);
void reader_commit_begun(struct reader *reader, struct record *record, size_t size,
                         const char *label);
void reader_set_attributes(struct record *record, const struct stat *st);

int reader_send_plain(struct reader *reader, enum record_kind kind);
int reader_send_xattr(struct reader *reader, const char *name, const void *value, size_t size);

/* All extended attributes, ACLs among them; the label only if it was not set at creation. */
int reader_send_xattrs(struct reader *reader, const struct image_object *object, bool with_label);

/* The label that the object has, else, with look_up, the one that file_contexts gives its path:
 * then 1 is returned, and not 0. *ret stays NULL when there is none; the caller frees it. */
int reader_find_label(struct reader *reader, const struct image_object *object, mode_t mode,
                      bool look_up, char **ret);

/* Everything about an entry that is not a directory. */
int reader_send_leaf(struct reader *reader, const struct walk_entry *entry);

/* The subvolume inside the requested one that begins at the walk's path; NULL: none. */
struct subvolume *reader_inner_subvolume(const struct reader *reader);

#endif
