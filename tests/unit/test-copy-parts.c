/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "copy-fixture.h"

/* One file, one directory, and what a plan leaves out or adds. */

static struct stat stat_of(int folder, const char *path) {
    struct stat st;

    assert_int_equal(fstatat(folder, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st;
}

static bool exists(int folder, const char *path) {
    return faccessat(folder, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void check_copy(enum copy_kind kind, const char *source, const char *name) {
    int r = copy(kind, source, name);

    if (r < 0)
        fail_with("%s: %s: %s", failure.path, failure.step, strerror(-r));
}

TEST(one_file_is_copied_with_its_attributes) {
    char *content;

    put_folder(image, "etc/ssh");
    put_file(image, "etc/ssh/key", "secret");
    put_file(image, "etc/ssh/other", "x");
    assert_int_equal(fchmodat(image, "etc/ssh/key", 0640, 0), 0);
    age(image, "etc/ssh/key", 1);
    check_copy(COPY_OBJECT, "/etc/ssh/key", "key");
    content = content_of(copies, "key");
    assert_string_equal(content, "secret");
    free(content);
    assert_int_equal(stat_of(copies, "key").st_mode, S_IFREG | 0640);
    assert_int_equal(stat_of(copies, "key").st_mtim.tv_nsec, 987654321);
    assert_false(exists(copies, "other"));
}

TEST(one_file_may_lie_at_the_top_of_the_image) {
    char *content;

    put_file(image, "file", "text");
    check_copy(COPY_OBJECT, "/file", "file");
    content = content_of(copies, "file");
    assert_string_equal(content, "text");
    free(content);
}

TEST(one_file_of_several_names_is_copied_alone) {
    put_file(image, "file", "text");
    assert_int_equal(linkat(image, "file", image, "more", 0), 0);
    check_copy(COPY_OBJECT, "/file", "file");
    assert_int_equal(stat_of(copies, "file").st_nlink, 1);
}

TEST(a_directory_alone_has_its_attributes_and_nothing_in_it) {
    put_folder(image, "var/log");
    put_file(image, "var/log/file", "x");
    put_folder(image, "var/log/folder");
    assert_int_equal(fchmodat(image, "var/log", 01770, 0), 0);
    age(image, "var/log", 1);
    check_copy(COPY_DIRECTORY_ONLY, "/var/log", "log");
    assert_int_equal(stat_of(copies, "log").st_mode, S_IFDIR | 01770);
    assert_int_equal(stat_of(copies, "log").st_mtim.tv_nsec, 987654321);
    assert_false(exists(copies, "log/file"));
    assert_false(exists(copies, "log/folder"));
}

TEST(a_directory_may_get_another_name) {
    put_folder(image, "var/log");
    check_copy(COPY_DIRECTORY_ONLY, "/var/log", "directory");
    assert_true(exists(copies, "directory"));
}

TEST(a_directory_that_the_image_lacks_is_plain_and_roots) {
    skip_unless(geteuid() == 0, "only root can make what is root's");
    check_copy(COPY_DIRECTORY_ONLY, "/var/none", "none");
    assert_int_equal(stat_of(copies, "none").st_mode, S_IFDIR | 0755);
    assert_int_equal(stat_of(copies, "none").st_uid, 0);
    assert_int_equal(stat_of(copies, "none").st_gid, 0);
}

#define LABEL "system_u:object_r:var_log_t:s0"

TEST(a_directory_that_the_image_lacks_is_labelled_as_file_contexts_says) {
    char label[256] = "";
    int fd;

    skip_unless(geteuid() == 0, "only root can label");
    put_folder(image, "etc/selinux/targeted/contexts/files");
    put_file(image, "etc/selinux/config", "SELINUXTYPE=targeted\n");
    put_file(image, "etc/selinux/targeted/contexts/files/file_contexts",
             "/var/log(/.*)? " LABEL "\n");
    put_file(copies, "try", "");
    put_xattr(copies, "try", LABEL_XATTR, LABEL, sizeof(LABEL));
    check_copy(COPY_DIRECTORY_ONLY, "/var/log/none", "none");
    fd = open_path(copies, "none", O_RDONLY | O_DIRECTORY);
    assert_true(fgetxattr(fd, LABEL_XATTR, label, sizeof(label) - 1) > 0);
    assert_string_equal(label, LABEL);
    assert_int_equal(close(fd), 0);
}

/* ---- with a plan ------------------------------------------------------------------------- */

static struct subvolume subvolumes[2];
static struct place places[4];
static struct plan plan;
static char texts[8][64];
static size_t used_texts;

static char *text(const char *value) {
    (void)snprintf(texts[used_texts], sizeof(*texts), "%s", value);
    return texts[used_texts++];
}

/* /var, and /var/log mounted on it. */
static void make_plan(void) {
    used_texts = 0;
    subvolumes[0] = (struct subvolume){.path = text("var"), .target = text("/var")};
    subvolumes[1] = (struct subvolume){.path = text("log"), .target = text("/var/log")};
    plan = (struct plan){.subvolumes = subvolumes, .count = 2, .places = places};
    context.plan = &plan;
}

static void put_var(void) {
    put_folder(image, "var/log/journal");
    put_file(image, "var/log/messages", "in the other subvolume");
    put_file(image, "var/file", "12345");
    put_folder(image, "var/lib");
    put_file(image, "var/lib/file", "123");
    assert_int_equal(fchmodat(image, "var/log", 0711, 0), 0);
    age(image, "var/log", 1);
}

TEST(where_another_entry_is_mounted_there_is_an_empty_directory) {
    put_var();
    make_plan();
    check_copy(COPY_OBJECT, "/var", "var");
    assert_true(exists(copies, "var/lib/file"));
    assert_int_equal(stat_of(copies, "var/log").st_mode, S_IFDIR | 0711);
    assert_int_equal(stat_of(copies, "var/log").st_mtim.tv_nsec, 987654321);
    assert_false(exists(copies, "var/log/messages"));
    assert_false(exists(copies, "var/log/journal"));
}

/* The request of a subvolume, as a directory: to make one takes btrfs. */
static void copy_as_subvolume(void) {
    struct copy_request request = {.kind = COPY_OBJECT,
                                   .source = "/var",
                                   .parent = copies,
                                   .name = "var",
                                   .subvolume = &subvolumes[0]};
    mode_t mask = umask(077);
    int r = copy_run(&context, &request, &failure);

    (void)umask(mask);
    if (r < 0)
        fail_with("%s: %s: %s", failure.path, failure.step, strerror(-r));
}

TEST(files_and_bytes_are_counted_for_the_subvolume_that_gets_them) {
    put_var();
    assert_int_equal(symlinkat("file", image, "var/link"), 0);
    make_plan();
    copy_as_subvolume();
    assert_int_equal(subvolumes[0].files, 3);
    assert_int_equal(subvolumes[0].bytes, 8);
    assert_int_equal(subvolumes[1].files, 0);
    assert_int_equal(subvolumes[1].bytes, 0);
}

TEST(places_that_the_image_lacks_are_added) {
    skip_unless(geteuid() == 0, "only root can make what is root's");
    put_var();
    make_plan();
    places[0] = (struct place){.target = text("/var/lib/aimee-os"), .private = true};
    places[1] = (struct place){.target = text("/var/lib/aimee-os/deeper/place")};
    places[2] = (struct place){.target = text("/var/srv"), .mount_point = true};
    places[3] = (struct place){.target = text("/var/lib")};
    plan.place_count = 4;
    copy_as_subvolume();
    assert_int_equal(stat_of(copies, "var/lib/aimee-os").st_mode, S_IFDIR | 0700);
    assert_int_equal(stat_of(copies, "var/lib/aimee-os/deeper").st_mode, S_IFDIR | 0755);
    assert_int_equal(stat_of(copies, "var/lib/aimee-os/deeper/place").st_mode, S_IFDIR | 0755);
    assert_int_equal(stat_of(copies, "var/srv").st_mode, S_IFDIR | 0755);
    assert_true(exists(copies, "var/lib/file"));
    assert_false(exists(copies, "var/log/messages"));
}

TEST(a_private_place_that_the_image_has_is_made_private) {
    skip_unless(geteuid() == 0, "only root can make what is root's");
    put_var();
    put_folder(image, "var/lib/aimee-os");
    put_file(image, "var/lib/aimee-os/file", "x");
    assert_int_equal(fchownat(image, "var/lib/aimee-os", 12, 34, 0), 0);
    assert_int_equal(fchmodat(image, "var/lib/aimee-os", 0777, 0), 0);
    make_plan();
    places[0] = (struct place){.target = text("/var/lib/aimee-os"), .private = true};
    plan.place_count = 1;
    copy_as_subvolume();
    assert_int_equal(stat_of(copies, "var/lib/aimee-os").st_mode, S_IFDIR | 0700);
    assert_int_equal(stat_of(copies, "var/lib/aimee-os").st_uid, 0);
    assert_int_equal(stat_of(copies, "var/lib/aimee-os").st_gid, 0);
    assert_true(exists(copies, "var/lib/aimee-os/file"));
}

/* ---- measuring --------------------------------------------------------------------------- */

TEST(the_content_of_all_files_is_measured) {
    put_var();
    assert_int_equal(symlinkat("file", image, "var/link"), 0);
    assert_int_equal(mkfifoat(image, "var/fifo", 0600), 0);
    assert_int_equal(copy_measure(&context, "/var"), 5 + 3 + strlen("in the other subvolume"));
    assert_int_equal(copy_measure(&context, "/var/lib"), 3);
    assert_int_equal(copy_measure(&context, "/none"), 0);
}

TEST(what_goes_into_another_subvolume_is_not_measured) {
    put_var();
    make_plan();
    assert_int_equal(copy_measure(&context, "/var"), 5 + 3);
}

/* A nested subvolume is made, and filled, together with the one around it. */
TEST(what_is_copied_together_is_measured_together) {
    put_var();
    make_plan();
    subvolumes[1].nested = true;
    subvolumes[1].inside = &subvolumes[0];
    assert_int_equal(copy_measure(&context, "/var"), 5 + 3 + strlen("in the other subvolume"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COPY_TEST(one_file_is_copied_with_its_attributes),
        COPY_TEST(one_file_may_lie_at_the_top_of_the_image),
        COPY_TEST(one_file_of_several_names_is_copied_alone),
        COPY_TEST(a_directory_alone_has_its_attributes_and_nothing_in_it),
        COPY_TEST(a_directory_may_get_another_name),
        COPY_TEST(a_directory_that_the_image_lacks_is_plain_and_roots),
        COPY_TEST(a_directory_that_the_image_lacks_is_labelled_as_file_contexts_says),
        COPY_TEST(where_another_entry_is_mounted_there_is_an_empty_directory),
        COPY_TEST(files_and_bytes_are_counted_for_the_subvolume_that_gets_them),
        COPY_TEST(places_that_the_image_lacks_are_added),
        COPY_TEST(a_private_place_that_the_image_has_is_made_private),
        COPY_TEST(the_content_of_all_files_is_measured),
        COPY_TEST(what_goes_into_another_subvolume_is_not_measured),
        COPY_TEST(what_is_copied_together_is_measured_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
