/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "plan-fixture.h"

/* The plan as text: "path target [flags]" for each subvolume, then the places. */
static char *describe(void) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    for (size_t i = 0; i < plan.count; i++) {
        const struct subvolume *s = &plan.subvolumes[i];

        fprintf(stream, "%s %s%s%s%s\n", s->path, s->target, s->nested ? " nested" : "",
                s->is_default ? " default" : "", s->below_default ? " below-default" : "");
        assert_int_equal(s->state, MEMBER_UNKNOWN);
        assert_null(s->inside);
        assert_null(s->problem);
        assert_false(s->left_plain || s->needs_default);
    }
    for (size_t i = 0; i < plan.place_count; i++) {
        const struct place *p = &plan.places[i];

        fprintf(stream, "place %s%s%s%s\n", p->target, p->nodatacow ? " nodatacow" : "",
                p->mount_point ? " mount-point" : "", p->private ? " private" : "");
    }
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void check(const char *wanted) {
    char *is = describe();

    assert_string_equal(is, wanted);
    free(is);
}

#define STATE "var/lib/aimee-os/etc /var/lib/aimee-os/etc nested\n"
#define STATE_PLACE "place /var/lib/aimee-os private\n"

TEST(var_gets_log_and_tmp_and_the_state_by_default) {
    plan_lines("LABEL=data /var  btrfs subvol=var\n"
               "LABEL=data /home btrfs subvol=home\n"
               "LABEL=else /srv  btrfs subvol=srv\n");
    check("home /home\n"
          "var /var\n" STATE "var/log /var/log nested\n"
          "var/tmp /var/tmp nested\n" STATE_PLACE);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    assert_string_equal(unit_said(), "");
    plan_release();
}

TEST(a_list_of_names_replaces_the_default) {
    plan_lines("LABEL=data /var  btrfs subvol=var,x-init-storage.subvol=lib/containers:cache\n"
               "LABEL=data /home btrfs subvol=home,x-init-storage.subvol=a:b/c\n");
    check("home /home\n"
          "home/a /home/a nested\n"
          "home/b/c /home/b/c nested\n"
          "var /var\n"
          "var/cache /var/cache nested\n" STATE
          "var/lib/containers /var/lib/containers nested\n" STATE_PLACE);
    plan_release();
}

TEST(an_empty_list_leaves_only_the_state) {
    plan_lines("LABEL=data /var btrfs subvol=var,x-init-storage.subvol=\n");
    check("var /var\n" STATE STATE_PLACE);
    assert_string_equal(unit_said(), "");
    plan_release();
}

TEST(a_name_given_twice_is_made_once) {
    plan_lines("LABEL=data /var btrfs subvol=var,x-init-storage.subvol=log:log:lib/aimee-os/etc\n");
    check("var /var\n" STATE "var/log /var/log nested\n" STATE_PLACE);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    plan_release();
}

/* One subvolume for each path: two would be copied, and the second could not get its name. */
static void check_paths_differ(void) {
    for (size_t i = 1; i < plan.count; i++) {
        if (strcmp(plan.subvolumes[i - 1].path, plan.subvolumes[i].path) == 0)
            fail_with("%s for %s and %s", plan.subvolumes[i].path, plan.subvolumes[i - 1].target,
                      plan.subvolumes[i].target);
    }
}

TEST(a_managed_entry_beats_a_nested_name_in_any_order) {
    static const char *const orders[] = {
        "LABEL=data /var btrfs subvol=var,x-init-storage.subvol=log:tmp\n"
        "LABEL=data /var/log btrfs subvol=logs\n",
        "LABEL=data /var/log btrfs subvol=logs\n"
        "LABEL=data /var btrfs subvol=var,x-init-storage.subvol=log:tmp\n",
    };

    for (size_t i = 0; i < COUNT(orders); i++) {
        plan_lines(orders[i]);
        check("logs /var/log\n"
              "var /var\n" STATE "var/tmp /var/tmp nested\n" STATE_PLACE
              "place /var/log mount-point\n");
        assert_int_equal(report.status, EXIT_STATUS_DONE);
        plan_release();
    }
}

