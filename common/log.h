/* SPDX-License-Identifier: MIT */
#ifndef LOG_H
#define LOG_H

#include <stdarg.h>
#include <stdbool.h>

/* The syslog priorities that we use, as sd-daemon(3) writes them before a line. */
enum log_priority { LOG_PRIORITY_ERROR = 3, LOG_PRIORITY_WARNING = 4, LOG_PRIORITY_INFO = 6 };

/* One line on standard error: "<program>: <message>". Thread-safe; keeps errno. */
void log_line(enum log_priority priority, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void log_line_list(enum log_priority priority, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* From now on lines go to the kernel's log, an open /dev/kmsg, where nothing else is running yet.
 */
void log_to_kernel(int fd);

#define log_error(...) log_line(LOG_PRIORITY_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_PRIORITY_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_PRIORITY_INFO, __VA_ARGS__)

/* What must be found later: an informational line, and on the system log, too, where standard
 * error does not lead there. */
void log_trail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Replaces control characters by question marks: a name may carry a newline or an escape sequence,
 * and neither may forge a second line nor drive a terminal. */
void mask_control_characters(char *text);

/* Shows text in the terminal's last line until the next message or until text is "".
 * Only for standard error on a terminal. */
void log_transient(const char *text);

#endif
