/* SPDX-License-Identifier: MIT */

/* inject TRACE [TASK.CALL.NUMBER.ACTION] PROGRAM [ARGUMENT...]
 *
 * Runs a program and writes a line for each of its system calls to TRACE; of one call that is
 * named by its task (counted from 0, in the order in which they are made), its name and its number
 * among that task's calls of that name (from 1), something else becomes. ACTION is
 *
 *   errno=N   not made; it fails with that error
 *   lost=N    made, and reported to have failed: a close that fails has closed all the same
 *   short=N   made with the length N: a short read or write
 *   full=0    brk: made so that the end of the heap stays where it is, as without memory
 *   kill=0    SIGKILL as the call is entered
 *
 * A line is "TASK CALL NUMBER LENGTH RESULT PATH", with "-" where there is nothing to say: LENGTH
 * is what can be made short, PATH where the first argument's descriptor leads. The line of the
 * disturbed call begins with "!".
 *
 * strace does not do: it counts the calls of each thread and disturbs the N-th of all of them, and
 * a short result that it makes up comes without the data.
 *
 * Programs that a task executes are let go and run undisturbed. Ends as the program did. */

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/faults/fault.h"
#include "tests/faults/registers.h"

#define TASKS_MAX 512
#define PATH_LIMIT 256
#define EXIT_OWN_FAILURE 125

struct task {
    pid_t pid;
    bool gone;
    bool inside; /* a call has been entered */
    bool disturbed;
    int call;
    unsigned counts[CALLS_MAX];
    char path[PATH_LIMIT];
    uint64_t length;
    uint64_t heap_end; /* what brk asks for */
};

static struct task *tasks[TASKS_MAX];
static unsigned task_count;
static struct fault fault;
static FILE *trace;

static _Noreturn void die(const char *what) {
    fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
    exit(EXIT_OWN_FAILURE);
}

/* Numbers are handed to ptrace(2) as pointers. */
static void *as_pointer(uintptr_t number) {
    return (void *)number; // NOLINT(performance-no-int-to-ptr)
}

static struct task *task_of(pid_t pid, unsigned *ret_index) {
    unsigned i;

    for (i = 0; i < task_count; i++)
        if (tasks[i]->pid == pid && !tasks[i]->gone)
            break;
    if (i == task_count) {
        errno = ENOSPC;
        if (i == TASKS_MAX || !(tasks[i] = calloc(1, sizeof(*tasks[i]))))
            die("a task");
        tasks[task_count++]->pid = pid;
    }
    *ret_index = i;
    return tasks[i];
}

static void look_up_path(struct task *task, uint64_t fd) {
    char link[64];
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)task->pid, (int)fd);
    n = (int)fd < 0 ? -1 : readlink(link, task->path, sizeof(task->path) - 1);
    task->path[n < 0 ? 0 : n] = '\0';
    for (char *c = task->path; *c; c++)
        if (*c == '\n' || *c == ' ')
            *c = '?';
}

static bool is_fault(const struct task *task, unsigned index) {
    return fault.action != ACTION_NONE && index == fault.task && task->call == fault.call &&
           task->counts[task->call] == fault.number;
}

static void disturb_entry(const struct task *task) {
    switch (fault.action) {
    case ACTION_ERRNO:
        registers_set_call(task->pid, -1);
        break;
    case ACTION_SHORT:
        registers_set_argument(task->pid, fault_length_argument(task->call), (uint64_t)fault.value);
        break;
    case ACTION_FULL:
        registers_set_argument(task->pid, 0, 0);
        break;
    case ACTION_KILL:
        (void)kill(task->pid, SIGKILL);
        break;
    case ACTION_LOST:
    case ACTION_NONE:
        break;
    }
}

/* The kernel leaves the arguments' registers alone, and the program counts on it. */
static void disturb_return(const struct task *task) {
    switch (fault.action) {
    case ACTION_ERRNO:
    case ACTION_LOST:
        registers_set_result(task->pid, -fault.value);
        break;
    case ACTION_SHORT:
        registers_set_argument(task->pid, fault_length_argument(task->call), task->length);
        break;
    case ACTION_FULL:
        registers_set_argument(task->pid, 0, task->heap_end);
        break;
    case ACTION_KILL:
    case ACTION_NONE:
        break;
    }
}

