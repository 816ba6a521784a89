/* SPDX-License-Identifier: MIT */
#include "etc-copies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/interrupt.h"
#include "common/log.h"
#include "common/path.h"
#include "staging.h"

/* There are no subvolumes in them. */
static struct copy_context plain_context(const struct session *session) {
    struct copy_context context = session->copy;

    context.plan = NULL;
    return context;
}

static int copy_below(struct session *session, const char *etc_path, enum copy_kind kind,
                      int parent, struct copy_failure *failure) {
    struct copy_context context = plain_context(session);
    _cleanup_free_ char *source = path_join("/etc", etc_path);
    struct copy_request request = {.kind = kind, .source = source, .parent = parent};

    if (!source)
        return copy_fail(failure, -ENOMEM, etc_path, "copying");
    request.name = strrchr(source, '/') + 1;
    return copy_run(&context, &request, failure);
}

/* Copies the directories above the entry's path into folder, as the image has them, as far as
 * they are missing there. Returns a descriptor of the last one or -errno. */
static int make_parents(struct session *session, int folder, const char *path,
                        struct copy_failure *failure) {
    _cleanup_close_ int current = fcntl(folder, F_DUPFD_CLOEXEC, 3);
    const char *start = path;

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(start, '/')) {
        _cleanup_free_ char *upper = strndup(path, (size_t)(slash - path));
        _cleanup_free_ char *name = strndup(start, (size_t)(slash - start));
        int next, r = 0;

        if (!upper || !name)
            return copy_fail(failure, -ENOMEM, path, "copying");
        next = open_beneath(current, name, O_RDONLY | O_DIRECTORY);
        if (next == -ENOENT) {
            r = copy_below(session, upper, COPY_DIRECTORY_ONLY, current, failure);
            if (r < 0)
                return r;
            next = open_beneath(current, name, O_RDONLY | O_DIRECTORY);
        }
        if (next < 0)
            return copy_fail(failure, next, path, "opening the directory for its copy");
        close_fd(&current);
        current = next;
        start = slash + 1;
    }
    return take_fd(&current);
}

/* Copies an entry with its parents into folder. Returns 0 or -errno. */
static int copy_entry(struct session *session, const struct etc_copy *copy, int folder,
                      struct copy_failure *failure) {
    _cleanup_close_ int parent = make_parents(session, folder, copy->path, failure);

    struct stat st;

    if (parent < 0)
        return parent;
    /* The image may bring the copy along, in /var. */
    if (fstatat(parent, strrchr(copy->path, '/') ? strrchr(copy->path, '/') + 1 : copy->path, &st,
                AT_SYMLINK_NOFOLLOW) == 0 &&
        (copy->directory ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode)))
        return 0;
    return copy_below(session, copy->path, COPY_OBJECT, parent, failure);
}

static void report_entry(struct session *session, struct etc_copy *copy, int error,
                         const struct copy_failure *failure) {
    char name[PATH_MAX];

    if (interrupted())
        return; /* it stays missing: that is how the caller knows */
    copy->state = MEMBER_FAILED;
    (void)snprintf(name, sizeof(name), "/etc/%s", copy->path);
    session_report_copy(session, name, error, failure);
}

int etc_copies_stage(struct session *session) {
    const struct subvolume *state = plan_at_target(session->plan, STATE_TARGET);
    _cleanup_close_ int folder = -1;

    if (!state || state->state != MEMBER_MISSING)
        return 0;
    folder = staging_open_inside(session, state);
    for (size_t i = 0; i < session->etc->count; i++) {
        struct etc_copy *copy = &session->etc->copies[i];
        struct copy_failure failure = {0};
        int r = folder < 0 ? copy_fail(&failure, folder, STATE_TARGET, "opening")
                           : copy_entry(session, copy, folder, &failure);

        if (r == 0)
            continue;
        report_entry(session, copy, r, &failure);
        if (interrupted())
            return -EINTR;
        r = folder < 0 ? 0 : staging_remove(folder, copy->path);
        if (r < 0)
            log_warning("%s: cannot remove its unfinished copy: %s", copy->path, strerror(-r));
    }
    return 0;
}

/* What of the entry's path has to be renamed: up to the first component that is missing. */
static int first_missing(int folder, const char *path, char **ret) {
    const char *slash = path;

    while ((slash = strchr(slash, '/'))) {
        struct stat st;

        *ret = strndup(path, (size_t)(slash - path));
        if (!*ret)
            return -ENOMEM;
        if (fstatat(folder, *ret, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return errno == ENOENT ? 0 : -errno;
        free(*ret);
        *ret = NULL;
        slash++;
    }
    *ret = strdup(path);
    return *ret ? 0 : -ENOMEM;
}

/* An empty directory can be in a file's place: a bind mount unit made it as a mount source. */
static int rename_entry(int beside, int folder, const char *path) {
    _cleanup_close_ int from = -1, to = -1;
    _cleanup_free_ char *moved = NULL;
    const char *name = NULL;
    int r = first_missing(folder, path, &moved);

    if (r < 0)
        return r;
    from = open_parent(beside, moved, &name);
    to = open_parent(folder, moved, &name);
    if (from < 0 || to < 0)
        return from < 0 ? from : to;
    if (strcmp(moved, path) == 0 && unlinkat(to, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return -errno;
    return renameat2(from, name, to, name, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

static int add_entry(struct session *session, struct etc_copy *copy, int folder,
                     struct copy_failure *failure) {
    _cleanup_close_ int beside = -1;
    int r = staging_clear_ours(folder);

    if (r == 0) {
        beside = staging_open_in(session, plan_at_target(session->plan, STATE_TARGET));
        r = beside < 0 ? beside : 0;
    }
    if (r < 0)
        return copy_fail(failure, r, copy->path, "making a folder for its copy");
    r = copy_entry(session, copy, beside, failure);
    if (r < 0)
        return r;
    r = volume_sync(&session->volume);
    if (r == 0)
        r = rename_entry(beside, folder, copy->path);
    return r < 0 ? copy_fail(failure, r, copy->path, "giving its copy its name") : 0;
}

void etc_copies_add(struct session *session) {
    const char *path = survey_state_path(session->plan);
    _cleanup_close_ int folder =
        path ? open_beneath(session->volume.top, path, O_RDONLY | O_DIRECTORY) : -ENOENT;
    const struct subvolume *state = plan_at_target(session->plan, STATE_TARGET);
    bool staged = state && state->state == MEMBER_CREATED;
    int r;

    if (folder < 0 && etc_plan_has(session->etc, MEMBER_MISSING))
        problem(&session->report->problems,
                "writable-etc: no copies made, as there is no " STATE_TARGET " to keep them in");
    for (size_t i = 0; i < session->etc->count; i++) {
        struct etc_copy *copy = &session->etc->copies[i];
        struct copy_failure failure = {0};

        if (copy->state != MEMBER_MISSING)
            continue;
        if (folder < 0) {
            copy->state = MEMBER_FAILED;
            continue;
        }
        r = 0;
        if (!staged)
            r = interrupted() ? -EINTR : add_entry(session, copy, folder, &failure);
        if (r < 0) {
            report_entry(session, copy, r, &failure);
            continue;
        }
        copy->state = MEMBER_CREATED;
        log_info("/etc/%s: its writable copy was made", copy->path);
    }
}
