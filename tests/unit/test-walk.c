/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init-storage/walk.h"
#include "unit.h"

static struct walk walk;

static void begin(const char *folder, const char *path) {
    assert_int_equal(
        walk_begin(&walk, open_path(unit_folder, folder, O_RDONLY | O_DIRECTORY), path), 0);
}

/* Everything, "path" a line, directories with a slash; as the walk sees it. */
static char *walk_all(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    while (walk.depth > 0) {
        struct walk_entry entry;
        int r = walk_next(&walk, &entry);

        assert_true(r >= 0);
        if (r == 0) {
            assert_int_equal(walk_check(&walk), 0);
            assert_int_equal(walk_up(&walk), 0);
            continue;
        }
        assert_string_equal(entry.name, strrchr(walk.path, '/') + 1);
        fprintf(stream, "%s%s\n", walk.path, S_ISDIR(entry.st.st_mode) ? "/" : "");
        if (S_ISDIR(entry.st.st_mode))
            assert_int_equal(walk_down(&walk, &entry), 0);
    }
    assert_int_equal(fclose(stream), 0);
    return text;
}

/* The same with readdir(3). */
static void list(FILE *stream, int folder, const char *path) {
    DIR *directory = fdopendir(folder);
    const struct dirent *entry;

    assert_non_null(directory);
    while ((entry = readdir(directory))) {
        char below[4096];
        struct stat st;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        assert_int_equal(fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
        (void)snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
        fprintf(stream, "%s%s\n", below, S_ISDIR(st.st_mode) ? "/" : "");
        if (S_ISDIR(st.st_mode))
            list(stream, open_path(folder, entry->d_name, O_RDONLY | O_DIRECTORY), below);
    }
    assert_int_equal(closedir(directory), 0);
}

static void check_all(const char *path) {
    char *wanted = NULL, *is;
    size_t size = 0;
    FILE *stream = open_memstream(&wanted, &size);

    assert_non_null(stream);
    list(stream, open_path(unit_folder, "tree", O_RDONLY | O_DIRECTORY),
         strcmp(path, "/") == 0 ? "" : path);
    assert_int_equal(fclose(stream), 0);
    begin("tree", path);
    is = walk_all();
    assert_string_equal(is, wanted);
    free(is);
    free(wanted);
    walk_end(&walk);
}

static void make_tree(void) {
    put_folder(unit_folder, "tree/b/deep/deeper");
    put_folder(unit_folder, "tree/a");
    put_folder(unit_folder, "tree/empty");
    put_file(unit_folder, "tree/file", "x");
    put_file(unit_folder, "tree/zz", "x");
    put_file(unit_folder, "tree/a/one", "x");
    put_file(unit_folder, "tree/a/two", "x");
    put_file(unit_folder, "tree/b/deep/deeper/leaf", "x");
    put_file(unit_folder, "tree/b/.hidden", "x");
    put_file(unit_folder, "tree/b/...", "x");
    put_file(unit_folder, "tree/b/odd\n\xff name", "x");
    assert_int_equal(symlinkat("a", unit_folder, "tree/link"), 0);
    assert_int_equal(symlinkat("..", unit_folder, "tree/b/upwards"), 0);
    assert_int_equal(symlinkat("nowhere", unit_folder, "tree/dangling"), 0);
    assert_int_equal(mkfifoat(unit_folder, "tree/fifo", 0600), 0);
}

TEST(a_tree_is_seen_depth_first_in_its_own_order) {
    make_tree();
    check_all("/var");
}

TEST(the_root_itself_may_be_walked) {
    make_tree();
    check_all("/");
}

TEST(a_directory_of_many_entries_is_seen_whole_and_in_order) {
    put_folder(unit_folder, "tree/sub");
    for (int i = 0; i < 3000; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "tree/%s%d", i % 2 ? "a-rather-long-name-" : "", i);
        put_file(unit_folder, name, "");
        if (i == 1500)
            put_folder(unit_folder, "tree/sub/inner");
    }
    check_all("/var");
}

