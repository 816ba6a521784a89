/* SPDX-License-Identifier: MIT */
#include "copy.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "common/interrupt.h"

struct side {
    int (*run)(const struct copy_context *, const struct copy_request *, struct copy_queue *,
               struct copy_failure *);
    const struct copy_context *context;
    const struct copy_request *request;
    struct copy_queue *queue;
    struct copy_failure failure;
    int result;
};

int copy_fail(struct copy_failure *failure, int error, const char *path, const char *step) {
    if (failure->error == 0) {
        failure->error = -error;
        (void)snprintf(failure->path, sizeof(failure->path), "%s", path ? path : "");
        (void)snprintf(failure->step, sizeof(failure->step), "%s", step);
    }
    return error;
}

static void *run_side(void *argument) {
    struct side *side = argument;

    side->result = side->run(side->context, side->request, side->queue, &side->failure);
    if (side->result < 0)
        queue_stop(side->queue);
    return NULL;
}

int copy_run(const struct copy_context *context, const struct copy_request *request,
             struct copy_failure *ret) {
    struct copy_queue queue;
    struct side sides[2] = {
        {.run = copy_read, .context = context, .request = request, .queue = &queue},
        {.run = copy_write, .context = context, .request = request, .queue = &queue}};
    pthread_t threads[2];
    int r = queue_open(&queue), started = 0;

    *ret = (struct copy_failure){0};
    if (r < 0)
        return copy_fail(ret, r, request->source, "copying");
    for (; started < 2 && r == 0; started += r == 0)
        r = -pthread_create(&threads[started], NULL, run_side, &sides[started]);
    if (r < 0) {
        queue_stop(&queue);
        (void)copy_fail(ret, r, request->source, "starting a thread for it");
    }
    for (int i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    queue_close(&queue);
    for (int i = 0; i < started && r == 0; i++) {
        if (sides[i].result < 0 && sides[i].result != COPY_STOPPED) {
            r = sides[i].result;
            *ret = sides[i].failure;
        }
    }
    /* Whole is what both sides say is whole, not what nobody complained of. */
    if (r == 0 && (sides[0].result < 0 || sides[1].result < 0))
        r = copy_fail(ret, -EIO, request->source, "copying");
    return interrupted() && r < 0 ? -EINTR : r;
}
