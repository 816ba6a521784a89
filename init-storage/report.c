/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <errno.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/run-file.h"
#include "etc-plan.h"
#include "plan.h"

#define REPORT_NAME "init-storage.json"

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

static void print_copies(const struct etc_plan *etc, FILE *stream) {
    for (size_t i = 0; etc && i < etc->count; i++) {
        fputs(i ? ",{\"path\":" : "{\"path\":", stream);
        json_string(stream, etc->copies[i].path);
        fprintf(stream, ",\"action\":\"%s\"}", member_name(etc->copies[i].state));
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
    json_string(stream, report->problems.first_error);
    fputs(",\"subvolumes\":[", stream);
    print_subvolumes(report->plan, stream);
    fputs("],\"writable_etc\":[", stream);
    print_copies(report->etc, stream);
    fprintf(stream,
            "],\"seconds\":{\"probe\":%.3f,\"mkfs\":%.3f,\"copy\":%.3f,\"commit\":%.3f,"
            "\"total\":%.3f},\"reset\":",
            report->seconds.probe, report->seconds.mkfs, report->seconds.copy,
            report->seconds.commit, report->seconds.total);
    reset_print(&report->reset, stream);
    fputs("}\n", stream);
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

void report_free(struct report *report) {
    free(report->device);
    problems_free(&report->problems);
    *report = (struct report){0};
}
