/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init-storage/staging.h"
#include "unit.h"

/* Removing, and what is ours to remove. The trees themselves are subvolumes. */

static bool exists(const char *path) {
    return faccessat(unit_folder, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

TEST(a_tree_is_removed_with_all_that_is_in_it) {
    put_folder(unit_folder, "tree/a/b/c");
    put_folder(unit_folder, "tree/empty");
    put_folder(unit_folder, "tree/read-only/inner");
    put_file(unit_folder, "tree/a/file", "x");
    put_file(unit_folder, "tree/a/b/.hidden", "x");
    put_file(unit_folder, "tree/a/b/...", "x");
    assert_int_equal(mkfifoat(unit_folder, "tree/fifo", 0600), 0);
    assert_int_equal(linkat(unit_folder, "tree/a/file", unit_folder, "tree/linked", 0), 0);
    put_file(unit_folder, "beside", "x");
    assert_int_equal(staging_remove(unit_folder, "tree"), 0);
    assert_false(exists("tree"));
    assert_true(exists("beside"));
}

TEST(links_are_removed_and_not_what_they_lead_to) {
    put_folder(unit_folder, "precious");
    put_file(unit_folder, "precious/file", "x");
    put_folder(unit_folder, "tree/sub");
    assert_int_equal(symlinkat("../precious", unit_folder, "tree/link"), 0);
    assert_int_equal(symlinkat("../../precious/file", unit_folder, "tree/sub/link"), 0);
    assert_int_equal(symlinkat("..", unit_folder, "tree/upwards"), 0);
    assert_int_equal(linkat(unit_folder, "precious/file", unit_folder, "tree/hard", 0), 0);
    assert_int_equal(symlinkat("precious", unit_folder, "link"), 0);
    assert_int_equal(staging_remove(unit_folder, "tree"), 0);
    assert_int_equal(staging_remove(unit_folder, "link"), 0);
    assert_false(exists("tree"));
    assert_false(exists("link"));
    assert_true(exists("precious/file"));
}

TEST(single_files_are_removed_too) {
    put_file(unit_folder, "file", "x");
    assert_int_equal(mkfifoat(unit_folder, "fifo", 0600), 0);
    assert_int_equal(staging_remove(unit_folder, "file"), 0);
    assert_int_equal(staging_remove(unit_folder, "fifo"), 0);
    assert_false(exists("file"));
    assert_false(exists("fifo"));
}

TEST(what_is_not_there_is_removed_already) {
    assert_int_equal(staging_remove(unit_folder, "none"), 0);
}

TEST(many_entries_and_many_levels_are_removed) {
    int fd = open_path(unit_folder, ".", O_RDONLY | O_DIRECTORY);

    for (int level = 0; level < 100; level++) {
        int next;

        assert_int_equal(mkdirat(fd, "deeper", 0755), 0);
        next = open_path(fd, "deeper", O_RDONLY | O_DIRECTORY);
        assert_int_equal(close(fd), 0);
        fd = next;
    }
    for (int i = 0; i < 2000; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%d", i);
        put_file(fd, name, "");
    }
    assert_int_equal(close(fd), 0);
    assert_int_equal(staging_remove(unit_folder, "deeper"), 0);
    assert_false(exists("deeper"));
}

TEST(a_folder_of_ours_is_ours_alone) {
    static const mode_t modes[] = {0755, 0701, 0710, 0777, 0600, 02755};

    put_folder(unit_folder, "folder");
    assert_int_equal(fchmodat(unit_folder, "folder", 0700, 0), 0);
    assert_int_equal(staging_is_ours(unit_folder, "folder"), 1);
    /* The kernel passes the setgid bit of a subvolume's top on. */
    assert_int_equal(fchmodat(unit_folder, "folder", 02700, 0), 0);
    assert_int_equal(staging_is_ours(unit_folder, "folder"), 1);
    for (size_t i = 0; i < COUNT(modes); i++) {
        assert_int_equal(fchmodat(unit_folder, "folder", modes[i], 0), 0);
        assert_int_equal(staging_is_ours(unit_folder, "folder"), 0);
    }
    assert_int_equal(fchmodat(unit_folder, "folder", 0700, 0), 0);
    assert_int_equal(symlinkat("folder", unit_folder, "link"), 0);
    assert_int_equal(staging_is_ours(unit_folder, "link"), 0);
    put_file(unit_folder, "file", "");
    assert_int_equal(fchmodat(unit_folder, "file", 0700, 0), 0);
    assert_int_equal(staging_is_ours(unit_folder, "file"), 0);
    assert_int_equal(staging_is_ours(unit_folder, "none"), 0);
    if (geteuid() == 0) {
        assert_int_equal(fchownat(unit_folder, "folder", 1, 0, 0), 0);
        assert_int_equal(staging_is_ours(unit_folder, "folder"), 0);
    }
}

static int clear_ours(void *argument) {
    (void)argument;
    return -staging_clear_ours(unit_folder);
}

TEST(a_folder_of_ours_that_cannot_be_looked_at_is_not_passed_over) {
    put_folder(unit_folder, STAGING_NAME);
    assert_int_equal(fchmodat(unit_folder, STAGING_NAME, 0755, 0), 0);
    assert_int_equal(staging_clear_ours(unit_folder), 0);
    assert_true(exists(STAGING_NAME));
    assert_int_equal(fchmodat(unit_folder, STAGING_NAME, 0700, 0), 0);
    assert_int_equal(in_child_failing(SYS_newfstatat, EIO, clear_ours, NULL), EIO);
    assert_int_equal(staging_clear_ours(unit_folder), 0);
    assert_false(exists(STAGING_NAME));
    assert_int_equal(staging_clear_ours(unit_folder), 0);
}

TEST(staging_trees_of_different_subvolumes_have_different_names) {
    struct subvolume subvolumes[3] = {{.nested = true}};
    struct plan plan = {.subvolumes = subvolumes, .count = 3};
    struct session session = {.plan = &plan};
    char names[3][STAGING_NAME_SIZE];

    for (int i = 0; i < 3; i++) {
        staging_name(&session, &subvolumes[i], names[i]);
        assert_true(strlen(names[i]) > 0 && !strchr(names[i], '/'));
    }
    assert_string_not_equal(names[0], names[1]);
    assert_string_not_equal(names[1], names[2]);
    assert_string_not_equal(names[0], names[2]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_tree_is_removed_with_all_that_is_in_it),
        UNIT_TEST(links_are_removed_and_not_what_they_lead_to),
        UNIT_TEST(single_files_are_removed_too),
        UNIT_TEST(what_is_not_there_is_removed_already),
        UNIT_TEST(many_entries_and_many_levels_are_removed),
        UNIT_TEST(a_folder_of_ours_is_ours_alone),
        UNIT_TEST(a_folder_of_ours_that_cannot_be_looked_at_is_not_passed_over),
        UNIT_TEST(staging_trees_of_different_subvolumes_have_different_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
