/* SPDX-License-Identifier: MIT */
#include "common/interrupt.h"

#include <errno.h>
#include <signal.h>

static volatile sig_atomic_t caught;

static void remember(int signal_number) {
    caught = signal_number;
}

static int handle_stoppers(const struct sigaction *action) {
    static const int stoppers[] = {SIGTERM, SIGINT, SIGHUP};

    for (unsigned i = 0; i < sizeof(stoppers) / sizeof(*stoppers); i++) {
        if (sigaction(stoppers[i], action, NULL) < 0)
            return -errno;
    }
    return 0;
}

int interrupt_catch(void) {
    /* Without SA_RESTART: a blocked call returns EINTR, and its caller looks at the flag. */
    const struct sigaction stop = {.sa_handler = remember}, ignore = {.sa_handler = SIG_IGN};
    int r = handle_stoppers(&stop);

    if (r == 0 && sigaction(SIGPIPE, &ignore, NULL) < 0)
        r = -errno;
    return r;
}

int interrupt_release(void) {
    const struct sigaction end = {.sa_handler = SIG_DFL};

    return handle_stoppers(&end);
}

int interrupt_signal(void) {
    return caught;
}
