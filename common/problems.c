/* SPDX-License-Identifier: MIT */
#include "common/problems.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

static void __attribute__((format(printf, 3, 0)))
remember(struct problems *problems, enum exit_status status, const char *format,
         va_list arguments) {
    va_list again;

    va_copy(again, arguments);
    log_line_list(LOG_PRIORITY_ERROR, format, arguments);
    /* A refusal outranks a failure: nothing was touched, and that is the thing to know. */
    if (problems->status < status) {
        free(problems->first_error);
        if (vasprintf(&problems->first_error, format, again) < 0)
            problems->first_error = NULL;
        problems->status = status;
    }
    va_end(again);
}

void problem(struct problems *problems, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    remember(problems, EXIT_STATUS_FAILED, format, arguments);
    va_end(arguments);
}

void refusal(struct problems *problems, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    remember(problems, EXIT_STATUS_REFUSED, format, arguments);
    va_end(arguments);
}

void problems_free(struct problems *problems) {
    free(problems->first_error);
    *problems = (struct problems){0};
}
