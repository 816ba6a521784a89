/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/interrupt.h"
#include "common/log.h"
#include "common/run-file.h"
#include "now.h"
#include "request.h"
#include "status.h"

static const char usage[] =
    "usage: factory-reset [--yes] [--erase=KIND] [--reboot|--poweroff] [--device=DEV]\n"
    "       factory-reset --cancel\n"
    "       factory-reset --status [--json]\n"
    "       factory-reset --now [--yes] [--device=DEV] [--erase=KIND]\n"
    "\n"
    "Asks for the data partition to be wiped at the next shutdown, or at the next boot if the\n"
    "power goes first, so that the system starts from new.\n"
    "\n"
    "  --yes          do not ask\n"
    "  --erase=KIND   signature (default): the file system cannot be found any more;\n"
    "                 discard: the device forgets its data too; zero: all of it is overwritten\n"
    "  --reboot       reboot now\n"
    "  --poweroff     power off now\n"
    "  --cancel       take a request back\n"
    "  --status       say whether a reset is requested; --json: for programs\n"
    "  --now          wipe now, as the shutdown does; only what nothing has mounted\n"
    "  --device=DEV   the device, whatever fstab says\n"
    "  --help         this text\n"
    "  --version      the version\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage or nobody to ask, 3 refused.\n"
    "See factory-reset(8).\n";

static int wrong_usage(const char *message, const char *what) {
    log_error("%s%s; see factory-reset --help", message, what);
    return EXIT_STATUS_USAGE;
}

static int set_command(struct settings *settings, enum command command) {
    if (settings->command != COMMAND_REQUEST)
        return wrong_usage("only one of --cancel, --status and --now can be given", "");
    settings->command = command;
    return 0;
}

static int set_follow_up(struct settings *settings, enum follow_up follow_up) {
    if (settings->follow_up != FOLLOW_UP_NONE && settings->follow_up != follow_up)
        return wrong_usage("only one of --reboot and --poweroff can be given", "");
    settings->follow_up = follow_up;
    return 0;
}

static int set_erase(struct settings *settings, const char *kind) {
    settings->erase_given = true;
    if (erase_parse(kind, &settings->erase) < 0)
        return wrong_usage("--erase is signature, discard or zero, not ", kind);
    return 0;
}

/* 0: go on; -1: all is said, successfully; else an exit status. */
static int apply(int option, const char *word, struct settings *settings) {
    switch (option) {
    case 'y':
        settings->yes = true;
        return 0;
    case 'e':
        return set_erase(settings, optarg);
    case 'r':
        return set_follow_up(settings, FOLLOW_UP_REBOOT);
    case 'p':
        return set_follow_up(settings, FOLLOW_UP_POWEROFF);
    case 'c':
        return set_command(settings, COMMAND_CANCEL);
    case 's':
        return set_command(settings, COMMAND_STATUS);
    case 'n':
        return set_command(settings, COMMAND_NOW);
    case 'j':
        settings->json = true;
        return 0;
    case 'd':
        settings->device = optarg;
        return *optarg ? 0 : wrong_usage("--device is empty", "");
    case 'h':
        fputs(usage, stdout);
        return -1;
    case 'V':
        puts("factory-reset " VERSION);
        return -1;
    case ':':
        return wrong_usage("a value is missing after ", word);
    default:
        return wrong_usage("unknown option ", word);
    }
}

static int parse_options(int count, char **arguments, struct settings *settings) {
    static const struct option options[] = {
        {"yes", no_argument, NULL, 'y'},          {"erase", required_argument, NULL, 'e'},
        {"reboot", no_argument, NULL, 'r'},       {"poweroff", no_argument, NULL, 'p'},
        {"cancel", no_argument, NULL, 'c'},       {"status", no_argument, NULL, 's'},
        {"now", no_argument, NULL, 'n'},          {"json", no_argument, NULL, 'j'},
        {"device", required_argument, NULL, 'd'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0}};
    int option, r = 0;

    opterr = 0;
    while (r == 0 && (option = getopt_long(count, arguments, ":", options, NULL)) != -1)
        r = apply(option, arguments[optind - 1], settings);
    if (r != 0)
        return r;
    if (optind < count)
        return wrong_usage("unexpected argument ", arguments[optind]);
    if (settings->json && settings->command != COMMAND_STATUS)
        return wrong_usage("--json goes with --status", "");
    if (settings->follow_up != FOLLOW_UP_NONE && settings->command != COMMAND_REQUEST)
        return wrong_usage("--reboot and --poweroff go with a request", "");
    if (settings->erase_given && settings->command != COMMAND_REQUEST &&
        settings->command != COMMAND_NOW)
        return wrong_usage("--erase goes with a request or with --now", "");
    return 0;
}

static int carry_out(struct target *target) {
    switch (target->settings->command) {
    case COMMAND_CANCEL:
        return request_cancel(target);
    case COMMAND_STATUS:
        return status_print(target);
    case COMMAND_NOW:
        return reset_now(target);
    case COMMAND_REQUEST:
        break;
    }
    return request_reset(target);
}

/* Replaces this program; comes back only when it cannot. There is nobody whose password systemctl
 * could want: its helper for that is not even to be started. */
static int follow_up(const struct settings *settings) {
    static char program[] = SYSTEMCTL, reboot[] = "reboot", poweroff[] = "poweroff",
                no_question[] = "--no-ask-password", path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                locale[] = "LC_ALL=C";
    char *arguments[] = {program, settings->follow_up == FOLLOW_UP_REBOOT ? reboot : poweroff,
                         no_question, NULL};
    char *environment[] = {path, locale, NULL};

    (void)execve(program, arguments, environment);
    log_error("cannot run " SYSTEMCTL ": %s; the request stands, shut down by hand",
              strerror(errno));
    return EXIT_STATUS_FAILED;
}

int main(int argc, char **argv) {
    struct settings settings = {
        .fstab = "/etc/fstab", .run_directory = RUN_DIRECTORY, .mount_point = "/var"};
    struct problems problems = {0};
    struct target target = {.settings = &settings, .problems = &problems, .located = LOCATED_NONE};
    enum exit_status status;
    int r = parse_options(argc, argv, &settings);

    if (r != 0)
        return r < 0 ? (fflush(stdout) == 0 ? EXIT_STATUS_DONE : EXIT_STATUS_FAILED) : r;
    (void)umask(077);
    r = interrupt_catch();
    if (r == 0)
        r = target_find(&target);
    if (r == 0)
        r = carry_out(&target);
    status = problems.status;
    if (r == -EINVAL && status == EXIT_STATUS_DONE)
        status = EXIT_STATUS_USAGE;
    else if (r < 0 && status == EXIT_STATUS_DONE) {
        log_error("%s", r == -EPERM ? "the answer was not yes; nothing is reset" : strerror(-r));
        status = EXIT_STATUS_FAILED;
    }
    target_free(&target);
    problems_free(&problems);
    if (status == EXIT_STATUS_DONE && settings.follow_up != FOLLOW_UP_NONE)
        return follow_up(&settings);
    return status;
}
