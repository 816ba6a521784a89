/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/interrupt.h"
#include "memory-fixture.h"
#include "set-root-password/password.h"
#include "unit.h"

#define PIPE_PAGES 256

/* A pipe that has it all already, in pieces of that size: O_DIRECT makes each write a read. */
static int pipe_with(const char *bytes, size_t size, size_t piece) {
    int ends[2];

    assert_int_equal(pipe2(ends, O_DIRECT | O_CLOEXEC), 0);
    /* Each takes a page of it, and 1 MiB is what everybody can have. */
    skip_unless(fcntl(ends[1], F_SETPIPE_SZ, PIPE_PAGES * 4096) > 0, "no large pipe here");
    for (size_t at = 0; at < size; at += piece) {
        size_t count = size - at < piece ? size - at : piece;

        assert_int_equal(write(ends[1], bytes + at, count), count);
    }
    assert_int_equal(close(ends[1]), 0);
    return ends[0];
}

/* NULL: what was read is a password, and it is wanted. */
static const char *read_pieces(const char *bytes, size_t size, size_t piece, const char *wanted) {
    _cleanup_secret_ struct secret password = {0};
    const char *wrong = NULL;
    int fd = pipe_with(bytes, size, piece);
    int r = password_read(fd, &password, &wrong);

    assert_int_equal(close(fd), 0);
    if (wrong) {
        assert_int_equal(r, -EINVAL);
        assert_null(password.text);
        return wrong;
    }
    assert_int_equal(r, 0);
    assert_int_equal(password.size, strlen(wanted));
    assert_memory_equal(password.text, wanted, password.size);
    return NULL;
}

/* Whatever the pieces it comes in, the answer is the same. */
static const char *read_bytes(const char *bytes, size_t size, const char *wanted) {
    const size_t pieces[] = {size / PIPE_PAGES + 1, 7, 64, 4096};
    const char *first = NULL;

    for (size_t i = 0; i < COUNT(pieces); i++) {
        const char *wrong = read_pieces(bytes, size, pieces[i], wanted);

        assert_true(i == 0 || wrong == first);
        first = wrong;
    }
    return first;
}

TEST(the_line_end_of_another_system_is_no_part_of_a_password) {
    assert_non_null(strstr(read_bytes("x\r\n", 3, NULL), "carriage return"));
    assert_non_null(strstr(read_bytes("x\r", 2, NULL), "carriage return"));
}

TEST(one_line_is_a_password_with_its_newline_or_without) {
    static const char *const passwords[] = {"x",        "pass word", " ",
                                            "\t",       "a:b:c",     "gr\xc3\xbc\xc3\x9f",
                                            "\xff\xfe", "x\ry",      "\x04\x7f\x1b"};

    for (size_t i = 0; i < COUNT(passwords); i++) {
        char line[64];
        int length = snprintf(line, sizeof(line), "%s\n", passwords[i]);

        assert_null(read_bytes(line, (size_t)length, passwords[i]));
        assert_null(read_bytes(line, (size_t)length - 1, passwords[i]));
    }
}

#define WRONG(bytes, words)                                                                        \
    { bytes, sizeof(bytes) - 1, words }

TEST(anything_else_is_none_and_the_reason_is_said) {
    static const struct {
        const char *bytes;
        size_t size;
        const char *wanted;
    } rows[] = {
        WRONG("", "empty"),
        WRONG("\n", "empty"),
        WRONG("\n\n", "more than one line"),
        WRONG("\nx", "more than one line"),
        WRONG("x\ny", "more than one line"),
        WRONG("x\ny\n", "more than one line"),
        WRONG("x\n\n", "more than one line"),
        WRONG("x\n\0", "more than one line"),
        WRONG("\0", "NUL"),
        WRONG("\0\n", "NUL"),
        WRONG("x\0", "NUL"),
        WRONG("\0x\n", "NUL"),
        WRONG("x\0y\n", "NUL"),
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *wrong = read_bytes(rows[i].bytes, rows[i].size, "");

        assert_true(wrong && strstr(wrong, rows[i].wanted));
    }
}

