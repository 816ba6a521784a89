/* SPDX-License-Identifier: MIT */
#include "passwd.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/interrupt.h"
#include "common/write-all.h"

/* Three processes. This one stays outside. Its child, the keeper, is the first process of a
 * process namespace and enters the view; its end is the end of all in there, and it dies with this
 * one. The keeper's child becomes passwd. */

#define NOT_RUN 127

/* What the two inside have to say; in memory that all three share. */
struct outcome {
    const char *step; /* what failed; a constant, at the same address in all three */
    int error;        /* -errno of it */
    int status;       /* of passwd, as of wait(2), once it has ended */
};

struct job {
    const struct settings *settings;
    const struct lives *lives;
    const struct view *view;
    const struct secret *password; /* NULL: passwd asks */
    struct outcome *outcome;
    sigset_t mask; /* the caller's */
    int parent;    /* a pidfd */
};

/* ---- in the keeper's child ---------------------------------------------------------------- */

static void reset_signals(const sigset_t *mask) {
    const struct sigaction standard = {.sa_handler = SIG_DFL};

    for (int number = 1; number < NSIG; number++) {
        if (number != SIGTSTP) /* see start_and_wait() */
            (void)sigaction(number, &standard, NULL);
    }
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
}

static void __attribute__((noreturn)) execute(const struct job *job, int input) {
    static char passwd[] = PASSWD, chpasswd[] = CHPASSWD, root[] = "root";
    static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
    char *interactive[] = {passwd, root, NULL}, *batch[] = {chpasswd, NULL};
    char *const *arguments = job->password ? batch : interactive;
    char *const environment[] = {path, locale, NULL};

    reset_signals(&job->mask);
    if ((!job->password || dup2(input, STDIN_FILENO) >= 0) &&
        close_range(STDERR_FILENO + 1, ~0U, 0) == 0)
        (void)execve(arguments[0], arguments, environment);
    job->outcome->step = job->password ? "running " CHPASSWD : "running " PASSWD;
    job->outcome->error = -errno;
    _exit(NOT_RUN);
}

/* ---- in the keeper ------------------------------------------------------------------------ */

/* chpasswd's input, in a pipe: it is never swapped, and long enough. */
static int fill_pipe(const struct secret *password, int *ret) {
    static const char user[] = "root:";
    int ends[2], r;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    *ret = ends[0];
    r = write_all(ends[1], user, sizeof(user) - 1);
    if (r == 0)
        r = write_all(ends[1], password->text, password->size);
    if (r == 0)
        r = write_all(ends[1], "\n", 1);
    close_fd(&ends[1]);
    return r;
}

/* Who is first in a process namespace inherits its orphans. */
static int reap_until(pid_t wanted, int *ret_status) {
    for (;;) {
        pid_t pid = waitpid(-1, ret_status, 0);

        if (pid == wanted)
            return 0;
        if (pid < 0 && errno != EINTR)
            return -errno;
    }
}

static int keep(const struct job *job) {
    struct outcome *outcome = job->outcome;
    _cleanup_close_ int input = -1;
    pid_t child;
    int r = view_enter(job->settings, job->lives, job->view, &outcome->step);

    if (r < 0)
        return r;
    outcome->step = "handing over the password";
    r = job->password ? fill_pipe(job->password, &input) : 0;
    if (r < 0)
        return r;
    outcome->step = "starting a process";
    child = fork();
    if (child == 0)
        execute(job, input);
    if (child < 0)
        return -errno;
    r = reap_until(child, &outcome->status);
    /* What execute() had to say stays. */
    return r < 0 ? r : outcome->error;
}

static void __attribute__((noreturn)) be_keeper(const struct job *job) {
    struct pollfd parent = {.fd = job->parent, .events = POLLIN};

    /* Should the parent be gone already, its death sends no signal any more. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || poll(&parent, 1, 0) != 0)
        _exit(NOT_RUN);
    secret_protect_memory();
    job->outcome->error = keep(job);
    _exit(0);
}

/* ---- outside ------------------------------------------------------------------------------ */

/* passwd switches the terminal's echo off, and does not come to switch it on when it is killed. */
struct terminal {
    bool there;
    struct termios modes;
};

static struct terminal terminal_save(void) {
    struct terminal terminal;

    terminal.there = tcgetattr(STDIN_FILENO, &terminal.modes) == 0;
    return terminal;
}

static void terminal_restore(const struct terminal *terminal) {
    /* From the background it would stop us; and there it was not passwd who changed it. */
    if (!terminal->there || tcgetpgrp(STDIN_FILENO) != getpgrp())
        return;
    /* With what was typed so far: half a password is nothing for the shell. */
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal->modes);
    (void)write_all(STDERR_FILENO, "\n", 1); /* the question's line is not ended either */
}

