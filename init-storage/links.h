/* SPDX-License-Identifier: MIT */
#ifndef LINKS_H
#define LINKS_H

#include <stdbool.h>
#include <stdint.h>

/* Which file of the copy is which inode of the image, for its further names. Kept in a folder of
 * the staging tree rather than in memory, so that any number of hard links fits in the same few
 * kilobytes: a link called after the inode for each group that still lacks names. Each subvolume
 * has its own, as no hard link can lead into another one. */

struct links {
    int folder; /* -1: no group was met yet */
};

#define LINKS_NONE ((struct links){.folder = -1})

static inline bool links_are_open(const struct links *links) {
    return links->folder >= 0;
}

/* Whether the group is known in this subvolume: 1, 0 or -errno. */
int links_find(const struct links *links, const uint64_t identity[2]);

/* Makes the file parent/name the first of its group. */
int links_remember(struct links *links, int tree, const uint64_t identity[2], int parent,
                   const char *name);

/* Makes parent/name a further name of the group, which has total of them in the image. */
int links_add_name(struct links *links, const uint64_t identity[2], uint32_t total, int parent,
                   const char *name);

/* Removes the folder from its tree. Returns how many groups still lacked names, which the image
 * has elsewhere, or -errno. */
int links_close(struct links *links, int tree);

/* Closes without removing, when the copy failed. */
void links_forget(struct links *links);

#endif