TEST(as_long_as_pam_takes_it_and_not_a_byte_longer) {
    char text[600], password[PASSWORD_LIMIT + 1];

    memset(text, 'x', sizeof(text));
    memset(password, 'x', sizeof(password));
    password[PASSWORD_LIMIT] = '\0';
    assert_null(read_bytes(text, 511, password));
    assert_non_null(strstr(read_bytes(text, 512, ""), "longer than 511"));
    assert_non_null(strstr(read_bytes(text, 513, ""), "longer than 511"));
    assert_non_null(strstr(read_bytes(text, sizeof(text), ""), "longer than 511"));
    text[512] = '\n';
    assert_non_null(strstr(read_bytes(text, 513, ""), "longer than 511"));
    assert_non_null(strstr(read_bytes(text, sizeof(text), ""), "longer than 511"));
    text[511] = '\n';
    assert_null(read_bytes(text, 512, password));
    assert_non_null(read_bytes(text, 513, ""));
    text[512] = 'y';
    assert_non_null(strstr(read_bytes(text, 513, ""), "more than one line"));
    assert_non_null(strstr(read_bytes(text, sizeof(text), ""), "more than one line"));
}

TEST(no_more_is_read_than_it_takes_to_refuse_it) {
    _cleanup_secret_ struct secret password = {0};
    const char *wrong = NULL;
    int fd = open_path(AT_FDCWD, "/dev/zero", O_RDONLY);

    assert_int_equal(password_read(fd, &password, &wrong), -EINVAL);
    assert_non_null(wrong);
    assert_int_equal(close(fd), 0);
}

TEST(a_file_is_read_like_a_pipe) {
    _cleanup_secret_ struct secret password = {0};
    const char *wrong = NULL;
    int fd;

    put_file(unit_folder, "file", "from a file\n");
    fd = open_path(unit_folder, "file", O_RDONLY);
    assert_int_equal(password_read(fd, &password, &wrong), 0);
    assert_int_equal(password.size, strlen("from a file"));
    assert_memory_equal(password.text, "from a file", password.size);
    assert_int_equal(close(fd), 0);
}

TEST(what_cannot_be_read_is_no_wrong_password) {
    _cleanup_secret_ struct secret password = {0};
    const char *wrong = NULL;

    assert_int_equal(password_read(-1, &password, &wrong), -EBADF);
    assert_int_equal(password_read(unit_folder, &password, &wrong), -EISDIR);
    assert_null(wrong);
    assert_null(password.text);
}

TEST(nothing_of_a_refused_one_is_left_in_memory) {
    static const struct {
        size_t count;
        const char *end;
    } rows[] = {{1, "\nx"}, {1, "\n\n"}, {PASSWORD_LIMIT / MARKER_SIZE + 1, "\n"}, {100, ""}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        _cleanup_secret_ struct secret password = {0};
        const char *wrong = NULL;
        int fd = put_sparse(unit_folder, "file", 0);

        write_marker(fd, rows[i].count, rows[i].end);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_int_equal(password_read(fd, &password, &wrong), -EINVAL);
        assert_false(memory_holds_marker());
        assert_int_equal(close(fd), 0);
        assert_int_equal(unlinkat(unit_folder, "file", 0), 0);
    }
}

TEST(nothing_of_an_accepted_one_is_left_in_memory_once_wiped) {
    struct secret password = {0};
    const char *wrong = NULL;
    int fd = put_sparse(unit_folder, "file", 0);

    write_marker(fd, 3, "\n");
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(password_read(fd, &password, &wrong), 0);
    assert_true(memory_holds_marker());
    secret_wipe(&password);
    assert_false(memory_holds_marker());
    assert_int_equal(close(fd), 0);
}

/* ---- on a terminal ------------------------------------------------------------------------ */

static int make_terminal(int *ret_master) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), terminal;

    skip_unless(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 && ptsname(master),
                "no pseudo terminal here");
    terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(terminal >= 0);
    *ret_master = master;
    return terminal;
}

static void type(const char *keys, const char *wanted) {
    _cleanup_secret_ struct secret password = {0};
    const char *wrong = NULL;
    int master = -1, terminal = make_terminal(&master);

    assert_int_equal(write(master, keys, strlen(keys)), strlen(keys));
    assert_int_equal(password_read(terminal, &password, &wrong), wanted ? 0 : -EINVAL);
    assert_true((wrong == NULL) == (wanted != NULL));
    if (wanted) {
        assert_int_equal(password.size, strlen(wanted));
        assert_memory_equal(password.text, wanted, password.size);
    }
    assert_int_equal(close(terminal), 0);
    assert_int_equal(close(master), 0);
}

