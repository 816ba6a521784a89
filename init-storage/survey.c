/* SPDX-License-Identifier: MIT */
#include "survey.h"

#include <btrfsutil.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "nodatacow.h"
#include "staging.h"
#include "subvolume.h"

enum found { FOUND_NOTHING, FOUND_SUBVOLUME, FOUND_DIRECTORY, FOUND_FILE, FOUND_OTHER, FOUND_ODD };

/* FOUND_ODD: a symbolic link or something that is no directory lies on the way. */
static int find(int top, const char *path, enum found *ret) {
    _cleanup_close_ int parent = -1, fd = -1;
    const char *name = NULL;
    struct stat st;

    *ret = FOUND_NOTHING;
    parent = open_parent(top, path, &name);
    if (parent == -ENOENT)
        return 0;
    if (parent == -ELOOP || parent == -ENOTDIR || parent == -EXDEV) {
        *ret = FOUND_ODD;
        return 0;
    }
    if (parent < 0)
        return parent;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (S_ISDIR(st.st_mode)) {
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        *ret = is_subvolume(fd) ? FOUND_SUBVOLUME : FOUND_DIRECTORY;
    } else {
        *ret = S_ISREG(st.st_mode) ? FOUND_FILE : FOUND_OTHER;
    }
    return 0;
}

/* The first component of any managed path is no sign of a foreign top level. */
static bool is_ours(const struct plan *plan, const char *name) {
    if (strcmp(name, STAGING_NAME) == 0)
        return true;
    for (size_t i = 0; i < plan->count; i++) {
        size_t first = strcspn(plan->subvolumes[i].path, "/");

        if (!plan->subvolumes[i].below_default && strlen(name) == first &&
            strncmp(name, plan->subvolumes[i].path, first) == 0)
            return true;
    }
    return false;
}

