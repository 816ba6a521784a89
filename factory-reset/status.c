/* SPDX-License-Identifier: MIT */
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"

struct status {
    /* 0: a valid request for this file system; else why there is none: -ENOENT or -ENODATA: there
     * is nothing, -EBADMSG: no request at all, -EXDEV: for another file system. */
    int flag, stored;
    bool unmountable;
    struct reset_request request; /* the stored one, else the flag's */
};

static int check_fsid(const struct target *target, int r, const struct reset_request *request) {
    if (r == 0 && strcmp(request->fsid, target->found.primary.fsid) != 0)
        return -EXDEV;
    return r;
}

static bool is_ignored(int r) {
    return r == -EBADMSG || r == -EXDEV;
}

static void look_at_flag(struct target *target, struct status *ret) {
    const char *run_directory = target->settings->run_directory;
    int r = request_flag_read(run_directory, &ret->request);

    ret->flag = check_fsid(target, r, &ret->request);
    if (r < 0 && r != -ENOENT && !is_ignored(r))
        problem(target->problems, "%s/" REQUEST_FLAG ": cannot read: %s", run_directory,
                strerror(-r));
}

/* What cannot be looked at is not shown as if there were nothing, without a word. */
static void look_at_stored(struct target *target, struct status *ret) {
    const char *path = target->located.device.path;
    struct volume volume = VOLUME_NONE;
    struct reset_request stored;
    int r;

    ret->stored = -ENODATA;
    if (target->found.state == DEVICE_UNREADABLE)
        problem(target->problems, "%s: %s", path, target->found.found);
    if (!target_has_btrfs(target))
        return;
    r = target_mount(target, VOLUME_READ_ONLY_NO_REPLAY, &volume);
    if (r < 0) {
        ret->unmountable = true;
        problem(target->problems,
                "%s: its file system does not mount: %s; whether a request is stored in it "
                "cannot be seen",
                path, strerror(-r));
        return;
    }
    r = request_read(volume.top, &stored);
    volume_unmount(&volume);
    ret->stored = check_fsid(target, r, &stored);
    if (r < 0 && r != -ENODATA && !is_ignored(r))
        problem(target->problems, "%s: cannot read what is stored in it: %s", path, strerror(-r));
    if (ret->stored == 0)
        ret->request = stored;
}

/* What the next boot will do with what it finds, in one word. */
static const char *next_boot(const struct target *target, const struct status *status) {
    if (status->stored == 0)
        return "reset";
    if (is_ignored(status->stored))
        return "ignore";
    return target->found.state == DEVICE_BLANK ? "initialize" : "nothing";
}

static void print_json(const struct target *target, const struct status *status) {
    bool armed = status->flag == 0 || status->stored == 0;
    const struct reset_request *request = &status->request;

    printf("{\"version\":1,\"armed\":%s,\"shutdown\":%s,\"persistent\":%s,\"device\":",
           armed ? "true" : "false", status->flag == 0 ? "true" : "false",
           status->stored == 0 ? "true" : "false");
    json_string(stdout, target->located.device.path);
    fputs(",\"fsid\":", stdout);
    json_string(stdout, armed ? request->fsid : NULL);
    fputs(",\"by\":", stdout);
    json_string(stdout, armed ? request->by : NULL);
    fputs(",\"time\":", stdout);
    json_string(stdout, armed ? request->time : NULL);
    fputs(",\"erase\":", stdout);
    json_string(stdout, armed ? erase_name(request->erase) : NULL);
    printf(",\"next_boot\":\"%s\"}\n", next_boot(target, status));
}

static void print_text(const struct target *target, const struct status *status) {
    const struct reset_request *request = &status->request;

    printf("device:    %s\n", target->located.device.path);
    if (status->flag == 0 || status->stored == 0)
        printf("armed:     yes, by %s, %s, erase=%s\nfsid:      %s\nshutdown:  %s\n"
               "survives a power cut: %s\n",
               request->by, request->time, erase_name(request->erase), request->fsid,
               status->flag == 0 ? "wipes the file system" : "does nothing",
               status->stored == 0 ? "yes" : "no");
    else
        puts("armed:     no");
    if (is_ignored(status->stored) || is_ignored(status->flag))
        puts("stored:    something that is no valid request for this file system; it is ignored");
    if (status->unmountable)
        puts("file system: does not mount, so it cannot be looked into");
    printf("next boot: %s\n", next_boot(target, status));
}

int status_print(struct target *target) {
    struct status status = {0};

    look_at_flag(target, &status);
    look_at_stored(target, &status);
    if (target->settings->json)
        print_json(target, &status);
    else
        print_text(target, &status);
    return fflush(stdout) != 0 ? -errno : 0;
}
