/* SPDX-License-Identifier: MIT */
#ifndef FORMAT_H
#define FORMAT_H

#include "prepare.h"

/* Makes a btrfs on the prepared, locked device, after wiping what the report's reset or the probe
 * says must go first. Returns 0, 1 when nothing was done (--dry-run), or -errno after reporting. */
int format_device(struct prepare *prepare, const struct device_probe *found);

/* The value of fstab's tag if it is of that name (LABEL, UUID): mkfs.btrfs must give it, for fstab
 * to find the file system again. *ret is NULL when it is not; the caller frees it. */
int format_wanted_tag(const struct prepare *prepare, const char *name, char **ret);

#endif
