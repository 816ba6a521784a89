/* SPDX-License-Identifier: MIT */
#ifndef SUBVOLUME_H
#define SUBVOLUME_H

#include <stdbool.h>
#include <stdint.h>

/* libbtrfsutil's two-part errors become -errno here. All take descriptors of directories that
 * lie on the mounted data file system. */

#define BTRFS_TOP_ID UINT64_C(5) /* BTRFS_FS_TREE_OBJECTID */

bool is_subvolume(int fd);

/* mode 0700 under our umask. */
int subvolume_create(int parent, const char *name);

/* Removes it and those inside it. */
int subvolume_remove(int parent, const char *name);

/* Waits until the space of removed subvolumes is free again: the kernel does that later, and a
 * run that found the device full would be followed by one that does, too. At most seconds. */
bool subvolume_is_removing(int top);
void subvolume_wait_removed(int top, unsigned seconds);

int subvolume_get_default(int top, uint64_t *ret_id);

/* Makes the subvolume that fd lies in the default one. */
int subvolume_make_default(int fd);

/* The caller frees *ret. */
int subvolume_path(int top, uint64_t id, char **ret);

/* Whether the default subvolume is, or lies below, name at the top. An error counts as yes: then
 * nothing is removed. */
bool subvolume_default_is_below(int top, const char *name);

#endif
