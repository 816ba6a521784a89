/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "copy-fixture.h"
#include "init-storage/nodatacow.h"
#include "init-storage/subvolume.h"

/* What takes a btrfs: all of it is skipped unless TMPDIR lies on one. */

static struct subvolume subvolumes[3];
static struct place place;
static struct plan plan;
static char texts[8][64];
static size_t used_texts;

static char *text(const char *value) {
    (void)snprintf(texts[used_texts], sizeof(*texts), "%s", value);
    return texts[used_texts++];
}

/* /var with two nested ones, of which the image has /var/log. */
static void make_plan(void) {
    struct statfs fs;

    assert_int_equal(fstatfs(copies, &fs), 0);
    skip_unless(fs.f_type == BTRFS_SUPER_MAGIC, "TMPDIR is not on a btrfs");
    used_texts = 0;
    subvolumes[0] = (struct subvolume){.path = text("var"), .target = text("/var")};
    subvolumes[1] = (struct subvolume){.path = text("var/log"),
                                       .target = text("/var/log"),
                                       .nested = true,
                                       .inside = &subvolumes[0]};
    subvolumes[2] = (struct subvolume){.path = text("var/lib/new"),
                                       .target = text("/var/lib/new"),
                                       .nested = true,
                                       .inside = &subvolumes[0]};
    plan = (struct plan){.subvolumes = subvolumes, .count = 3, .places = &place};
    context.plan = &plan;
}

static void copy_var(void) {
    struct copy_request request = {.kind = COPY_SUBVOLUME,
                                   .source = "/var",
                                   .parent = copies,
                                   .name = "staged",
                                   .subvolume = &subvolumes[0]};
    mode_t mask = umask(077);
    int r = copy_run(&context, &request, &failure);

    (void)umask(mask);
    if (r < 0)
        fail_with("%s: %s: %s", failure.path, failure.step, strerror(-r));
}

static struct stat stat_of(const char *path) {
    struct stat st;

