/* SPDX-License-Identifier: MIT */
#include "unit-file.h"

#include <errno.h>
#include <stdio.h>

#include "common/cleanup.h"
#include "common/run-file.h"

#define DROP_IN_NAME "50-aimee-os.conf"

static int make_folder_of(int folder, const char *unit, const char *suffix) {
    _cleanup_free_ char *name = NULL;

    if (asprintf(&name, "%s%s", unit, suffix) < 0) {
        name = NULL;
        return -ENOMEM;
    }
    return run_directory_make_at(folder, name);
}

int unit_drop_in_write(int folder, const char *unit, const char *text, size_t size) {
    _cleanup_close_ int drop_ins = make_folder_of(folder, unit, ".d");

    return drop_ins < 0 ? drop_ins : run_file_write_at(drop_ins, DROP_IN_NAME, text, size);
}

int unit_wanted_write(int folder, const char *wanted_by, const char *unit, const char *text,
                      size_t size) {
    _cleanup_close_ int wants = make_folder_of(folder, wanted_by, ".wants");
    _cleanup_free_ char *target = NULL;
    int r;

    if (wants < 0)
        return wants;
    if (asprintf(&target, "../%s", unit) < 0) {
        target = NULL;
        return -ENOMEM;
    }
    r = run_file_write_at(folder, unit, text, size);
    if (r < 0)
        return r;
    return symlinkat(target, wants, unit) < 0 && errno != EEXIST ? -errno : 0;
}
