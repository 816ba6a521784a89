/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init-storage/survey.h"
#include "plan-fixture.h"

/* The test's folder is the top of the file system. There are no subvolumes in it, which is all
 * that is not looked at here; and no entry without subvol=, as that asks btrfs for the default. */

static struct etc_plan etc;
static struct survey survey;

static void look(void) {
    assert_int_equal(survey_take(unit_folder, &plan, &etc, &survey), 0);
}

static const struct subvolume *at(const char *target) {
    const struct subvolume *found = plan_at_target(&plan, target);

    assert_non_null(found);
    return found;
}

static void check_state(const char *target, enum member_state state) {
    if (at(target)->state != state)
        fail_with("%s: %d", target, at(target)->state);
    /* What failed says why. */
    assert_int_equal(at(target)->problem != NULL, state == MEMBER_FAILED);
}

#define VAR "LABEL=data /var btrfs subvol=var,x-init-storage.subvol="

TEST(on_an_empty_file_system_everything_is_missing) {
    plan_lines(VAR "a:a/b:log\nLABEL=data /home btrfs subvol=home\n");
    look();
    for (size_t i = 0; i < plan.count; i++)
        assert_int_equal(plan.subvolumes[i].state, MEMBER_MISSING);
    assert_false(survey.staging_left);
    assert_false(survey.places_missing);
    assert_true(survey_misses(&plan, &etc, &survey));
    plan_release();
}

TEST(nested_ones_are_made_inside_the_uppermost_that_is_missing) {
    plan_lines(VAR "a:a/b:log\nLABEL=data /home btrfs subvol=home,x-init-storage.subvol=x\n");
    look();
    assert_null(at("/var")->inside);
    assert_null(at("/home")->inside);
    assert_ptr_equal(at("/var/a")->inside, at("/var"));
    assert_ptr_equal(at("/var/a/b")->inside, at("/var"));
    assert_ptr_equal(at("/var/lib/aimee-os/etc")->inside, at("/var"));
    assert_ptr_equal(at("/home/x")->inside, at("/home"));
    plan_release();
}

/* The copy of the upper one's content does not come by there. */
TEST(one_that_is_seen_elsewhere_has_a_tree_of_its_own) {
    plan_lines(VAR "\nLABEL=data /home btrfs subvol=var/home\n");
    look();
    assert_int_equal(at("/home")->state, MEMBER_MISSING);
    assert_null(at("/home")->inside);
    plan_release();
}

TEST(a_plain_directory_will_do_for_a_nested_one_only) {
    put_folder(unit_folder, "var/log");
    plan_lines(VAR "log:tmp\nLABEL=data /home btrfs subvol=home\n");
    look();
    check_state("/var", MEMBER_FAILED);
    check_state("/var/log", MEMBER_PRESENT);
    assert_true(at("/var/log")->left_plain);
    check_state("/var/tmp", MEMBER_FAILED); /* what is above it cannot be used */
    check_state("/home", MEMBER_MISSING);
    assert_false(at("/home")->left_plain);
    plan_release();
}

TEST(what_is_no_directory_is_in_the_way) {
    put_file(unit_folder, "file", "x");
    assert_int_equal(mkfifoat(unit_folder, "fifo", 0600), 0);
    put_folder(unit_folder, "real");
    assert_int_equal(symlinkat("real", unit_folder, "link"), 0);
    assert_int_equal(symlinkat("nowhere", unit_folder, "dangling"), 0);
    plan_lines(VAR "\n"
                   "LABEL=data /a btrfs subvol=file\n"
                   "LABEL=data /b btrfs subvol=fifo\n"
                   "LABEL=data /c btrfs subvol=link\n"
                   "LABEL=data /d btrfs subvol=dangling\n"
                   "LABEL=data /e btrfs subvol=file/x\n"
                   "LABEL=data /f btrfs subvol=link/x\n"
                   "LABEL=data /g btrfs subvol=dangling/x\n"
                   "LABEL=data /h btrfs subvol=real/x\n"
                   "LABEL=data /i btrfs subvol=nothing/x\n");
    look();
    for (const char *name = "abcdefg"; *name; name++)
        check_state((char[]){'/', *name, '\0'}, MEMBER_FAILED);
    check_state("/h", MEMBER_MISSING);
    check_state("/i", MEMBER_MISSING);
    plan_release();
}

/* ---- places ------------------------------------------------------------------------------ */

TEST(a_missing_mount_point_is_noticed) {
    put_folder(unit_folder, "var/lib");
    plan_lines(VAR "lib\nLABEL=data /var/lib/containers btrfs subvol=containers\n");
    look();
    assert_true(survey.places_missing);
    put_folder(unit_folder, "var/lib/containers");
    look();
    assert_false(survey.places_missing);
    assert_int_equal(unlinkat(unit_folder, "var/lib/containers", AT_REMOVEDIR), 0);
    put_file(unit_folder, "var/lib/containers", "somebody's");
    look();
    assert_false(survey.places_missing);
    plan_release();
}

