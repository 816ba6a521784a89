/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "change.h"
#include "common/interrupt.h"
#include "common/log.h"
#include "common/run-file.h"
#include "secret.h"

static const char usage[] =
    "usage: set-root-password [--stdin]\n"
    "\n"
    "Asks for a new password for root and sets it, also where /etc is read-only.\n"
    "\n"
    "  --stdin     read the password from standard input, alone on one line\n"
    "  --help      this text\n"
    "  --version   the version\n"
    "\n"
    "Exit status: 0 changed, 1 not changed, 2 wrong usage or no password.\n"
    "See set-root-password(8).\n";

/* Somebody may have put a password there: it is not shown once more. */
static int wrong_usage(const char *message) {
    log_error("%s; see set-root-password --help", message);
    return EXIT_STATUS_USAGE;
}

/* 0: go on; -1: all is said, successfully; else an exit status. */
static int parse_options(int count, char **arguments, struct settings *settings) {
    static const struct option options[] = {{"stdin", no_argument, NULL, 's'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {NULL, 0, NULL, 0}};
    int option;

    opterr = 0;
    while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            settings->from_stdin = true;
            break;
        case 'h':
            fputs(usage, stdout);
            return -1;
        case 'V':
            puts("set-root-password " VERSION);
            return -1;
        default:
            return wrong_usage("there is an unknown option");
        }
    }
    return optind < count ? wrong_usage("it takes no argument") : 0;
}

/* Privileges that a bit or attribute of the program file gives are not root's own. (AT_SECURE tells
 * of those, too, but also of each change of the SELinux domain.) */
static int check_caller(void) {
    if (getuid() != 0) {
        log_error("only root can do this");
        return EXIT_STATUS_FAILED;
    }
    if (geteuid() != 0 || getgid() != getegid()) {
        log_error("must not be set-user-ID or set-group-ID; remove that from the program");
        return EXIT_STATUS_FAILED;
    }
    return 0;
}

/* To the most that the caller cannot take from root, or else to what it left. */
static void raise_limit(__rlimit_resource_t resource) {
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

    if (setrlimit(resource, &limit) == 0 || getrlimit(resource, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(resource, &limit);
}

/* What a caller can leave us with changes nothing of what runs: its environment is not passed on,
 * and what else is inherited is set here. */
static int leave_caller_behind(void) {
    const struct sigaction standard = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN};
    sigset_t none;
    int fd;

    /* A file must not get the number of a standard stream, and our messages into it. */
    do {
        fd = open("/dev/null", O_RDWR); /* for passwd, too */
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0 || close(fd) < 0 || clearenv() != 0)
        return -errno;
    (void)umask(077);
    (void)alarm(0);
    raise_limit(RLIMIT_FSIZE);
    raise_limit(RLIMIT_CPU);
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || sigaction(SIGCHLD, &standard, NULL) < 0 ||
        sigaction(SIGXFSZ, &ignore, NULL) < 0 || sigaction(SIGQUIT, &ignore, NULL) < 0)
        return -errno;
    return interrupt_catch();
}

int main(int argc, char **argv) {
    struct settings settings = {
        .etc = "/etc", .state = "/var/lib/aimee-os/etc", .run_directory = RUN_DIRECTORY};
    int r = parse_options(argc, argv, &settings);

    if (r < 0 && fflush(stdout) != 0) {
        log_error("standard output: %s", strerror(errno));
        return EXIT_STATUS_FAILED;
    }
    if (r != 0)
        return r < 0 ? EXIT_STATUS_DONE : r;
    r = check_caller();
    if (r != 0)
        return r;
    r = leave_caller_behind();
    if (r < 0) {
        log_error("cannot begin: %s", strerror(-r));
        return EXIT_STATUS_FAILED;
    }
    secret_protect_memory();
    return change_password(&settings);
}
