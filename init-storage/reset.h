/* SPDX-License-Identifier: MIT */
#ifndef RESET_H
#define RESET_H

#include <stdbool.h>
#include <stdio.h>

#include "common/erase-record.h"
#include "common/probe.h"
#include "settings.h"

struct prepare;

/* Where a reset came from that this run carried out, or found carried out. */
enum reset_origin { RESET_NONE, RESET_REQUEST, RESET_COMMAND_LINE, RESET_RECORD };

struct reset_outcome {
    enum reset_origin origin;
    struct reset_request request;
    enum erase_level level; /* what was reached */
};

/* Whether the btrfs on the prepared device is to be reset: a valid request lies in it, or the
 * kernel command line asks for it (once a boot, and only in a run without options). Something
 * that is no valid request is reported and ignored. Returns 1 and sets origin and request; 0: no;
 * -errno after reporting: there may be one, which cannot be read. */
int reset_is_wanted(struct prepare *prepare, const struct device_probe *found,
                    struct reset_outcome *ret);

/* Before anything is wiped because of the command line: marks this boot as one that did. A boot
 * that cannot be marked does not reset, as it could not know when it did. Returns 0 or -errno. */
int reset_mark_boot(const struct settings *settings);

/* The outcome as a JSON object, or null. */
void reset_print(const struct reset_outcome *outcome, FILE *stream);

/* Whether a kernel command line asks for a reset. */
bool reset_in_command_line(const char *command_line);

#endif
