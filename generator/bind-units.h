/* SPDX-License-Identifier: MIT */
#ifndef BIND_UNITS_H
#define BIND_UNITS_H

#include "common/fstab.h"
#include "common/problems.h"
#include "common/writable-etc.h"

/* Writes a mount unit for each entry of writable-etc(5), which binds its copy over /etc. What is
 * wrong with an entry goes to input, what cannot be written to output, and the rest is done.
 * Returns 0 or -ENOMEM. */
int bind_units_write(const struct fstab *fstab, const struct etc_list *list, int folder,
                     struct problems *input, struct problems *output);

#endif
