/* SPDX-License-Identifier: MIT */
#include "complete.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "commit.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/device.h"
#include "common/interrupt.h"
#include "common/log.h"
#include "etc-copies.h"
#include "last-reset.h"
#include "places.h"
#include "staging.h"

#define LOCK_SECONDS 60
#define MOUNT_SECONDS 3

void session_report_copy(struct session *session, const char *what, int error,
                         const struct copy_failure *failure) {
    const char *reason = strerror(failure->error ? failure->error : -error);

    if (failure->error == ESTALE)
        reason = "it changed while it was copied";
    else if (failure->error == ENOSPC)
        reason = "no space left on the data device";
    problem(&session->report->problems, "%s: not made: %s: %s: %s; the next run tries again", what,
            failure->path, failure->step, reason);
}

/* What the last survey found wrong, once. */
static void report_survey(struct session *session) {
    for (size_t i = 0; i < session->plan->count; i++) {
        const struct subvolume *subvolume = &session->plan->subvolumes[i];

        if (subvolume->state == MEMBER_FAILED)
            problem(&session->report->problems, "%s (for %s): %s", subvolume->path,
                    subvolume->target, subvolume->problem);
        if (subvolume->left_plain)
            log_info("%s: is no subvolume, though one is wanted there; left as it is",
                     subvolume->path);
    }
    for (size_t i = 0; i < session->etc->count; i++) {
        const struct etc_copy *copy = &session->etc->copies[i];

        if (copy->state == MEMBER_FAILED)
            problem(&session->report->problems, "/etc/%s: %s", copy->path, copy->problem);
    }
}

static void report_inner_failures(struct session *session) {
    for (size_t i = 0; i < session->plan->count; i++) {
        const struct subvolume *subvolume = &session->plan->subvolumes[i];

        if (subvolume->state == MEMBER_FAILED && subvolume->inside &&
            subvolume->inside->state == MEMBER_MISSING)
            problem(&session->report->problems, "%s (for %s): %s", subvolume->path,
                    subvolume->target, subvolume->problem);
    }
}

/* Nothing of what was to be made got its name. */
static void give_up(struct session *session) {
    for (size_t i = 0; i < session->plan->count; i++) {
        if (session->plan->subvolumes[i].state == MEMBER_MISSING)
            session->plan->subvolumes[i].state = MEMBER_FAILED;
    }
    for (size_t i = 0; i < session->etc->count; i++) {
        if (session->etc->copies[i].state == MEMBER_MISSING)
            session->etc->copies[i].state = MEMBER_FAILED;
    }
}

static void report_interrupt(struct session *session) {
    problem(&session->report->problems,
            "stopped by %s; nothing unfinished has a final name, the next "
            "run makes it",
            strsignal(interrupt_signal()));
}

/* The data must be on the medium before a name says that it is. */
static int flush(struct session *session) {
    int r;

    progress_phase(session->progress, "writing out", 0);
    r = volume_sync(&session->volume);
    if (r < 0)
        problem(&session->report->problems, "%s: cannot write everything out: %s", session->device,
                strerror(-r));
    return r;
}

/* Staging tree, copy, flush, rename, flush: the order is what survives a power cut. */
static void make_missing(struct session *session) {
    double start = clock_seconds();
    bool changed = false;
    int r = staging_open(session);

    if (r < 0)
        problem(&session->report->problems, "%s: cannot make the folder %s: %s", session->device,
                STAGING_NAME, strerror(-r));
    if (r == 0)
        r = staging_fill(session);
    if (r == 0)
        r = etc_copies_stage(session);
    if (r == 0)
        last_reset_stage(session);
    report_inner_failures(session);
    if (r == 0)
        r = flush(session);
    session->report->seconds.copy = clock_lap(&start);
    if (r == 0 && interrupted())
        r = -EINTR;
    if (r == 0) {
        (void)commit_subvolumes(session);
        changed = places_complete(session);
        etc_copies_add(session);
    }
    if (interrupted() && (r == -EINTR || etc_plan_has(session->etc, MEMBER_MISSING)))
        report_interrupt(session);
    give_up(session);
    r = staging_close(session);
    if (r < 0)
        log_warning("%s: cannot remove the folder %s: %s; the next run will", session->device,
                    STAGING_NAME, strerror(-r));
    (void)flush(session);
    session->report->seconds.commit = clock_lap(&start);
    if (session->report->action == ACTION_NOTHING &&
        (changed || plan_has(session->plan, MEMBER_CREATED) ||
         etc_plan_has(session->etc, MEMBER_CREATED)))
        session->report->action = ACTION_COMPLETED;
}

