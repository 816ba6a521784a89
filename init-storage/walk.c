/* SPDX-License-Identifier: MIT */
#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define ENTRIES_SIZE 4096

struct walk_level *walk_level(const struct walk *walk) {
    return &walk->levels[walk->depth - 1];
}

bool same_unchanged(const struct stat *one, const struct stat *other) {
    return one->st_dev == other->st_dev && one->st_ino == other->st_ino &&
           one->st_mode == other->st_mode && one->st_size == other->st_size &&
           one->st_mtim.tv_sec == other->st_mtim.tv_sec &&
           one->st_mtim.tv_nsec == other->st_mtim.tv_nsec &&
           one->st_ctim.tv_sec == other->st_ctim.tv_sec &&
           one->st_ctim.tv_nsec == other->st_ctim.tv_nsec;
}

static int set_path(struct walk *walk, size_t at, const char *name) {
    size_t need = at + strlen(name) + 2;
    const char *slash = at > 0 && walk->path && walk->path[at - 1] != '/' ? "/" : "";

    if (need > walk->path_allocated) {
        char *grown = realloc(walk->path, need * 2);

        if (!grown)
            return -ENOMEM;
        walk->path = grown;
        walk->path_allocated = need * 2;
    }
    (void)snprintf(walk->path + at, walk->path_allocated - at, "%s%s", slash, name);
    return 0;
}

/* The level is found again through "..". */
static void close_level(struct walk_level *level) {
    close_fd(&level->fd);
    free(level->entries);
    level->entries = NULL;
    level->next = level->end = 0;
}

static int reopen_level(struct walk_level *level, int below) {
    _cleanup_close_ int fd =
        openat(below, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!same_unchanged(&st, &level->st))
        return -ESTALE;
    if (lseek(fd, level->position, SEEK_SET) < 0)
        return -errno;
    level->entries = malloc(ENTRIES_SIZE);
    if (!level->entries)
        return -ENOMEM;
    level->fd = take_fd(&fd);
    return 0;
}

/* Takes fd over. walk->path names the new level. */
static int push(struct walk *walk, int fd) {
    struct walk_level level = {.fd = fd, .missing = fd < 0, .path_length = strlen(walk->path)};
    _cleanup_close_ int owned = fd;

    if (fd >= 0 && fstat(fd, &level.st) < 0)
        return -errno;
    if (walk->depth == walk->allocated) {
        size_t allocated = walk->allocated ? walk->allocated * 2 : 16;
        struct walk_level *grown = reallocarray(walk->levels, allocated, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        walk->levels = grown;
        walk->allocated = allocated;
    }
    level.entries = fd >= 0 ? malloc(ENTRIES_SIZE) : NULL;
    if (fd >= 0 && !level.entries)
        return -ENOMEM;
    (void)take_fd(&owned);
    if (walk->depth >= WALK_OPEN_LEVELS && !level.missing)
        close_level(&walk->levels[walk->depth - WALK_OPEN_LEVELS]);
    walk->levels[walk->depth++] = level;
    return 0;
}

int walk_begin(struct walk *walk, int fd, const char *path) {
    _cleanup_close_ int owned = fd;
    int r;

    *walk = (struct walk){0};
    r = set_path(walk, 0, path);
    if (r == 0)
        r = push(walk, take_fd(&owned));
    return r;
}

static int refill(struct walk_level *level) {
    ssize_t n = getdents64(level->fd, level->entries, ENTRIES_SIZE);

    if (n < 0)
        return -errno;
    level->next = 0;
    level->end = (size_t)n;
    return n > 0;
}

int walk_next(struct walk *walk, struct walk_entry *ret) {
    struct walk_level *level = walk_level(walk);

    walk->path[level->path_length] = '\0';
    while (!level->missing && !level->barren) {
        const struct dirent64 *found;
        int r;

        if (level->next == level->end) {
            r = refill(level);
            if (r <= 0)
                return r;
        }
        found = (const struct dirent64 *)(const void *)(level->entries + level->next);
        level->next += found->d_reclen;
        level->position = found->d_off;
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        r = set_path(walk, level->path_length, found->d_name);
        if (r < 0)
            return r;
        ret->name = strrchr(walk->path, '/') + 1;
        if (fstatat(level->fd, ret->name, &ret->st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
            return -errno;
        return 1;
    }
    return 0;
}

int walk_down(struct walk *walk, const struct walk_entry *entry) {
    _cleanup_close_ int fd = openat(walk_level(walk)->fd, entry->name,
                                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!same_unchanged(&st, &entry->st))
        return -ESTALE;
    return push(walk, take_fd(&fd));
}

int walk_down_missing(struct walk *walk, const char *name) {
    int r = set_path(walk, walk_level(walk)->path_length, name);

    return r < 0 ? r : push(walk, -1);
}

int walk_check(const struct walk *walk) {
    const struct walk_level *level = walk_level(walk);
    struct stat st;

    if (level->missing)
        return 0;
    if (fstat(level->fd, &st) < 0)
        return -errno;
    return same_unchanged(&st, &level->st) ? 0 : -ESTALE;
}

int walk_up(struct walk *walk) {
    struct walk_level *level = walk_level(walk);
    int r = 0;

    if (walk->depth > 1) {
        struct walk_level *upper = level - 1;

        if (upper->fd < 0 && !upper->missing)
            r = reopen_level(upper, level->fd);
        walk->path[upper->path_length] = '\0';
    }
    close_level(level);
    walk->depth--;
    return r;
}

void walk_end(struct walk *walk) {
    for (size_t i = 0; i < walk->depth; i++)
        close_level(&walk->levels[i]);
    free(walk->levels);
    free(walk->path);
    *walk = (struct walk){0};
}
