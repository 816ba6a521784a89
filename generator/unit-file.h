/* SPDX-License-Identifier: MIT */
#ifndef UNIT_FILE_H
#define UNIT_FILE_H

#include <stddef.h>

/* Files in one of the directories that systemd gives a generator. Each is written as a whole, as
 * systemd takes half a unit for a unit; no symbolic link is followed. All return 0 or -errno. */

/* Writes what a drop-in adds to a unit. */
int unit_drop_in_write(int folder, const char *unit, const char *text, size_t size);

/* Writes a unit that another one wants. */
int unit_wanted_write(int folder, const char *wanted_by, const char *unit, const char *text,
                      size_t size);

#endif