/* Waits for the keeper's end; a signal that asks us to stop ends it. */
static int wait_for(pid_t keeper, const sigset_t *mask) {
    _cleanup_close_ int fd = pidfd_open(keeper, 0);
    struct pollfd end = {.fd = fd, .events = POLLIN};
    int status = 0, r = fd < 0 ? -errno : 0;

    while (r == 0 && !interrupted() && ppoll(&end, 1, NULL, mask) < 0) {
        if (errno != EINTR)
            r = -errno;
    }
    if (r < 0 || interrupted())
        (void)kill(keeper, SIGKILL);
    while (waitpid(keeper, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    if (r < 0)
        return r;
    if (interrupted())
        return -EINTR;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECHILD;
}

/* Ctrl-Z would stop us while passwd goes on to read: what is typed to the shell then would become
 * the password. So it stops nobody. */
static int start_and_wait(struct job *job) {
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t stoppers;
    pid_t keeper;
    int r;

    /* Blocked but while we wait, so that none can come just before and be overlooked. */
    sigemptyset(&stoppers);
    sigaddset(&stoppers, SIGINT);
    sigaddset(&stoppers, SIGTERM);
    sigaddset(&stoppers, SIGHUP);
    job->parent = pidfd_open(getpid(), 0);
    if (job->parent < 0 || unshare(CLONE_NEWPID) < 0 || sigaction(SIGTSTP, &ignore, NULL) < 0 ||
        sigprocmask(SIG_BLOCK, &stoppers, &job->mask) < 0)
        return -errno;
    keeper = fork();
    if (keeper == 0)
        be_keeper(job);
    r = keeper < 0 ? -errno : wait_for(keeper, &job->mask);
    (void)sigprocmask(SIG_SETMASK, &job->mask, NULL);
    return r;
}

static int report(const struct job *job, int r, struct problems *problems) {
    const struct outcome *outcome = job->outcome;
    const char *program = job->password ? CHPASSWD : PASSWD;

    if (r == -EINTR)
        problem(problems, "stopped by a signal; root's password was not changed");
    else if (outcome->error < 0)
        problem(problems, "%s: %s failed: %s; root's password was not changed", job->settings->etc,
                outcome->step, strerror(-outcome->error));
    else if (r == -ECHILD)
        problem(problems, "%s: was killed with all around it; root's password was not changed",
                program);
    else if (r < 0)
        problem(problems, "cannot start a process of our own: %s; root's password was not changed",
                strerror(-r));
    else if (WIFSIGNALED(outcome->status))
        problem(problems, "%s: ended by signal %d; root's password was not changed", program,
                WTERMSIG(outcome->status));
    else if (outcome->status != 0)
        problem(problems, "%s: ended with status %d; root's password was not changed", program,
                WEXITSTATUS(outcome->status));
    else
        return 0;
    return r < 0 ? r : -ECANCELED;
}

int passwd_run(const struct settings *settings, const struct lives *lives, const struct view *view,
               const struct secret *password, struct problems *problems) {
    struct terminal terminal = terminal_save();
    struct job job = {
        .settings = settings, .lives = lives, .view = view, .password = password, .parent = -1};
    int r;

    job.outcome =
        mmap(NULL, sizeof(*job.outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (job.outcome == MAP_FAILED) {
        problem(problems, "no memory; root's password was not changed");
        return -ENOMEM;
    }
    r = start_and_wait(&job);
    close_fd(&job.parent);
    if (r < 0 || WIFSIGNALED(job.outcome->status))
        terminal_restore(&terminal);
    r = report(&job, r, problems);
    (void)munmap(job.outcome, sizeof(*job.outcome));
    return r;
}
