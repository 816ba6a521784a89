/* SPDX-License-Identifier: MIT */
#include "last-reset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "staging.h"

#define LAST_RESET_NAME "last-reset.json"

static int create(struct session *session, int parent) {
    _cleanup_free_ char *label = NULL;
    struct labels *labels = session->copy.labels;
    int fd, r = labels_lookup(labels, STATE_PARENT "/" LAST_RESET_NAME, S_IFREG, &label);

    if (r == 0)
        r = labels_create_as(labels, label);
    if (r < 0)
        return r;
    fd =
        openat(parent, LAST_RESET_NAME, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    r = fd < 0 ? -errno : 0;
    (void)labels_create_as(labels, NULL);
    if (r == 0 && label && !labels->active &&
        fsetxattr(fd, LABEL_XATTR, label, strlen(label) + 1, 0) < 0)
        r = -errno;
    if (r < 0)
        close_fd(&fd);
    return r < 0 ? r : fd;
}

static int write_outcome(struct session *session, int parent) {
    int fd = create(session, parent);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "we");

    if (!stream) {
        int r = fd < 0 ? fd : -errno;

        close_fd(&fd);
        return r;
    }
    reset_print(&session->report->reset, stream);
    putc('\n', stream);
    return fclose(stream) != 0 ? -errno : 0;
}

void last_reset_stage(struct session *session) {
    const struct subvolume *state = plan_at_target(session->plan, STATE_TARGET);
    _cleanup_close_ int folder = -1, parent = -1;
    int r;

    if (session->report->reset.origin == RESET_NONE || !state || state->state != MEMBER_MISSING ||
        !state->inside)
        return;
    folder = staging_open_inside(session, state);
    parent = folder < 0 ? -1 : openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = folder < 0 ? folder : parent < 0 ? -errno : write_outcome(session, parent);
    if (r < 0)
        log_warning("%s: cannot be written: %s", STATE_PARENT "/" LAST_RESET_NAME, strerror(-r));
}