TEST(a_place_lies_in_the_subvolume_that_holds_it) {
    static const struct {
        const char *target;
        bool mount_point;
        const char *path; /* NULL: below none that is there */
    } rows[] = {
        {"/var/db", false, "var/db"},
        {"/var/log", true, "var/log"},
        {"/var/log", false, "logs"},
        {"/var/log/db", false, "logs/db"},
        {"/var/log/journal/db", false, "logs/journal/db"},
        {"/home/db", false, NULL},
        {"/srv", false, NULL},
    };

    plan_lines(VAR "log/journal\n"
                   "LABEL=data /var/log btrfs subvol=logs\n"
                   "LABEL=data /home btrfs subvol=home\n");
    for (size_t i = 0; i < plan.count; i++)
        plan.subvolumes[i].state =
            strcmp(plan.subvolumes[i].path, "home") == 0 ? MEMBER_MISSING : MEMBER_PRESENT;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char target[64], *path;
        struct place place = {.target = target, .mount_point = rows[i].mount_point};

        (void)snprintf(target, sizeof(target), "%s", rows[i].target);
        path = survey_place_path(&plan, &place);
        if (!path != !rows[i].path || (path && strcmp(path, rows[i].path) != 0))
            fail_with("%s: %s", target, path ? path : "none");
        free(path);
    }
    plan_release();
}

/* ---- writable-etc ------------------------------------------------------------------------ */

#define COPIES "var/lib/aimee-os/etc"

static const struct {
    const char *path;
    bool directory;
    enum member_state state;
} copies[] = {
    {"file", false, MEMBER_PRESENT},
    {"folder", true, MEMBER_PRESENT},
    {"none", false, MEMBER_MISSING},
    {"none-either", true, MEMBER_MISSING},
    {"sub/none", false, MEMBER_MISSING},
    {"sub/file", false, MEMBER_PRESENT},
    {"left-empty", false, MEMBER_MISSING},
    {"full", false, MEMBER_FAILED},
    {"link", false, MEMBER_FAILED},
    {"link-to-folder", true, MEMBER_FAILED},
    {"fifo", false, MEMBER_FAILED},
    {"a-file", true, MEMBER_FAILED},
    {"link-to-folder/x", false, MEMBER_FAILED},
    {"a-file/x", false, MEMBER_FAILED},
};

static void put_copies(void) {
    put_folder(unit_folder, COPIES "/folder");
    put_folder(unit_folder, COPIES "/sub");
    put_folder(unit_folder, COPIES "/left-empty");
    put_folder(unit_folder, COPIES "/full/inner");
    put_file(unit_folder, COPIES "/file", "x");
    put_file(unit_folder, COPIES "/a-file", "x");
    put_file(unit_folder, COPIES "/sub/file", "x");
    assert_int_equal(symlinkat("file", unit_folder, COPIES "/link"), 0);
    assert_int_equal(symlinkat("folder", unit_folder, COPIES "/link-to-folder"), 0);
    assert_int_equal(mkfifoat(unit_folder, COPIES "/fifo", 0600), 0);
}

static void plan_copies(void) {
    etc.copies = calloc(COUNT(copies), sizeof(*etc.copies));
    assert_non_null(etc.copies);
    for (; etc.count < COUNT(copies); etc.count++)
        etc.copies[etc.count] = (struct etc_copy){.directory = copies[etc.count].directory,
                                                  .path = copies[etc.count].path};
}

TEST(copies_of_etc_are_there_or_missing_or_of_another_kind) {
    put_copies();
    plan_lines(VAR "\n");
    plan_copies();
    look();
    for (size_t i = 0; i < COUNT(copies); i++) {
        const struct etc_copy *copy = &etc.copies[i];

        if (copy->state != copies[i].state)
            fail_with("%s: %d", copy->path, copy->state);
        if (copy->state == MEMBER_FAILED)
            assert_non_null(copy->problem);
    }
    etc_plan_free(&etc);
    plan_release();
}

TEST(copies_are_missing_as_long_as_their_folder_is) {
    plan_lines(VAR "\n");
    plan_copies();
    look();
    for (size_t i = 0; i < COUNT(copies); i++)
        assert_int_equal(etc.copies[i].state, MEMBER_MISSING);
    plan_release();

    /* Nowhere to keep them. */
    plan_lines("LABEL=data /var btrfs subvolid=300\n");
    look();
    for (size_t i = 0; i < COUNT(copies); i++) {
        assert_int_equal(etc.copies[i].state, MEMBER_FAILED);
        assert_non_null(etc.copies[i].problem);
    }
    plan_release();

    put_file(unit_folder, "var", "in the way");
    plan_lines(VAR "\n");
    look();
    for (size_t i = 0; i < COUNT(copies); i++)
        assert_int_equal(etc.copies[i].state, MEMBER_FAILED);
    etc_plan_free(&etc);
    plan_release();
}

