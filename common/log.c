/* SPDX-License-Identifier: MIT */
#include "common/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "common/utf8.h"

#define LINE_LIMIT 4096
#define KERNEL_LINE_LIMIT 976 /* of a record of 1024 bytes, printk(9) */

static pthread_mutex_t terminal_lock = PTHREAD_MUTEX_INITIALIZER;
static bool transient_shown;
static int kernel_log = -1;

void mask_control_characters(char *text) {
    unsigned char *c = (unsigned char *)text;

    while (*c) {
        size_t length = utf8_length(c);

        /* U+0080 to U+009F are control characters, too, and so are those bytes by themselves. */
        if (length == 0 || *c < 0x20 || *c == 0x7f)
            *c = '?';
        else if (length == 2 && c[0] == 0xc2 && c[1] < 0xa0)
            c[0] = c[1] = '?';
        c += length ? length : 1;
    }
}

static void erase_transient(void) {
    if (transient_shown)
        fputs("\r\033[K", stderr);
    transient_shown = false;
}

/* The kernel takes a line in one write, and none that is longer than that. */
static void write_to_kernel(enum log_priority priority, const char *message) {
    char line[KERNEL_LINE_LIMIT];
    int length = snprintf(line, sizeof(line), "<%d>%s: %s", (int)priority,
                          program_invocation_short_name, message);

    if (length > 0)
        (void)!write(kernel_log, line, strnlen(line, sizeof(line)));
}

void log_to_kernel(int fd) {
    kernel_log = fd;
}

void log_line_list(enum log_priority priority, const char *format, va_list arguments) {
    int keep = errno;
    char message[LINE_LIMIT];

    (void)vsnprintf(message, sizeof(message), format, arguments);
    mask_control_characters(message);

    if (kernel_log >= 0) {
        write_to_kernel(priority, message);
        errno = keep;
        return;
    }
    pthread_mutex_lock(&terminal_lock);
    erase_transient();
    /* Set by systemd when standard error is the journal, which reads the priority from here. */
    if (getenv("JOURNAL_STREAM"))
        fprintf(stderr, "<%d>", (int)priority);
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, message);
    fflush(stderr);
    pthread_mutex_unlock(&terminal_lock);
    errno = keep;
}

void log_line(enum log_priority priority, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    log_line_list(priority, format, arguments);
    va_end(arguments);
}

void log_trail(const char *format, ...) {
    char message[LINE_LIMIT];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    log_info("%s", message);
    mask_control_characters(message);
    if (!getenv("JOURNAL_STREAM")) {
        openlog(program_invocation_short_name, LOG_PID, LOG_AUTHPRIV);
        syslog(LOG_NOTICE, "%s", message);
        closelog();
    }
}

void log_transient(const char *text) {
    char line[LINE_LIMIT];

    (void)snprintf(line, sizeof(line), "%s", text);
    mask_control_characters(line);
    pthread_mutex_lock(&terminal_lock);
    erase_transient();
    if (*line) {
        fprintf(stderr, "\r%s: %s", program_invocation_short_name, line);
        transient_shown = true;
    }
    fflush(stderr);
    pthread_mutex_unlock(&terminal_lock);
}