TEST(a_nested_name_lies_in_the_deepest_entry) {
    plan_lines("LABEL=data /var btrfs subvol=var,x-init-storage.subvol=log/journal:lib/db\n"
               "LABEL=data /var/log btrfs subvol=logs\n"
               "LABEL=data /var/lib btrfs subvol=state/lib\n");
    check("logs /var/log\n"
          "logs/journal /var/log/journal nested\n"
          "state/lib /var/lib\n"
          "state/lib/aimee-os/etc /var/lib/aimee-os/etc nested\n"
          "state/lib/db /var/lib/db nested\n"
          "var /var\n" STATE_PLACE "place /var/log mount-point\n"
          "place /var/lib mount-point\n");
    plan_release();
}

TEST(nested_names_lie_in_one_another_in_any_order) {
    static const char *const orders[] = {"a:a/b:a/b/c", "a/b/c:a/b:a", "a/b:a/b/c:a"};

    for (size_t i = 0; i < COUNT(orders); i++) {
        char line[128];

        (void)snprintf(line, sizeof(line),
                       "LABEL=data /var btrfs subvol=var,x-init-storage.subvol=%s\n", orders[i]);
        plan_lines(line);
        check("var /var\n"
              "var/a /var/a nested\n"
              "var/a/b /var/a/b nested\n"
              "var/a/b/c /var/a/b/c nested\n" STATE STATE_PLACE);
        plan_release();
    }
}

TEST(a_managed_entry_may_be_the_state_itself) {
    plan_lines("LABEL=data /var btrfs subvol=var,x-init-storage.subvol=\n"
               "LABEL=data /var/lib/aimee-os/etc btrfs subvol=etc\n");
    check("etc /var/lib/aimee-os/etc\n"
          "var /var\n" STATE_PLACE "place /var/lib/aimee-os/etc mount-point\n");
    plan_release();
}

TEST(subvolumes_are_in_order_of_path_upper_ones_first) {
    plan_lines("LABEL=data /x btrfs subvol=a/b/c\n"
               "LABEL=data /y btrfs subvol=a-b\n"
               "LABEL=data /z btrfs subvol=a/b\n"
               "LABEL=data /var btrfs subvol=var,x-init-storage.subvol=\n"
               "LABEL=data /w btrfs subvol=a\n");
    assert_int_equal(plan.count, 6);
    for (size_t i = 0; i < plan.count; i++) {
        const struct subvolume *upper = plan_above_path(&plan, &plan.subvolumes[i]);

        if (upper)
            assert_true(upper < &plan.subvolumes[i]);
    }
    assert_string_equal(plan.subvolumes[0].path, "a");
    plan_release();
}

TEST(entries_of_other_devices_and_unfilled_ones_are_left_out) {
    plan_lines("LABEL=data /         btrfs subvol=root\n"
               "LABEL=data /a        btrfs subvol=a,noauto\n"
               "LABEL=data /b        btrfs subvolid=256\n"
               "LABEL=data /c        btrfs subvol=/\n"
               "LABEL=data /d        btrfs subvol=d,subvolid=257,x-init-storage.subvol=x\n"
               "LABEL=else /e        btrfs subvol=e\n"
               "LABEL=data /var      btrfs subvol=var,x-init-storage.subvol=\n"
               "LABEL=data /var/top  btrfs subvol=/,x-init-storage.nodatacow=x\n");
    check("var /var\n" STATE STATE_PLACE);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    plan_release();
}

TEST(an_unfilled_entry_of_a_mount_point_does_not_stand_in_anothers_way) {
    plan_lines("LABEL=data /home btrfs subvol=/,noauto\n"
               "LABEL=data /home btrfs subvol=home\n"
               "LABEL=data /var btrfs subvol=var,x-init-storage.subvol=\n");
    check("home /home\n"
          "var /var\n" STATE STATE_PLACE);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    plan_release();
}

