/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/problems.h"
#include "common/writable-etc.h"
#include "unit.h"

#define OURS "usr/lib/aimee-os/writable-etc"
#define BUILDERS "etc/aimee-os/writable-etc"

static struct etc_list list;
static struct problems report;

static void make_image(void) {
    put_folder(unit_folder, "etc");
    put_file(unit_folder, "etc/shadow", "root:*:\n");
    put_file(unit_folder, "etc/with space", "x");
    put_folder(unit_folder, "etc/ssh");
    put_file(unit_folder, "etc/ssh/sshd_config", "x");
    put_folder(unit_folder, "etc/ssh/keys");
    put_file(unit_folder, "etc/ssh/keys/rsa", "x");
    assert_int_equal(symlinkat("shadow", unit_folder, "etc/link"), 0);
    assert_int_equal(symlinkat("ssh", unit_folder, "etc/folder-link"), 0);
    assert_int_equal(symlinkat("/etc/passwd", unit_folder, "etc/outside"), 0);
    assert_int_equal(mkfifoat(unit_folder, "etc/fifo", 0600), 0);
    put_file(unit_folder, "below-root", "x");
    list = (struct etc_list){0};
    report = (struct problems){0};
}

static void parse_bytes(const char *text, size_t size) {
    assert_int_equal(etc_list_parse(unit_folder, BUILDERS, text, size, &list, &report), 0);
}

static void parse(const char *text) {
    parse_bytes(text, strlen(text));
}

static void release(void) {
    etc_list_free(&list);
    assert_null(list.entries);
    assert_int_equal(list.count, 0);
    problems_free(&report);
}

/* "d path@line", one a line. */
static void check(const char *wanted) {
    char *is = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&is, &size);

    assert_non_null(stream);
    for (size_t i = 0; i < list.count; i++) {
        fprintf(stream, "%c %s@%u\n", list.entries[i].directory ? 'd' : 'f', list.entries[i].path,
                list.entries[i].line);
    }
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(is, wanted);
    free(is);
}

TEST(files_and_directories_are_read) {
    make_image();
    parse("# ours\n"
          "f shadow\n"
          "\n"
          "d ssh\n"
          "f ssh/sshd_config\n");
    check("f shadow@2\nd ssh@4\nf ssh/sshd_config@5\n");
    assert_string_equal(list.entries[0].list, BUILDERS);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    assert_string_equal(unit_said(), "");
    release();
}

TEST(blanks_and_comments_are_nothing) {
    static const char *const rows[] = {
        "",         "\n",          "\n\n\n",   "   \n",    "\t \t\n",   "#\n",
        "# text\n", "   # text\n", "#f ssh\n", "\t#f ssh", "#f ../x\n",
    };

    make_image();
    for (size_t i = 0; i < COUNT(rows); i++) {
        parse(rows[i]);
        assert_int_equal(list.count, 0);
        assert_int_equal(report.status, EXIT_STATUS_DONE);
    }
    assert_string_equal(unit_said(), "");
    release();
}

TEST(blanks_around_type_and_path_do_not_count) {
    static const char *const rows[] = {
        "f shadow\n",       "f shadow",     "  f shadow\n",  "\tf\tshadow\n", "f   shadow\n",
        "f \t shadow \t\n", "f shadow\r\n", "f shadow \r\n", "f shadow\r",
    };

    make_image();
    for (size_t i = 0; i < COUNT(rows); i++) {
        parse(rows[i]);
        check("f shadow@1\n");
        assert_int_equal(report.status, EXIT_STATUS_DONE);
        release();
    }
}

TEST(a_list_with_dos_line_ends_reads_like_any_other) {
    make_image();
    parse("# ours\r\n"
          "\r\n"
          "f shadow\r\n"
          "  \r\n"
          "d ssh\r\n");
    check("f shadow@3\nd ssh@5\n");
    if (report.first_error)
        fail_with("%s", report.first_error);
    release();
}

TEST(a_path_may_hold_blanks_and_a_hash) {
    make_image();
    put_file(unit_folder, "etc/a#b", "x");
    parse("f with space\nf a#b\n");
    check("f with space@1\nf a#b@2\n");
    release();
}

