/* SPDX-License-Identifier: MIT */
#ifndef LABEL_H
#define LABEL_H

#include <stdbool.h>
#include <sys/types.h>

#define LABEL_XATTR "security.selinux"

struct selabel_handle;

/* SELinux labels: of new files as the running kernel wants them set, and of paths that the image
 * does not have as its file_contexts says. */
struct labels {
    const char *root;
    bool active; /* the running kernel labels new files itself unless told otherwise */
    bool looked; /* file_contexts was opened, or found missing */
    struct selabel_handle *handle;
};

void labels_open(struct labels *labels, const char *root);
void labels_close(struct labels *labels);

/* What the image's file_contexts says of path on the running system: the caller frees *ret, NULL
 * when it says nothing or the image has none. Returns 0 or -errno. Not for two threads at once. */
int labels_lookup(struct labels *labels, const char *path, mode_t mode, char **ret);

/* From now on this thread creates files with that label; NULL: the kernel's default again. Where
 * SELinux is not active, does nothing. */
int labels_create_as(const struct labels *labels, const char *label);

#endif
