/* SPDX-License-Identifier: MIT */
#ifndef SURVEY_H
#define SURVEY_H

#include <stdbool.h>

#include "etc-plan.h"
#include "plan.h"

/* What a look at a mounted file system says, besides the states in the plans. */
struct survey {
    bool staging_left;   /* an interrupted run left a folder */
    bool places_missing; /* a mount point or a NOCOW directory of a present subvolume */
};

/* Compares what is wanted with what is there, below top, and sets the states. Changes nothing.
 * Returns 0 or -errno. */
int survey_take(int top, struct plan *plan, struct etc_plan *etc, struct survey *ret);

/* Whether anything has to be made. staging_left alone is not: it only has to be cleaned up. */
bool survey_misses(const struct plan *plan, const struct etc_plan *etc, const struct survey *s);

/* A place of a present subvolume: its path below the top; NULL: not below one. Caller frees. */
char *survey_place_path(const struct plan *plan, const struct place *place);

/* The path below the top of the folder that holds writable-etc's copies; NULL: none. */
const char *survey_state_path(const struct plan *plan);

#endif
