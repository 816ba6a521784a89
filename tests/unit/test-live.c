/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "set-root-password/live.h"
#include "unit.h"

/* Mounts need root: see tests/system/test-password-live.sh for those. */

static char etc[4096 + 16], copies[4096 + 16];
static struct settings settings = {.etc = etc, .state = copies};
static struct problems problems;
static struct live live;

static void make_etc(void) {
    (void)snprintf(etc, sizeof(etc), "%s/etc", unit_folder_path);
    (void)snprintf(copies, sizeof(copies), "%s/state", unit_folder_path);
    put_folder(unit_folder, "etc");
    problems = (struct problems){0};
    live = LIVE_FILE("shadow");
}

static void end(void) {
    live_close(&live);
    assert_int_equal(live.folder, -1);
    assert_int_equal(live.fd, -1);
    assert_null(live.content.text);
    problems_free(&problems);
}

static void refuses(int wanted, const char *words) {
    assert_int_equal(live_open(&settings, &live, &problems), wanted);
    assert_int_equal(problems.status, EXIT_STATUS_FAILED);
    assert_non_null(strstr(problems.first_error, words));
    assert_int_equal(unit_count(unit_said(), "\n"), 1);
    end();
}

static void open_shadow(const char *content) {
    make_etc();
    put_file(unit_folder, "etc/shadow", content);
    assert_int_equal(live_open(&settings, &live, &problems), 0);
    assert_int_equal(live.kind, LIVE_PLAIN);
}

TEST(an_ordinary_file_is_found_and_read) {
    open_shadow("root:x\n");
    assert_string_equal(live.base_name, "shadow");
    assert_int_equal(live.content.size, 7);
    assert_memory_equal(live.content.text, "root:x\n", 7);
    assert_int_equal(live_check_unchanged(&live), 0);
    assert_string_equal(unit_said(), "");
    end();
}

TEST(empty_lines_at_its_end_do_not_count) {
    open_shadow("root:x\n\n\n\n");
    assert_int_equal(live.content.size, 7);
    put_file(unit_folder, "etc/shadow", "root:x\n");
    assert_int_equal(live_check_unchanged(&live), 0);
    end();
}

TEST(another_content_is_a_change) {
    static const char *const others[] = {"root:y\n", "root:x\nu:x\n", "", "root:x"};

    open_shadow("root:x\n");
    for (size_t i = 0; i < COUNT(others); i++) {
        put_file(unit_folder, "etc/shadow", others[i]);
        assert_int_equal(live_check_unchanged(&live), -ESTALE);
    }
    put_file(unit_folder, "etc/shadow", "root:x\n");
    assert_int_equal(live_check_unchanged(&live), 0);
    end();
}

TEST(another_file_of_the_same_content_is_a_change) {
    open_shadow("root:x\n");
    put_file(unit_folder, "etc/new", "root:x\n");
    assert_int_equal(renameat(unit_folder, "etc/new", unit_folder, "etc/shadow"), 0);
    assert_int_equal(live_check_unchanged(&live), -ESTALE);
    assert_int_equal(unlinkat(unit_folder, "etc/shadow", 0), 0);
    assert_int_equal(live_check_unchanged(&live), -ENOENT);
    end();
}

TEST(what_is_no_regular_file_is_refused_and_holds_nobody) {
    make_etc();
    put_folder(unit_folder, "etc/shadow");
    refuses(-EINVAL, "no regular file");
    assert_int_equal(unlinkat(unit_folder, "etc/shadow", AT_REMOVEDIR), 0);
    problems = (struct problems){0};
    assert_int_equal(mkfifoat(unit_folder, "etc/shadow", 0600), 0);
    refuses(-EINVAL, "no regular file");
}

TEST(links_are_not_followed) {
    skip_unless(has_openat2(), "no openat2");
    make_etc();
    put_file(unit_folder, "precious", "root:x\n");
    assert_int_equal(symlinkat("../precious", unit_folder, "etc/shadow"), 0);
    refuses(-EINVAL, "symbolic link");
    assert_int_equal(renameat(unit_folder, "etc", unit_folder, "real"), 0);
    assert_int_equal(unlinkat(unit_folder, "real/shadow", 0), 0);
    put_file(unit_folder, "real/shadow", "root:x\n");
    assert_int_equal(symlinkat("real", unit_folder, "etc"), 0);
    problems = (struct problems){0};
    refuses(-EINVAL, "symbolic link");
}

TEST(what_is_not_there_is_said) {
    make_etc();
    refuses(-ENOENT, "cannot be looked at: No such file");
}

TEST(more_than_16_mib_are_refused) {
    make_etc();
    assert_int_equal(close(put_sparse(unit_folder, "etc/shadow", (16 << 20) + 1)), 0);
    refuses(-EFBIG, "larger than 16 MiB");
}

TEST(a_file_that_matters_only_as_a_mount_is_left_alone_as_another) {
    make_etc();
    live = LIVE_FILE("security/opasswd");
    assert_int_equal(live_open_bound(&settings, &live, &problems), 0);
    put_folder(unit_folder, "etc/security");
    put_file(unit_folder, "etc/security/opasswd", "");
    assert_int_equal(live_open_bound(&settings, &live, &problems), 0);
    assert_int_equal(live.kind, LIVE_NONE);
    assert_int_equal(unlinkat(unit_folder, "etc/security/opasswd", 0), 0);
    assert_int_equal(symlinkat("x", unit_folder, "etc/security/opasswd"), 0);
    assert_int_equal(live_open_bound(&settings, &live, &problems), 0);
    assert_int_equal(live.kind, LIVE_NONE);
    assert_int_equal(live.fd, -1);
    assert_string_equal(unit_said(), "");
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(an_ordinary_file_is_found_and_read),
        UNIT_TEST(empty_lines_at_its_end_do_not_count),
        UNIT_TEST(another_content_is_a_change),
        UNIT_TEST(another_file_of_the_same_content_is_a_change),
        UNIT_TEST(what_is_no_regular_file_is_refused_and_holds_nobody),
        UNIT_TEST(links_are_not_followed),
        UNIT_TEST(what_is_not_there_is_said),
        UNIT_TEST(more_than_16_mib_are_refused),
        UNIT_TEST(a_file_that_matters_only_as_a_mount_is_left_alone_as_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
