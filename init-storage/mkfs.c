/* SPDX-License-Identifier: MIT */
#include "mkfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/interrupt.h"
#include "common/log.h"

#define LOCK_FD 3        /* in the child, where it only has to be open */
#define ARGUMENT_LIMIT 9 /* with the NULL at the end */

static int wait_for(pid_t child) {
    bool told = false;
    int status = 0;

    for (;;) {
        if (interrupted() && !told)
            told = kill(child, SIGTERM) == 0;
        if (waitpid(child, &status, 0) >= 0)
            break;
        if (errno != EINTR)
            return -errno;
    }
    if (told)
        return -EINTR;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Reads to the end what the child says; its first words are kept, NUL-terminated. */
static void collect(int fd, char *text, size_t size) {
    size_t length = 0;

    for (;;) {
        char rest[512];
        size_t room = size - 1 - length;
        ssize_t n = read(fd, room ? text + length : rest, room ? room : sizeof(rest));

        if (n <= 0 && !(n < 0 && errno == EINTR && !interrupted()))
            break;
        if (n > 0 && room)
            length += (size_t)n;
    }
    text[length] = '\0';
}

/* All but the note on which defaults are new, which comes with every failure, on indented lines. */
static void pass_on(char *text) {
    char *line;

    while ((line = strsep(&text, "\n"))) {
        if (*line && *line != ' ' && strncmp(line, "NOTE: ", strlen("NOTE: ")) != 0)
            log_error("mkfs.btrfs: %s", line);
    }
}

static int spawn(char *const *arguments, int output, int lock, pid_t *ret) {
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
    char *const environment[] = {path, locale, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t reset;
    int r;

    sigemptyset(&reset);
    sigaddset(&reset, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigdefault(&attributes, &reset);
    posix_spawn_file_actions_init(&actions);
    r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, lock, LOCK_FD);
    if (r == 0)
        r = posix_spawn(ret, arguments[0], &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -r;
}

int mkfs_run(char *device, char *label, char *uuid, int lock) {
    static char program[] = MKFS_BTRFS, quiet[] = "-q", set_label[] = "-L", set_uuid[] = "-U",
                end_of_options[] = "--";
    char *arguments[ARGUMENT_LIMIT] = {program, quiet};
    size_t count = 2;
    char words[4096];
    int ends[2], r;
    pid_t child = -1;

    if (label) {
        arguments[count++] = set_label;
        arguments[count++] = label;
    }
    if (uuid) {
        arguments[count++] = set_uuid;
        arguments[count++] = uuid;
    }
    arguments[count++] = end_of_options;
    arguments[count] = device;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    r = spawn(arguments, ends[1], lock, &child);
    close_fd(&ends[1]);
    if (r == 0) {
        collect(ends[0], words, sizeof(words));
        r = wait_for(child);
        if (r > 0)
            pass_on(words);
    }
    close_fd(&ends[0]);
    return r;
}
