/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAULTS_REGISTERS_H
#define TESTS_FAULTS_REGISTERS_H

#include <stdint.h>
#include <sys/types.h>

/* What a task that stopped at a system call asks the kernel for, or is told by it. */

/* As the call is entered; -1: none is made. */
void registers_set_call(pid_t pid, long number);
/* As the call is entered; index 0 to 5. */
void registers_set_argument(pid_t pid, int index, uint64_t value);
/* As the call returns; -errno for a failure. */
void registers_set_result(pid_t pid, long result);

#endif
