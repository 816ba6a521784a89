/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "common/interrupt.h"
#include "unit.h"

/* What is caught stays caught, so each in a process of its own. Their results are row numbers. */

static int nothing_yet(void *argument) {
    (void)argument;
    if (interrupted() || interrupt_signal() != 0)
        return 1;
    return interrupt_catch() != 0 || interrupted() ? 2 : 0;
}

TEST(without_a_signal_nobody_asks_us_to_stop) {
    assert_int_equal(in_child(nothing_yet, NULL), 0);
}

static int catch_one(void *argument) {
    int signal_number = *(const int *)argument;

    if (interrupt_catch() != 0)
        return 1;
    (void)raise(signal_number);
    if (!interrupted())
        return 2;
    return interrupt_signal() == signal_number ? 0 : 3;
}

TEST(signals_to_stop_set_the_flag_and_end_nothing) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

    for (size_t i = 0; i < COUNT(signals); i++) {
        int signal_number = signals[i];

        assert_int_equal(in_child(catch_one, &signal_number), 0);
    }
}

static int write_to_nobody(void *argument) {
    int ends[2];

    (void)argument;
    if (interrupt_catch() != 0 || pipe(ends) < 0 || close(ends[0]) < 0)
        return 1;
    if (write(ends[1], "x", 1) != -1 || errno != EPIPE)
        return 2;
    return interrupted() ? 3 : 0;
}

TEST(a_reader_that_went_away_is_an_error_and_no_signal) {
    assert_int_equal(in_child(write_to_nobody, NULL), 0);
}

static void *send_hangup(void *argument) {
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};

    /* Again and again: the first may come before the call. */
    for (int i = 0; i < 100; i++) {
        (void)nanosleep(&pause, NULL);
        (void)pthread_kill(*(const pthread_t *)argument, SIGHUP);
    }
    return NULL;
}

static int block_in_a_call(void *argument) {
    pthread_t self = pthread_self(), sender;
    int ends[2];
    char byte;

    (void)argument;
    if (interrupt_catch() != 0 || pipe(ends) < 0 ||
        pthread_create(&sender, NULL, send_hangup, &self) != 0)
        return 1;
    if (read(ends[0], &byte, 1) != -1 || errno != EINTR)
        return 2;
    return interrupt_signal() == SIGHUP ? 0 : 3;
}

TEST(a_blocked_call_comes_back) {
    assert_int_equal(in_child(block_in_a_call, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(without_a_signal_nobody_asks_us_to_stop),
        UNIT_TEST(signals_to_stop_set_the_flag_and_end_nothing),
        UNIT_TEST(a_reader_that_went_away_is_an_error_and_no_signal),
        UNIT_TEST(a_blocked_call_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
