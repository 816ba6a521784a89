/* SPDX-License-Identifier: MIT */
#ifndef COPY_TARGET_H
#define COPY_TARGET_H

#include <limits.h>
#include <stdbool.h>

#include "copy-queue.h"
#include "label.h"

/* An object that the writer is making, and what is applied to it. It is ours alone (the umask is
 * 077) until it is complete: owner first, as chown(2) takes setuid bits and capabilities away;
 * then extended attributes; then mode; then times, which all else would change. */
struct target {
    int fd;     /* -1: one that cannot be opened, reached by name */
    int parent; /* not owned */
    char name[NAME_MAX + 1];
    struct record record; /* that began it; what follows a record is not kept */
    bool owned;           /* the owner was set */
    bool has_attributes;  /* one of them can be an ACL, which changes the mode */
    bool label_late;      /* the policy does not know its label: it is set as an attribute, later */
};

/* What follows a record. */
const char *record_name(const struct record *record);
const unsigned char *record_payload(const struct record *record);

/* Makes the next creation in this thread get the record's label. Returns 0 or -errno. */
int target_begin(struct target *target, const struct record *record, int parent,
                 const struct labels *labels);

/* After the creation, and after fd was set. These return 0 or -errno. */
int target_set_late_label(const struct target *target, const struct record *record);
int target_set_owner(struct target *target);
int target_set_xattr(const struct target *target, const char *name, const void *value, size_t size);

/* Owner, if it was not set yet, mode and times. *ret_step says in words what failed. */
int target_complete(struct target *target, const char **ret_step);

#endif
