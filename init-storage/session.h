/* SPDX-License-Identifier: MIT */
#ifndef SESSION_H
#define SESSION_H

#include "common/volume.h"
#include "copy.h"
#include "etc-plan.h"
#include "plan.h"
#include "report.h"
#include "survey.h"

/* The part of a run that works on the mounted file system: what the steps share. */
struct session {
    const char *device;      /* path */
    const char *options;     /* of /var's line */
    const char *mount_point; /* covered for a moment, in our namespace */
    bool dry_run;
    struct plan *plan;
    struct etc_plan *etc;
    struct report *report;
    struct progress *progress;
    struct volume volume;
    struct copy_context copy;
    int staging; /* the folder STAGING_NAME at the top, -1: not there */
};

/* What could not be copied, as one message. */
void session_report_copy(struct session *session, const char *what, int error,
                         const struct copy_failure *failure);

#endif
