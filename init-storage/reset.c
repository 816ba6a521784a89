/* SPDX-License-Identifier: MIT */
#include "reset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/json.h"
#include "common/log.h"
#include "common/run-file.h"
#include "common/volume.h"
#include "prepare.h"

#define DONE_FLAG "reset-done"

static const char *const origin_names[] = {[RESET_NONE] = "none",
                                           [RESET_REQUEST] = "request",
                                           [RESET_COMMAND_LINE] = "command-line",
                                           [RESET_RECORD] = "erase-record"};

void reset_print(const struct reset_outcome *outcome, FILE *stream) {
    if (outcome->origin == RESET_NONE) {
        fputs("null", stream);
        return;
    }
    fprintf(stream, "{\"from\":\"%s\",\"fsid\":", origin_names[outcome->origin]);
    json_string(stream, *outcome->request.fsid ? outcome->request.fsid : NULL);
    fputs(",\"by\":", stream);
    json_string(stream, outcome->request.by);
    fputs(",\"time\":", stream);
    json_string(stream, outcome->request.time);
    fprintf(stream, ",\"erase\":\"%s\",\"reached\":\"%s\"}", erase_name(outcome->request.erase),
            erase_level_name(outcome->level));
}

/* Words as the kernel separates them; the last one counts, as everywhere. */
bool reset_in_command_line(const char *command_line) {
    static const char key[] = "systemd.factory_reset=";
    _cleanup_free_ char *copy = strdup(command_line);
    char *rest = copy, *word;
    bool wanted = false;

    while (rest && (word = strsep(&rest, " \t\n"))) {
        const char *value = word + sizeof(key) - 1;

        if (strncmp(word, key, sizeof(key) - 1) == 0)
            wanted =
                strcmp(value, "1") == 0 || strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;
    }
    return wanted;
}

static bool command_line_wants_it(const struct settings *settings) {
    char text[4096 + 1], done[2];
    _cleanup_close_ int fd = -1;
    ssize_t n;

    if (settings->root_given || settings->device || settings->fstab || settings->dry_run)
        return false;
    if (run_file_read(settings->run_directory, DONE_FLAG, done, sizeof(done)) >= 0)
        return false;
    fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    return reset_in_command_line(text);
}

static void ask_by_command_line(const struct device_probe *found, struct reset_outcome *ret) {
    *ret =
        (struct reset_outcome){.origin = RESET_COMMAND_LINE, .request = {.erase = ERASE_SIGNATURE}};
    memcpy(ret->request.fsid, found->primary.fsid, sizeof(ret->request.fsid));
    request_sign(&ret->request);
    (void)snprintf(ret->request.by, sizeof(ret->request.by), "kernel command line");
}

int reset_mark_boot(const struct settings *settings) {
    return run_file_write(settings->run_directory, DONE_FLAG, "1\n", 2);
}

/* What is stored in the file system. */
static int read_stored(const struct prepare *prepare, struct reset_request *ret,
                       bool *ret_mounted) {
    struct volume volume = VOLUME_NONE;
    int r = volume_enter_namespace();

    if (r == 0)
        r = volume_mount(prepare->located.device.path, prepare->var->options,
                         prepare->settings->dry_run ? VOLUME_READ_ONLY_NO_REPLAY : VOLUME_READ_ONLY,
                         prepare->settings->mount_point, &volume);
    *ret_mounted = r == 0;
    if (r == 0)
        r = request_read(volume.top, ret);
    volume_unmount(&volume);
    return r;
}

static bool is_valid(const struct prepare *prepare, const struct device_probe *found,
                     const struct reset_request *request) {
    const char *path = prepare->located.device.path;

    if (strcmp(request->fsid, found->primary.fsid) != 0) {
        log_warning("%s: the request to reset in it is for the file system %s, and this one is "
                    "%s (a copy?); ignored, factory-reset --cancel removes it",
                    path, request->fsid, found->primary.fsid);
        return false;
    }
    if (found->primary.device_count != 1) {
        log_warning("%s: a request to reset is in it, but it spans several devices; ignored", path);
        return false;
    }
    return true;
}

static void report_unread(const struct prepare *prepare, int r, bool mounted) {
    const char *path = prepare->located.device.path;

    if (mounted)
        problem(&prepare->report->problems,
                "%s: cannot read whether it was asked for a reset: %s; nothing is done", path,
                strerror(-r));
    else
        problem(&prepare->report->problems,
                "%s: its btrfs does not mount: %s (the kernel log says more)", path, strerror(-r));
}

int reset_is_wanted(struct prepare *prepare, const struct device_probe *found,
                    struct reset_outcome *ret) {
    struct reset_outcome outcome = {.origin = RESET_REQUEST};
    bool mounted = false;
    int r =
        found->state == DEVICE_BTRFS ? read_stored(prepare, &outcome.request, &mounted) : -ENODATA;

    if (r == 0 && is_valid(prepare, found, &outcome.request)) {
        *ret = outcome;
        return 1;
    }
    if (r == -EBADMSG)
        log_warning("%s: what is stored there is no valid request to reset; ignored, "
                    "factory-reset --cancel removes it",
                    prepare->located.device.path);
    if (found->primary.device_count == 1 && command_line_wants_it(prepare->settings)) {
        ask_by_command_line(found, ret);
        return 1;
    }
    if (r == 0 || r == -ENODATA || r == -EBADMSG)
        return 0;
    report_unread(prepare, r, mounted);
    return r;
}
