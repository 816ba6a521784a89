/* SPDX-License-Identifier: MIT */
#include "common/clock.h"

#include <time.h>

double clock_seconds(void) {
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

double clock_lap(double *start) {
    double now = clock_seconds(), passed = now - *start;

    *start = now;
    return passed;
}
