/* SPDX-License-Identifier: MIT */
#ifndef GENERATE_H
#define GENERATE_H

#include "common/problems.h"
#include "settings.h"

/* Writes the units. Wrong input is reported and no failure: EXIT_STATUS_DONE, or
 * EXIT_STATUS_FAILED when something could not be read or written. */
enum exit_status generate(const struct settings *settings);

#endif
