/* SPDX-License-Identifier: MIT */
#include "common/progress.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"

#define BAR_PERIOD 0.2  /* seconds */
#define LINE_PERIOD 3.0 /* never silent for more than 5 s */
#define BAR_WIDTH 16
/* How long systemd waits for the next sign of life before it calls us hung. */
#define EXTEND_TIMEOUT_USEC 120000000U

struct snapshot {
    char phase[256];
    double elapsed;
    uint64_t done, total;
};

static int connect_notify(void) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = path ? strlen(path) : 0;
    _cleanup_close_ int fd = -1;

    if (length < 2 || length >= sizeof(address.sun_path) || (*path != '/' && *path != '@'))
        return -1;
    memcpy(address.sun_path, path, length);
    if (*path == '@') /* abstract, sd_notify(3) */
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
        return -1;
    return take_fd(&fd);
}

/* Mebibytes with one digit, without floating point surprises in a log. */
static void describe(const struct snapshot *now, char *text, size_t size) {
    double rate = now->elapsed > 0 ? (double)now->done / now->elapsed : 0;
    double mebibytes = (double)now->done / (1 << 20);

    if (now->total == 0) {
        (void)snprintf(text, size, "%s (%.0f s)", now->phase, now->elapsed);
        return;
    }
    (void)snprintf(text, size, "%s: %u %%, %.1f of %.1f MiB", now->phase,
                   (unsigned)(100 * (now->done < now->total ? now->done : now->total) / now->total),
                   mebibytes, (double)now->total / (1 << 20));
    if (rate > 0) {
        size_t length = strlen(text);

        (void)snprintf(text + length, size - length, ", %.1f MiB/s, %.0f s%s", rate / (1 << 20),
                       now->done < now->total ? (double)(now->total - now->done) / rate
                                              : now->elapsed,
                       now->done < now->total ? " left" : "");
    }
}

/* A line that is wider than the terminal could not be drawn over. */
static size_t terminal_width(void) {
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

static void draw_bar(const struct snapshot *now, const char *text) {
    size_t used = strlen(program_invocation_short_name) + strlen(": ") + 1;
    size_t width = terminal_width();
    char line[512], bar[BAR_WIDTH + 1];
    uint64_t done = now->done < now->total ? now->done : now->total;
    unsigned filled = now->total ? (unsigned)(BAR_WIDTH * done / now->total) : 0;

    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', filled);
    bar[BAR_WIDTH] = '\0';
    (void)snprintf(line, sizeof(line), "%s%s%s%s", now->total ? "[" : "", now->total ? bar : "",
                   now->total ? "] " : "", text);
    if (width > used && width - used < sizeof(line))
        line[width - used] = '\0';
    log_transient(line);
}

static void tell_systemd(const struct progress *progress, const char *text) {
    char message[512];
    int length = snprintf(message, sizeof(message), "STATUS=%s\nEXTEND_TIMEOUT_USEC=%u", text,
                          EXTEND_TIMEOUT_USEC);

    if (progress->notify >= 0 && length > 0)
        (void)send(progress->notify, message, (size_t)length, MSG_NOSIGNAL);
}

static void take_snapshot(const struct progress *progress, struct snapshot *ret) {
    memcpy(ret->phase, progress->phase, sizeof(ret->phase));
    ret->elapsed = clock_seconds() - progress->phase_start;
    ret->total = progress->total;
    ret->done = atomic_load_explicit(&progress->done, memory_order_relaxed);
}

static void *run(void *argument) {
    struct progress *progress = argument;
    double next_line = clock_seconds() + LINE_PERIOD, period = progress->bar ? BAR_PERIOD : 1.0;

    pthread_mutex_lock(&progress->lock);
    while (!progress->stop) {
        struct timespec until;
        struct snapshot now;
        char text[384];

        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += (long)(period * 1e9);
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&progress->wake, &progress->lock, &until);
        if (progress->stop || !*progress->phase)
            continue;
        take_snapshot(progress, &now);
        describe(&now, text, sizeof(text));
        if (progress->bar)
            draw_bar(&now, text);
        if (clock_seconds() < next_line)
            continue;
        next_line = clock_seconds() + LINE_PERIOD;
        tell_systemd(progress, text);
        if (progress->lines)
            log_info("%s", text);
    }
    pthread_mutex_unlock(&progress->lock);
    return NULL;
}

int progress_start(struct progress *progress, enum progress_mode mode) {
    pthread_condattr_t attributes;
    int r;

    *progress = (struct progress){.notify = connect_notify()};
    progress->bar = mode == PROGRESS_ALWAYS || (mode == PROGRESS_AUTO && isatty(STDERR_FILENO));
    progress->lines = mode == PROGRESS_AUTO && !progress->bar;
    pthread_mutex_init(&progress->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&progress->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    r = pthread_create(&progress->thread, NULL, run, progress);
    progress->running = r == 0;
    return -r;
}

static void finish_phase(struct progress *progress) {
    struct snapshot now;
    char text[384];

    if (progress->total == 0)
        return;
    take_snapshot(progress, &now);
    describe(&now, text, sizeof(text));
    log_info("%s", text);
}

void progress_phase(struct progress *progress, const char *phase, uint64_t total) {
    struct snapshot now;
    char text[384];

    pthread_mutex_lock(&progress->lock);
    if (progress->bar)
        finish_phase(progress);
    (void)snprintf(progress->phase, sizeof(progress->phase), "%s", phase);
    /* A path of fstab's may hold a newline, which would begin an assignment of its own. */
    mask_control_characters(progress->phase);
    progress->phase_start = clock_seconds();
    progress->total = total;
    atomic_store(&progress->done, 0);
    take_snapshot(progress, &now);
    pthread_mutex_unlock(&progress->lock);
    describe(&now, text, sizeof(text));
    tell_systemd(progress, text);
    if (progress->bar)
        draw_bar(&now, text);
}

void progress_stop(struct progress *progress) {
    if (progress->running) {
        pthread_mutex_lock(&progress->lock);
        progress->stop = true;
        pthread_cond_broadcast(&progress->wake);
        pthread_mutex_unlock(&progress->lock);
        (void)pthread_join(progress->thread, NULL);
        log_transient("");
    }
    progress->running = false;
    close_fd(&progress->notify);
}
