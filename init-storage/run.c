/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fstab.h"
#include "common/log.h"
#include "common/path.h"
#include "common/writable-etc.h"
#include "complete.h"
#include "prepare.h"
#include "session.h"

struct run {
    const struct settings *settings;
    struct report report;
    struct progress progress;
    struct fstab fstab;
    struct plan plan;
    struct etc_list list;
    struct etc_plan etc;
    struct labels labels;
    char *root_path; /* absolute: a thread of the copy has another current directory */
    struct prepare prepare;
    int root; /* the image as it is seen now, for its configuration */
};

static int read_fstab(struct run *run) {
    const char *file = run->settings->fstab;
    int fd = file ? open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
                  : open_in_root(run->root, "etc/fstab", O_RDONLY | O_NONBLOCK);

    if (fd < 0) {
        int error = file ? errno : -fd;

        problem(&run->report.problems, "%s: cannot open: %s", file ? file : "/etc/fstab",
                strerror(error));
        return -error;
    }
    return fstab_read(fd, file ? file : "/etc/fstab", &run->fstab, &run->report.problems);
}

static int read_configuration(struct run *run) {
    int r;

    run->root = open(run->settings->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    run->root_path = run->root < 0 ? NULL : realpath(run->settings->root, NULL);
    if (!run->root_path) {
        r = -errno;
        problem(&run->report.problems, "%s: cannot open: %s", run->settings->root, strerror(-r));
        return r;
    }
    r = read_fstab(run);
    if (r == 0)
        r = etc_list_read(run->root, &run->list, &run->report.problems);
    return r < 0 ? r : etc_plan_make(&run->list, &run->etc);
}

static bool lies_on_device(const struct run *run, const struct fstab_entry *entry) {
    const struct fstab_entry *var = &run->fstab.entries[run->fstab.var];
    _cleanup_free_ char *path = NULL;
    struct stat st;

    if (fstab_same_source(entry->source, var->source) ||
        (var->locator && fstab_same_source(entry->source, var->locator)))
        return true;
    /* With --device fstab's other words mean another machine's devices. */
    if (run->settings->device || device_resolve(entry->source, &path) < 0)
        return false;
    return stat(path, &st) == 0 && S_ISBLK(st.st_mode) &&
           st.st_rdev == run->prepare.located.device.number;
}

static int make_plan(struct run *run) {
    _cleanup_free_ bool *managed = calloc(run->fstab.count, sizeof(*managed));
    int r;

    if (!managed)
        return -ENOMEM;
    for (size_t i = 0; i < run->fstab.count; i++)
        managed[i] = lies_on_device(run, &run->fstab.entries[i]);
    r = plan_make(&run->fstab, managed, &run->plan, &run->report.problems);
    if (r < 0)
        return r;
    if (run->plan.count == 0 && run->report.problems.status != EXIT_STATUS_DONE)
        return -EINVAL; /* no line is right: nothing to format for */
    return 0;
}

static int use_file_system(struct run *run) {
    struct session session = {.device = run->prepare.located.device.path,
                              .options = run->prepare.var->options,
                              .mount_point = run->settings->mount_point,
                              .dry_run = run->settings->dry_run,
                              .plan = &run->plan,
                              .etc = &run->etc,
                              .report = &run->report,
                              .progress = &run->progress,
                              .volume = VOLUME_NONE,
                              .staging = -1};
    _cleanup_close_ int image = -1;
    int r = volume_enter_namespace();

    if (r < 0) {
        problem(&run->report.problems, "cannot make a mount namespace of our own: %s",
                strerror(-r));
        return r;
    }
    image = volume_clone_image(run->settings->root);
    if (image < 0) {
        problem(&run->report.problems, "%s: cannot clone its mount: %s", run->settings->root,
                strerror(-image));
        return image;
    }
    labels_open(&run->labels, run->root_path);
    session.copy = (struct copy_context){
        .image = image, .plan = &run->plan, .labels = &run->labels, .progress = &run->progress};
    return complete_file_system(&session);
}

static void pretend_all(struct run *run) {
    struct session session = {.plan = &run->plan, .etc = &run->etc};

    complete_pretend(&session);
}

/* The map: fstab, device, probe, mkfs; then, on what is mounted, subvolumes, copy, commit. */
static int steps(struct run *run) {
    int r = read_configuration(run);

    if (r < 0)
        return r;
    run->prepare = (struct prepare){.settings = run->settings,
                                    .var = &run->fstab.entries[run->fstab.var],
                                    .report = &run->report,
                                    .progress = &run->progress,
                                    .located = LOCATED_NONE};
    r = locate_device(run->prepare.var, run->settings->device, &run->prepare.located,
                      &run->report.problems);
    if (r < 0)
        return r;
    run->report.device = strdup(run->prepare.located.device.path);
    if (!run->report.device)
        return -ENOMEM;
    r = make_plan(run);
    if (r < 0)
        return r;
    r = prepare_file_system(&run->prepare);
    if (r == 0)
        return use_file_system(run);
    if (r == 1)
        pretend_all(run);
    return r;
}

static void raise_file_limit(void) {
    struct rlimit limit;

    /* A directory level of the image takes two descriptors while it is copied. */
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void finish(struct run *run, double start) {
    struct report *report = &run->report;
    int r;

    report->plan = &run->plan;
    report->etc = &run->etc;
    report->seconds.total = clock_lap(&start);
    if (report->problems.status == EXIT_STATUS_FAILED && report->action == ACTION_NOTHING)
        report->action = ACTION_FAILED;
    else if (report->problems.status == EXIT_STATUS_REFUSED)
        report->action = ACTION_REFUSED;
    if (report->problems.status == EXIT_STATUS_DONE)
        log_info("%s: %s (%.1f s)", report->device,
                 report->action == ACTION_NOTHING ? "nothing to do" : "done",
                 report->seconds.total);
    if (!run->settings->dry_run) {
        r = report_store(report, run->settings->run_directory);
        if (r < 0)
            log_warning("%s: cannot store the report: %s", run->settings->run_directory,
                        strerror(-r));
    }
    if (run->settings->json)
        report_print(report, stdout);
    if (run->settings->json && fflush(stdout) != 0)
        log_warning("cannot print the report: %s", strerror(errno));
}

enum exit_status run(const struct settings *settings) {
    struct run run = {.settings = settings, .root = -1, .prepare.located = LOCATED_NONE};
    double start = clock_seconds();
    enum exit_status status;
    int r = progress_start(&run.progress, settings->progress);

    if (r < 0)
        log_warning("no thread for the progress: %s", strerror(-r));
    raise_file_limit();
    r = steps(&run);
    progress_stop(&run.progress);
    if (r < 0 && run.report.problems.status == EXIT_STATUS_DONE)
        problem(&run.report.problems, "cannot go on: %s", strerror(-r));
    finish(&run, start);
    status = run.report.problems.status;
    labels_close(&run.labels);
    device_close(&run.prepare.located.device);
    plan_free(&run.plan);
    etc_plan_free(&run.etc);
    etc_list_free(&run.list);
    fstab_free(&run.fstab);
    report_free(&run.report);
    close_fd(&run.root);
    free(run.root_path);
    return status;
}
