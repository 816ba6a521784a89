/* SPDX-License-Identifier: MIT */
#ifndef ETC_PLAN_H
#define ETC_PLAN_H

#include "plan.h"

struct etc_list;

/* The copy that an entry of writable-etc(5) wants. */
struct etc_copy {
    bool directory;
    const char *path; /* relative to /etc; the list's */
    enum member_state state;
    const char *problem; /* why it failed, when the survey found it so; a constant */
};

struct etc_plan {
    struct etc_copy *copies;
    size_t count;
};

/* One copy for each entry of a list, which has to outlive the plan. Returns 0 or -ENOMEM; free
 * with etc_plan_free. */
int etc_plan_make(const struct etc_list *list, struct etc_plan *ret);
void etc_plan_free(struct etc_plan *plan);

/* Whether any copy is in a state. */
bool etc_plan_has(const struct etc_plan *plan, enum member_state state);

#endif
