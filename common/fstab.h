/* SPDX-License-Identifier: MIT */
#ifndef FSTAB_H
#define FSTAB_H

#include <stdbool.h>
#include <stddef.h>

struct problems;

/* A btrfs line of fstab(5). All strings belong to the entry; absent ones are NULL. */
struct fstab_entry {
    char *source; /* as written */
    char *target; /* normalised */
    char *options;
    char *subvol;
    bool has_subvolid;
    bool noauto, nofail;
    char *nested;    /* x-init-storage.subvol= */
    char *nodatacow; /* x-init-storage.nodatacow= */
    char *locator;   /* x-init-storage.device= */
    char *blank;     /* x-init-storage.blank= */
};

struct fstab {
    struct fstab_entry *entries;
    size_t count;
    size_t var; /* the entry of DATA_TARGET, once fstab_read has succeeded */
};

#define DATA_TARGET "/var"

/* Reads settings' fstab, a file name for messages and an open descriptor (taken over). Bad lines
 * are reported and left out. Returns 0, or -errno after reporting why there is no data device:
 * -ENOENT no line for DATA_TARGET, -EMEDIUMTYPE it is not btrfs. Free with fstab_free. */
int fstab_read(int fd, const char *name, struct fstab *ret, struct problems *problems);
void fstab_free(struct fstab *fstab);

/* Whether two sources are the same words: the same tag and value, or the same path. */
bool fstab_same_source(const char *one, const char *other);

/* What to hand to mount(2) for a private mount of the whole file system with an entry's options:
 * without subvol, subvolid, ro, *context=, x-* and everything that only user space reads. The
 * caller frees *ret_data. Returns 0 or -errno. */
int fstab_mount_options(const char *options, unsigned long *ret_flags, char **ret_data);

#endif
