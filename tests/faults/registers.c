/* SPDX-License-Identifier: MIT */
#include "tests/faults/registers.h"

#include <elf.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

/* A task that was killed meanwhile cannot be read or changed, and need not be. */

static struct iovec vector(void *bytes, size_t size) {
    return (struct iovec){.iov_base = bytes, .iov_len = size};
}

static int get(pid_t pid, struct user_regs_struct *registers) {
    struct iovec iov = vector(registers, sizeof(*registers));

    return ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov) < 0 ? -1 : 0;
}

static void set(pid_t pid, struct user_regs_struct *registers) {
    struct iovec iov = vector(registers, sizeof(*registers));

    (void)ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov);
}

#if defined(__x86_64__)

static unsigned long long *argument(struct user_regs_struct *registers, int index) {
    unsigned long long *const places[] = {&registers->rdi, &registers->rsi, &registers->rdx,
                                          &registers->r10, &registers->r8,  &registers->r9};

    return places[index];
}

static unsigned long long *result_place(struct user_regs_struct *registers) {
    return &registers->rax;
}

void registers_set_call(pid_t pid, long number) {
    struct user_regs_struct registers;

    if (get(pid, &registers) < 0)
        return;
    registers.orig_rax = (unsigned long long)number;
    set(pid, &registers);
}

#elif defined(__aarch64__)

static unsigned long long *argument(struct user_regs_struct *registers, int index) {
    return &registers->regs[index];
}

static unsigned long long *result_place(struct user_regs_struct *registers) {
    return &registers->regs[0];
}

void registers_set_call(pid_t pid, long number) {
    int call = (int)number;
    struct iovec iov = vector(&call, sizeof(call));

    (void)ptrace(PTRACE_SETREGSET, pid, (void *)NT_ARM_SYSTEM_CALL, &iov);
}

#else
_Static_assert(false, "where this processor keeps a system call's number is not known here");
#endif

void registers_set_argument(pid_t pid, int index, uint64_t value) {
    struct user_regs_struct registers;

    if (get(pid, &registers) < 0)
        return;
    *argument(&registers, index) = value;
    set(pid, &registers);
}

void registers_set_result(pid_t pid, long result) {
    struct user_regs_struct registers;

    if (get(pid, &registers) < 0)
        return;
    *result_place(&registers) = (unsigned long long)result;
    set(pid, &registers);
}