TEST(wrong_lines_are_named_with_file_and_number_and_the_others_hold) {
    static const struct {
        const char *line, *about;
    } rows[] = {
        {"x shadow", "type"},
        {"F shadow", "type"},
        {"file shadow", "type"},
        {"ff shadow", "type"},
        {"shadow", "type"},
        {"ssh d", "type"},
        {"f", "no path"},
        {"d", "no path"},
        {"f   ", "no path"},
        {"f /etc/shadow", "absolute"},
        {"f /shadow", "absolute"},
        {"d /", "absolute"},
        {"f ..", "\"..\""},
        {"f ../below-root", "\"..\""},
        {"f ssh/../shadow", "\"..\""},
        {"f ssh/..", "\"..\""},
        {"f .", "\".\""},
        {"d ./ssh", "\".\""},
        {"d ssh//keys", "empty"},
        {"d ssh/", "empty"},
        {"f missing", "no such path"},
        {"d missing", "no such path"},
        {"f ssh/missing", "no such path"},
        {"f shadow/x", "no such path"},
        {"f ssh", "no regular file"},
        {"d shadow", "no directory"},
        {"f fifo", "no regular file"},
        {"d fifo", "no directory"},
        {"f link", "no regular file"},
        {"d folder-link", "no directory"},
        {"f outside", "no regular file"},
        {"f folder-link/sshd_config", "symbolic link"},
        {"d .init-storage", "our own"},
        {"f .init-storage/x", "our own"},
    };

    make_image();
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[256];
        const char *said;

        (void)snprintf(text, sizeof(text), "# one\nf shadow\n%s\nd ssh\n", rows[i].line);
        report = (struct problems){0};
        parse(text);
        said = unit_said();
        if (!strstr(said, "/" BUILDERS ":3: ") || !strstr(said, rows[i].about) ||
            unit_count(said, "\n") != 1)
            fail_with("\"%s\": \"%s\"", rows[i].line, said);
        assert_int_equal(report.status, EXIT_STATUS_FAILED);
        check("f shadow@2\nd ssh@4\n");
        release();
    }
}

TEST(a_nul_in_a_line_is_wrong_and_the_next_lines_hold) {
    static const char text[] = "f shadow\0.old\nd ssh\n\0\nf ssh/sshd_config\0";

    make_image();
    parse_bytes(text, sizeof(text) - 1);
    check("d ssh@2\n");
    assert_int_equal(report.status, EXIT_STATUS_FAILED);
    assert_non_null(strstr(report.first_error, ":1: "));
    assert_int_equal(unit_count(unit_said(), "NUL"), 3);
    release();
}

TEST(an_entry_named_twice_is_one) {
    make_image();
    parse("f shadow\nd ssh\nf shadow\n");
    check("f shadow@1\nd ssh@2\n");
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    release();
}

/* ---- both lists -------------------------------------------------------------------------- */

static void put_list(const char *path, const char *text) {
    char folder[64];

    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
    put_folder(unit_folder, folder);
    put_file(unit_folder, path, text);
}

TEST(both_lists_are_read) {
    make_image();
    put_list(OURS, "# ours\nf shadow\n");
    put_list(BUILDERS, "d ssh\nf shadow\n");
    assert_int_equal(etc_list_read(unit_folder, &list, &report), 0);
    check("f shadow@2\nd ssh@1\n");
    assert_string_equal(list.entries[0].list, OURS);
    assert_string_equal(list.entries[1].list, BUILDERS);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    release();
}

TEST(a_wrong_line_is_named_with_the_list_that_has_it) {
    const char *said;

    make_image();
    put_list(OURS, "f shadow\nx ours\n");
    put_list(BUILDERS, "y builders\nd ssh\n");
    assert_int_equal(etc_list_read(unit_folder, &list, &report), 0);
    check("f shadow@1\nd ssh@2\n");
    said = unit_said();
    assert_non_null(strstr(said, "/" OURS ":2: "));
    assert_non_null(strstr(said, "/" BUILDERS ":1: "));
    assert_int_equal(unit_count(said, "\n"), 2);
    release();
}

TEST(a_list_that_is_not_there_is_empty) {
    make_image();
    assert_int_equal(etc_list_read(unit_folder, &list, &report), 0);
    assert_int_equal(list.count, 0);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    put_list(BUILDERS, "d ssh\n");
    assert_int_equal(etc_list_read(unit_folder, &list, &report), 0);
    check("d ssh@1\n");
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    release();
}

TEST(a_list_that_cannot_be_read_is_reported_and_the_other_holds) {
    make_image();
    put_list(BUILDERS, "d ssh\n");
    put_folder(unit_folder, OURS);
    assert_int_equal(etc_list_read(unit_folder, &list, &report), 1);
    check("d ssh@1\n");
    assert_int_equal(report.status, EXIT_STATUS_FAILED);
    assert_non_null(strstr(unit_said(), "/" OURS ": "));
    release();
}

TEST(a_list_may_be_a_link_that_stays_inside_the_image) {
    skip_unless(has_openat2(), "no openat2");
    make_image();
    put_file(unit_folder, "etc/real", "d ssh\n");
    put_folder(unit_folder, "etc/aimee-os");
    assert_int_equal(symlinkat("/etc/real", unit_folder, BUILDERS), 0);
    assert_int_equal(etc_list_read(unit_folder, &list, &report), 0);
    check("d ssh@1\n");
    release();
}

