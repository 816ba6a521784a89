/* SPDX-License-Identifier: MIT */
#ifndef RUN_H
#define RUN_H

#include "settings.h"

/* A whole run: fstab, device, probe, mkfs, subvolumes, copy, commit, report. */
enum exit_status run(const struct settings *settings);

#endif
