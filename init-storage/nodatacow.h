/* SPDX-License-Identifier: MIT */
#ifndef NODATACOW_H
#define NODATACOW_H

#include <stdbool.h>

/* btrfs's NOCOW: the inode flag FS_NOCOW_FL, chattr +C. On a directory it holds for what is made
 * inside later; on a file only as long as that is empty. */

bool nodatacow_is_set(int fd);

/* 1: set now, 0: it was set already, or -errno. */
int nodatacow_set(int fd);

#endif
