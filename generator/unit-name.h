/* SPDX-License-Identifier: MIT */
#ifndef UNIT_NAME_H
#define UNIT_NAME_H

#include <stdbool.h>
#include <stdio.h>

/* Escapes a path for a unit's name as "systemd-escape --path" does, systemd.unit(5). The caller
 * frees *ret. -EINVAL: ".." as a component or a name that is too long for one; -ENOMEM. */
int unit_escape_path(const char *path, char **ret);

/* "<prefix><escaped path><suffix>". As above, and -ENAMETOOLONG: no name of a unit any more. */
int unit_name_of(const char *prefix, const char *path, const char *suffix, char **ret);

/* Encodes a label as udev does for the name of its link below /dev/disk. NULL: no memory. */
char *udev_encode(const char *text);

/* Where udev shows an fstab source. The caller frees *ret. -EINVAL: neither one of the tags that
 * udev makes links for nor a path below /dev; -ENOMEM. */
int device_path_of(const char *source, char **ret);

/* Prints a value for a unit's setting that takes the rest of the line, such as What=. */
void unit_print_value(FILE *stream, const char *value);
/* Whether it can be one at all: systemd ignores lines that are not UTF-8 and knows no escape for
 * a line break. */
bool unit_value_fits(const char *value);

#endif
