/* SPDX-License-Identifier: MIT */
#ifndef CLEANUP_H
#define CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Resources are owned by the variable that holds them and released when it goes out of scope.
 * Every closer keeps errno, so that "return -errno" behind it stays true. */

static inline void close_fd(int *fd) {
    if (*fd >= 0) {
        int keep = errno;

        (void)close(*fd);
        errno = keep;
        *fd = -1;
    }
}

static inline void free_pointer(void *pointer) {
    free(*(void **)pointer);
    *(void **)pointer = NULL;
}

static inline void close_stream(FILE **stream) {
    if (*stream) {
        int keep = errno;

        (void)fclose(*stream);
        errno = keep;
        *stream = NULL;
    }
}

/* Hands a descriptor over: the caller owns what is returned, the variable owns nothing any more. */
static inline int take_fd(int *fd) {
    int taken = *fd;

    *fd = -1;
    return taken;
}

static inline void *take_pointer_value(void **pointer) {
    void *taken = *pointer;

    *pointer = NULL;
    return taken;
}

#define take_pointer(pointer) take_pointer_value((void **)&(pointer))

#define _cleanup_close_ __attribute__((cleanup(close_fd)))
#define _cleanup_free_ __attribute__((cleanup(free_pointer)))
#define _cleanup_fclose_ __attribute__((cleanup(close_stream)))

#endif
