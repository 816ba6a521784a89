/* SPDX-License-Identifier: MIT */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <stdbool.h>

/* From here on SIGTERM, SIGINT and SIGHUP only set a flag that the long steps look at; SIGPIPE
 * is ignored. Returns 0 or -errno. */
int interrupt_catch(void);

/* The signals end the program at once again: for a question, before which nothing was done. One
 * that came earlier is still in the flag. Returns 0 or -errno. */
int interrupt_release(void);

/* The signal that asks us to stop, or 0. */
int interrupt_signal(void);

static inline bool interrupted(void) {
    return interrupt_signal() != 0;
}

#endif
