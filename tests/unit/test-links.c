/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init-storage/links.h"
#include "unit.h"

/* The test's folder is the tree, unless it makes some of its own. */

static const uint64_t one[2] = {0x801, 12345}, other[2] = {0x801, 12346},
                      elsewhere[2] = {0x802, 12345}, largest[2] = {UINT64_MAX, UINT64_MAX};

static size_t entries(int tree) {
    int fd = open_path(tree, ".", O_RDONLY | O_DIRECTORY);
    DIR *stream = fdopendir(fd);
    size_t count = 0;

    assert_non_null(stream);
    while (readdir(stream))
        count++;
    assert_int_equal(closedir(stream), 0);
    return count - 2;
}

static struct stat stat_of(int tree, const char *name) {
    struct stat st;

    assert_int_equal(fstatat(tree, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st;
}

TEST(nothing_is_known_and_nothing_is_made_at_first) {
    struct links links = LINKS_NONE;

    assert_false(links_are_open(&links));
    assert_int_equal(links_find(&links, one), 0);
    assert_int_equal(entries(unit_folder), 0);
}

TEST(a_file_is_known_by_its_identity_alone) {
    struct links links = LINKS_NONE;

    put_file(unit_folder, "a", "x");
    assert_int_equal(links_remember(&links, unit_folder, one, unit_folder, "a"), 0);
    assert_true(links_are_open(&links));
    assert_int_equal(links_find(&links, one), 1);
    assert_int_equal(links_find(&links, other), 0);
    assert_int_equal(links_find(&links, elsewhere), 0);
    put_file(unit_folder, "b", "x");
    assert_int_equal(links_remember(&links, unit_folder, largest, unit_folder, "b"), 0);
    assert_int_equal(links_find(&links, largest), 1);
    assert_int_equal(links_close(&links, unit_folder), 2);
}

TEST(further_names_are_hard_links_and_the_last_ends_the_group) {
    struct links links = LINKS_NONE;
    ino_t inode;

    put_folder(unit_folder, "sub");
    put_file(unit_folder, "a", "x");
    inode = stat_of(unit_folder, "a").st_ino;
    assert_int_equal(links_remember(&links, unit_folder, one, unit_folder, "a"), 0);
    assert_int_equal(links_add_name(&links, one, 3, unit_folder, "sub/b"), 0);
    assert_int_equal(links_find(&links, one), 1);
    assert_int_equal(links_add_name(&links, one, 3, unit_folder, "c"), 0);
    assert_int_equal(links_find(&links, one), 0);
    assert_int_equal(stat_of(unit_folder, "sub/b").st_ino, inode);
    assert_int_equal(stat_of(unit_folder, "c").st_ino, inode);
    assert_int_equal(stat_of(unit_folder, "c").st_nlink, 3);
    assert_int_equal(links_close(&links, unit_folder), 0);
    assert_false(links_are_open(&links));
    assert_int_equal(entries(unit_folder), 3);
    assert_int_equal(stat_of(unit_folder, "a").st_nlink, 3);
}

TEST(groups_do_not_mix) {
    struct links links = LINKS_NONE;

    put_file(unit_folder, "a1", "a");
    put_file(unit_folder, "b1", "b");
    assert_int_equal(links_remember(&links, unit_folder, one, unit_folder, "a1"), 0);
    assert_int_equal(links_remember(&links, unit_folder, other, unit_folder, "b1"), 0);
    assert_int_equal(links_add_name(&links, other, 2, unit_folder, "b2"), 0);
    assert_int_equal(links_add_name(&links, one, 2, unit_folder, "a2"), 0);
    assert_int_equal(stat_of(unit_folder, "a1").st_ino, stat_of(unit_folder, "a2").st_ino);
    assert_int_equal(stat_of(unit_folder, "b1").st_ino, stat_of(unit_folder, "b2").st_ino);
    assert_int_not_equal(stat_of(unit_folder, "a1").st_ino, stat_of(unit_folder, "b1").st_ino);
    assert_int_equal(links_close(&links, unit_folder), 0);
    assert_int_equal(entries(unit_folder), 4);
}

TEST(groups_whose_other_names_lie_elsewhere_are_counted_and_forgotten) {
    struct links links = LINKS_NONE;

    put_file(unit_folder, "a", "x");
    put_file(unit_folder, "b", "x");
    put_file(unit_folder, "c", "x");
    assert_int_equal(links_remember(&links, unit_folder, one, unit_folder, "a"), 0);
    assert_int_equal(links_remember(&links, unit_folder, other, unit_folder, "b"), 0);
    assert_int_equal(links_remember(&links, unit_folder, elsewhere, unit_folder, "c"), 0);
    assert_int_equal(links_add_name(&links, one, 2, unit_folder, "a2"), 0);
    assert_int_equal(links_add_name(&links, other, 9, unit_folder, "b2"), 0);
    assert_int_equal(links_close(&links, unit_folder), 2);
    assert_int_equal(entries(unit_folder), 5);
    assert_int_equal(stat_of(unit_folder, "a").st_nlink, 2);
    assert_int_equal(stat_of(unit_folder, "b").st_nlink, 2);
    assert_int_equal(stat_of(unit_folder, "c").st_nlink, 1);
}

TEST(symbolic_links_and_fifos_may_have_several_names) {
    struct links links = LINKS_NONE;

    assert_int_equal(symlinkat("nowhere", unit_folder, "link"), 0);
    assert_int_equal(mkfifoat(unit_folder, "fifo", 0600), 0);
    assert_int_equal(links_remember(&links, unit_folder, one, unit_folder, "link"), 0);
    assert_int_equal(links_remember(&links, unit_folder, other, unit_folder, "fifo"), 0);
    assert_int_equal(links_find(&links, one), 1);
    assert_int_equal(links_add_name(&links, one, 2, unit_folder, "link2"), 0);
    assert_int_equal(links_add_name(&links, other, 2, unit_folder, "fifo2"), 0);
    assert_int_equal(stat_of(unit_folder, "link").st_ino, stat_of(unit_folder, "link2").st_ino);
    assert_true(S_ISLNK(stat_of(unit_folder, "link2").st_mode));
    assert_int_equal(stat_of(unit_folder, "fifo").st_ino, stat_of(unit_folder, "fifo2").st_ino);
    assert_int_equal(links_close(&links, unit_folder), 0);
}

TEST(each_tree_has_its_own) {
    struct links upper = LINKS_NONE, lower = LINKS_NONE;
    int tree;

    put_folder(unit_folder, "tree");
    tree = open_path(unit_folder, "tree", O_RDONLY | O_DIRECTORY);
    put_file(unit_folder, "a", "x");
    put_file(tree, "b", "x");
    assert_int_equal(links_remember(&upper, unit_folder, one, unit_folder, "a"), 0);
    assert_int_equal(links_find(&lower, one), 0);
    assert_int_equal(links_remember(&lower, tree, one, tree, "b"), 0);
    assert_int_equal(links_close(&lower, tree), 1);
    assert_int_equal(links_find(&upper, one), 1);
    assert_int_equal(links_close(&upper, unit_folder), 1);
    assert_int_equal(entries(tree), 1);
    assert_int_equal(close(tree), 0);
}

TEST(many_groups_fit) {
    struct links links = LINKS_NONE;

    for (uint64_t i = 0; i < 2000; i++) {
        uint64_t identity[2] = {1, i};
        char name[32];

        (void)snprintf(name, sizeof(name), "f%ju", (uintmax_t)i);
        put_file(unit_folder, name, "");
        assert_int_equal(links_remember(&links, unit_folder, identity, unit_folder, name), 0);
    }
    assert_int_equal(links_close(&links, unit_folder), 2000);
    assert_int_equal(entries(unit_folder), 2000);
}

TEST(a_name_of_an_unknown_group_is_an_error) {
    struct links links = LINKS_NONE;

    put_file(unit_folder, "a", "x");
    assert_int_equal(links_remember(&links, unit_folder, one, unit_folder, "a"), 0);
    assert_int_equal(links_add_name(&links, other, 2, unit_folder, "b"), -ENOENT);
    assert_int_equal(links_add_name(&links, one, 3, unit_folder, "a"), -EEXIST);
    assert_int_equal(links_remember(&links, unit_folder, other, unit_folder, "missing"), -ENOENT);
    assert_int_equal(links_close(&links, unit_folder), 1);
}

TEST(a_folder_of_that_name_in_the_way_is_an_error) {
    struct links first = LINKS_NONE, second = LINKS_NONE;

    put_file(unit_folder, "a", "x");
    assert_int_equal(links_remember(&first, unit_folder, one, unit_folder, "a"), 0);
    assert_int_equal(links_remember(&second, unit_folder, one, unit_folder, "a"), -EEXIST);
    assert_false(links_are_open(&second));
    links_forget(&first);
}

TEST(what_is_forgotten_stays_for_the_staging_tree_to_be_removed_with) {
    struct links links = LINKS_NONE;

    put_file(unit_folder, "a", "x");
    assert_int_equal(links_remember(&links, unit_folder, one, unit_folder, "a"), 0);
    links_forget(&links);
    assert_false(links_are_open(&links));
    assert_int_equal(links_find(&links, one), 0);
    assert_int_equal(entries(unit_folder), 2);
    links_forget(&links);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(nothing_is_known_and_nothing_is_made_at_first),
        UNIT_TEST(a_file_is_known_by_its_identity_alone),
        UNIT_TEST(further_names_are_hard_links_and_the_last_ends_the_group),
        UNIT_TEST(groups_do_not_mix),
        UNIT_TEST(groups_whose_other_names_lie_elsewhere_are_counted_and_forgotten),
        UNIT_TEST(symbolic_links_and_fifos_may_have_several_names),
        UNIT_TEST(each_tree_has_its_own),
        UNIT_TEST(many_groups_fit),
        UNIT_TEST(a_name_of_an_unknown_group_is_an_error),
        UNIT_TEST(a_folder_of_that_name_in_the_way_is_an_error),
        UNIT_TEST(what_is_forgotten_stays_for_the_staging_tree_to_be_removed_with),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
