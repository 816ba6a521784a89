/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "unit.h"

#define PROGRAM "test-log"

static void check(const char *wanted) {
    assert_string_equal(unit_said(), wanted);
}

static int without_journal(void **state) {
    int r = unit_begin(state);

    (void)unsetenv("JOURNAL_STREAM");
    return r;
}

static int without_journal_again(void **state) {
    (void)unsetenv("JOURNAL_STREAM");
    return unit_end(state);
}

TEST(a_message_is_a_line_after_the_programs_name) {
    log_error("%s: cannot open: %s", "/dev/vda2", "No such file");
    check(PROGRAM ": /dev/vda2: cannot open: No such file\n");
    log_warning("w");
    log_info("%d", 7);
    check(PROGRAM ": w\n" PROGRAM ": 7\n");
    log_info("%s", "");
    check(PROGRAM ": \n");
}

TEST(in_the_journal_a_line_begins_with_its_priority) {
    assert_int_equal(setenv("JOURNAL_STREAM", "8:12345", 1), 0);
    log_error("e");
    log_warning("w");
    log_info("i");
    check("<3>" PROGRAM ": e\n<4>" PROGRAM ": w\n<6>" PROGRAM ": i\n");
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
    log_error("e");
    check(PROGRAM ": e\n");
}

TEST(control_characters_are_masked) {
    for (int c = 1; c < 0x20; c++) {
        char text[] = {'a', (char)c, 'b', '\0'};

        log_error("%s", text);
        check(PROGRAM ": a?b\n");
    }
    log_error("a\x7f"
              "b");
    check(PROGRAM ": a?b\n");
    log_error("/var/\033[2J\n<0>forged: line\r");
    check(PROGRAM ": /var/?[2J?<0>forged: line?\n");
}

TEST(text_of_any_language_stays_as_it_is) {
    log_info("gr\xc3\xbc\xc3\x9f");
    check(PROGRAM ": gr\xc3\xbc\xc3\x9f\n");
}

TEST(a_message_that_is_too_long_is_cut_and_still_a_line) {
    char *text = malloc(20001);
    const char *said;

    assert_non_null(text);
    memset(text, 'x', 20000);
    text[20000] = '\0';
    log_error("%s", text);
    free(text);
    said = unit_said();
    assert_true(strlen(said) > 4000 && strlen(said) < 5000);
    assert_int_equal(unit_count(said, "\n"), 1);
    assert_int_equal(said[strlen(said) - 1], '\n');
}

TEST(errno_is_kept_even_where_nothing_can_be_said) {
    FILE *old = stderr, *full = fopen("/dev/full", "we");

    assert_non_null(full);
    stderr = full;
    errno = ENOTTY;
    log_error("%s", "text");
    stderr = old;
    assert_int_equal(errno, ENOTTY);
    (void)fclose(full);
}

static void *say_much(void *argument) {
    for (int i = 0; i < 500; i++)
        log_info("%s", (const char *)argument);
    return NULL;
}

TEST(lines_of_two_threads_do_not_mix) {
    char texts[2][100];
    pthread_t threads[2];
    const char *said;
    char line[512];

    for (int i = 0; i < 2; i++) {
        memset(texts[i], 'a' + i, sizeof(texts[i]) - 1);
        texts[i][sizeof(texts[i]) - 1] = '\0';
        assert_int_equal(pthread_create(&threads[i], NULL, say_much, texts[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    said = unit_said();
    assert_int_equal(unit_count(said, "\n"), 1000);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(line, sizeof(line), PROGRAM ": %s\n", texts[i]);
        assert_int_equal(unit_count(said, line), 500);
    }
}

TEST(a_transient_line_gives_way_to_the_next_message) {
    log_transient("[##..] 50 %");
    check("\r" PROGRAM ": [##..] 50 %");
    log_info("done");
    check("\r\033[K" PROGRAM ": done\n");
    log_info("more");
    check(PROGRAM ": more\n");
}

TEST(a_transient_line_replaces_the_one_before_and_an_empty_one_removes_it) {
    log_transient("one");
    log_transient("two");
    check("\r" PROGRAM ": one\r\033[K\r" PROGRAM ": two");
    log_transient("");
    check("\r\033[K");
    log_transient("");
    check("");
}

/* It carries names, too: of the mount point that is copied. */
TEST(control_characters_are_masked_in_a_transient_line) {
    log_transient("copying /var/\033[2J\nx");
    check("\r" PROGRAM ": copying /var/?[2J?x");
    log_transient("");
}

#define LOG_TEST(function)                                                                         \
    cmocka_unit_test_setup_teardown(function, without_journal, without_journal_again)

TEST(the_kernel_gets_a_line_in_one_piece_that_it_takes) {
    char name[3000], *text;

    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    put_file(unit_folder, "kmsg", "");
    log_to_kernel(open_path(unit_folder, "kmsg", O_WRONLY | O_APPEND));
    log_warning("a\nb");
    text = content_of(unit_folder, "kmsg");
    assert_int_equal(strncmp(text, "<4>", 3), 0);
    assert_non_null(strstr(text, ": a?b"));
    free(text);
    put_file(unit_folder, "kmsg", "");
    log_error("%s", name);
    text = content_of(unit_folder, "kmsg");
    log_to_kernel(-1);
    assert_in_range(strlen(text), 900, 1000);
    free(text);
    assert_string_equal(unit_said(), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_message_is_a_line_after_the_programs_name),
        LOG_TEST(in_the_journal_a_line_begins_with_its_priority),
        LOG_TEST(control_characters_are_masked),
        LOG_TEST(text_of_any_language_stays_as_it_is),
        LOG_TEST(a_message_that_is_too_long_is_cut_and_still_a_line),
        LOG_TEST(errno_is_kept_even_where_nothing_can_be_said),
        LOG_TEST(lines_of_two_threads_do_not_mix),
        LOG_TEST(a_transient_line_gives_way_to_the_next_message),
        LOG_TEST(a_transient_line_replaces_the_one_before_and_an_empty_one_removes_it),
        LOG_TEST(control_characters_are_masked_in_a_transient_line),
        UNIT_TEST(the_kernel_gets_a_line_in_one_piece_that_it_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
