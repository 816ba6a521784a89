/* SPDX-License-Identifier: MIT */
#ifndef WRITE_ALL_H
#define WRITE_ALL_H

#include <stddef.h>

/* Writes size bytes, however many calls it takes. Returns 0 or -errno. */
int write_all(int fd, const char *text, size_t size);

#endif
