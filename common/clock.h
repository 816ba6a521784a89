/* SPDX-License-Identifier: MIT */
#ifndef CLOCK_H
#define CLOCK_H

/* Seconds of the monotonic clock, and those since *start, which moves on to now. */
double clock_seconds(void);
double clock_lap(double *start);

#endif
