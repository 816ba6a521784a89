/* SPDX-License-Identifier: MIT */
#ifndef CARRIED_H
#define CARRIED_H

#include <stddef.h>

/* The mounts that lie on a directory's mount, below that directory: clones of each, with what is
 * mounted on top of and below it. */
struct carried_mount {
    int tree;   /* of open_tree(2); -1: not to be seen, or not to be carried over */
    char *path; /* relative to the directory */
};

struct carried {
    struct carried_mount *mounts;
    size_t count;
};

/* Clones what is mounted below directory, an absolute path. Returns 0 or -errno. */
int carried_take(struct carried *ret, const char *directory);

/* Mounts the clones at the same places below what is at directory now. Returns 0 or -errno. */
int carried_put(const struct carried *carried, const char *directory);

/* Takes one out, which then is not put. None of that path: nothing to do. */
void carried_drop(struct carried *carried, const char *path);

void carried_free(struct carried *carried);

#define _cleanup_carried_ __attribute__((cleanup(carried_free)))

#endif
