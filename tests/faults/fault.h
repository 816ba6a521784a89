/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAULTS_FAULT_H
#define TESTS_FAULTS_FAULT_H

#define CALLS_MAX 1024

enum action { ACTION_NONE, ACTION_ERRNO, ACTION_LOST, ACTION_SHORT, ACTION_FULL, ACTION_KILL };

struct fault {
    unsigned task;
    int call;
    unsigned number;
    enum action action;
    long value;
};

/* Takes "TASK.CALL.NUMBER.ACTION=VALUE" apart, and the text with it; inject.c says what that means.
 * Returns 0, or -1: no fault that can be made. */
int fault_parse(char *text, struct fault *ret);

/* Which argument is a length that the kernel may use less of; -1: none. */
int fault_length_argument(int call);

#endif
