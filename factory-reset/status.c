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

static void look(struct target *target, struct status *ret) {
    struct volume volume = VOLUME_NONE;
    struct reset_request stored;

    *ret = (struct status){.stored = -ENODATA};
    ret->flag = request_flag_read(target->settings->run_directory, &ret->request);
    ret->flag = check_fsid(target, ret->flag, &ret->request);
    if (!target_has_btrfs(target))
        return;
    if (target_mount(target, VOLUME_READ_ONLY_NO_REPLAY, &volume) < 0) {
        ret->unmountable = true;
        return;
    }
    ret->stored = check_fsid(target, request_read(volume.top, &stored), &stored);
    volume_unmount(&volume);
    if (ret->stored == 0)
        ret->request = stored;
}

static bool is_ignored(int r) {
    return r == -EBADMSG || r == -EXDEV;
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
    struct status status;

    look(target, &status);
    if (target->settings->json)
        print_json(target, &status);
    else
        print_text(target, &status);
    return fflush(stdout) != 0 ? -errno : 0;
}