static void enter(struct task *task, unsigned index, const struct __ptrace_syscall_info *info) {
    int length = -1;

    if (info->entry.nr >= CALLS_MAX)
        return;
    task->inside = true;
    task->call = (int)info->entry.nr;
    task->counts[task->call]++;
    length = fault_length_argument(task->call);
    task->length = length < 0 ? 0 : info->entry.args[length];
    task->heap_end = info->entry.args[0];
    look_up_path(task, info->entry.args[0]);
    task->disturbed = is_fault(task, index);
    if (task->disturbed)
        disturb_entry(task);
}

static void write_line(const struct task *task, unsigned index, const char *result) {
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, task->call);

    fprintf(trace, "%s%u %s %u %llu %s %s\n", task->disturbed ? "!" : "", index, name ? name : "?",
            task->counts[task->call], (unsigned long long)task->length, result,
            *task->path ? task->path : "-");
    free(name);
}

static void leave(struct task *task, unsigned index, const struct __ptrace_syscall_info *info) {
    char result[24];

    if (!task->inside)
        return;
    if (task->disturbed)
        disturb_return(task);
    (void)snprintf(result, sizeof(result), "%lld", (long long)info->exit.rval);
    write_line(task, index, result);
    task->inside = task->disturbed = false;
}

static void on_call(pid_t pid) {
    struct __ptrace_syscall_info info;
    unsigned index;
    struct task *task = task_of(pid, &index);

    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, as_pointer(sizeof(info)), &info) <= 0)
        return; /* killed meanwhile */
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
        enter(task, index, &info);
    else if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        leave(task, index, &info);
}

/* A call that never returned: exit, or one at which it was killed. */
static void on_end(pid_t pid) {
    unsigned index;
    struct task *task = task_of(pid, &index);

    if (task->inside)
        write_line(task, index, "-");
    task->gone = true;
}

/* Another program from here on. It is none of ours, unless it is what we were told to run. */
static bool on_exec(pid_t pid) {
    unsigned index;
    struct task *task = task_of(pid, &index);

    if (index == 0 && task->counts[SYS_execve] <= 1)
        return false;
    on_end(pid);
    (void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
    return true;
}

/* Returns whether the task has been let go on its way already. */
static bool on_event(pid_t pid, int event, int signal) {
    unsigned long child = 0;
    unsigned index;

    switch (event) {
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        if (ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child) == 0)
            (void)task_of((pid_t)child, &index);
        return false;
    case PTRACE_EVENT_EXEC:
        return on_exec(pid);
    case PTRACE_EVENT_STOP:
        if (signal == SIGTRAP)
            return false;
        (void)ptrace(PTRACE_LISTEN, pid, NULL, NULL); /* stopped by a signal, as all of it */
        return true;
    default:
        return false;
    }
}

static void on_stop(pid_t pid, int status) {
    int signal = WSTOPSIG(status), event = status >> 16;
    long deliver = 0;

    if (signal == (SIGTRAP | 0x80))
        on_call(pid);
    else if (event == 0)
        deliver = signal;
    else if (on_event(pid, event, signal))
        return;
    (void)ptrace(PTRACE_SYSCALL, pid, NULL, as_pointer((uintptr_t)deliver));
}

/* Until the last task has ended. Returns how the first did. */
static int follow(pid_t first) {
    int status, result = 0;
    pid_t pid;

    while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        if (pid < 0)
            continue;
        if (WIFSTOPPED(status)) {
            on_stop(pid, status);
            continue;
        }
        if (pid == first)
            result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        on_end(pid);
    }
    return result;
}

static pid_t start(char **argv) {
    const uintptr_t options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                              PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    pid_t pid = fork();
    int status;

    if (pid < 0)
        die("fork");
    if (pid == 0) {
        (void)raise(SIGSTOP);
        (void)execv(argv[0], argv);
        die(argv[0]);
    }
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
        die("waiting for the program");
    if (ptrace(PTRACE_SEIZE, pid, NULL, as_pointer(options)) < 0)
        die("ptrace");
    (void)kill(pid, SIGCONT);
    return pid;
}

int main(int argc, char **argv) {
    int program = 2, result;

    errno = EINVAL;
    if (argc < 3)
        die("usage: inject TRACE [TASK.CALL.NUMBER.ACTION=VALUE] PROGRAM [ARGUMENT...]");
    if (strchr(argv[2], '=')) {
        if (fault_parse(argv[program++], &fault) < 0)
            die("no fault that can be made");
    }
    if (program >= argc)
        die("no program");
    trace = fopen(argv[1], "we");
    if (!trace)
        die(argv[1]);
    result = follow(start(argv + program));
    if (fclose(trace) != 0)
        die(argv[1]);
    return result;
}
