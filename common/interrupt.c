/* SPDX-License-Identifier: MIT */
#include "common/interrupt.h"

#include <errno.h>
#include <signal.h>

static volatile sig_atomic_t caught;

static void remember(int signal_number) {
    caught = signal_number;
}

int interrupt_catch(void) {
    static const int stoppers[] = {SIGTERM, SIGINT, SIGHUP};
    /* Without SA_RESTART: a blocked call returns EINTR, and its caller looks at the flag. */
    struct sigaction stop = {.sa_handler = remember};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    for (unsigned i = 0; i < sizeof(stoppers) / sizeof(*stoppers); i++) {
        if (sigaction(stoppers[i], &stop, NULL) < 0)
            return -errno;
    }
    return sigaction(SIGPIPE, &ignore, NULL) < 0 ? -errno : 0;
}

int interrupt_signal(void) {
    return caught;
}
