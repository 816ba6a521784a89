/* SPDX-License-Identifier: MIT */
/*
 * libmount and libselinux can look up users and groups by name (the mount options uid= and
 * gid=, SELinux users), which our programs never ask for. In a static program glibc would
 * load the name service's shared libraries for it at run time, so these take glibc's place:
 * no name is known, and nothing is loaded.
 */
#include <grp.h>
#include <pwd.h>
#include <stddef.h>

/* The signatures are glibc's. */
/* NOLINTBEGIN(readability-non-const-parameter,readability-inconsistent-declaration-parameter-name)
 */
int getpwnam_r(const char *name, struct passwd *entry, char *buffer, size_t size,
               struct passwd **result) {
    (void)name, (void)entry, (void)buffer, (void)size;
    *result = NULL;
    return 0;
}

int getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **result) {
    (void)uid, (void)entry, (void)buffer, (void)size;
    *result = NULL;
    return 0;
}

int getgrnam_r(const char *name, struct group *entry, char *buffer, size_t size,
               struct group **result) {
    (void)name, (void)entry, (void)buffer, (void)size;
    *result = NULL;
    return 0;
}

int getgrouplist(const char *user, gid_t group, gid_t *groups, int *count) {
    (void)user, (void)group, (void)groups;
    *count = 0;
    return 0;
}
/* NOLINTEND(readability-non-const-parameter,readability-inconsistent-declaration-parameter-name) */