TEST(what_an_entry_is_comes_with_it) {
    struct walk_entry entry;
    struct stat st;

    put_folder(unit_folder, "tree");
    assert_int_equal(symlinkat("/etc/passwd", unit_folder, "tree/link"), 0);
    begin("tree", "/var");
    assert_int_equal(walk_next(&walk, &entry), 1);
    assert_string_equal(walk.path, "/var/link");
    assert_true(S_ISLNK(entry.st.st_mode));
    assert_int_equal(fstatat(unit_folder, "tree/link", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(same_unchanged(&st, &entry.st));
    assert_int_equal(walk_next(&walk, &entry), 0);
    assert_string_equal(walk.path, "/var");
    walk_end(&walk);
}

TEST(an_empty_directory_has_no_entries) {
    struct walk_entry entry;

    put_folder(unit_folder, "tree");
    begin("tree", "/var");
    assert_int_equal(walk_next(&walk, &entry), 0);
    assert_int_equal(walk_next(&walk, &entry), 0);
    assert_int_equal(walk_up(&walk), 0);
    assert_int_equal(walk.depth, 0);
    walk_end(&walk);
}

TEST(the_entries_of_a_barren_directory_are_left_out) {
    struct walk_entry entry;

    make_tree();
    begin("tree", "/var");
    walk_level(&walk)->barren = true;
    assert_int_equal(walk_next(&walk, &entry), 0);
    assert_int_equal(walk_check(&walk), 0);
    walk_end(&walk);
}

TEST(a_walk_may_end_anywhere) {
    struct walk_entry entry;

    make_tree();
    begin("tree/b", "/var");
    while (walk_next(&walk, &entry) == 1) {
        if (S_ISDIR(entry.st.st_mode))
            assert_int_equal(walk_down(&walk, &entry), 0);
    }
    assert_true(walk.depth > 1);
    walk_end(&walk);
    assert_null(walk.levels);
    assert_null(walk.path);
}

/* ---- directories that the image lacks ---------------------------------------------------- */

TEST(a_missing_directory_is_a_level_without_entries) {
    struct walk_entry entry;

    make_tree();
    begin("tree/a", "/var/a");
    while (walk_next(&walk, &entry) == 1)
        continue;
    assert_int_equal(walk_down_missing(&walk, "new"), 0);
    assert_int_equal(walk.depth, 2);
    assert_string_equal(walk.path, "/var/a/new");
    assert_true(walk_level(&walk)->missing);
    assert_int_equal(walk_next(&walk, &entry), 0);
    assert_int_equal(walk_down_missing(&walk, "newer"), 0);
    assert_string_equal(walk.path, "/var/a/new/newer");
    assert_int_equal(walk_next(&walk, &entry), 0);
    assert_int_equal(walk_check(&walk), 0);
    assert_int_equal(walk_up(&walk), 0);
    assert_string_equal(walk.path, "/var/a/new");
    assert_int_equal(walk_up(&walk), 0);
    assert_string_equal(walk.path, "/var/a");
    assert_int_equal(walk_next(&walk, &entry), 0);
    assert_int_equal(walk_up(&walk), 0);
    walk_end(&walk);
}

TEST(a_walk_may_begin_at_a_missing_directory) {
    struct walk_entry entry;

    assert_int_equal(walk_begin(&walk, -1, "/var/none"), 0);
    assert_string_equal(walk.path, "/var/none");
    assert_int_equal(walk_next(&walk, &entry), 0);
    assert_int_equal(walk_check(&walk), 0);
    assert_int_equal(walk_down_missing(&walk, "below"), 0);
    assert_string_equal(walk.path, "/var/none/below");
    assert_int_equal(walk_up(&walk), 0);
    assert_int_equal(walk_up(&walk), 0);
    assert_int_equal(walk.depth, 0);
    walk_end(&walk);
}

TEST(missing_levels_may_be_deeper_than_open_ones) {
    struct walk_entry entry;

    make_tree();
    begin("tree/a", "/a");
    for (int i = 0; i < 3 * WALK_OPEN_LEVELS; i++)
        assert_int_equal(walk_down_missing(&walk, "x"), 0);
    for (int i = 0; i < 3 * WALK_OPEN_LEVELS; i++) {
        assert_int_equal(walk_next(&walk, &entry), 0);
        assert_int_equal(walk_up(&walk), 0);
    }
    assert_string_equal(walk.path, "/a");
    assert_int_equal(walk_next(&walk, &entry), 1);
    assert_int_equal(walk_next(&walk, &entry), 1);
    assert_int_equal(walk_next(&walk, &entry), 0);
    walk_end(&walk);
}

/* ---- a tree that changes ----------------------------------------------------------------- */

static void down_to(const char *name) {
    struct walk_entry entry;

    do {
        assert_int_equal(walk_next(&walk, &entry), 1);
    } while (strcmp(entry.name, name) != 0);
    assert_int_equal(walk_down(&walk, &entry), 0);
}

TEST(a_directory_that_changed_is_noticed) {
    make_tree();
    begin("tree", "/var");
    down_to("a");
    assert_int_equal(walk_check(&walk), 0);
    put_file(unit_folder, "tree/a/three", "x");
    assert_int_equal(walk_check(&walk), -ESTALE);
    walk_end(&walk);
}

TEST(a_directory_whose_mode_changed_is_noticed) {
    make_tree();
    begin("tree", "/var");
    down_to("a");
    assert_int_equal(fchmodat(unit_folder, "tree/a", 0711, 0), 0);
    assert_int_equal(walk_check(&walk), -ESTALE);
    walk_end(&walk);
}

TEST(a_directory_that_was_replaced_is_not_entered) {
    struct walk_entry entry;

    put_folder(unit_folder, "tree/sub");
    begin("tree", "/var");
    assert_int_equal(walk_next(&walk, &entry), 1);
    assert_int_equal(renameat(unit_folder, "tree/sub", unit_folder, "old"), 0);
    put_folder(unit_folder, "tree/sub");
    assert_int_equal(walk_down(&walk, &entry), -ESTALE);
    assert_int_equal(walk.depth, 1);
    walk_end(&walk);
}

TEST(a_link_in_place_of_a_directory_is_not_followed) {
    struct walk_entry entry;

    put_folder(unit_folder, "tree/sub");
    begin("tree", "/var");
    assert_int_equal(walk_next(&walk, &entry), 1);
    assert_int_equal(renameat(unit_folder, "tree/sub", unit_folder, "old"), 0);
    assert_int_equal(symlinkat("../old", unit_folder, "tree/sub"), 0);
    assert_true(walk_down(&walk, &entry) < 0);
    assert_int_equal(walk.depth, 1);
    walk_end(&walk);
}

TEST(what_is_no_directory_cannot_be_walked) {
    struct walk_entry entry;
    struct walk_entry file = {.name = "tree"};

    put_file(unit_folder, "tree", "x");
    assert_int_equal(walk_begin(&walk, open_path(unit_folder, "tree", O_RDONLY), "/var"), 0);
    assert_int_equal(walk_next(&walk, &entry), -ENOTDIR);
    walk_end(&walk);
    begin(".", "/var");
    assert_int_equal(walk_down(&walk, &file), -ENOTDIR);
    walk_end(&walk);
}

/* ---- deep trees -------------------------------------------------------------------------- */

#define DEPTH 300
#define LONG_NAME "a-name-of-some-length-so-that-the-whole-path-is-longer-than-path-max"

/* Each level has a directory between two files. */
static void make_deep_tree(int depth) {
    int fd = open_path(unit_folder, ".", O_RDONLY | O_DIRECTORY);

    put_folder(unit_folder, "tree");
    for (int level = 0; level <= depth; level++) {
        int next = open_path(fd, level == 0 ? "tree" : LONG_NAME, O_RDONLY | O_DIRECTORY);

        assert_int_equal(close(fd), 0);
        fd = next;
        put_file(fd, "before", "x");
        if (level < depth)
            assert_int_equal(mkdirat(fd, LONG_NAME, 0755), 0);
        put_file(fd, "behind", "x");
    }
    assert_int_equal(close(fd), 0);
}

static size_t open_descriptors(void) {
    DIR *stream = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(stream);
    while (readdir(stream))
        count++;
    assert_int_equal(closedir(stream), 0);
    return count;
}

TEST(a_tree_of_any_depth_is_seen_whole_with_few_descriptors) {
    size_t before = open_descriptors(), most = 0, files = 0, deepest = 0;

    make_deep_tree(DEPTH);
    begin("tree", "/var");
    while (walk.depth > 0) {
        struct walk_entry entry;
        int r = walk_next(&walk, &entry);

        if (r < 0)
            fail_with("level %zu: %s", walk.depth, strerror(-r));
        if (r == 0) {
            assert_int_equal(walk_check(&walk), 0);
            assert_int_equal(walk_up(&walk), 0);
        } else if (S_ISDIR(entry.st.st_mode)) {
            assert_int_equal(walk_down(&walk, &entry), 0);
            if (open_descriptors() > most)
                most = open_descriptors();
        } else {
            files++;
        }
        if (walk.depth > 0 && strlen(walk.path) > deepest)
            deepest = strlen(walk.path);
    }
    walk_end(&walk);
    assert_int_equal(files, 2 * (DEPTH + 1));
    assert_true(deepest > PATH_MAX);
    assert_true(most - before <= WALK_OPEN_LEVELS + 1);
    assert_int_equal(open_descriptors(), before);
}

TEST(an_upper_directory_that_moved_or_changed_is_noticed) {
    for (int moved = 0; moved < 2; moved++) {
        struct walk_entry entry;
        int r = 0;

        make_deep_tree(WALK_OPEN_LEVELS + 10);
        begin("tree", "/var");
        for (int level = 0; level < WALK_OPEN_LEVELS + 10; level++)
            down_to(LONG_NAME);
        if (moved)
            assert_int_equal(renameat(unit_folder, "tree/" LONG_NAME, unit_folder, "elsewhere"), 0);
        else
            put_file(unit_folder, "tree/" LONG_NAME "/" LONG_NAME "/more", "x");
        while (r == 0 && walk.depth > 1) {
            while ((r = walk_next(&walk, &entry)) == 1)
                continue;
            assert_int_equal(r, 0);
            r = walk_up(&walk);
        }
        assert_int_equal(r, -ESTALE);
        assert_true(walk.depth < 10);
        walk_end(&walk);
        assert_int_equal(unit_end(NULL), 0);
        assert_int_equal(unit_begin(NULL), 0);
    }
}

/* ---- what counts as unchanged ------------------------------------------------------------ */

TEST(every_trace_of_a_change_counts) {
    const struct stat one = {.st_dev = 1,
                             .st_ino = 2,
                             .st_mode = S_IFREG | 0644,
                             .st_size = 3,
                             .st_mtim = {4, 5},
                             .st_ctim = {6, 7}};
    struct stat other = one;

    assert_true(same_unchanged(&one, &other));
    other.st_atim.tv_sec = 8; /* reading is no change */
    assert_true(same_unchanged(&one, &other));
#define CHANGED(member, value)                                                                     \
    do {                                                                                           \
        other = one;                                                                               \
        other.member = (value);                                                                    \
        assert_false(same_unchanged(&one, &other));                                                \
    } while (0)
    CHANGED(st_dev, 9);
    CHANGED(st_ino, 9);
    CHANGED(st_mode, S_IFREG | 0600);
    CHANGED(st_mode, S_IFDIR | 0644);
    CHANGED(st_size, 9);
    CHANGED(st_mtim.tv_sec, 9);
    CHANGED(st_mtim.tv_nsec, 9);
    CHANGED(st_ctim.tv_sec, 9);
    CHANGED(st_ctim.tv_nsec, 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_tree_is_seen_depth_first_in_its_own_order),
        UNIT_TEST(the_root_itself_may_be_walked),
        UNIT_TEST(a_directory_of_many_entries_is_seen_whole_and_in_order),
        UNIT_TEST(what_an_entry_is_comes_with_it),
        UNIT_TEST(an_empty_directory_has_no_entries),
        UNIT_TEST(the_entries_of_a_barren_directory_are_left_out),
        UNIT_TEST(a_walk_may_end_anywhere),
        UNIT_TEST(a_missing_directory_is_a_level_without_entries),
        UNIT_TEST(a_walk_may_begin_at_a_missing_directory),
        UNIT_TEST(missing_levels_may_be_deeper_than_open_ones),
        UNIT_TEST(a_directory_that_changed_is_noticed),
        UNIT_TEST(a_directory_whose_mode_changed_is_noticed),
        UNIT_TEST(a_directory_that_was_replaced_is_not_entered),
        UNIT_TEST(a_link_in_place_of_a_directory_is_not_followed),
        UNIT_TEST(what_is_no_directory_cannot_be_walked),
        UNIT_TEST(a_tree_of_any_depth_is_seen_whole_with_few_descriptors),
        UNIT_TEST(an_upper_directory_that_moved_or_changed_is_noticed),
        UNIT_TEST(every_trace_of_a_change_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