static int mount_volume(struct session *session, enum volume_mode mode) {
    return volume_mount(session->device, session->options, mode, session->mount_point,
                        &session->volume);
}

/* While somebody has it mounted read-only for a moment, perhaps without replaying its log, the
 * kernel may refuse. */
static int mount_patiently(struct session *session) {
    const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    int r = mount_volume(session, VOLUME_WRITABLE);

    for (unsigned tries = MOUNT_SECONDS * 10; tries > 0 && (r == -EINVAL || r == -EBUSY); tries--) {
        (void)nanosleep(&pause, NULL);
        r = mount_volume(session, VOLUME_WRITABLE);
    }
    return r;
}

/* Mounts for writing, waits for a run that is at it, and looks again at what is missing. Returns
 * 1: there is something to make; 0: nothing; -errno after reporting. */
static int look_again(struct session *session, struct survey *survey) {
    bool missing = survey_misses(session->plan, session->etc, survey);
    int r = mount_patiently(session);

    if (r < 0 && !missing)
        return 0; /* only an old staging folder is left, on a read-only device */
    if (r < 0) {
        problem(&session->report->problems,
                "%s: something is missing on it, and it cannot be mounted "
                "for writing: %s",
                session->device, r == -EROFS || r == -EACCES ? "it is read-only" : strerror(-r));
        return r;
    }
    r = lock_patiently(session->volume.top, 0);
    if (r == -ETIMEDOUT) {
        progress_phase(session->progress, "waiting for another init-storage", 0);
        r = lock_patiently(session->volume.top, LOCK_SECONDS);
    }
    if (r == 0)
        r = survey_take(session->volume.top, session->plan, session->etc, survey);
    if (r < 0) {
        problem(&session->report->problems, "%s: %s", session->device,
                r == -ETIMEDOUT ? "another init-storage has held it for 60 s; try again"
                                : strerror(-r));
        return r;
    }
    return survey->staging_left || survey_misses(session->plan, session->etc, survey);
}

void complete_pretend(struct session *session) {
    for (size_t i = 0; i < session->plan->count; i++) {
        struct subvolume *subvolume = &session->plan->subvolumes[i];

        if (subvolume->state != MEMBER_MISSING && subvolume->state != MEMBER_UNKNOWN)
            continue;
        log_info("%s: would be made for %s", subvolume->path, subvolume->target);
        subvolume->state = MEMBER_CREATED;
    }
    for (size_t i = 0; i < session->etc->count; i++) {
        struct etc_copy *copy = &session->etc->copies[i];

        if (copy->state != MEMBER_MISSING && copy->state != MEMBER_UNKNOWN)
            continue;
        log_info("/etc/%s: its writable copy would be made", copy->path);
        copy->state = MEMBER_CREATED;
    }
}

static int first_look(struct session *session, struct survey *survey) {
    int r = mount_volume(session, session->dry_run ? VOLUME_READ_ONLY_NO_REPLAY : VOLUME_READ_ONLY);

    if (r < 0) {
        problem(&session->report->problems,
                "%s: its btrfs does not mount: %s (the kernel log says more)", session->device,
                strerror(-r));
        return r;
    }
    r = survey_take(session->volume.top, session->plan, session->etc, survey);
    if (r < 0)
        problem(&session->report->problems, "%s: cannot look at its content: %s", session->device,
                strerror(-r));
    return r;
}

static int complete(struct session *session) {
    struct survey survey;
    int r = first_look(session, &survey);

    if (r < 0)
        return r;
    if (session->dry_run) {
        report_survey(session);
        if (survey_misses(session->plan, session->etc, &survey))
            session->report->action = ACTION_COMPLETED;
        complete_pretend(session);
        return 0;
    }
    if (survey.staging_left || survey_misses(session->plan, session->etc, &survey)) {
        volume_unmount(&session->volume);
        r = look_again(session, &survey);
        if (r < 0)
            return r;
    }
    report_survey(session);
    if (r == 1)
        make_missing(session);
    return 0;
}

int complete_file_system(struct session *session) {
    int r = complete(session);

    if (r < 0)
        give_up(session);
    close_fd(&session->staging);
    volume_unmount(&session->volume);
    return r;
}
