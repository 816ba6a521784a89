/* SPDX-License-Identifier: MIT */
#ifndef PROBLEMS_H
#define PROBLEMS_H

#include <stdarg.h>

/* What all programs of the suite exit with. */
enum exit_status {
    EXIT_STATUS_DONE = 0,
    EXIT_STATUS_FAILED = 1,
    EXIT_STATUS_USAGE = 2,
    EXIT_STATUS_REFUSED = 3,
};

/* What went wrong so far. */
struct problems {
    enum exit_status status; /* the highest */
    char *first_error;       /* of that status; later ones of it never replace it */
};

/* Something failed: says it, remembers the first, and the exit status will be 1. The message
 * begins with what it is about, and says why and what to do. */
void problem(struct problems *problems, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What is on the device forbids it: as above, and the exit status will be 3. */
void refusal(struct problems *problems, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void problems_free(struct problems *problems);

#endif
