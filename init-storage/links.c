/* SPDX-License-Identifier: MIT */
#include "links.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"

#define FOLDER ".init-storage-links"
#define NAME_SIZE 40

static void name_group(const uint64_t identity[2], char *name) {
    (void)snprintf(name, NAME_SIZE, "%" PRIx64 "-%" PRIx64, identity[0], identity[1]);
}

static int open_folder(struct links *links, int tree) {
    if (links->folder >= 0)
        return 0;
    if (mkdirat(tree, FOLDER, 0700) < 0)
        return -errno;
    links->folder = openat(tree, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return links->folder < 0 ? -errno : 0;
}

static int exists(int folder, const char *name) {
    struct stat st;

    if (folder < 0)
        return 0;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    return errno == ENOENT ? 0 : -errno;
}

int links_find(const struct links *links, const uint64_t identity[2]) {
    char name[NAME_SIZE];

    name_group(identity, name);
    return exists(links->folder, name);
}

int links_remember(struct links *links, int tree, const uint64_t identity[2], int parent,
                   const char *name) {
    char group[NAME_SIZE];
    int r = open_folder(links, tree);

    name_group(identity, group);
    if (r == 0 && linkat(parent, name, links->folder, group, 0) < 0)
        r = -errno;
    return r;
}

int links_add_name(struct links *links, const uint64_t identity[2], uint32_t total, int parent,
                   const char *name) {
    char group[NAME_SIZE];
    struct stat st;

    name_group(identity, group);
    if (fstatat(links->folder, group, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    /* The last name is ours, moved: a group may have as many names as btrfs allows. */
    if (st.st_nlink == total)
        return renameat(links->folder, group, parent, name) < 0 ? -errno : 0;
    return linkat(links->folder, group, parent, name, 0) < 0 ? -errno : 0;
}

static int empty_folder(int folder) {
    DIR *directory = directory_stream(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct dirent *entry;
    int count = 0, r = 0;

    if (!directory)
        return -errno;
    while (r == 0 && (errno = 0, entry = readdir(directory))) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        if (unlinkat(folder, entry->d_name, 0) < 0)
            r = -errno;
    }
    if (r == 0)
        r = -errno;
    (void)closedir(directory);
    return r < 0 ? r : count;
}

int links_close(struct links *links, int tree) {
    int r = empty_folder(links->folder);

    links_forget(links);
    if (r >= 0 && unlinkat(tree, FOLDER, AT_REMOVEDIR) < 0)
        r = -errno;
    return r;
}

void links_forget(struct links *links) {
    close_fd(&links->folder);
}
