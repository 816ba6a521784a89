/* SPDX-License-Identifier: MIT */
#include "change.h"

#include <errno.h>
#include <fcntl.h>
#include <shadow.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/interrupt.h"
#include "common/log.h"
#include "common/run-file.h"
#include "passwd.h"
#include "password.h"
#include "shadow-file.h"
#include "write-back.h"

#define LOCK_NAME "set-root-password.lock"

struct change {
    const struct settings *settings;
    struct problems problems;
    struct secret password; /* with --stdin */
    int lock;
    struct lives lives;
    struct view view;
    struct secret shadow, history; /* what passwd made of them */
};

/* -EINVAL: the caller's input is wrong. */
static int take_password(struct change *change) {
    const char *wrong = NULL;
    int r;

    if (!change->settings->from_stdin)
        return 0;
    /* A signal that came before is in the flag, a later one ends us: none leaves us waiting. */
    r = interrupt_release();
    if (r == 0)
        r = password_read(STDIN_FILENO, &change->password, &wrong);
    if (r == 0)
        r = interrupt_catch();
    if (r == -EINVAL && wrong)
        log_error("standard input: %s; root's password was not changed", wrong);
    else if (r == -EINTR)
        problem(&change->problems, "stopped by a signal; root's password was not changed");
    else if (r < 0)
        problem(&change->problems,
                "standard input: cannot read the password: %s; root's password was not changed",
                strerror(-r));
    return r;
}

