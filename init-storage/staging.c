/* SPDX-License-Identifier: MIT */
#include "staging.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/cleanup.h"
#include "common/interrupt.h"
#include "common/log.h"
#include "common/path.h"
#include "subvolume.h"

/* Removes files. It only ever starts at our own folder's name, and never follows a symbolic link
 * out of it. */

#define FREE_SECONDS 60

static int remove_content(int directory);

int staging_remove(int directory, const char *name) {
    _cleanup_close_ int fd =
        openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return unlinkat(directory, name, 0) < 0 ? -errno : 0;
    if (fd < 0)
        return -errno;
    if (is_subvolume(fd))
        return subvolume_remove(directory, name);
    r = remove_content(fd);
    if (r == 0 && unlinkat(directory, name, AT_REMOVEDIR) < 0)
        r = -errno;
    return r;
}

int staging_is_ours(int directory, const char *name) {
    struct stat st;

    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    return S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 0777) == 0700;
}

int staging_clear_ours(int directory) {
    int r = staging_is_ours(directory, STAGING_NAME);

    return r > 0 ? staging_remove(directory, STAGING_NAME) : r;
}

static bool is_dot(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Goes on after a failure, and returns the first. */
static int remove_content(int directory) {
    DIR *stream = directory_stream(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct dirent *entry;
    int first = 0;

    if (!stream)
        return -errno;
    while ((errno = 0, entry = readdir(stream))) {
        int r = is_dot(entry->d_name) ? 0 : staging_remove(directory, entry->d_name);

        if (first == 0)
            first = r;
    }
    if (first == 0)
        first = -errno;
    (void)closedir(stream);
    return first;
}

/* Everything in our folder but what the default subvolume lies in. */
static int clear(int top, int staging) {
    DIR *stream = directory_stream(openat(staging, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct dirent *entry;
    int first = 0;

    if (!stream)
        return -errno;
    while ((errno = 0, entry = readdir(stream))) {
        _cleanup_free_ char *path = NULL;
        int r = 0;

        if (is_dot(entry->d_name))
            continue;
        path = path_join(STAGING_NAME, entry->d_name);
        if (!path)
            r = -ENOMEM;
        else if (!subvolume_default_is_below(top, path))
            r = staging_remove(staging, entry->d_name);
        if (first == 0)
            first = r;
    }
    if (first == 0)
        first = -errno;
    (void)closedir(stream);
    return first;
}

/* The folders in subvolumes that are there. Goes on after a failure, and returns the first. */
static int clear_subvolumes(const struct session *session) {
    int first = 0;

    for (size_t i = 0; i < session->plan->count; i++) {
        const struct subvolume *subvolume = &session->plan->subvolumes[i];
        _cleanup_close_ int fd = -1;
        int r;

        if ((subvolume->state != MEMBER_PRESENT && subvolume->state != MEMBER_CREATED) ||
            *subvolume->path == '\0')
            continue;
        fd = open_beneath(session->volume.top, subvolume->path, O_RDONLY | O_DIRECTORY);
        /* A nested name may be a link that the image has there: no place for a folder of ours. */
        r = fd < 0 && fd != -ELOOP && fd != -ENOTDIR ? fd : 0;
        if (fd >= 0)
            r = staging_clear_ours(fd);
        if (first == 0)
            first = r;
    }
    return first;
}

int staging_open_in(const struct session *session, const struct subvolume *upper) {
    _cleanup_close_ int fd = -1;
    int folder, r;

    if (*upper->path == '\0')
        return fcntl(session->staging, F_DUPFD_CLOEXEC, 3);
    fd = open_beneath(session->volume.top, upper->path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    if (mkdirat(fd, STAGING_NAME, 0700) < 0 && errno != EEXIST)
        return -errno;
    r = staging_is_ours(fd, STAGING_NAME);
    if (r <= 0)
        return r < 0 ? r : -EEXIST;
    folder = openat(fd, STAGING_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return -errno;
    /* What the subvolume passes on to new files is not for copies of the image. */
    (void)fremovexattr(folder, "system.posix_acl_default");
    return folder;
}

int staging_open(struct session *session) {
    int top = session->volume.top, r;
    struct stat st;

    if (fstatat(top, STAGING_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode) &&
        unlinkat(top, STAGING_NAME, 0) < 0)
        return -errno;
    if (mkdirat(top, STAGING_NAME, 0700) < 0 && errno != EEXIST)
        return -errno;
    session->staging = openat(top, STAGING_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (session->staging < 0)
        return -errno;
    r = clear(top, session->staging);
    if (r == 0)
        r = clear_subvolumes(session);
    return r;
}

int staging_close(struct session *session) {
    int r;

    if (session->staging < 0)
        return 0;
    r = clear_subvolumes(session);
    if (r == 0)
        r = clear(session->volume.top, session->staging);
    close_fd(&session->staging);
    /* Not empty when the default subvolume lies there: that is no failure. */
    if (r == 0 && unlinkat(session->volume.top, STAGING_NAME, AT_REMOVEDIR) < 0 &&
        errno != ENOTEMPTY)
        r = -errno;
    return r;
}

void staging_name(const struct session *session, const struct subvolume *subvolume, char *name) {
    (void)snprintf(name, STAGING_NAME_SIZE, "%d-%td", (int)getpid(),
                   subvolume - session->plan->subvolumes);
}

int staging_open_inside(const struct session *session, const struct subvolume *subvolume) {
    const struct subvolume *tree = subvolume->inside ? subvolume->inside : subvolume;
    _cleanup_free_ char *path = NULL;
    char name[STAGING_NAME_SIZE];

    staging_name(session, tree, name);
    path = path_join(name, path_below(subvolume->path, tree->path));
    return path ? open_beneath(session->staging, path, O_RDONLY | O_DIRECTORY) : -ENOMEM;
}

static void mark_failed(struct session *session, const struct subvolume *tree) {
    for (size_t i = 0; i < session->plan->count; i++) {
        struct subvolume *subvolume = &session->plan->subvolumes[i];

        if (subvolume == tree || subvolume->inside == tree)
            subvolume->state = MEMBER_FAILED;
    }
}

/* The next copy may need the space. */
static void free_removed(struct session *session) {
    if (!subvolume_is_removing(session->volume.top))
        return;
    progress_phase(session->progress, "freeing the space of an unfinished copy", 0);
    subvolume_wait_removed(session->volume.top, FREE_SECONDS);
}

static int fill_one(struct session *session, struct subvolume *subvolume) {
    char name[STAGING_NAME_SIZE], phase[256];
    struct copy_request request = {.kind = COPY_SUBVOLUME,
                                   .source = subvolume->target,
                                   .parent = session->staging,
                                   .name = name,
                                   .subvolume = subvolume};
    struct copy_failure failure;
    int r;

    staging_name(session, subvolume, name);
    (void)snprintf(phase, sizeof(phase), "copying %s", subvolume->target);
    progress_phase(session->progress, phase, copy_measure(&session->copy, subvolume->target));
    r = copy_run(&session->copy, &request, &failure);
    if (r == 0)
        return 0;
    if (interrupted())
        return -EINTR; /* it stays missing: that is how the caller knows */
    mark_failed(session, subvolume);
    session_report_copy(session, subvolume->path, r, &failure);
    r = staging_remove(session->staging, name);
    if (r < 0)
        log_warning("%s: cannot remove its unfinished copy: %s", subvolume->path, strerror(-r));
    free_removed(session);
    return 0;
}

int staging_fill(struct session *session) {
    int r = 0;

    if (plan_has(session->plan, MEMBER_MISSING))
        free_removed(session);
    for (size_t i = 0; i < session->plan->count && r == 0; i++) {
        struct subvolume *subvolume = &session->plan->subvolumes[i];

        if (subvolume->state == MEMBER_MISSING && !subvolume->inside)
            r = interrupted() ? -EINTR : fill_one(session, subvolume);
    }
    return r;
}
