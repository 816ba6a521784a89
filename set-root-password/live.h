/* SPDX-License-Identifier: MIT */
#ifndef LIVE_H
#define LIVE_H

#include "common/problems.h"
#include "secret.h"
#include "settings.h"

enum live_kind {
    LIVE_NONE,  /* there is no such file that would have to be written back */
    LIVE_BOUND, /* a mount of its own: a copy of writable-etc(5) on the data device's btrfs */
    LIVE_PLAIN, /* an ordinary file in a writable /etc */
};

/* A file below /etc that passwd may replace, as all the system sees it. */
struct live {
    const char *name; /* relative to /etc */
    enum live_kind kind;
    int folder;            /* where the file itself is, so that a new one can be made beside it */
    const char *base_name; /* in folder; the end of name */
    int fd;                /* bound: open for writing; plain: for reading */
    struct secret content; /* as it was when it was opened */
};

#define LIVE_FILE(path) ((struct live){.name = (path), .folder = -1, .fd = -1})

/* Finds /etc/<name>, makes sure that it can be written back later, and reads it. What is wrong is
 * reported. Returns 0 or -errno; free with live_close. */
int live_open(const struct settings *settings, struct live *live, struct problems *problems);

/* As above, but for a file that only matters where it is a mount of its own. */
int live_open_bound(const struct settings *settings, struct live *live, struct problems *problems);

/* Whether it is still the same file with the same content. Returns 0, -ESTALE, or -errno. */
int live_check_unchanged(const struct live *live);

void live_close(struct live *live);

#endif
