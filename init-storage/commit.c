/* SPDX-License-Identifier: MIT */
#include "commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "staging.h"
#include "subvolume.h"

/* Gives final names. Invariants:
 *
 * 1. Nothing is renamed before the data is on the medium: the caller has synced.
 * 2. RENAME_NOREPLACE always: what is there is never replaced.
 * 3. An upper subvolume is renamed before what lies below it: a parent directory that is made
 *    on the way is never one that a subvolume wants to be.
 * 4. Directories that are made on the way are complete, with owner, mode and label, before they
 *    are renamed to their place; btrfs keeps the order of such changes. */

#define DIRECTORY_NAME "directory"

/* The subvolume that is there and in which path lies; NULL: none that we know. */
static const struct subvolume *upper_of(const struct plan *plan, const char *path) {
    const struct subvolume *upper = NULL;

    for (size_t i = 0; i < plan->count; i++) {
        const struct subvolume *subvolume = &plan->subvolumes[i];

        if (path_below(path, subvolume->path) &&
            (subvolume->state == MEMBER_PRESENT || subvolume->state == MEMBER_CREATED) &&
            (!upper || strlen(subvolume->path) > strlen(upper->path)))
            upper = subvolume;
    }
    return upper;
}

/* As the image has it, or plain with its own label. */
static int copy_directory(struct session *session, const struct subvolume *upper, const char *path,
                          int folder) {
    _cleanup_free_ char *target = path_join(upper->target, path_below(path, upper->path));
    struct copy_request request = {
        .kind = COPY_DIRECTORY_ONLY, .source = target, .parent = folder, .name = DIRECTORY_NAME};
    struct copy_failure failure;

    return target ? copy_run(&session->copy, &request, &failure) : -ENOMEM;
}

/* Outside of all subvolumes that the running system mounts. */
static int make_plain(int folder) {
    /* The umask takes away what must be there from the first moment on. */
    mode_t mask = umask(0);
    int r = mkdirat(folder, DIRECTORY_NAME, 0755) < 0 ? -errno : 0;

    (void)umask(mask);
    return r;
}

int commit_directory(struct session *session, const char *path) {
    const struct subvolume *upper = upper_of(session->plan, path);
    _cleanup_close_ int folder = -1, parent = -1;
    const char *name = NULL;
    int r;

    folder = upper ? staging_open_in(session, upper) : fcntl(session->staging, F_DUPFD_CLOEXEC, 3);
    if (folder < 0)
        return upper ? folder : -errno;
    r = staging_remove(folder, DIRECTORY_NAME);
    if (r == 0)
        r = upper ? copy_directory(session, upper, path, folder) : make_plain(folder);
    if (r < 0)
        return r;
    parent = open_parent(session->volume.top, path, &name);
    if (parent < 0)
        return parent;
    if (renameat2(folder, DIRECTORY_NAME, parent, name, RENAME_NOREPLACE) < 0)
        return -errno;
    return 0;
}

static int make_sure_of(struct session *session, const char *path) {
    _cleanup_close_ int fd = open_beneath(session->volume.top, path, O_PATH | O_DIRECTORY);

    if (fd == -ENOENT)
        return commit_directory(session, path);
    return fd < 0 ? fd : 0;
}

int commit_parents(struct session *session, const char *path) {
    const char *slash = strchr(path, '/');
    int r = 0;

    for (; slash && r == 0; slash = strchr(slash + 1, '/')) {
        _cleanup_free_ char *upper = strndup(path, (size_t)(slash - path));

        r = upper ? make_sure_of(session, upper) : -ENOMEM;
    }
    return r;
}

static int rename_one(struct session *session, const struct subvolume *subvolume) {
    char staged[STAGING_NAME_SIZE];
    _cleanup_close_ int parent = -1;
    const char *name = NULL;
    int r = commit_parents(session, subvolume->path);

    if (r < 0)
        return r;
    parent = open_parent(session->volume.top, subvolume->path, &name);
    if (parent < 0)
        return parent;
    staging_name(session, subvolume, staged);
    if (renameat2(session->staging, staged, parent, name, RENAME_NOREPLACE) < 0)
        return -errno;
    return 0;
}

static int make_default(struct session *session, const struct subvolume *subvolume) {
    _cleanup_close_ int fd =
        open_beneath(session->volume.top, subvolume->path, O_RDONLY | O_DIRECTORY);

    return fd < 0 ? fd : subvolume_make_default(fd);
}

static void mark(struct session *session, const struct subvolume *tree, enum member_state state) {
    for (size_t i = 0; i < session->plan->count; i++) {
        struct subvolume *subvolume = &session->plan->subvolumes[i];

        if ((subvolume == tree || subvolume->inside == tree) && subvolume->state == MEMBER_MISSING)
            subvolume->state = state;
    }
}

static void commit_one(struct session *session, struct subvolume *subvolume) {
    const struct subvolume *upper = plan_above_path(session->plan, subvolume);
    int r;

    if (upper && upper->state == MEMBER_FAILED) {
        problem(&session->report->problems, "%s: not made, as %s above it could not be made",
                subvolume->path, upper->path);
        mark(session, subvolume, MEMBER_FAILED);
        return;
    }
    r = rename_one(session, subvolume);
    if (r < 0)
        problem(&session->report->problems, "%s: cannot be given its name: %s", subvolume->path,
                r == -EEXIST ? "something of that name is there; rename it away" : strerror(-r));
    mark(session, subvolume, r < 0 ? MEMBER_FAILED : MEMBER_CREATED);
    if (r == 0)
        log_info("%s: made for %s", subvolume->path, subvolume->target);
}

int commit_subvolumes(struct session *session) {
    struct subvolume *wanted;

    for (size_t i = 0; i < session->plan->count; i++) {
        struct subvolume *subvolume = &session->plan->subvolumes[i];

        if (subvolume->state == MEMBER_MISSING && !subvolume->inside)
            commit_one(session, subvolume);
    }
    wanted = plan_default(session->plan);
    if (wanted && (wanted->needs_default || wanted->state == MEMBER_CREATED)) {
        int r = make_default(session, wanted);

        if (r < 0) {
            problem(&session->report->problems, "%s: cannot be made the default subvolume: %s",
                    wanted->path, strerror(-r));
            wanted->state = MEMBER_FAILED;
        } else if (wanted->needs_default) {
            wanted->state = MEMBER_CREATED;
        }
    }
    return 0;
}
