/* SPDX-License-Identifier: MIT */
#ifndef PATH_H
#define PATH_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

/* Whether path is relative and made of plain names only: no "", ".", ".." as a component. */
bool path_is_plain(const char *path);

/* What follows upper in path: "" when they are the same, NULL when path is not at or below
 * upper. Both are of one kind, absolute or relative; upper "/" or "" holds everything. */
const char *path_below(const char *path, const char *upper);

/* "upper/rest", or one of them where the other is "". The caller frees it; NULL: no memory. */
char *path_join(const char *upper, const char *rest);

/* Makes an absolute path out of text: one slash between names, none at the end. The caller frees
 * *ret. -EINVAL when text is not absolute or has "." or ".." as a component; -ENOMEM. */
int path_normalize(const char *text, char **ret);

/* Opens path ("" is the directory itself) below directory. No component may be a symbolic link
 * and none may lead out. Returns a descriptor (O_CLOEXEC) or -errno; a symbolic link is -ELOOP. */
int open_beneath(int directory, const char *path, int flags);

/* Opens a configuration file as a program that has root as its "/" would: symbolic links are
 * followed, and stay inside. Returns a descriptor (O_CLOEXEC) or -errno. */
int open_in_root(int root, const char *path, int flags);

/* Opens the directory that holds path's last component and points *ret_name at that component.
 * Returns a descriptor or -errno. */
int open_parent(int directory, const char *path, const char **ret_name);

/* The entries of the directory that fd, which is handed over, is open on; closedir() closes it.
 * NULL and errno on failure, and fd is closed; -1 for fd leaves errno as it is. */
DIR *directory_stream(int fd);

#endif
