/* SPDX-License-Identifier: MIT */
#ifndef COPY_H
#define COPY_H

#include <limits.h>
#include <stdint.h>

#include "common/progress.h"
#include "copy-queue.h"
#include "label.h"
#include "plan.h"

/* What all copies of a run share. */
struct copy_context {
    int image;               /* directory descriptor of the image's root */
    const struct plan *plan; /* NULL: nothing below is a subvolume or a mount point */
    struct labels *labels;
    struct progress *progress;
};

enum copy_kind {
    COPY_SUBVOLUME,      /* a new subvolume with the content of a directory, if there is one */
    COPY_OBJECT,         /* a file, or a directory with its content */
    COPY_DIRECTORY_ONLY, /* a directory without its content; 0755 when the image lacks it */
};

struct copy_request {
    enum copy_kind kind;
    const char *source;          /* absolute path in the image, and on the running system */
    int parent;                  /* the directory that gets it */
    const char *name;            /* for a file: source's last component */
    struct subvolume *subvolume; /* COPY_SUBVOLUME: counts; those inside it are made too */
};

/* What a side returns that was stopped by the other one: no error number of the kernel's. */
#define COPY_STOPPED (-100000)

/* What could not be done, to what, and why; for one message. */
struct copy_failure {
    int error; /* 0: nothing failed */
    char step[160];
    char path[PATH_MAX];
};

/* Copies: one thread reads the image, in order, another one writes. Returns 0 or -errno with
 * *ret filled in; then what was made so far is still there. -EINTR: a signal says stop. */
int copy_run(const struct copy_context *context, const struct copy_request *request,
             struct copy_failure *ret);

/* How many bytes of content a copy of source would have; for the progress. 0 when unknown. */
uint64_t copy_measure(const struct copy_context *context, const char *source);

/* The two sides; each fills in its failure and returns 0 or -errno. */
int copy_read(const struct copy_context *context, const struct copy_request *request,
              struct copy_queue *queue, struct copy_failure *failure);
int copy_write(const struct copy_context *context, const struct copy_request *request,
               struct copy_queue *queue, struct copy_failure *failure);

/* Keeps the first failure. Returns error (a negative number) for "return copy_fail(...)". */
int copy_fail(struct copy_failure *failure, int error, const char *path, const char *step);

#endif
