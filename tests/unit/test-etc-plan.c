/* SPDX-License-Identifier: MIT */
#include "common/writable-etc.h"
#include "init-storage/etc-plan.h"
#include "unit.h"

TEST(a_plan_has_a_copy_for_each_entry_and_the_states_of_its_copies) {
    static char shadow[] = "shadow", ssh[] = "ssh";
    struct etc_entry entries[] = {{.path = shadow}, {.path = ssh, .directory = true}};
    const struct etc_list list = {.entries = entries, .count = COUNT(entries)};
    struct etc_plan plan = {0};

    assert_int_equal(etc_plan_make(&list, &plan), 0);
    assert_int_equal(plan.count, 2);
    assert_string_equal(plan.copies[0].path, "shadow");
    assert_false(plan.copies[0].directory);
    assert_string_equal(plan.copies[1].path, "ssh");
    assert_true(plan.copies[1].directory);
    assert_null(plan.copies[1].problem);

    assert_true(etc_plan_has(&plan, MEMBER_UNKNOWN));
    assert_false(etc_plan_has(&plan, MEMBER_MISSING));
    plan.copies[1].state = MEMBER_MISSING;
    assert_true(etc_plan_has(&plan, MEMBER_MISSING));
    etc_plan_free(&plan);
    assert_false(etc_plan_has(&plan, MEMBER_UNKNOWN));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_plan_has_a_copy_for_each_entry_and_the_states_of_its_copies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
