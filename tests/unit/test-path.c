/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/path.h"
#include "unit.h"

TEST(plain_paths_are_relative_and_made_of_names) {
    static const struct {
        const char *path;
        bool plain;
    } rows[] = {
        {"a", true},       {"a/b", true},      {"lib/containers", true},
        {"...", true},     {".a", true},       {"..a/b..", true},
        {"a b", true},     {"@default", true}, {"", false},
        {"/", false},      {"/a", false},      {"a/", false},
        {"a//b", false},   {".", false},       {"..", false},
        {"./a", false},    {"a/.", false},     {"../a", false},
        {"a/..", false},   {"a/../b", false},  {"a/./b", false},
        {"a/b/..", false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        if (path_is_plain(rows[i].path) != rows[i].plain)
            fail_with("\"%s\"", rows[i].path);
    }
}

TEST(what_is_below_a_path) {
    static const struct {
        const char *path, *upper, *rest;
    } rows[] = {
        {"/var", "/var", ""},
        {"/var/log", "/var", "log"},
        {"/var/log/journal", "/var", "log/journal"},
        {"/var", "/", "var"},
        {"/", "/", ""},
        {"a/b", "a", "b"},
        {"a", "a", ""},
        {"a/b", "", "a/b"},
        {"", "", ""},
        {"/variable", "/var", NULL},
        {"/va", "/var", NULL},
        {"/", "/var", NULL},
        {"/home", "/var", NULL},
        {"ab", "a", NULL},
        {"a", "a/b", NULL},
        {"", "a", NULL},
        {"a", "/", NULL},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *rest = path_below(rows[i].path, rows[i].upper);

        if (!rest != !rows[i].rest || (rest && strcmp(rest, rows[i].rest) != 0))
            fail_with("\"%s\" below \"%s\": \"%s\"", rows[i].path, rows[i].upper,
                      rest ? rest : "(NULL)");
    }
}

TEST(joined_paths_have_one_slash) {
    static const struct {
        const char *upper, *rest, *joined;
    } rows[] = {
        {"a", "b", "a/b"}, {"a/b", "c/d", "a/b/c/d"}, {"", "b", "b"}, {"a", "", "a"},
        {"", "", ""},      {"/", "var", "/var"},      {"/", "", "/"}, {"/var", "log", "/var/log"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char *joined = path_join(rows[i].upper, rows[i].rest);

        assert_non_null(joined);
        assert_string_equal(joined, rows[i].joined);
        free(joined);
    }
}

TEST(absolute_paths_are_normalised) {
    static const struct {
        const char *text, *path; /* NULL: refused */
    } rows[] = {
        {"/", "/"},
        {"//", "/"},
        {"/var", "/var"},
        {"/var/", "/var"},
        {"//var///log//", "/var/log"},
        {"/...", "/..."},
        {"/a b", "/a b"},
        {"", NULL},
        {"var", NULL},
        {"./var", NULL},
        {"/.", NULL},
        {"/..", NULL},
        {"/var/../home", NULL},
        {"/var/./log", NULL},
        {"/var/..", NULL},
        {"none", NULL},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char *path = NULL;
        int r = path_normalize(rows[i].text, &path);

        assert_int_equal(r, rows[i].path ? 0 : -EINVAL);
        if (rows[i].path)
            assert_string_equal(path, rows[i].path);
        else
            assert_null(path);
        free(path);
    }
}

/* ---- opening ----------------------------------------------------------------------------- */

static const struct opened {
    const char *path;
    int flags, result; /* 0: opens */
} beneath[] = {
    {"", O_RDONLY | O_DIRECTORY, 0},
    {"file", O_RDONLY, 0},
    {"dir", O_RDONLY | O_DIRECTORY, 0},
    {"dir", O_PATH, 0},
    {"dir/inner", O_RDONLY, 0},
    {"dir/sub/deep", O_RDONLY, 0},
    {"missing", O_RDONLY, -ENOENT},
    {"missing/file", O_RDONLY, -ENOENT},
    {"dir/missing", O_RDONLY, -ENOENT},
    {"file/x", O_RDONLY, -ENOTDIR},
    {"file", O_RDONLY | O_DIRECTORY, -ENOTDIR},
    {"..", O_RDONLY, -EXDEV},
    {"../file", O_RDONLY, -EXDEV},
    {"dir/../../file", O_RDONLY, -EXDEV},
    {"/", O_RDONLY, -EXDEV},
    {"/etc", O_RDONLY, -EXDEV},
    /* A symbolic link is one wherever it is and wherever it leads. */
    {"link", O_RDONLY, -ELOOP},
    {"dirlink", O_RDONLY | O_DIRECTORY, -ELOOP},
    {"dirlink/inner", O_RDONLY, -ELOOP},
    {"dir/upwards/file", O_RDONLY, -ELOOP},
    {"outside/hosts", O_RDONLY, -ELOOP},
    {"dangling", O_RDONLY, -ELOOP},
    {"circle", O_RDONLY, -ELOOP},
};

static void make_tree(void) {
    put_folder(unit_folder, "dir");
    put_folder(unit_folder, "dir/sub");
    put_file(unit_folder, "file", "file");
    put_file(unit_folder, "dir/inner", "inner");
    put_file(unit_folder, "dir/sub/deep", "deep");
    assert_int_equal(symlinkat("file", unit_folder, "link"), 0);
    assert_int_equal(symlinkat("dir", unit_folder, "dirlink"), 0);
    assert_int_equal(symlinkat("..", unit_folder, "dir/upwards"), 0);
    assert_int_equal(symlinkat("/etc", unit_folder, "outside"), 0);
    assert_int_equal(symlinkat("nowhere", unit_folder, "dangling"), 0);
    assert_int_equal(symlinkat("circle", unit_folder, "circle"), 0);
}

/* Returns the row number of the first that is not as expected, from 1 on; 0: all are. */
static int try_beneath(void *argument) {
    int *result = argument;

    for (size_t i = 0; i < COUNT(beneath); i++) {
        int fd = open_beneath(unit_folder, beneath[i].path, beneath[i].flags);

        *result = fd;
        if ((fd < 0 ? fd : 0) != beneath[i].result)
            return (int)i + 1;
        if (fd >= 0 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
            return (int)i + 1;
        if (fd >= 0)
            (void)close(fd);
    }
    return 0;
}

TEST(nothing_is_opened_through_a_link_or_outside) {
    int result, row;

    make_tree();
    row = try_beneath(&result);
    if (row > 0)
        fail_with("\"%s\": %d", beneath[row - 1].path, result);
}

/* As one before 5.6 answers. */
static int as_an_older_kernel(int (*function)(void *), void *argument) {
    return in_child_failing(SYS_openat2, ENOSYS, function, argument);
}

TEST(an_older_kernel_gives_the_same_answers) {
    int *result = share(sizeof(*result));
    int row, seen;

    make_tree();
    row = as_an_older_kernel(try_beneath, result);
    seen = *result;
    unshare_memory(result, sizeof(*result));
    if (row > 0)
        fail_with("\"%s\": %d (%s)", beneath[row - 1].path, seen, strerror(-seen));
}

TEST(a_name_that_is_too_long_is_an_error) {
    char name[300];

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(open_beneath(unit_folder, name, O_RDONLY), -ENAMETOOLONG);
}

TEST(a_configuration_file_is_found_behind_links_inside_the_root) {
    static const struct {
        const char *link, *target, *path, *content; /* NULL: none is opened */
    } rows[] = {
        {"relative", "dir/inner", "relative", "inner"},
        {"absolute", "/dir/inner", "absolute", "inner"},
        {"climbing", "../../../../file", "climbing", "file"},
        {"dir/climbing", "../../../file", "dir/climbing", "file"},
        {"folder", "/dir", "folder/sub/deep", "deep"},
        {"plain", "/none", "dir/inner", "inner"},
        {"nowhere", "/etc/hostname", "nowhere", NULL},
        {"myself", "myself", "myself", NULL},
    };

    skip_unless(has_openat2(), "no openat2");
    make_tree();
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[16] = "";
        int fd;

        assert_int_equal(symlinkat(rows[i].target, unit_folder, rows[i].link), 0);
        fd = open_in_root(unit_folder, rows[i].path, O_RDONLY);
        if ((fd >= 0) != (rows[i].content != NULL))
            fail_with("%s: %d", rows[i].path, fd);
        if (fd < 0)
            continue;
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_true(read(fd, text, sizeof(text) - 1) > 0);
        assert_string_equal(text, rows[i].content);
        assert_int_equal(close(fd), 0);
    }
    assert_int_equal(open_in_root(unit_folder, "absent", O_RDONLY), -ENOENT);
    assert_int_equal(open_in_root(unit_folder, "file/absent", O_RDONLY), -ENOTDIR);
}

static int open_out_of_root(void *argument) {
    (void)argument;
    return open_in_root(unit_folder, "outside/passwd", O_RDONLY) >= 0;
}

TEST(an_absolute_link_never_leads_out_of_the_root) {
    make_tree();
    assert_int_equal(open_out_of_root(NULL), 0);
    assert_int_equal(as_an_older_kernel(open_out_of_root, NULL), 0);
}

TEST(a_parent_is_opened_and_the_last_name_is_left) {
    static const struct {
        const char *path, *parent, *name;
        int result;
    } rows[] = {
        {"dir/inner", "dir", "inner", 0},
        {"dir/sub/new", "dir/sub", "new", 0},
        {"new", ".", "new", 0},
        {"dirlink", ".", "dirlink", 0},
        {"missing/new", NULL, NULL, -ENOENT},
        {"file/new", NULL, NULL, -ENOTDIR},
        {"dirlink/new", NULL, NULL, -ELOOP},
        {"../new", NULL, NULL, -EXDEV},
    };

    make_tree();
    for (size_t i = 0; i < COUNT(rows); i++) {
        static const char untouched[] = "untouched";
        const char *name = untouched;
        struct stat opened, wanted;
        int fd = open_parent(unit_folder, rows[i].path, &name);

        if ((fd < 0 ? fd : 0) != rows[i].result)
            fail_with("%s: %d", rows[i].path, fd);
        if (fd < 0) {
            assert_ptr_equal(name, untouched);
            continue;
        }
        assert_string_equal(name, rows[i].name);
        assert_int_equal(fstat(fd, &opened), 0);
        assert_int_equal(fstatat(unit_folder, rows[i].parent, &wanted, 0), 0);
        assert_int_equal(opened.st_ino, wanted.st_ino);
        assert_int_equal(close(fd), 0);
    }
}

TEST(a_descriptor_that_is_no_directory_is_closed_all_the_same) {
    int fd = openat(unit_folder, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_null(directory_stream(fd));
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    errno = EMFILE;
    assert_null(directory_stream(-1));
    assert_int_equal(errno, EMFILE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(plain_paths_are_relative_and_made_of_names),
        UNIT_TEST(what_is_below_a_path),
        UNIT_TEST(joined_paths_have_one_slash),
        UNIT_TEST(absolute_paths_are_normalised),
        UNIT_TEST(nothing_is_opened_through_a_link_or_outside),
        UNIT_TEST(an_older_kernel_gives_the_same_answers),
        UNIT_TEST(a_name_that_is_too_long_is_an_error),
        UNIT_TEST(a_configuration_file_is_found_behind_links_inside_the_root),
        UNIT_TEST(an_absolute_link_never_leads_out_of_the_root),
        UNIT_TEST(a_parent_is_opened_and_the_last_name_is_left),
        UNIT_TEST(a_descriptor_that_is_no_directory_is_closed_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
