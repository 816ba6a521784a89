/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <time.h>

#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "plan.h"
#include "run-file.h"
#include "writable-etc.h"

#define REPORT_NAME "init-storage.json"

static void __attribute__((format(printf, 3, 0)))
remember(struct report *report, enum exit_status status, const char *format, va_list arguments) {
    va_list again;

    va_copy(again, arguments);
    log_line_list(LOG_PRIORITY_ERROR, format, arguments);
    /* A refusal outranks a failure: nothing was touched, and that is the thing to know. */
    if (report->status < status) {
        free(report->first_error);
        if (vasprintf(&report->first_error, format, again) < 0)
            report->first_error = NULL;
        report->status = status;
    }
    va_end(again);
}

void report_problem(struct report *report, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    remember(report, EXIT_STATUS_FAILED, format, arguments);
    va_end(arguments);
}

void report_refusal(struct report *report, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    remember(report, EXIT_STATUS_REFUSED, format, arguments);
    va_end(arguments);
}

static const char *action_name(enum report_action action) {
    static const char *const names[] = {
        [ACTION_NOTHING] = "nothing",     [ACTION_FORMATTED] = "formatted",
        [ACTION_COMPLETED] = "completed", [ACTION_REFUSED] = "refused",
        [ACTION_FAILED] = "failed",
    };

    return names[action];
}

static const char *member_name(enum member_state state) {
    switch (state) {
    case MEMBER_PRESENT:
        return "present";
    case MEMBER_CREATED:
        return "created";
    case MEMBER_UNKNOWN:
    case MEMBER_MISSING:
    case MEMBER_FAILED:
        break;
    }
    return "failed";
}

static void print_subvolumes(const struct plan *plan, FILE *stream) {
    for (size_t i = 0; plan && i < plan->count; i++) {
        const struct subvolume *subvolume = &plan->subvolumes[i];

        fputs(i ? ",{\"path\":" : "{\"path\":", stream);
        json_string(stream, subvolume->path);
        fputs(",\"target\":", stream);
        json_string(stream, subvolume->target);
        fprintf(stream, ",\"action\":\"%s\",\"files\":%ju,\"bytes\":%ju}",
                member_name(subvolume->state), (uintmax_t)subvolume->files,
                (uintmax_t)subvolume->bytes);
    }
}

static void print_etc_list(const struct etc_list *list, FILE *stream) {
    for (size_t i = 0; list && i < list->count; i++) {
        fputs(i ? ",{\"path\":" : "{\"path\":", stream);
        json_string(stream, list->entries[i].path);
        fprintf(stream, ",\"action\":\"%s\"}", member_name(list->entries[i].state));
    }
}

void report_print(const struct report *report, FILE *stream) {
    fputs("{\"version\":1,\"state\":", stream);
    json_string(stream, report->has_state ? device_state_name(report->state) : NULL);
    fprintf(stream, ",\"action\":\"%s\",\"device\":", action_name(report->action));
    json_string(stream, report->device);
    fputs(",\"fsid\":", stream);
    json_string(stream, *report->fsid ? report->fsid : NULL);
    fputs(",\"error\":", stream);
    json_string(stream, report->first_error);
    fputs(",\"subvolumes\":[", stream);
    print_subvolumes(report->plan, stream);
    fputs("],\"writable_etc\":[", stream);
    print_etc_list(report->etc_list, stream);
    fprintf(stream,
            "],\"seconds\":{\"probe\":%.3f,\"mkfs\":%.3f,\"copy\":%.3f,\"commit\":%.3f,"
            "\"total\":%.3f},\"reset\":null}\n",
            report->seconds.probe, report->seconds.mkfs, report->seconds.copy,
            report->seconds.commit, report->seconds.total);
}

int report_store(const struct report *report, const char *directory) {
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        return -errno;
    report_print(report, stream);
    if (fclose(stream) != 0)
        return -errno;
    return run_file_write(directory, REPORT_NAME, text, size);
}

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

void report_free(struct report *report) {
    free(report->device);
    free(report->first_error);
    *report = (struct report){0};
}
