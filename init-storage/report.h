/* SPDX-License-Identifier: MIT */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "common/probe.h"
#include "common/problems.h"
#include "reset.h"

struct plan;
struct etc_plan;

enum report_action {
    ACTION_NOTHING,
    ACTION_FORMATTED,
    ACTION_COMPLETED,
    ACTION_REFUSED,
    ACTION_FAILED,
};

/* What a run found and did. The exit status and the JSON object are made of this. */
struct report {
    bool has_state;
    enum device_state state;
    enum report_action action;
    char *device;
    char fsid[FSID_TEXT_SIZE]; /* "": none */
    struct problems problems;  /* the exit status, and what to say of it */
    struct reset_outcome reset;
    const struct plan *plan;    /* not owned; NULL: none */
    const struct etc_plan *etc; /* not owned; NULL: none */
    struct {
        double probe, mkfs, copy, commit, total;
    } seconds;
};

/* Writes the report's JSON object, one line, to stream. */
void report_print(const struct report *report, FILE *stream);

/* Replaces <directory>/init-storage.json as a whole; makes the directory. Returns 0 or -errno. */
int report_store(const struct report *report, const char *directory);

void report_free(struct report *report);

#endif