TEST(a_var_that_is_not_ours_to_fill_gets_nothing_below) {
    plan_lines("LABEL=data /var  btrfs subvolid=300\n"
               "LABEL=data /home btrfs subvol=home\n");
    check("home /home\n");
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    plan_release();
}

/* ---- what is wrong ----------------------------------------------------------------------- */

TEST(a_wrong_subvol_is_an_error_of_that_entry) {
    static const char *const values[] = {
        "/srv", "//",    "..",   "../srv", "a/../b", "a/..",          ".",
        "./a",  "a/./b", "a//b", "a/",     "",       ".init-storage", ".init-storage/x",
    };

    for (size_t i = 0; i < COUNT(values); i++) {
        char lines[256];
        const char *said;

        (void)snprintf(lines, sizeof(lines),
                       "LABEL=data /srv btrfs subvol=%s,x-init-storage.subvol=x\n"
                       "LABEL=data /var btrfs subvol=var,x-init-storage.subvol=\n",
                       values[i]);
        plan_lines(lines);
        check("var /var\n" STATE STATE_PLACE);
        assert_int_equal(report.status, EXIT_STATUS_FAILED);
        said = unit_said();
        if (!strstr(said, "/srv: ") || !strstr(said, "subvol=") || unit_count(said, "\n") != 1)
            fail_with("\"%s\": \"%s\"", values[i], said);
        plan_release();
    }
}

TEST(odd_names_that_are_no_paths_out_are_right) {
    static const char *const values[] = {"...", ".init-storage2", "@", "@var", "a\\040b", "..a"};

    for (size_t i = 0; i < COUNT(values); i++) {
        char lines[256];

        (void)snprintf(lines, sizeof(lines),
                       "LABEL=data /var btrfs subvol=%s,x-init-storage.subvol=\n", values[i]);
        plan_lines(lines);
        assert_int_equal(plan.count, 2);
        assert_string_equal(plan.subvolumes[0].path, strchr(values[i], '\\') ? "a b" : values[i]);
        assert_int_equal(report.status, EXIT_STATUS_DONE);
        plan_release();
    }
}

TEST(a_second_line_for_a_mount_point_is_an_error_and_the_first_holds) {
    plan_lines("LABEL=data /home  btrfs subvol=one\n"
               "LABEL=data /home/ btrfs subvol=two\n"
               "LABEL=data /var   btrfs subvol=var,x-init-storage.subvol=\n");
    check("one /home\n"
          "var /var\n" STATE STATE_PLACE);
    assert_int_equal(report.status, EXIT_STATUS_FAILED);
    assert_non_null(strstr(unit_said(), "/home"));
    plan_release();
}

TEST(a_subvolume_seen_at_two_places_is_made_once_of_the_first) {
    plan_lines("LABEL=data /home btrfs subvol=shared\n"
               "LABEL=data /srv  btrfs subvol=shared\n"
               "LABEL=data /var  btrfs subvol=var,x-init-storage.subvol=\n");
    check("shared /home\n"
          "var /var\n" STATE STATE_PLACE);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    plan_release();
}

TEST(a_nested_name_with_the_path_of_a_managed_entry_gives_way) {
    plan_lines("LABEL=data /var btrfs subvol=var,x-init-storage.subvol=log\n"
               "LABEL=data /srv btrfs subvol=var/log\n");
    check_paths_differ();
    assert_non_null(plan_at_target(&plan, "/srv"));
    plan_release();
}

TEST(wrong_nested_names_are_reported_and_the_others_hold) {
    const char *said;

    plan_lines("LABEL=data /var btrfs "
               "subvol=var,x-init-storage.subvol=log:../x:/abs:.:a//b:tmp::dir/\n");
    check("var /var\n" STATE "var/log /var/log nested\n"
          "var/tmp /var/tmp nested\n" STATE_PLACE);
    assert_int_equal(report.status, EXIT_STATUS_FAILED);
    said = unit_said();
    assert_int_equal(unit_count(said, "\n"), 6);
    assert_non_null(strstr(said, "\"../x\""));
    assert_non_null(strstr(said, "\"/abs\""));
    assert_non_null(strstr(said, "\".\""));
    assert_non_null(strstr(said, "\"a//b\""));
    assert_non_null(strstr(said, "\"\""));
    assert_non_null(strstr(said, "\"dir/\""));
    assert_int_equal(unit_count(said, "/var"), 6);
    plan_release();
}

