/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "set-root-password/write-back.h"
#include "unit.h"

#define LEFT_OVER ".shadow.set-root-password"

static struct live live;

static void open_shadow(enum live_kind kind, const char *content) {
    put_file(unit_folder, "shadow", content);
    live = (struct live){.name = "shadow", .base_name = "shadow", .kind = kind};
    live.folder = open_path(unit_folder, ".", O_RDONLY | O_DIRECTORY);
    live.fd = open_path(unit_folder, "shadow", kind == LIVE_BOUND ? O_RDWR : O_RDONLY);
}

static int write_text(const char *text, enum write_back_state *ret) {
    struct secret content = {.text = strdup(text), .size = strlen(text)};
    int r = write_back(&live, &content, ret);

    secret_wipe(&content);
    return r;
}

static void holds(const char *name, const char *wanted) {
    char *content = content_of(unit_folder, name);

    assert_non_null(content);
    assert_string_equal(content, wanted);
    free(content);
}

static void nothing_is_left(void) {
    assert_int_equal(faccessat(unit_folder, LEFT_OVER, F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(errno, ENOENT);
}

static struct stat stat_of(const char *name) {
    struct stat st;

    assert_int_equal(fstatat(unit_folder, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st;
}

TEST(a_plain_file_is_replaced_and_its_readers_keep_the_old_one) {
    enum write_back_state left;
    char old[16] = "";

    open_shadow(LIVE_PLAIN, "old\n");
    assert_int_equal(fchmodat(unit_folder, "shadow", 0640, 0), 0);
    assert_int_equal(write_text("new and longer\n", &left), 0);
    holds("shadow", "new and longer\n");
    assert_int_equal(stat_of("shadow").st_mode & 07777, 0640);
    assert_int_equal(pread(live.fd, old, sizeof(old), 0), 4);
    assert_string_equal(old, "old\n");
    nothing_is_left();
    live_close(&live);
}

TEST(what_a_cut_off_run_left_is_replaced) {
    enum write_back_state left;

    put_file(unit_folder, "precious", "precious");
    open_shadow(LIVE_PLAIN, "old\n");
    put_file(unit_folder, LEFT_OVER, "half of an older");
    assert_int_equal(write_text("new\n", &left), 0);
    holds("shadow", "new\n");
    nothing_is_left();
    live_close(&live);
    open_shadow(LIVE_PLAIN, "old\n");
    assert_int_equal(symlinkat("precious", unit_folder, LEFT_OVER), 0);
    assert_int_equal(write_text("new\n", &left), 0);
    assert_true(S_ISREG(stat_of("shadow").st_mode));
    holds("precious", "precious");
    nothing_is_left();
    live_close(&live);
}

TEST(a_folder_in_the_way_leaves_the_old_file) {
    enum write_back_state left = WRITE_BACK_UNKNOWN;

    open_shadow(LIVE_PLAIN, "old\n");
    put_folder(unit_folder, LEFT_OVER);
    assert_true(write_text("new\n", &left) < 0);
    assert_int_equal(left, WRITE_BACK_OLD);
    holds("shadow", "old\n");
    live_close(&live);
}

static int write_without_space(void *argument) {
    const struct rlimit limit = {.rlim_cur = 6, .rlim_max = 6};
    enum write_back_state left = WRITE_BACK_UNKNOWN;
    int r;

    (void)argument;
    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 255;
    r = write_text("much longer\n", &left);
    return left == WRITE_BACK_OLD ? -r : 254;
}

TEST(without_space_the_old_file_stays_and_nothing_is_left) {
    open_shadow(LIVE_PLAIN, "old\n");
    assert_int_equal(in_child(write_without_space, NULL), EFBIG);
    holds("shadow", "old\n");
    nothing_is_left();
    live_close(&live);
}

static bool on_btrfs(void) {
    struct statfs fs;

    return fstatfs(unit_folder, &fs) == 0 && fs.f_type == BTRFS_SUPER_MAGIC;
}

TEST(a_bound_file_elsewhere_than_on_btrfs_stays_as_it_is) {
    enum write_back_state left = WRITE_BACK_UNKNOWN;

    skip_unless(!on_btrfs(), "TMPDIR is on a btrfs");
    open_shadow(LIVE_BOUND, "old\n");
    assert_true(write_text("new\n", &left) < 0);
    assert_int_equal(left, WRITE_BACK_OLD);
    holds("shadow", "old\n");
    nothing_is_left();
    live_close(&live);
}

TEST(a_bound_file_keeps_its_inode_and_has_the_new_text_alone) {
    static const char *const texts[] = {"new\n", "shorter and longer than before\n", "x\n", ""};
    enum write_back_state left;
    ino_t inode;

    skip_unless(on_btrfs(), "TMPDIR is not on a btrfs");
    open_shadow(LIVE_BOUND, "old\n");
    inode = stat_of("shadow").st_ino;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(write_text(texts[i], &left), 0);
        holds("shadow", texts[i]);
        assert_true(stat_of("shadow").st_ino == inode);
    }
    live_close(&live);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_plain_file_is_replaced_and_its_readers_keep_the_old_one),
        UNIT_TEST(what_a_cut_off_run_left_is_replaced),
        UNIT_TEST(a_folder_in_the_way_leaves_the_old_file),
        UNIT_TEST(without_space_the_old_file_stays_and_nothing_is_left),
        UNIT_TEST(a_bound_file_elsewhere_than_on_btrfs_stays_as_it_is),
        UNIT_TEST(a_bound_file_keeps_its_inode_and_has_the_new_text_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
