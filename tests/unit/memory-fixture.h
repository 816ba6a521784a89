/* SPDX-License-Identifier: MIT */
#ifndef MEMORY_FIXTURE_H
#define MEMORY_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

/* A text of MARKER_SIZE printable bytes that nothing else in this process has, so that a copy of
 * a secret can be looked for in all its memory, given back or not. */
#define MARKER_SIZE 16

/* Writes it count times and then end, a string, to a descriptor. Leaves no copy in memory. */
void write_marker(int fd, size_t count, const char *end);

bool memory_holds_marker(void);

#endif