/* ---- places ------------------------------------------------------------------------------ */

TEST(nodatacow_directories_are_places) {
    plan_lines("LABEL=data /var btrfs "
               "subvol=var,x-init-storage.subvol=lib/vm,x-init-storage.nodatacow=lib/vm:lib/db:..\n"
               "LABEL=data /home btrfs subvol=home,x-init-storage.nodatacow=images\n");
    check("home /home\n"
          "var /var\n" STATE "var/lib/vm /var/lib/vm nested\n"
          "place /var/lib/vm nodatacow\n"
          "place /var/lib/db nodatacow\n" STATE_PLACE "place /home/images nodatacow\n");
    assert_int_equal(report.status, EXIT_STATUS_FAILED);
    assert_int_equal(unit_count(unit_said(), "\n"), 1);
    plan_release();
}

TEST(a_place_is_one_whatever_is_wanted_of_it) {
    plan_lines(
        "LABEL=data /var btrfs subvol=var,x-init-storage.subvol=,x-init-storage.nodatacow=db:db\n"
        "LABEL=data /var/db btrfs subvol=db\n"
        "LABEL=data /var/lib/aimee-os btrfs subvol=own\n");
    check("db /var/db\n"
          "own /var/lib/aimee-os\n"
          "own/etc /var/lib/aimee-os/etc nested\n"
          "var /var\n"
          "place /var/db nodatacow mount-point\n"
          "place /var/lib/aimee-os mount-point private\n");
    assert_ptr_equal(plan_place_at(&plan, "/var/db"), &plan.places[0]);
    assert_null(plan_place_at(&plan, "/var"));
    assert_null(plan_place_at(&plan, "/var/db/x"));
    plan_release();
}

TEST(a_mount_point_in_a_nested_subvolume_is_a_place) {
    plan_lines("LABEL=data /var btrfs subvol=var,x-init-storage.subvol=lib\n"
               "LABEL=data /var/lib/containers btrfs subvol=containers\n");
    check("containers /var/lib/containers\n"
          "var /var\n"
          "var/lib /var/lib nested\n" STATE STATE_PLACE "place /var/lib/containers mount-point\n");
    plan_release();
}

/* ---- the default subvolume --------------------------------------------------------------- */

#define DEFAULT_LINES                                                                              \
    "LABEL=data /var  btrfs x-init-storage.subvol=log\n"                                           \
    "LABEL=data /home btrfs subvol=home,x-init-storage.subvol=a\n"

TEST(the_entry_without_subvol_is_the_default_subvolume) {
    plan_lines(DEFAULT_LINES);
    check("@default /var default below-default\n"
          "@default/lib/aimee-os/etc /var/lib/aimee-os/etc nested below-default\n"
          "@default/log /var/log nested below-default\n"
          "home /home\n"
          "home/a /home/a nested\n" STATE_PLACE);
    assert_ptr_equal(plan_default(&plan), &plan.subvolumes[0]);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    plan_release();
}

TEST(the_default_subvolume_moves_with_what_lies_in_it) {
    plan_lines(DEFAULT_LINES);
    assert_int_equal(plan_move_default(&plan, "zone/var"), 0);
    check("home /home\n"
          "home/a /home/a nested\n"
          "zone/var /var default below-default\n"
          "zone/var/lib/aimee-os/etc /var/lib/aimee-os/etc nested below-default\n"
          "zone/var/log /var/log nested below-default\n" STATE_PLACE);
    assert_string_equal(plan_default(&plan)->target, "/var");
    assert_int_equal(plan_move_default(&plan, ""), 0);
    check(" /var default below-default\n"
          "home /home\n"
          "home/a /home/a nested\n"
          "lib/aimee-os/etc /var/lib/aimee-os/etc nested below-default\n"
          "log /var/log nested below-default\n" STATE_PLACE);
    assert_int_equal(plan_move_default(&plan, "@default"), 0);
    check("@default /var default below-default\n"
          "@default/lib/aimee-os/etc /var/lib/aimee-os/etc nested below-default\n"
          "@default/log /var/log nested below-default\n"
          "home /home\n"
          "home/a /home/a nested\n" STATE_PLACE);
    plan_release();
}

