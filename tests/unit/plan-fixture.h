/* SPDX-License-Identifier: MIT */
#ifndef PLAN_FIXTURE_H
#define PLAN_FIXTURE_H

#include "common/problems.h"
#include "init-storage/plan.h"
#include "unit.h"

extern struct plan plan;
extern struct problems report; /* of the planning */

/* Plans all lines of type btrfs whose source is LABEL=data. They must be right for fstab_read. */
void plan_lines(const char *lines);
void plan_release(void);

#endif