    if (fstatat(copies, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        fail_with("%s is not there", path);
    return st;
}

static bool subvolume_is_at(const char *path) {
    int fd = open_path(copies, path, O_RDONLY | O_DIRECTORY);
    bool is = is_subvolume(fd);

    assert_int_equal(close(fd), 0);
    return is;
}

TEST(a_subvolume_is_made_with_those_inside_it) {
    make_plan();
    skip_unless(geteuid() == 0, "only root can make what is root's");
    put_folder(image, "var/log/journal");
    put_folder(image, "var/cache");
    put_file(image, "var/file", "12345");
    put_file(image, "var/log/messages", "123");
    assert_int_equal(fchmodat(image, "var/log", 0751, 0), 0);
    age(image, "var/log", 1);
    age(image, "var", 2);
    copy_var();
    assert_true(subvolume_is_at("staged"));
    assert_true(subvolume_is_at("staged/log"));
    assert_true(subvolume_is_at("staged/lib/new"));
    assert_false(subvolume_is_at("staged/cache"));
    assert_false(subvolume_is_at("staged/lib"));
    assert_int_equal(stat_of("staged/log").st_mode, S_IFDIR | 0751);
    assert_int_equal(stat_of("staged/log").st_mtim.tv_nsec, 987654321);
    assert_int_equal(stat_of("staged").st_mtim.tv_sec, 1100000002);
    assert_int_equal(stat_of("staged/lib/new").st_mode, S_IFDIR | 0755);
    assert_int_equal(stat_of("staged/log/messages").st_size, 3);
    assert_true(S_ISDIR(stat_of("staged/log/journal").st_mode));
    assert_int_equal(subvolumes[0].files, 1);
    assert_int_equal(subvolumes[0].bytes, 5);
    assert_int_equal(subvolumes[1].files, 1);
    assert_int_equal(subvolumes[1].bytes, 3);
    assert_int_equal(subvolumes[2].files, 0);
}

TEST(a_subvolume_that_the_image_lacks_is_empty) {
    make_plan();
    skip_unless(geteuid() == 0, "only root can make what is root's");
    copy_var();
    assert_true(subvolume_is_at("staged"));
    assert_true(subvolume_is_at("staged/log"));
    assert_true(subvolume_is_at("staged/lib/new"));
    assert_int_equal(stat_of("staged").st_mode, S_IFDIR | 0755);
}

TEST(hard_links_stay_together_within_each_subvolume) {
    make_plan();
    skip_unless(geteuid() == 0, "only root can make what is root's");
    put_folder(image, "var/log");
    put_file(image, "var/outer", "text");
    assert_int_equal(linkat(image, "var/outer", image, "var/outer2", 0), 0);
    assert_int_equal(linkat(image, "var/outer", image, "var/log/inner", 0), 0);
    assert_int_equal(linkat(image, "var/outer", image, "var/log/inner2", 0), 0);
    copy_var();
    assert_int_equal(stat_of("staged/outer").st_ino, stat_of("staged/outer2").st_ino);
    assert_int_equal(stat_of("staged/outer").st_nlink, 2);
    assert_int_equal(stat_of("staged/log/inner").st_ino, stat_of("staged/log/inner2").st_ino);
    assert_int_equal(stat_of("staged/log/inner").st_nlink, 2);
    assert_int_equal(stat_of("staged/log/inner").st_size, 4);
    assert_int_equal(stat_of("staged/outer").st_size, 4);
    assert_true(unit_count(unit_said(), "/var") >= 1);
}

TEST(a_file_in_a_subvolumes_place_fails_only_that_one) {
    make_plan();
    skip_unless(geteuid() == 0, "only root can make what is root's");
    put_folder(image, "var");
    put_file(image, "var/log", "a file");
    copy_var();
    assert_int_equal(subvolumes[1].state, MEMBER_FAILED);
    assert_non_null(subvolumes[1].problem);
    assert_true(S_ISREG(stat_of("staged/log").st_mode));
    assert_true(subvolume_is_at("staged/lib/new"));
}

TEST(what_is_made_below_a_nodatacow_directory_is_nodatacow) {
    int fd;

    make_plan();
    skip_unless(geteuid() == 0, "only root can make what is root's");
    put_folder(image, "var/lib/db/inner");
    put_file(image, "var/lib/db/inner/table", "content");
    put_file(image, "var/lib/other", "content");
    place = (struct place){.target = text("/var/lib/db"), .nodatacow = true};
    plan.place_count = 1;
    copy_var();
    fd = open_path(copies, "staged/lib/db/inner/table", O_RDONLY);
    assert_true(nodatacow_is_set(fd));
    assert_int_equal(close(fd), 0);
    fd = open_path(copies, "staged/lib/other", O_RDONLY);
    assert_false(nodatacow_is_set(fd));
    assert_int_equal(close(fd), 0);
}

#define LABEL "system_u:object_r:var_t:s0"

TEST(a_subvolume_gets_a_label_of_its_own) {
    static const char *const paths[] = {"staged", "staged/log", "staged/lib/new"};

    make_plan();
    skip_unless(geteuid() == 0, "only root can label");
    put_folder(image, "var/log");
    put_folder(image, "etc/selinux/targeted/contexts/files");
    put_file(image, "etc/selinux/config", "SELINUXTYPE=targeted\n");
    put_file(image, "etc/selinux/targeted/contexts/files/file_contexts", "/var(/.*)? " LABEL "\n");
    put_file(copies, "try", "");
    put_xattr(copies, "try", LABEL_XATTR, LABEL, sizeof(LABEL));
    copy_var();
    for (size_t i = 0; i < COUNT(paths); i++) {
        int fd = open_path(copies, paths[i], O_RDONLY | O_DIRECTORY);
        char label[256] = "";

        assert_true(fgetxattr(fd, LABEL_XATTR, label, sizeof(label) - 1) > 0);
        assert_string_equal(label, LABEL);
        assert_int_equal(close(fd), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COPY_TEST(a_subvolume_is_made_with_those_inside_it),
        COPY_TEST(a_subvolume_that_the_image_lacks_is_empty),
        COPY_TEST(hard_links_stay_together_within_each_subvolume),
        COPY_TEST(a_file_in_a_subvolumes_place_fails_only_that_one),
        COPY_TEST(what_is_made_below_a_nodatacow_directory_is_nodatacow),
        COPY_TEST(a_subvolume_gets_a_label_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
