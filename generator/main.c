/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/log.h"
#include "generate.h"

static const char usage[] =
    "usage: aimee-os-generator NORMAL-DIR [EARLY-DIR LATE-DIR]\n"
    "\n"
    "Writes units for systemd from /etc/fstab and the lists of writable-etc: what the mounts on\n"
    "the data device wait for, and the binds over /etc. systemd runs it at boot.\n"
    "\n"
    "  --help     this text\n"
    "  --version  the version\n"
    "\n"
    "Exit status: 0 done, also where the input is wrong in part, 1 failed, 2 wrong usage.\n"
    "See aimee-os-generator(8).\n";

/* The service manager has its standard error on /dev/null at this time, and a log that is not
 * running yet. */
static bool nobody_reads_stderr(void) {
    struct stat st;

    if (fstat(STDERR_FILENO, &st) < 0)
        return true;
    return S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

static int print(const char *text) {
    fputs(text, stdout);
    return fflush(stdout) == 0 ? EXIT_STATUS_DONE : EXIT_STATUS_FAILED;
}

int main(int argc, char **argv) {
    struct settings settings = {.root = "/"};

    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return print(usage);
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return print("aimee-os-generator " VERSION "\n");
    if (nobody_reads_stderr())
        log_to_kernel(open("/dev/kmsg", O_WRONLY | O_NOCTTY | O_CLOEXEC));
    if ((argc != 2 && argc != 4) || argv[1][0] == '-') {
        log_error("one directory is needed, or three; see aimee-os-generator --help");
        return EXIT_STATUS_USAGE;
    }
    (void)umask(022);
    settings.normal = argv[1];
    settings.late = argc == 4 ? argv[3] : argv[1];
    return generate(&settings);
}
