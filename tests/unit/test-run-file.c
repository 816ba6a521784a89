/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/run-file.h"
#include "unit.h"

static char directory[4096 + 16];

static void name_directory(void) {
    (void)snprintf(directory, sizeof(directory), "%s/run", unit_folder_path);
}

static size_t entries(void) {
    DIR *stream = opendir(directory);
    size_t count = 0;

    assert_non_null(stream);
    while (readdir(stream))
        count++;
    assert_int_equal(closedir(stream), 0);
    return count - 2;
}

static void check(const char *name, const char *wanted) {
    char text[256];
    ssize_t n = run_file_read(directory, name, text, sizeof(text));

    assert_int_equal(n, strlen(wanted));
    assert_memory_equal(text, wanted, n);
}

TEST(what_was_written_is_read) {
    name_directory();
    assert_int_equal(run_file_write(directory, "file", "text", 4), 0);
    check("file", "text");
    assert_int_equal(run_file_write(directory, "other", "", 0), 0);
    check("other", "");
    assert_int_equal(run_file_write(directory, "file", "another text", 12), 0);
    check("file", "another text");
    assert_int_equal(entries(), 2);
}

TEST(everybody_may_read_it_whatever_the_umask) {
    struct stat st;

    name_directory();
    (void)umask(077);
    assert_int_equal(run_file_write(directory, "file", "x", 1), 0);
    (void)umask(022);
    assert_int_equal(fstatat(unit_folder, "run", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_int_equal(fstatat(unit_folder, "run/file", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
}

TEST(a_directory_that_is_there_stays_as_it_is) {
    struct stat st;

    name_directory();
    put_folder(unit_folder, "run");
    assert_int_equal(fchmodat(unit_folder, "run", 0700, 0), 0);
    assert_int_equal(run_file_write(directory, "file", "x", 1), 0);
    assert_int_equal(fstatat(unit_folder, "run", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

TEST(no_more_is_read_than_there_is_room_for) {
    char text[8] = "-------";

    name_directory();
    assert_int_equal(run_file_write(directory, "file", "0123456789", 10), 0);
    assert_int_equal(run_file_read(directory, "file", text, 4), 4);
    assert_string_equal(text, "0123---");
}

TEST(what_is_not_there_cannot_be_read_and_is_removed_already) {
    char text[8];

    name_directory();
    assert_int_equal(run_file_read(directory, "file", text, sizeof(text)), -ENOENT);
    assert_int_equal(run_file_remove(directory, "file"), 0);
    put_folder(unit_folder, "run");
    assert_int_equal(run_file_read(directory, "file", text, sizeof(text)), -ENOENT);
    assert_int_equal(run_file_remove(directory, "file"), 0);
    assert_int_equal(run_file_write(directory, "file", "x", 1), 0);
    assert_int_equal(run_file_remove(directory, "file"), 0);
    assert_int_equal(entries(), 0);
}

TEST(links_are_not_followed) {
    char text[8], *content;

    name_directory();
    put_folder(unit_folder, "run");
    put_file(unit_folder, "precious", "precious");
    assert_int_equal(symlinkat("../precious", unit_folder, "run/file"), 0);
    assert_int_equal(symlinkat("../precious", unit_folder, "run/file.new"), 0);
    assert_int_equal(run_file_read(directory, "file", text, sizeof(text)), -ELOOP);
    assert_int_equal(run_file_write(directory, "file", "x", 1), 0);
    check("file", "x");
    content = content_of(unit_folder, "precious");
    assert_string_equal(content, "precious");
    free(content);
    assert_int_equal(unlinkat(unit_folder, "run/file", 0), 0);
    assert_int_equal(symlinkat("../precious", unit_folder, "run/file"), 0);
    assert_int_equal(run_file_remove(directory, "file"), 0);
    assert_int_equal(faccessat(unit_folder, "precious", F_OK, 0), 0);
}

TEST(a_fifo_does_not_hold_us) {
    char text[8];

    name_directory();
    put_folder(unit_folder, "run");
    assert_int_equal(mkfifoat(unit_folder, "run/file", 0600), 0);
    assert_int_equal(run_file_read(directory, "file", text, sizeof(text)), 0);
}

TEST(a_directory_in_the_files_place_is_an_error_and_nothing_is_left) {
    char text[8];

    name_directory();
    put_folder(unit_folder, "run/file/inner");
    assert_true(run_file_write(directory, "file", "x", 1) < 0);
    assert_int_equal(run_file_read(directory, "file", text, sizeof(text)), -EISDIR);
    assert_true(run_file_remove(directory, "file") < 0);
    assert_int_equal(entries(), 1);
}

static int write_without_space(void *argument) {
    struct rlimit limit = {.rlim_cur = 2, .rlim_max = 2};

    (void)argument;
    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 255;
    return -run_file_write(directory, "file", "longer", 6);
}

TEST(without_space_the_old_file_stays_and_nothing_is_left) {
    name_directory();
    assert_int_equal(run_file_write(directory, "file", "old", 3), 0);
    assert_int_equal(in_child(write_without_space, NULL), EFBIG);
    check("file", "old");
    assert_int_equal(entries(), 1);
}

TEST(the_longest_name_is_written_under_another_one_first) {
    char name[256], *text;

    memset(name, 'x', 255);
    name[255] = '\0';
    assert_int_equal(run_file_write_at(unit_folder, name, "old", 3), 0);
    assert_int_equal(linkat(unit_folder, name, unit_folder, "still-old", 0), 0);
    assert_int_equal(run_file_write_at(unit_folder, name, "new", 3), 0);
    text = content_of(unit_folder, name);
    assert_string_equal(text, "new");
    free(text);
    text = content_of(unit_folder, "still-old");
    assert_string_equal(text, "old");
    free(text);
    memcpy(name + 251, ".new", 5);
    assert_int_equal(faccessat(unit_folder, name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(what_was_written_is_read),
        UNIT_TEST(everybody_may_read_it_whatever_the_umask),
        UNIT_TEST(a_directory_that_is_there_stays_as_it_is),
        UNIT_TEST(no_more_is_read_than_there_is_room_for),
        UNIT_TEST(what_is_not_there_cannot_be_read_and_is_removed_already),
        UNIT_TEST(links_are_not_followed),
        UNIT_TEST(a_fifo_does_not_hold_us),
        UNIT_TEST(a_directory_in_the_files_place_is_an_error_and_nothing_is_left),
        UNIT_TEST(without_space_the_old_file_stays_and_nothing_is_left),
        UNIT_TEST(the_longest_name_is_written_under_another_one_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
