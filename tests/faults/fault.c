/* SPDX-License-Identifier: MIT */
#include "tests/faults/fault.h"

#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

int fault_length_argument(int call) {
    switch (call) {
    case SYS_read:
    case SYS_write:
    case SYS_pread64:
    case SYS_pwrite64:
        return 2;
    case SYS_sendfile:
        return 3;
    case SYS_copy_file_range:
        return 4;
    default:
        return -1;
    }
}

static enum action action_of(const char *name) {
    static const char *const names[] = {[ACTION_ERRNO] = "errno",
                                        [ACTION_LOST] = "lost",
                                        [ACTION_SHORT] = "short",
                                        [ACTION_FULL] = "full",
                                        [ACTION_KILL] = "kill"};

    for (unsigned i = ACTION_ERRNO; i <= ACTION_KILL; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return ACTION_NONE;
}

/* The whole of text as a number; leaves -1 where it is none. */
static long number_of(const char *text) {
    char *end = NULL;
    long number = text && *text ? strtol(text, &end, 10) : -1;

    return end && *end == '\0' ? number : -1;
}

int fault_parse(char *text, struct fault *ret) {
    char *rest = text;
    long task = number_of(strsep(&rest, "."));
    const char *call = strsep(&rest, ".");
    long number = number_of(strsep(&rest, "."));
    const char *action = strsep(&rest, "=");

    ret->value = number_of(rest);
    ret->action = action ? action_of(action) : ACTION_NONE;
    ret->call = call ? seccomp_syscall_resolve_name(call) : -1;
    ret->task = (unsigned)task;
    ret->number = (unsigned)number;
    if (task < 0 || number < 1 || ret->value < 0 || ret->action == ACTION_NONE || ret->call < 0 ||
        ret->call >= CALLS_MAX ||
        (ret->action == ACTION_SHORT && fault_length_argument(ret->call) < 0))
        return -1;
    return 0;
}