TEST(a_plan_without_default_subvolume_has_nothing_to_move) {
    plan_lines("LABEL=data /var btrfs subvol=var,x-init-storage.subvol=\n");
    assert_null(plan_default(&plan));
    assert_int_equal(plan_move_default(&plan, "elsewhere"), 0);
    check("var /var\n" STATE STATE_PLACE);
    plan_release();
}

TEST(only_one_entry_may_lack_subvol) {
    plan_lines("LABEL=data /var  btrfs x-init-storage.subvol=\n"
               "LABEL=data /home btrfs defaults\n"
               "LABEL=data /srv  btrfs subvol=srv\n");
    check("@default /var default below-default\n"
          "@default/lib/aimee-os/etc /var/lib/aimee-os/etc nested below-default\n"
          "srv /srv\n" STATE_PLACE);
    assert_int_equal(report.status, EXIT_STATUS_FAILED);
    assert_non_null(strstr(unit_said(), "/home: "));
    plan_release();
}

TEST(the_default_subvolumes_name_is_nobody_elses_in_any_order) {
    static const char *const orders[] = {
        "LABEL=data /var btrfs x-init-storage.subvol=\nLABEL=data /srv btrfs subvol=@default\n",
        "LABEL=data /srv btrfs subvol=@default\nLABEL=data /var btrfs x-init-storage.subvol=\n",
        "LABEL=data /var btrfs x-init-storage.subvol=\nLABEL=data /srv btrfs subvol=@default/x\n",
        "LABEL=data /srv btrfs subvol=@default/x\nLABEL=data /var btrfs x-init-storage.subvol=\n",
    };

    for (size_t i = 0; i < COUNT(orders); i++) {
        plan_lines(orders[i]);
        print_message("             %s", orders[i]);
        check_paths_differ();
        assert_int_equal(report.status, EXIT_STATUS_FAILED);
        check("@default /var default below-default\n"
              "@default/lib/aimee-os/etc /var/lib/aimee-os/etc nested below-default\n" STATE_PLACE);
        plan_release();
    }
}

TEST(without_a_default_subvolume_its_name_is_free) {
    plan_lines("LABEL=data /var btrfs subvol=@default,x-init-storage.subvol=\n");
    check("@default /var\n"
          "@default/lib/aimee-os/etc /var/lib/aimee-os/etc nested\n" STATE_PLACE);
    assert_int_equal(report.status, EXIT_STATUS_DONE);
    plan_release();
}

/* ---- questions to a plan ----------------------------------------------------------------- */

TEST(the_subvolume_at_and_above_a_target) {
    static const struct {
        const char *target, *at, *above; /* paths */
    } rows[] = {
        {"/var", "var", "var"},
        {"/var/log", "logs", "logs"},
        {"/var/log/journal", "logs/journal", "logs/journal"},
        {"/var/log/journal/x/y", NULL, "logs/journal"},
        {"/var/log/apt", NULL, "logs"},
        {"/var/lib", NULL, "var"},
        {"/variable", NULL, NULL},
        {"/", NULL, NULL},
        {"/home", NULL, NULL},
    };

    plan_lines("LABEL=data /var btrfs subvol=var,x-init-storage.subvol=log/journal\n"
               "LABEL=data /var/log btrfs subvol=logs\n");
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct subvolume *at = plan_at_target(&plan, rows[i].target);
        const struct subvolume *above = plan_above_target(&plan, rows[i].target);

        print_message("             %s\n", rows[i].target);
        assert_string_equal(at ? at->path : "none", rows[i].at ? rows[i].at : "none");
        assert_string_equal(above ? above->path : "none", rows[i].above ? rows[i].above : "none");
    }
    plan_release();
}

