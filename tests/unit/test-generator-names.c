/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "generator/unit-name.h"
#include "unit.h"

static void check_escaped(const char *path, const char *wanted) {
    char *is = NULL;

    assert_int_equal(unit_escape_path(path, &is), 0);
    assert_string_equal(is, wanted);
    free(is);
}

/* The wanted names are what systemd-escape --path prints; a system test asks it again. */
TEST(paths_are_escaped_as_systemd_does) {
    static const struct {
        const char *path, *wanted;
    } rows[] = {
        {"/", "-"},
        {"", "-"},
        {"///", "-"},
        {"/.", "-"},
        {"/var", "var"},
        {"/var/", "var"},
        {"//var//log", "var-log"},
        {"/var/./log", "var-log"},
        {"var/log", "var-log"},
        {"/a-b", "a\\x2db"},
        {"/a b", "a\\x20b"},
        {"/a\\b", "a\\x5cb"},
        {"/a\tb\n", "a\\x09b\\x0a"},
        {"/%i", "\\x25i"},
        {"/\"'", "\\x22\\x27"},
        {"/.hidden/.too", "\\x2ehidden-.too"},
        {"/./.hidden", "\\x2ehidden"},
        {"/...", "\\x2e.."},
        {"/a:_.9", "a:_.9"},
        {"/\xc3\xa9", "\\xc3\\xa9"},
        {"/\xff", "\\xff"},
        {"/dev/disk/by-label/a\\x20b", "dev-disk-by\\x2dlabel-a\\x5cx20b"},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        check_escaped(rows[i].path, rows[i].wanted);
}

TEST(what_is_no_path_of_a_unit_is_refused) {
    static const char *const rows[] = {"..", "/..", "/a/../b", "/a/.."};
    char name[300] = "/", *is = NULL;

    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(unit_escape_path(rows[i], &is), -EINVAL);
    memset(name + 1, 'x', 256);
    assert_int_equal(unit_escape_path(name, &is), -EINVAL);
    assert_null(is);
}

TEST(a_unit_has_at_most_255_bytes) {
    char path[300] = "/", *is = NULL;

    memset(path + 1, 'x', 255 - strlen(".mount"));
    assert_int_equal(unit_name_of("", path, ".mount", &is), 0);
    assert_int_equal(strlen(is), 255);
    free(is);
    is = NULL;
    assert_int_equal(unit_name_of("y", path, ".mount", &is), -ENAMETOOLONG);
    assert_null(is);
}

TEST(labels_are_encoded_as_udev_does) {
    static const struct {
        const char *label, *wanted;
    } rows[] = {
        {"", ""},
        {"data", "data"},
        {"a b", "a\\x20b"},
        {"a/b", "a\\x2fb"},
        {"a\\b", "a\\x5cb"},
        {"#+-.:=@_", "#+-.:=@_"},
        {"%\"'\n", "\\x25\\x22\\x27\\x0a"},
        {"\xc3\xa9\xe2\x82\xac", "\xc3\xa9\xe2\x82\xac"},
        {"\xff\xc3", "\\xff\\xc3"},
        {"\xef\xbf\xbf", "\\xef\\xbf\\xbf"},          /* U+FFFF, no character */
        {"\xef\xb7\x90", "\\xef\\xb7\\x90"},          /* U+FDD0, neither */
        {"\xf0\x9f\xbf\xbe", "\\xf0\\x9f\\xbf\\xbe"}, /* U+1FFFE, neither */
        {"\xef\xbe\xbf\xf0\x9f\x98\x80", "\xef\xbe\xbf\xf0\x9f\x98\x80"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char *is = udev_encode(rows[i].label);

        assert_non_null(is);
        assert_string_equal(is, rows[i].wanted);
        free(is);
    }
}

TEST(sources_have_the_paths_that_udev_gives_them) {
    static const struct {
        const char *source, *wanted;
    } rows[] = {
        {"LABEL=state", "/dev/disk/by-label/state"},
        {"LABEL=\"a b\"", "/dev/disk/by-label/a\\x20b"},
        {"UUID=0123-ABCD", "/dev/disk/by-uuid/0123-ABCD"},
        {"PARTLABEL=data", "/dev/disk/by-partlabel/data"},
        {"PARTUUID=01-02", "/dev/disk/by-partuuid/01-02"},
        {"/dev/vda2", "/dev/vda2"},
        {"/dev//mapper/a=b", "/dev/mapper/a=b"},
    };
    static const char *const wrong[] = {
        "",     "none",  "LABEL=",     "ID=x",      "dev/vda",    "/",
        "/dev", "/dev/", "/devices/x", "/dev/../x", "/var/image",
    };
    char *is = NULL;

    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(device_path_of(rows[i].source, &is), 0);
        assert_string_equal(is, rows[i].wanted);
        free(is);
    }
    is = NULL;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        if (device_path_of(wrong[i], &is) != -EINVAL)
            fail_with("taken: %s", wrong[i]);
    }
    assert_null(is);
}

TEST(values_have_no_specifiers) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    unit_print_value(stream, "/a%i %%\"\\x");
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(text, "/a%%i %%%%\"\\x");
    free(text);
}

TEST(what_no_setting_can_hold_is_known) {
    assert_true(unit_value_fits("a b\t%\"'\\x \xc3\xa9"));
    assert_false(unit_value_fits("a\nb"));
    assert_false(unit_value_fits("a\rb"));
    assert_false(unit_value_fits("a\\"));
    assert_false(unit_value_fits("\xff"));
    assert_false(unit_value_fits("\xef\xbf\xbf"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(paths_are_escaped_as_systemd_does),
        UNIT_TEST(what_is_no_path_of_a_unit_is_refused),
        UNIT_TEST(a_unit_has_at_most_255_bytes),
        UNIT_TEST(labels_are_encoded_as_udev_does),
        UNIT_TEST(sources_have_the_paths_that_udev_gives_them),
        UNIT_TEST(values_have_no_specifiers),
        UNIT_TEST(what_no_setting_can_hold_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
