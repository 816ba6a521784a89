/* SPDX-License-Identifier: MIT */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "probe.h"
#include "settings.h"

struct plan;
struct etc_list;

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
    char *first_error;         /* of the highest status; later ones of it never replace it */
    enum exit_status status;
    const struct plan *plan;         /* not owned; NULL: none */
    const struct etc_list *etc_list; /* not owned; NULL: none */
    struct {
        double probe, mkfs, copy, commit, total;
    } seconds;
};

/* Something failed: says it, remembers the first, and the exit status will be 1. The message
 * begins with what it is about, and says why and what to do. */
void report_problem(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What is on the device forbids it: as above, and the exit status will be 3. */
void report_refusal(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes the report's JSON object, one line, to stream. */
void report_print(const struct report *report, FILE *stream);

/* Replaces <directory>/init-storage.json as a whole; makes the directory. Returns 0 or -errno. */
int report_store(const struct report *report, const char *directory);

/* Seconds of the monotonic clock, and those since *start, which moves on to now. */
double clock_seconds(void);
double clock_lap(double *start);

void report_free(struct report *report);

#endif
