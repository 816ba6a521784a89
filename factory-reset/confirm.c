/* SPDX-License-Identifier: MIT */
#include "confirm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/interrupt.h"
#include "common/log.h"

static const char *erase_words(enum erase_kind kind) {
    switch (kind) {
    case ERASE_SIGNATURE:
        return "signature: the file system is made unfindable; its data is not erased";
    case ERASE_DISCARD:
        return "discard: the device is told to forget all its data, as far as it can";
    case ERASE_ZERO:
        return "zero: every byte of the device is overwritten with zeros";
    }
    return "";
}

static void describe(const struct target *target, const struct reset_request *request) {
    const struct superblock *fs = &target->found.primary;
    const double gib = 1 << 30;

    log_info("device:      %s (%.2f GiB)", target->located.device.path,
             (double)target->located.device.size / gib);
    log_info("file system: btrfs %s%s%s%s, %.2f GiB used%s", fs->fsid,
             *fs->label ? ", label \"" : "", fs->label, *fs->label ? "\"" : "",
             (double)fs->bytes_used / gib,
             target->found.state == DEVICE_DAMAGED ? ", DAMAGED" : "");
    log_info("lost:        everything on it: all settings, data and logs, and every file changed "
             "in /etc");
    log_info("erase:       %s", erase_words(request->erase));
    log_info("when:        at shutdown, or at the next boot");
}

int confirm(const struct target *target, const struct reset_request *request) {
    char answer[16];
    int r;

    describe(target, request);
    if (target->settings->yes)
        return 0;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        log_error("there is no terminal to ask on; --yes says that it is meant");
        return -EINVAL;
    }
    fputs("Type yes to go on: ", stderr);
    fflush(stderr);
    /* A signal that came before is in the flag, a later one ends us: none leaves us waiting. */
    r = interrupt_release();
    if (r < 0)
        return r;
    if (interrupted() || !fgets(answer, sizeof(answer), stdin) || strcmp(answer, "yes\n") != 0)
        return -EPERM;
    return interrupt_catch();
}