static int look_at_copies(void *argument) {
    (void)argument;
    return -survey_take(unit_folder, &plan, &etc, &survey);
}

/* One that could not be read was once taken for empty, and replaced by the image's file. */
TEST(a_copy_that_cannot_be_listed_is_an_error) {
    put_copies();
    plan_lines(VAR "\n");
    plan_copies();
    assert_int_equal(in_child_failing(SYS_getdents64, EIO, look_at_copies, NULL), EIO);
    etc_plan_free(&etc);
    plan_release();
}

/* ---- the rest ---------------------------------------------------------------------------- */

TEST(a_folder_that_an_interrupted_run_left_in_a_subvolume_is_noticed) {
    put_folder(unit_folder, "var/log/.init-storage");
    plan_lines(VAR "log\n");
    look();
    assert_false(survey.staging_left); /* 0755: somebody else's */
    assert_int_equal(fchmodat(unit_folder, "var/log/.init-storage", 0700, 0), 0);
    look();
    assert_true(survey.staging_left);
    plan_release();
}

TEST(looking_changes_nothing_and_twice_says_the_same) {
    struct stat before, after;
    enum member_state states[16] = {MEMBER_UNKNOWN};

    put_copies();
    put_folder(unit_folder, "var/log");
    plan_lines(VAR "log:tmp\nLABEL=data /home btrfs subvol=home\n");
    assert_int_equal(fstatat(unit_folder, "var", &before, 0), 0);
    look();
    assert_true(plan.count <= COUNT(states));
    for (size_t i = 0; i < plan.count; i++)
        states[i] = plan.subvolumes[i].state;
    look();
    for (size_t i = 0; i < plan.count; i++)
        assert_int_equal(plan.subvolumes[i].state, states[i]);
    assert_int_equal(fstatat(unit_folder, "var", &after, 0), 0);
    assert_int_equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
    assert_int_equal(faccessat(unit_folder, "home", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    plan_release();
}

TEST(what_has_to_be_made_is_told_from_what_only_has_to_be_cleaned_up) {
    struct survey nothing = {0}, staging = {.staging_left = true}, place = {.places_missing = true};
    struct etc_copy copy = {.state = MEMBER_PRESENT};
    struct etc_plan one = {.copies = &copy, .count = 1};

    plan_lines("LABEL=data /var btrfs x-init-storage.subvol=\n");
    for (size_t i = 0; i < plan.count; i++)
        plan.subvolumes[i].state = i ? MEMBER_FAILED : MEMBER_PRESENT;
    assert_false(survey_misses(&plan, &one, &nothing));
    assert_false(survey_misses(&plan, &one, &staging));
    assert_true(survey_misses(&plan, &one, &place));
    copy.state = MEMBER_MISSING;
    assert_true(survey_misses(&plan, &one, &nothing));
    copy.state = MEMBER_FAILED;
    assert_false(survey_misses(&plan, &one, &nothing));
    plan_default(&plan)->needs_default = true;
    assert_true(survey_misses(&plan, &one, &nothing));
    plan_default(&plan)->needs_default = false;
    plan.subvolumes[0].state = MEMBER_MISSING;
    assert_true(survey_misses(&plan, &one, &nothing));
    plan_release();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(on_an_empty_file_system_everything_is_missing),
        UNIT_TEST(nested_ones_are_made_inside_the_uppermost_that_is_missing),
        UNIT_TEST(one_that_is_seen_elsewhere_has_a_tree_of_its_own),
        UNIT_TEST(a_plain_directory_will_do_for_a_nested_one_only),
        UNIT_TEST(what_is_no_directory_is_in_the_way),
        UNIT_TEST(a_missing_mount_point_is_noticed),
        UNIT_TEST(a_place_lies_in_the_subvolume_that_holds_it),
        UNIT_TEST(copies_of_etc_are_there_or_missing_or_of_another_kind),
        UNIT_TEST(copies_are_missing_as_long_as_their_folder_is),
        UNIT_TEST(a_copy_that_cannot_be_listed_is_an_error),
        UNIT_TEST(a_folder_that_an_interrupted_run_left_in_a_subvolume_is_noticed),
        UNIT_TEST(looking_changes_nothing_and_twice_says_the_same),
        UNIT_TEST(what_has_to_be_made_is_told_from_what_only_has_to_be_cleaned_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
