/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/interrupt.h"
#include "common/log.h"
#include "common/problems.h"
#include "common/run-file.h"
#include "run.h"
#include "settings.h"

static const char usage[] =
    "usage: init-storage [option ...]\n"
    "\n"
    "Makes the data device of /etc/fstab's line for /var ready: formats it if it is blank, and\n"
    "adds what is missing of the subvolumes and files that the image wants on it.\n"
    "\n"
    "  --root=DIR       the tree to copy, with its fstab and lists (default /); other than /\n"
    "                   it requires --device\n"
    "  --fstab=FILE     instead of DIR/etc/fstab\n"
    "  --device=DEV     the data device, whatever fstab says\n"
    "  --dry-run        look, say what would be done, change nothing\n"
    "  --json           print the report on standard output, too\n"
    "  --progress=WHEN  auto, always or never\n"
    "  --help           this text\n"
    "  --version        the version\n"
    "\n"
    "Exit status: 0 done or nothing to do, 1 failed, 2 wrong usage, 3 refused: what is on the\n"
    "device forbids it, and not one byte was changed. See init-storage(8).\n";

static int wrong_usage(const char *message, const char *what) {
    log_error("%s%s; see init-storage --help", message, what);
    return EXIT_STATUS_USAGE;
}

static int parse_progress(const char *when, enum progress_mode *ret) {
    static const char *const names[] = {"auto", "always", "never"};

    for (int i = 0; i < 3; i++) {
        if (strcmp(when, names[i]) == 0) {
            *ret = (enum progress_mode)i;
            return 0;
        }
    }
    return wrong_usage("--progress is auto, always or never, not ", when);
}

/* 0: go on; -1: all is said, successfully; else an exit status. */
static int parse_options(int count, char **arguments, struct settings *settings) {
    static const struct option options[] = {{"root", required_argument, NULL, 'r'},
                                            {"fstab", required_argument, NULL, 'f'},
                                            {"device", required_argument, NULL, 'd'},
                                            {"dry-run", no_argument, NULL, 'n'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"progress", required_argument, NULL, 'p'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {NULL, 0, NULL, 0}};
    int option, r = 0;

    opterr = 0;
    while (r == 0 && (option = getopt_long(count, arguments, ":", options, NULL)) != -1) {
        switch (option) {
        case 'r':
            settings->root = optarg;
            settings->root_given = true;
            break;
        case 'f':
            settings->fstab = optarg;
            break;
        case 'd':
            settings->device = optarg;
            break;
        case 'n':
            settings->dry_run = true;
            break;
        case 'j':
            settings->json = true;
            break;
        case 'p':
            r = parse_progress(optarg, &settings->progress);
            break;
        case 'h':
            fputs(usage, stdout);
            return -1;
        case 'V':
            puts("init-storage " VERSION);
            return -1;
        case ':':
            return wrong_usage("a value is missing after ", arguments[optind - 1]);
        default:
            return wrong_usage("unknown option ", arguments[optind - 1]);
        }
    }
    if (r == 0 && optind < count)
        return wrong_usage("unexpected argument ", arguments[optind]);
    return r;
}

static int check_settings(const struct settings *settings) {
    if (!*settings->root || (settings->fstab && !*settings->fstab) ||
        (settings->device && !*settings->device))
        return wrong_usage("an option's value is empty", "");
    if (strcmp(settings->root, "/") != 0 && !settings->device)
        return wrong_usage("--root other than / requires --device, as a tag in that tree's fstab "
                           "could name a disk of this machine",
                           "");
    return 0;
}

int main(int argc, char **argv) {
    struct settings settings = {.root = "/",
                                .run_directory = RUN_DIRECTORY,
                                .mount_point = "/var",
                                .progress = PROGRESS_AUTO};
    int r = parse_options(argc, argv, &settings);

    if (r == 0)
        r = check_settings(&settings);
    if (r != 0)
        return r < 0 ? (fflush(stdout) == 0 ? EXIT_STATUS_DONE : EXIT_STATUS_FAILED) : r;
    (void)umask(077);
    r = interrupt_catch();
    if (r < 0) {
        log_error("cannot catch signals: %s", strerror(-r));
        return EXIT_STATUS_FAILED;
    }
    return run(&settings);
}