TEST(a_fifo_in_place_of_a_list_does_not_hold_us) {
    make_image();
    put_folder(unit_folder, "etc/aimee-os");
    assert_int_equal(mkfifoat(unit_folder, BUILDERS, 0600), 0);
    assert_int_equal(etc_list_read(unit_folder, &list, &report), 0);
    assert_int_equal(list.count, 0);
    release();
}

TEST(a_list_of_absurd_size_is_ignored) {
    int fd;

    make_image();
    put_list(OURS, "f shadow\n");
    put_list(BUILDERS, "");
    fd = open_path(unit_folder, BUILDERS, O_WRONLY);
    assert_int_equal(ftruncate(fd, 8 << 20), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(etc_list_read(unit_folder, &list, &report), 0);
    check("f shadow@1\n");
    assert_int_equal(report.status, EXIT_STATUS_FAILED);
    assert_int_equal(unit_count(unit_said(), "\n"), 1);
    release();
}

TEST(an_entry_below_another_is_left_out_in_any_order) {
    static const struct {
        const char *ours, *builders, *wanted, *named;
    } rows[] = {
        {"", "d ssh\nf ssh/sshd_config\n", "d ssh@1\n", "/" BUILDERS ":2: "},
        {"", "f ssh/sshd_config\nd ssh\n", "d ssh@2\n", "/" BUILDERS ":1: "},
        {"f ssh/sshd_config\n", "d ssh\n", "d ssh@1\n", "/" OURS ":1: "},
        {"d ssh\n", "f shadow\nd ssh/keys\n", "d ssh@1\nf shadow@1\n", "/" BUILDERS ":2: "},
        {"d ssh/keys\n", "f ssh/keys/rsa\nf shadow\n", "d ssh/keys@1\nf shadow@2\n",
         "/" BUILDERS ":1: "},
    };

    make_image();
    put_list(OURS, "");
    put_list(BUILDERS, "");
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *said;

        put_file(unit_folder, OURS, rows[i].ours);
        put_file(unit_folder, BUILDERS, rows[i].builders);
        assert_int_equal(etc_list_read(unit_folder, &list, &report), 0);
        check(rows[i].wanted);
        said = unit_said();
        if (!strstr(said, rows[i].named) || unit_count(said, "\n") != 1)
            fail_with("row %zu: \"%s\"", i, said);
        assert_int_equal(report.status, EXIT_STATUS_FAILED);
        release();
    }
}

TEST(of_a_chain_of_entries_the_uppermost_remains) {
    make_image();
    put_list(BUILDERS, "f ssh/keys/rsa\nd ssh/keys\nf shadow\nd ssh\nf ssh/sshd_config\n");
    assert_int_equal(etc_list_read(unit_folder, &list, &report), 0);
    check("f shadow@3\nd ssh@4\n");
    assert_int_equal(unit_count(unit_said(), "/" BUILDERS ":"), 3);
    release();
}

TEST(names_that_only_begin_alike_do_not_cover_one_another) {
    make_image();
    put_file(unit_folder, "etc/ssh2", "x");
    put_list(BUILDERS, "d ssh\nf ssh2\n");
    assert_int_equal(etc_list_read(unit_folder, &list, &report), 0);
    check("d ssh@1\nf ssh2@2\n");
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    release();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(files_and_directories_are_read),
        UNIT_TEST(blanks_and_comments_are_nothing),
        UNIT_TEST(blanks_around_type_and_path_do_not_count),
        UNIT_TEST(a_list_with_dos_line_ends_reads_like_any_other),
        UNIT_TEST(a_path_may_hold_blanks_and_a_hash),
        UNIT_TEST(wrong_lines_are_named_with_file_and_number_and_the_others_hold),
        UNIT_TEST(a_nul_in_a_line_is_wrong_and_the_next_lines_hold),
        UNIT_TEST(an_entry_named_twice_is_one),
        UNIT_TEST(both_lists_are_read),
        UNIT_TEST(a_wrong_line_is_named_with_the_list_that_has_it),
        UNIT_TEST(a_list_that_is_not_there_is_empty),
        UNIT_TEST(a_list_that_cannot_be_read_is_reported_and_the_other_holds),
        UNIT_TEST(a_list_may_be_a_link_that_stays_inside_the_image),
        UNIT_TEST(a_fifo_in_place_of_a_list_does_not_hold_us),
        UNIT_TEST(a_list_of_absurd_size_is_ignored),
        UNIT_TEST(an_entry_below_another_is_left_out_in_any_order),
        UNIT_TEST(of_a_chain_of_entries_the_uppermost_remains),
        UNIT_TEST(names_that_only_begin_alike_do_not_cover_one_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