/* Whether the top level itself is somebody's /var. 1, 0 or -errno. */
static int top_is_used(int top, const struct plan *plan) {
    DIR *directory = directory_stream(openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct dirent *entry;
    int r = 0;

    if (!directory)
        return -errno;
    errno = 0;
    while (r == 0 && (entry = readdir(directory))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        r = !is_ours(plan, entry->d_name);
    }
    if (r == 0 && errno != 0)
        r = -errno;
    (void)closedir(directory);
    return r;
}

/* The entry without subvol=: is there a default subvolume, or is one needed? */
static int find_default(int top, struct plan *plan) {
    struct subvolume *wanted = plan_default(plan);
    _cleanup_free_ char *path = NULL;
    uint64_t id = BTRFS_TOP_ID;
    enum found found = FOUND_NOTHING;
    int r;

    if (!wanted)
        return 0;
    wanted->needs_default = false;
    r = subvolume_get_default(top, &id);
    if (r == 0 && id != BTRFS_TOP_ID) {
        wanted->state = MEMBER_PRESENT;
        r = subvolume_path(top, id, &path);
        return r < 0 ? r : plan_move_default(plan, path);
    }
    if (r == 0)
        r = find(top, DEFAULT_NAME, &found);
    if (r < 0)
        return r;
    r = plan_move_default(plan, DEFAULT_NAME);
    if (r < 0)
        return r;
    wanted = plan_default(plan);
    if (found == FOUND_SUBVOLUME) {
        wanted->state = MEMBER_PRESENT;
        wanted->needs_default = true;
        return 0;
    }
    if (found != FOUND_NOTHING)
        return 0; /* not a subvolume: the general rule says what is wrong */
    r = top_is_used(top, plan);
    if (r <= 0)
        return r;
    wanted->state = MEMBER_PRESENT;
    return plan_move_default(plan, "");
}

static void judge(struct subvolume *subvolume, enum found found) {
    subvolume->state = MEMBER_FAILED;
    switch (found) {
    case FOUND_NOTHING:
        subvolume->state = MEMBER_MISSING;
        break;
    case FOUND_SUBVOLUME:
        subvolume->state = MEMBER_PRESENT;
        break;
    case FOUND_DIRECTORY:
        if (subvolume->nested) {
            subvolume->state = MEMBER_PRESENT;
            subvolume->left_plain = true;
        } else {
            subvolume->problem = "a plain directory of that name is there; rename it away";
        }
        break;
    case FOUND_FILE:
    case FOUND_OTHER:
        if (subvolume->implicit) {
            subvolume->state = MEMBER_PRESENT;
            subvolume->left_plain = true;
            break;
        }
        subvolume->problem = "something that is not a directory is there; rename it away";
        break;
    case FOUND_ODD:
        subvolume->problem = "a symbolic link, or no directory, is on the way there";
        break;
    }
}

/* Where a missing subvolume will be made: inside the staging tree of the one above it when the
 * copy of that one's content comes by, else in a tree of its own. */
static void assign(struct plan *plan, struct subvolume *subvolume) {
    struct subvolume *upper = plan_above_path(plan, subvolume);
    const char *rest, *seen;

    if (!upper || upper->state == MEMBER_PRESENT)
        return;
    if (upper->state == MEMBER_FAILED) {
        subvolume->state = MEMBER_FAILED;
        subvolume->problem = "the subvolume above it cannot be used";
        return;
    }
    rest = path_below(subvolume->path, upper->path);
    seen = path_below(subvolume->target, upper->target);
    if (rest && seen && strcmp(rest, seen) == 0)
        subvolume->inside = upper->inside ? upper->inside : upper;
}

static int survey_subvolumes(int top, struct plan *plan) {
    int r = find_default(top, plan);

    for (size_t i = 0; i < plan->count && r == 0; i++) {
        struct subvolume *subvolume = &plan->subvolumes[i];
        enum found found = FOUND_NOTHING;

        subvolume->inside = NULL;
        if (subvolume->is_default && subvolume->state == MEMBER_PRESENT)
            continue;
        r = find(top, subvolume->path, &found);
        if (r < 0)
            return r;
        judge(subvolume, found);
        if (subvolume->state == MEMBER_MISSING)
            assign(plan, subvolume);
    }
    return r;
}

char *survey_place_path(const struct plan *plan, const struct place *place) {
    const struct subvolume *upper = NULL;

    /* A mount point lies in the subvolume above the one that is mounted on it. */
    for (size_t i = 0; i < plan->count; i++) {
        const struct subvolume *s = &plan->subvolumes[i];
        const char *rest = path_below(place->target, s->target);

        if (!rest || (place->mount_point && *rest == '\0'))
            continue;
        if (!upper || strlen(s->target) > strlen(upper->target))
            upper = s;
    }
    if (!upper || upper->state != MEMBER_PRESENT)
        return NULL;
    return path_join(upper->path, path_below(place->target, upper->target));
}

static int survey_places(int top, const struct plan *plan, bool *ret_missing) {
    for (size_t i = 0; i < plan->place_count; i++) {
        const struct place *place = &plan->places[i];
        _cleanup_free_ char *path = survey_place_path(plan, place);
        _cleanup_close_ int fd = -1;

        if (!path || place->private)
            continue; /* made together with what lies in it */
        fd = open_beneath(top, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
        if (fd == -ENOENT || (fd >= 0 && place->nodatacow && !nodatacow_is_set(fd)))
            *ret_missing = true;
        else if (fd < 0 && fd != -ENOTDIR && fd != -ELOOP)
            return fd;
    }
    return 0;
}

const char *survey_state_path(const struct plan *plan) {
    const struct subvolume *state = plan_at_target(plan, STATE_TARGET);

    return state ? state->path : NULL;
}

static int is_empty_directory(int top, const char *path) {
    int fd = open_beneath(top, path, O_RDONLY | O_DIRECTORY);
    DIR *directory = directory_stream(fd);
    struct dirent *entry;
    bool empty = true;
    int r;

    if (!directory)
        return fd < 0 ? fd : -errno;
    errno = 0;
    while (empty && (entry = readdir(directory)))
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    r = empty ? -errno : 0;
    (void)closedir(directory);
    return r < 0 ? r : empty;
}

static int survey_copy(int top, const char *state_path, struct etc_copy *copy) {
    _cleanup_free_ char *path = path_join(state_path, copy->path);
    enum found found = FOUND_NOTHING;
    int r = path ? find(top, path, &found) : -ENOMEM;

    if (r < 0)
        return r;
    copy->state = MEMBER_FAILED;
    if (found == FOUND_NOTHING)
        copy->state = MEMBER_MISSING;
    else if (copy->directory ? found == FOUND_DIRECTORY || found == FOUND_SUBVOLUME
                             : found == FOUND_FILE)
        copy->state = MEMBER_PRESENT;
    else if (!copy->directory && found == FOUND_DIRECTORY) {
        r = is_empty_directory(top, path);
        if (r < 0)
            return r;
        if (r == 1)
            copy->state = MEMBER_MISSING;
        copy->problem = "its copy is a directory that is not empty; rename it away";
    } else {
        copy->problem = "its copy is of another type; rename it away";
    }
    return 0;
}

static int survey_etc(int top, const struct plan *plan, struct etc_plan *etc) {
    const struct subvolume *state = plan_at_target(plan, STATE_TARGET);

    for (size_t i = 0; i < etc->count; i++) {
        struct etc_copy *copy = &etc->copies[i];
        int r;

        copy->state = MEMBER_MISSING;
        if (!state || state->state == MEMBER_FAILED) {
            copy->state = MEMBER_FAILED;
            copy->problem = "there is no " STATE_TARGET " to keep it in";
        } else if (state->state == MEMBER_PRESENT) {
            r = survey_copy(top, state->path, copy);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int has_staging(int top, const char *path) {
    _cleanup_close_ int fd = open_beneath(top, path, O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return fd == -ELOOP || fd == -ENOTDIR ? 0 : fd;
    return staging_is_ours(fd, STAGING_NAME);
}

/* Our folder at the top, or in a subvolume that was there: 1, 0 or -errno. */
static int survey_staging(int top, const struct plan *plan) {
    struct stat st;
    int r = 0;

    if (fstatat(top, STAGING_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0)
        r = !subvolume_default_is_below(top, STAGING_NAME);
    else if (errno != ENOENT)
        r = -errno;
    for (size_t i = 0; i < plan->count && r == 0; i++) {
        const struct subvolume *subvolume = &plan->subvolumes[i];

        if (subvolume->state == MEMBER_PRESENT && *subvolume->path != '\0')
            r = has_staging(top, subvolume->path);
    }
    return r;
}

int survey_take(int top, struct plan *plan, struct etc_plan *etc, struct survey *ret) {
    int r;

    *ret = (struct survey){0};
    r = survey_subvolumes(top, plan);
    if (r == 0)
        r = survey_places(top, plan, &ret->places_missing);
    if (r == 0)
        r = survey_etc(top, plan, etc);
    if (r == 0)
        r = survey_staging(top, plan);
    ret->staging_left = r > 0;
    return r < 0 ? r : 0;
}

bool survey_misses(const struct plan *plan, const struct etc_plan *etc, const struct survey *s) {
    const struct subvolume *wanted = plan_default(plan);

    return s->places_missing || (wanted && wanted->needs_default) ||
           plan_has(plan, MEMBER_MISSING) || etc_plan_has(etc, MEMBER_MISSING);
}
