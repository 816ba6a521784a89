/* SPDX-License-Identifier: MIT */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum progress_mode { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };

/* Says what is going on while it goes on: a bar on a terminal, STATUS= and EXTEND_TIMEOUT_USEC=
 * to systemd, a line every few seconds elsewhere. A thread of its own does it, so that a slow
 * flush or mkfs.btrfs is not silent. */
struct progress {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool running, stop;
    bool bar;   /* on a terminal, or where it was asked for */
    bool lines; /* a line every few seconds */
    int notify; /* systemd's socket, -1: none */
    char phase[256];
    double phase_start; /* clock_seconds() */
    uint64_t total;     /* bytes in this phase; 0: unknown */
    _Atomic uint64_t done;
};

/* Returns 0 or -errno; without a thread the run is silent, but goes on. */
int progress_start(struct progress *progress, enum progress_mode mode);
void progress_stop(struct progress *progress);

/* What is done from here on: "copying /var". total is in bytes; 0: it has no measure. */
void progress_phase(struct progress *progress, const char *phase, uint64_t total);

static inline void progress_add(struct progress *progress, uint64_t bytes) {
    atomic_fetch_add_explicit(&progress->done, bytes, memory_order_relaxed);
}

#endif
