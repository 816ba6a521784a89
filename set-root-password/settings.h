/* SPDX-License-Identifier: MIT */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>

/* What the command line says, and the paths that tests replace. */
struct settings {
    bool from_stdin;
    const char *etc;           /* absolute */
    const char *state;         /* absolute: where the copies of writable-etc(5) are */
    const char *run_directory; /* for the lock; covered in our own mount namespace only */
};

#endif
