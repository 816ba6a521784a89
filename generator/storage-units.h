/* SPDX-License-Identifier: MIT */
#ifndef STORAGE_UNITS_H
#define STORAGE_UNITS_H

#include "common/fstab.h"
#include "common/problems.h"

/* Writes drop-ins: init-storage.service waits for the data device, and the mounts on it wait for
 * init-storage.service. What is wrong with an entry goes to input, what cannot be written to
 * output, and the rest is done. Returns 0 or -ENOMEM. */
int storage_units_write(const struct fstab *fstab, int folder, struct problems *input,
                        struct problems *output);

#endif