TEST(the_subvolume_above_a_path_is_the_deepest_and_never_itself) {
    static const struct {
        const char *target, *above;
    } rows[] = {{"/var", "none"}, {"/b", "none"}, {"/x", "a"}, {"/y", "a/b"}, {"/z", "none"}};

    plan_lines("LABEL=data /b btrfs subvol=a\n"
               "LABEL=data /x btrfs subvol=a/b\n"
               "LABEL=data /y btrfs subvol=a/b/c/d\n"
               "LABEL=data /z btrfs subvol=ab\n"
               "LABEL=data /var btrfs subvol=var,x-init-storage.subvol=\n");
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct subvolume *above =
            plan_above_path(&plan, plan_at_target(&plan, rows[i].target));

        assert_string_equal(above ? above->path : "none", rows[i].above);
    }
    plan_release();
}

TEST(a_plan_has_the_states_of_its_subvolumes) {
    plan_lines("LABEL=data /var btrfs subvol=var\n");
    assert_true(plan_has(&plan, MEMBER_UNKNOWN));
    assert_false(plan_has(&plan, MEMBER_MISSING));
    plan.subvolumes[plan.count - 1].state = MEMBER_MISSING;
    assert_true(plan_has(&plan, MEMBER_MISSING));
    assert_false(plan_has(&plan, MEMBER_FAILED));
    plan_release();
    assert_false(plan_has(&plan, MEMBER_UNKNOWN));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(var_gets_log_and_tmp_and_the_state_by_default),
        UNIT_TEST(a_list_of_names_replaces_the_default),
        UNIT_TEST(an_empty_list_leaves_only_the_state),
        UNIT_TEST(a_name_given_twice_is_made_once),
        UNIT_TEST(a_managed_entry_beats_a_nested_name_in_any_order),
        UNIT_TEST(a_nested_name_lies_in_the_deepest_entry),
        UNIT_TEST(nested_names_lie_in_one_another_in_any_order),
        UNIT_TEST(a_managed_entry_may_be_the_state_itself),
        UNIT_TEST(subvolumes_are_in_order_of_path_upper_ones_first),
        UNIT_TEST(entries_of_other_devices_and_unfilled_ones_are_left_out),
        UNIT_TEST(an_unfilled_entry_of_a_mount_point_does_not_stand_in_anothers_way),
        UNIT_TEST(a_var_that_is_not_ours_to_fill_gets_nothing_below),
        UNIT_TEST(a_wrong_subvol_is_an_error_of_that_entry),
        UNIT_TEST(odd_names_that_are_no_paths_out_are_right),
        UNIT_TEST(a_second_line_for_a_mount_point_is_an_error_and_the_first_holds),
        UNIT_TEST(a_subvolume_seen_at_two_places_is_made_once_of_the_first),
        UNIT_TEST(a_nested_name_with_the_path_of_a_managed_entry_gives_way),
        UNIT_TEST(wrong_nested_names_are_reported_and_the_others_hold),
        UNIT_TEST(nodatacow_directories_are_places),
        UNIT_TEST(a_place_is_one_whatever_is_wanted_of_it),
        UNIT_TEST(a_mount_point_in_a_nested_subvolume_is_a_place),
        UNIT_TEST(the_entry_without_subvol_is_the_default_subvolume),
        UNIT_TEST(the_default_subvolume_moves_with_what_lies_in_it),
        UNIT_TEST(a_plan_without_default_subvolume_has_nothing_to_move),
        UNIT_TEST(only_one_entry_may_lack_subvol),
        UNIT_TEST(the_default_subvolumes_name_is_nobody_elses_in_any_order),
        UNIT_TEST(without_a_default_subvolume_its_name_is_free),
        UNIT_TEST(the_subvolume_at_and_above_a_target),
        UNIT_TEST(the_subvolume_above_a_path_is_the_deepest_and_never_itself),
        UNIT_TEST(a_plan_has_the_states_of_its_subvolumes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