/* One at a time: the second leaves at once. */
static int lock(struct change *change) {
    const char *directory = change->settings->run_directory;
    _cleanup_close_ int folder = run_directory_make(directory);
    int r = folder < 0 ? folder : 0;

    if (r == 0) {
        change->lock =
            openat(folder, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
        if (change->lock < 0 || flock(change->lock, LOCK_EX | LOCK_NB) < 0)
            r = -errno;
    }
    if (r == -EWOULDBLOCK)
        problem(&change->problems,
                "another set-root-password is running; root's password was not changed, try again");
    else if (r < 0)
        problem(&change->problems,
                "%s/" LOCK_NAME ": cannot lock: %s; root's password was not changed", directory,
                strerror(-r));
    return r;
}

static int open_live_files(struct change *change) {
    struct lives *lives = &change->lives;
    struct shadow_reason reason;
    int r = live_open(change->settings, &lives->shadow, &change->problems);

    if (r == 0)
        r = live_open_bound(change->settings, &lives->history, &change->problems);
    if (r < 0)
        return r;
    r = shadow_check_old(&lives->shadow.content, &reason);
    if (r < 0)
        problem(&change->problems, "%s/%s: %s; not changed", change->settings->etc,
                lives->shadow.name, reason.text);
    return r;
}

static int run_passwd(struct change *change) {
    const char *step = NULL;
    int r = view_prepare(change->settings, &change->lives, &change->view, &step);

    if (r < 0) {
        problem(&change->problems, "%s: %s failed: %s; root's password was not changed",
                change->settings->etc, step, strerror(-r));
        return r;
    }
    return passwd_run(change->settings, &change->lives, &change->view,
                      change->settings->from_stdin ? &change->password : NULL, &change->problems);
}

static int refuse_result(struct change *change, const struct live *live, const char *reason) {
    problem(&change->problems, "%s/%s: what passwd made of it is refused: %s; the old file stays",
            change->settings->etc, live->name, reason);
    return -EBADMSG;
}

static int read_result(struct change *change, const struct live *live, struct secret *ret) {
    int r = view_read(&change->view, live->name, ret);

    switch (r) {
    case 0:
        return 0;
    case -ENOENT:
        return refuse_result(change, live, "it was removed");
    case -EINVAL:
    case -ELOOP:
        return refuse_result(change, live, "it is no regular file any more");
    case -EFBIG:
        return refuse_result(change, live, "it is too large");
    default:
        return refuse_result(change, live, strerror(-r));
    }
}

static int take_history(struct change *change) {
    const struct live *live = &change->lives.history;
    struct shadow_reason reason;
    int r = live->kind == LIVE_NONE ? 0 : read_result(change, live, &change->history);

    if (r == 0 && shadow_check_history(&change->history, &reason) < 0)
        r = refuse_result(change, live, reason.text);
    return r;
}

/* Nobody is left in the view who could change it any more. */
static int take_results(struct change *change) {
    const struct live *live = &change->lives.shadow;
    struct shadow_reason reason;
    int r = read_result(change, live, &change->shadow);

    if (r < 0)
        return r;
    if (secret_equal(&change->shadow, &live->content)) {
        problem(&change->problems,
                "%s/%s: passwd succeeded and did not change it; is PAM set up to keep passwords "
                "elsewhere? Not changed",
                change->settings->etc, live->name);
        return -ENODATA;
    }
    if (shadow_check_change(&live->content, &change->shadow, &reason) < 0)
        return refuse_result(change, live, reason.text);
    return take_history(change);
}

static int put_back(struct change *change, const struct live *live, const struct secret *content) {
    const char *etc = change->settings->etc;
    enum write_back_state state;
    int r;

    if (live->kind == LIVE_NONE || secret_equal(content, &live->content))
        return 0;
    r = live_check_unchanged(live);
    if (r == -ESTALE) {
        problem(&change->problems,
                "%s/%s: was changed by another program meanwhile; root's password was not "
                "changed, try again",
                etc, live->name);
        return r;
    }
    if (r == 0)
        r = write_back(live, content, &state);
    else
        state = WRITE_BACK_OLD;
    if (r < 0 && state == WRITE_BACK_OLD)
        problem(&change->problems, "%s/%s: cannot be written: %s; root's password was not changed",
                etc, live->name,
                r == -ENOBUFS ? "no free space in one piece on the device" : strerror(-r));
    else if (r < 0)
        problem(&change->problems,
                "%s/%s: was changed, but that may not survive a power cut: %s; look at the "
                "device, and set the password again",
                etc, live->name, strerror(-r));
    return r;
}

/* The history first: with the password changed and the history not, the old password could be
 * used again. */
static int commit(struct change *change) {
    int r = put_back(change, &change->lives.history, &change->history);

    return r < 0 ? r : put_back(change, &change->lives.shadow, &change->shadow);
}

/* In a writable /etc other programs write, too, and this is the lock they take. */
static int commit_locked(struct change *change) {
    int r;

    if (change->lives.shadow.kind == LIVE_BOUND)
        return commit(change);
    if (lckpwdf() < 0) {
        problem(&change->problems,
                "/etc/.pwd.lock: another program holds the lock of the password files; root's "
                "password was not changed, try again");
        return -EAGAIN;
    }
    r = commit(change);
    (void)ulckpwdf();
    return r;
}

/* The map. */
static int steps(struct change *change) {
    int r = take_password(change);

    if (r == 0)
        r = lock(change);
    if (r == 0)
        r = open_live_files(change);
    if (r == 0)
        r = run_passwd(change);
    if (r == 0)
        r = take_results(change);
    return r < 0 ? r : commit_locked(change);
}

enum exit_status change_password(const struct settings *settings) {
    struct change change = {
        .settings = settings,
        .lock = -1,
        .view = VIEW_NONE,
        .lives = {.shadow = LIVE_FILE("shadow"), .history = LIVE_FILE("security/opasswd")}};
    enum exit_status status;
    int r = steps(&change);

    status = change.problems.status;
    if (r == 0)
        log_trail("root's password is changed");
    else if (status == EXIT_STATUS_DONE)
        status = EXIT_STATUS_USAGE;
    secret_wipe(&change.password);
    secret_wipe(&change.shadow);
    secret_wipe(&change.history);
    view_close(&change.view);
    live_close(&change.lives.shadow);
    live_close(&change.lives.history);
    close_fd(&change.lock);
    problems_free(&change.problems);
    return status;
}
