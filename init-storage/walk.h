/* SPDX-License-Identifier: MIT */
#ifndef WALK_H
#define WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Goes through a tree depth first, each directory in its own order (any other order is up to
 * three times slower on squashfs), never following a symbolic link. Mounts are not looked for: a
 * clone of the image's mount has none on top. However deep the tree is, only the deepest
 * WALK_OPEN_LEVELS are open; an upper one is opened again from below when its turn comes. */

#define WALK_OPEN_LEVELS 64

struct walk_level {
    int fd;       /* -1: closed for now, or missing */
    bool missing; /* a directory that the image lacks; it has no entries */
    bool barren;  /* its entries are left out */
    struct stat st;
    char *entries; /* what getdents64 returned last */
    size_t next, end;
    off_t position; /* behind the entry that was returned last, as lseek(2) takes it */
    size_t path_length;
};

struct walk {
    struct walk_level *levels;
    size_t depth, allocated;
    char *path; /* of the level, or of the entry that was returned last; absolute */
    size_t path_allocated;
};

struct walk_entry {
    const char *name; /* inside walk->path */
    struct stat st;
};

/* Begins at directory fd (taken over, also on failure; -1: one that the image lacks), which is
 * called path. Returns 0 or -errno; free with walk_end. */
int walk_begin(struct walk *walk, int fd, const char *path);

/* The next entry of the deepest level: 1, 0 at its end, or -errno. walk->path names it. */
int walk_next(struct walk *walk, struct walk_entry *ret);

/* Makes the entry that walk_next returned last, a directory, the deepest level. -ESTALE: it is
 * no longer what it was. */
int walk_down(struct walk *walk, const struct walk_entry *entry);

/* The same with a name that the directory does not have. */
int walk_down_missing(struct walk *walk, const char *name);

/* -ESTALE: the directory that is left changed in the meantime, or the one above it moved. */
int walk_check(const struct walk *walk);
int walk_up(struct walk *walk);

struct walk_level *walk_level(const struct walk *walk);
void walk_end(struct walk *walk);

/* Whether two looks at an inode saw the same, unchanged, inode. */
bool same_unchanged(const struct stat *one, const struct stat *other);

#endif
