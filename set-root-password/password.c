/* SPDX-License-Identifier: MIT */
#include "password.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/interrupt.h"

/* Room for the longest one, its newline, and what comes too much. */
#define ROOM (PASSWORD_LIMIT + 2)

static int read_all(int fd, struct secret *secret) {
    while (secret->size < ROOM) {
        ssize_t n;

        if (interrupted())
            return -EINTR;
        n = read(fd, secret->text + secret->size, ROOM - secret->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        secret->size += (size_t)n;
        /* Who types it ends it with a line. */
        if (isatty(fd) && memchr(secret->text, '\n', secret->size))
            break;
    }
    return 0;
}

static const char *find_wrong(struct secret *line) {
    const char *newline = memchr(line->text, '\n', line->size);

    if (newline && newline != line->text + line->size - 1)
        return "there is more than one line";
    if (newline)
        line->size--;
    if (line->size == 0)
        return "the password is empty";
    if (memchr(line->text, '\0', line->size))
        return "there is a NUL in the password";
    /* Of a file with another system's line ends: nobody could type it. */
    if (line->text[line->size - 1] == '\r')
        return "the line ends with a carriage return";
    return line->size > PASSWORD_LIMIT ? "the password is longer than 511 bytes" : NULL;
}

int password_read(int fd, struct secret *ret, const char **ret_wrong) {
    _cleanup_secret_ struct secret line = {.text = calloc(1, ROOM)};
    int r;

    if (!line.text)
        return -ENOMEM;
    r = read_all(fd, &line);
    if (r < 0)
        return r;
    *ret_wrong = find_wrong(&line);
    if (*ret_wrong)
        return -EINVAL;
    *ret = line;
    line = (struct secret){0};
    return 0;
}
