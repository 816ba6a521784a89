/* SPDX-License-Identifier: MIT */
#ifndef SECRET_H
#define SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that are overwritten before their memory is given back. */
struct secret {
    char *text; /* not NUL-terminated */
    size_t size;
};

void secret_wipe(struct secret *secret);

#define _cleanup_secret_ __attribute__((cleanup(secret_wipe)))

/* No core dump, no swap, no debugger of another user: for this process from here on. What the
 * kernel does not grant is gone without. */
void secret_protect_memory(void);

/* Reads a regular file from its beginning. -EFBIG: it has more than limit bytes; -EAGAIN: its
 * size changed meanwhile. */
int secret_read(int fd, size_t limit, struct secret *ret);

bool secret_equal(const struct secret *one, const struct secret *other);

#endif
