/* SPDX-License-Identifier: MIT */
#ifndef LOCATE_H
#define LOCATE_H

#include <stdbool.h>

#include "common/device.h"
#include "common/fstab.h"
#include "common/problems.h"

/* The data device, open, and how it was found. */
struct located {
    struct device device;
    const char *tag; /* the source that led to it, of the entry; NULL: somebody named the device */
    bool by_locator; /* by x-init-storage.device=, as nothing bears the source */
};

#define LOCATED_NONE ((struct located){.device = DEVICE_NONE})

/* Finds and opens the device of /var's entry, or path where that is not NULL. What is wrong is
 * reported. Returns 0 or -errno; close with device_close. */
int locate_device(const struct fstab_entry *var, const char *path, struct located *ret,
                  struct problems *problems);

#endif
