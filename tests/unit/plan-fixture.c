/* SPDX-License-Identifier: MIT */
#include "plan-fixture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/fstab.h"

struct plan plan;
struct problems report;

static struct fstab fstab;

void plan_lines(const char *lines) {
    int fd = memfd_create("fstab", MFD_CLOEXEC);
    struct problems parsing = {0};
    bool *managed;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, lines, strlen(lines)), strlen(lines));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    fstab = (struct fstab){0};
    plan = (struct plan){0};
    report = (struct problems){0};
    assert_int_equal(fstab_read(fd, "fstab", &fstab, &parsing), 0);
    assert_int_equal(parsing.status, EXIT_STATUS_DONE);
    (void)unit_said();
    managed = calloc(fstab.count, sizeof(*managed));
    assert_non_null(managed);
    for (size_t i = 0; i < fstab.count; i++)
        managed[i] = strcmp(fstab.entries[i].source, "LABEL=data") == 0;
    assert_int_equal(plan_make(&fstab, managed, &plan, &report), 0);
    free(managed);
}

void plan_release(void) {
    plan_free(&plan);
    assert_null(plan.subvolumes);
    assert_null(plan.places);
    fstab_free(&fstab);
    problems_free(&report);
}