TEST(on_a_terminal_a_line_is_all) {
    type("typed\r", "typed");
    type("typed\n", "typed");
    type("typed\nand more\n", "typed");
    type("wrong\x7f\x7f\x7f\x7f\x7fright\n", "right");
    type("without a line\x04\x04", "without a line");
    type("\n", NULL);
    type("\x04", NULL);
}

/* ---- signals ------------------------------------------------------------------------------ */

static int ends[2];
static volatile sig_atomic_t signals;

/* Only the third lets the reader go on. */
static void answer(int signal_number) {
    (void)signal_number;
    if (++signals == 3) {
        (void)!write(ends[1], "late\n", 5);
        (void)close(ends[1]);
    }
}

struct sender {
    pthread_t target;
    int signal_number;
};

static void *send_signals(void *argument) {
    const struct sender *sender = argument;
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};

    /* Again and again: the first may come before the call. */
    for (int i = 0; i < 100; i++) {
        (void)nanosleep(&pause, NULL);
        (void)pthread_kill(sender->target, sender->signal_number);
    }
    return NULL;
}

static int read_under(int signal_number) {
    static struct sender sender;
    struct secret password = {0};
    const char *wrong = NULL;
    pthread_t thread;
    int r;

    sender = (struct sender){pthread_self(), signal_number};
    if (pipe(ends) < 0 || write(ends[1], "never ", 6) != 6 ||
        pthread_create(&thread, NULL, send_signals, &sender) != 0)
        return 255;
    (void)alarm(10);
    r = password_read(ends[0], &password, &wrong);
    if (r == 0 && (password.size != 10 || memcmp(password.text, "never late", 10) != 0))
        return 254;
    secret_wipe(&password);
    return -r;
}

static int read_under_others(void *argument) {
    const struct sigaction action = {.sa_handler = answer};

    (void)argument;
    return sigaction(SIGUSR1, &action, NULL) < 0 ? 255 : read_under(SIGUSR1);
}

TEST(a_signal_that_asks_for_nothing_takes_no_byte_away) {
    assert_int_equal(in_child(read_under_others, NULL), 0);
}

static int read_under_hangup(void *argument) {
    (void)argument;
    return interrupt_catch() < 0 ? 255 : read_under(SIGHUP);
}

TEST(a_signal_to_stop_ends_the_reading) {
    assert_int_equal(in_child(read_under_hangup, NULL), EINTR);
}

static int read_after_a_signal(void *argument) {
    struct secret password = {0};
    const char *wrong = NULL;

    (void)argument;
    if (pipe(ends) < 0 || interrupt_catch() < 0 || raise(SIGTERM) != 0)
        return 255;
    (void)alarm(10);
    return -password_read(ends[0], &password, &wrong);
}

TEST(a_signal_to_stop_that_came_before_leaves_nobody_waiting) {
    assert_int_equal(in_child(read_after_a_signal, NULL), EINTR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(one_line_is_a_password_with_its_newline_or_without),
        UNIT_TEST(the_line_end_of_another_system_is_no_part_of_a_password),
        UNIT_TEST(anything_else_is_none_and_the_reason_is_said),
        UNIT_TEST(as_long_as_pam_takes_it_and_not_a_byte_longer),
        UNIT_TEST(no_more_is_read_than_it_takes_to_refuse_it),
        UNIT_TEST(a_file_is_read_like_a_pipe),
        UNIT_TEST(what_cannot_be_read_is_no_wrong_password),
        UNIT_TEST(nothing_of_a_refused_one_is_left_in_memory),
        UNIT_TEST(nothing_of_an_accepted_one_is_left_in_memory_once_wiped),
        UNIT_TEST(on_a_terminal_a_line_is_all),
        UNIT_TEST(a_signal_that_asks_for_nothing_takes_no_byte_away),
        UNIT_TEST(a_signal_to_stop_ends_the_reading),
        UNIT_TEST(a_signal_to_stop_that_came_before_leaves_nobody_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
