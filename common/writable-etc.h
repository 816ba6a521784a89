/* SPDX-License-Identifier: MIT */
#ifndef WRITABLE_ETC_H
#define WRITABLE_ETC_H

#include <stdbool.h>
#include <stddef.h>

struct problems;

/* A line of writable-etc(5) that holds. */
struct etc_entry {
    bool directory;
    char *path;       /* relative to /etc */
    const char *list; /* the file that names it, and the line; for messages */
    unsigned line;
};

struct etc_list {
    struct etc_entry *entries;
    size_t count;
};

/* Reads both lists of the tree at root, a directory descriptor. A wrong line is reported with
 * file and line and left out; a list that is not there is empty. Returns 0; 1: a list is there and
 * could not be read, which has been reported, too; or -ENOMEM. Free with etc_list_free. */
int etc_list_read(int root, struct etc_list *ret, struct problems *problems);
void etc_list_free(struct etc_list *list);

/* For tests: reads one list from memory. */
int etc_list_parse(int root, const char *name, const char *text, size_t size, struct etc_list *list,
                   struct problems *problems);

#endif
