/* SPDX-License-Identifier: MIT */
#include "etc-plan.h"

#include <errno.h>
#include <stdlib.h>

#include "common/writable-etc.h"

int etc_plan_make(const struct etc_list *list, struct etc_plan *ret) {
    struct etc_copy *copies = calloc(list->count + 1, sizeof(*copies));

    if (!copies)
        return -ENOMEM;
    for (size_t i = 0; i < list->count; i++) {
        copies[i].directory = list->entries[i].directory;
        copies[i].path = list->entries[i].path;
    }
    *ret = (struct etc_plan){.copies = copies, .count = list->count};
    return 0;
}

void etc_plan_free(struct etc_plan *plan) {
    free(plan->copies);
    *plan = (struct etc_plan){0};
}

bool etc_plan_has(const struct etc_plan *plan, enum member_state state) {
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->copies[i].state == state)
            return true;
    }
    return false;
}
