/* SPDX-License-Identifier: MIT */
#include "common/locate.h"

#include <errno.h>
#include <string.h>

#include "common/cleanup.h"

static int find_by_fstab(const struct fstab_entry *var, struct located *ret, char **ret_path,
                         struct problems *problems) {
    int r = device_resolve(var->source, ret_path);

    ret->tag = var->source;
    if (r == -ENOENT && var->locator) {
        ret->tag = var->locator;
        ret->by_locator = true;
        r = device_resolve(var->locator, ret_path);
    }
    if (r == -ENOENT && !var->locator &&
        (strncmp(var->source, "LABEL=", 6) == 0 || strncmp(var->source, "UUID=", 5) == 0))
        problem(problems,
                "%s: no file system bears it, and a blank device cannot; if the data device is "
                "still blank, say in fstab where it is: x-init-storage.device=PARTLABEL=…",
                var->source);
    else if (r == -ENOENT)
        problem(problems, "%s: no such device now", ret->tag);
    else if (r < 0)
        problem(problems, "%s: cannot be looked up: %s", ret->tag,
                r == -EINVAL ? "neither a path nor a tag such as PARTLABEL=data" : strerror(-r));
    return r;
}

int locate_device(const struct fstab_entry *var, const char *path, struct located *ret,
                  struct problems *problems) {
    _cleanup_free_ char *found = NULL;
    int r = 0;

    *ret = LOCATED_NONE;
    if (!path) {
        r = find_by_fstab(var, ret, &found, problems);
        if (r < 0)
            return r;
        path = found;
    }
    r = device_open(path, &ret->device);
    if (r == -ENOTBLK)
        problem(problems, "%s: not a block device", path);
    else if (r == -ENXIO)
        problem(problems, "%s: has no medium (its size is 0)", path);
    else if (r < 0)
        problem(problems, "%s: cannot open: %s", path, strerror(-r));
    return r;
}
