/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "init-storage/etc-plan.h"
#include "init-storage/report.h"
#include "unit.h"

#define NAME "init-storage.json"

static void check_printed(const struct report *report, const char *wanted) {
    char *is = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&is, &size);

    assert_non_null(stream);
    report_print(report, stream);
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(is, wanted);
    free(is);
}

#define TAIL                                                                                       \
    "\"seconds\":{\"probe\":0.000,\"mkfs\":0.000,\"copy\":0.000,\"commit\":0.000,"                 \
    "\"total\":0.000},\"reset\":null}\n"

TEST(an_empty_report_has_all_keys) {
    struct report report = {0};

    check_printed(&report,
                  "{\"version\":1,\"state\":null,\"action\":\"nothing\",\"device\":null,"
                  "\"fsid\":null,\"error\":null,\"subvolumes\":[],\"writable_etc\":[]," TAIL);
}

static char *copy(const char *text) {
    char *copied = strdup(text);

    assert_non_null(copied);
    return copied;
}

TEST(a_whole_report_is_one_object) {
    struct report report = {
        .has_state = true,
        .state = DEVICE_BLANK,
        .action = ACTION_FORMATTED,
        .device = copy("/dev/vda2"),
        .fsid = "6b1d7a52-0c7e-4f0a-9f5e-3c2b1a908f70",
        .seconds = {.probe = 0.01, .mkfs = 0.1, .copy = 1.2345, .commit = 0.02, .total = 71.5}};
    struct plan plan = {.count = 3};
    struct etc_plan etc = {.count = 2};

    plan.subvolumes = calloc(3, sizeof(*plan.subvolumes));
    etc.copies = calloc(2, sizeof(*etc.copies));
    assert_non_null(plan.subvolumes);
    assert_non_null(etc.copies);
    plan.subvolumes[0] = (struct subvolume){.path = copy("var"),
                                            .target = copy("/var"),
                                            .state = MEMBER_CREATED,
                                            .files = 212,
                                            .bytes = UINT64_C(6612345000)};
    plan.subvolumes[1] = (struct subvolume){
        .path = copy("var/log"), .target = copy("/var/log"), .state = MEMBER_PRESENT};
    plan.subvolumes[2] = (struct subvolume){
        .path = copy("odd\"na\nme"), .target = copy("/\xff"), .state = MEMBER_FAILED};
    etc.copies[0] = (struct etc_copy){.path = "shadow", .state = MEMBER_CREATED};
    etc.copies[1] = (struct etc_copy){.path = "ssh", .state = MEMBER_PRESENT};
    report.plan = &plan;
    report.etc = &etc;
    check_printed(
        &report,
        "{\"version\":1,\"state\":\"blank\",\"action\":\"formatted\",\"device\":\"/dev/vda2\","
        "\"fsid\":\"6b1d7a52-0c7e-4f0a-9f5e-3c2b1a908f70\",\"error\":null,\"subvolumes\":["
        "{\"path\":\"var\",\"target\":\"/var\",\"action\":\"created\",\"files\":212,"
        "\"bytes\":6612345000},"
        "{\"path\":\"var/log\",\"target\":\"/var/log\",\"action\":\"present\",\"files\":0,"
        "\"bytes\":0},"
        "{\"path\":\"odd\\\"na\\u000ame\",\"target\":\"/\\ufffd\",\"action\":\"failed\","
        "\"files\":0,\"bytes\":0}],"
        "\"writable_etc\":[{\"path\":\"shadow\",\"action\":\"created\"},"
        "{\"path\":\"ssh\",\"action\":\"present\"}],"
        "\"seconds\":{\"probe\":0.010,\"mkfs\":0.100,\"copy\":1.234,\"commit\":0.020,"
        "\"total\":71.500},\"reset\":null}\n");
    plan_free(&plan);
    etc_plan_free(&etc);
    report_free(&report);
}

TEST(actions_have_their_names) {
    static const struct {
        enum report_action action;
        const char *name;
    } rows[] = {
        {ACTION_NOTHING, "nothing"},     {ACTION_FORMATTED, "formatted"},
        {ACTION_COMPLETED, "completed"}, {ACTION_REFUSED, "refused"},
        {ACTION_FAILED, "failed"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct report report = {.action = rows[i].action};
        char wanted[512];

        (void)snprintf(wanted, sizeof(wanted),
                       "{\"version\":1,\"state\":null,\"action\":\"%s\",\"device\":null,"
                       "\"fsid\":null,\"error\":null,\"subvolumes\":[],\"writable_etc\":[]," TAIL,
                       rows[i].name);
        check_printed(&report, wanted);
    }
}

TEST(what_was_never_looked_at_counts_as_failed) {
    static const enum member_state states[] = {MEMBER_UNKNOWN, MEMBER_MISSING, MEMBER_FAILED};
    struct report report = {0};
    struct subvolume subvolumes[COUNT(states)];
    struct plan plan = {.subvolumes = subvolumes, .count = COUNT(states)};
    char path[] = "a", target[] = "/a", *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    for (size_t i = 0; i < COUNT(states); i++)
        subvolumes[i] = (struct subvolume){.path = path, .target = target, .state = states[i]};
    report.plan = &plan;
    assert_non_null(stream);
    report_print(&report, stream);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(unit_count(text, "\"action\":\"failed\""), COUNT(states));
    free(text);
}

/* ---- errors ------------------------------------------------------------------------------ */

TEST(the_first_error_is_kept_and_every_one_is_said) {
    struct report report = {0};
    const char *said;

    problem(&report.problems, "%s: %d %s", "first", 1, "error");
    assert_string_equal(report.problems.first_error, "first: 1 error");
    assert_int_equal(report.problems.status, EXIT_STATUS_FAILED);
    problem(&report.problems, "second");
    problem(&report.problems, "third");
    assert_string_equal(report.problems.first_error, "first: 1 error");
    assert_int_equal(report.problems.status, EXIT_STATUS_FAILED);
    said = unit_said();
    assert_non_null(strstr(said, ": first: 1 error\n"));
    assert_non_null(strstr(said, ": second\n"));
    assert_non_null(strstr(said, ": third\n"));
    report_free(&report);
    assert_null(report.problems.first_error);
    assert_int_equal(report.problems.status, EXIT_STATUS_DONE);
}

/* And its words are those of the report: it is the thing to know. */
TEST(a_refusal_outranks_a_failure_in_any_order) {
    struct report report = {0};

    problem(&report.problems, "problem");
    refusal(&report.problems, "refusal");
    assert_int_equal(report.problems.status, EXIT_STATUS_REFUSED);
    assert_string_equal(report.problems.first_error, "refusal");
    report_free(&report);
    refusal(&report.problems, "refusal");
    problem(&report.problems, "problem");
    refusal(&report.problems, "another");
    assert_int_equal(report.problems.status, EXIT_STATUS_REFUSED);
    assert_string_equal(report.problems.first_error, "refusal");
    assert_int_equal(unit_count(unit_said(), "\n"), 5);
    report_free(&report);
}

TEST(an_error_gets_into_the_object_as_it_is) {
    struct report report = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    problem(&report.problems, "/a\"b: %s", "line\nbreak");
    report_print(&report, stream);
    assert_int_equal(fclose(stream), 0);
    assert_non_null(strstr(text, "\"error\":\"/a\\\"b: line\\u000abreak\""));
    free(text);
    report_free(&report);
}

TEST(an_error_of_any_length_is_kept_whole) {
    struct report report = {0};
    char *long_text = malloc(10001);

    assert_non_null(long_text);
    memset(long_text, 'x', 10000);
    long_text[10000] = '\0';
    problem(&report.problems, "%s", long_text);
    assert_string_equal(report.problems.first_error, long_text);
    free(long_text);
    report_free(&report);
}

/* ---- the file ---------------------------------------------------------------------------- */

static void run_folder(char *path, size_t size) {
    (void)snprintf(path, size, "%s/run", unit_folder_path);
}

static size_t entries_of(const char *folder) {
    DIR *stream = fdopendir(open_path(unit_folder, folder, O_RDONLY | O_DIRECTORY));
    size_t count = 0;

    assert_non_null(stream);
    while (readdir(stream))
        count++;
    assert_int_equal(closedir(stream), 0);
    return count - 2;
}

TEST(the_report_is_stored_with_its_folder) {
    struct report report = {.action = ACTION_COMPLETED};
    char path[4096], *content;

    run_folder(path, sizeof(path));
    assert_int_equal(report_store(&report, path), 0);
    content = content_of(unit_folder, "run/" NAME);
    assert_non_null(content);
    check_printed(&report, content);
    free(content);
    assert_int_equal(entries_of("run"), 1);
}

/* What a monitor reads need not be root's. */
TEST(everybody_may_read_it_whatever_the_umask) {
    struct report report = {0};
    char path[4096];
    struct stat st;

    run_folder(path, sizeof(path));
    (void)umask(077);
    assert_int_equal(report_store(&report, path), 0);
    (void)umask(022);
    assert_int_equal(fstatat(unit_folder, "run/" NAME, &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(fstatat(unit_folder, "run", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
}

TEST(a_new_report_replaces_the_old_one_as_a_whole) {
    struct report report = {.action = ACTION_NOTHING};
    char path[4096], old[256] = "", *content;
    int reader;

    run_folder(path, sizeof(path));
    put_folder(unit_folder, "run");
    put_file(unit_folder, "run/" NAME, "the old report");
    reader = open_path(unit_folder, "run/" NAME, O_RDONLY);
    assert_int_equal(report_store(&report, path), 0);
    /* Who has the old one open still reads all of it, and no byte of the new one. */
    assert_int_equal(read(reader, old, sizeof(old) - 1), 14);
    assert_string_equal(old, "the old report");
    assert_int_equal(close(reader), 0);
    content = content_of(unit_folder, "run/" NAME);
    assert_non_null(strstr(content, "\"action\":\"nothing\""));
    assert_null(strstr(content, "old"));
    free(content);
    assert_int_equal(entries_of("run"), 1);
}

TEST(a_temporary_file_of_a_killed_run_does_not_matter) {
    struct report report = {0};
    char path[4096], *content;

    run_folder(path, sizeof(path));
    put_folder(unit_folder, "run");
    put_file(unit_folder, "run/" NAME ".new", "half");
    assert_int_equal(report_store(&report, path), 0);
    assert_int_equal(entries_of("run"), 1);
    content = content_of(unit_folder, "run/" NAME);
    assert_null(strstr(content, "half"));
    free(content);
}

TEST(a_link_in_place_of_the_temporary_file_is_not_followed) {
    struct report report = {0};
    char path[4096], *content;

    run_folder(path, sizeof(path));
    put_folder(unit_folder, "run");
    put_file(unit_folder, "precious", "precious");
    assert_int_equal(symlinkat("../precious", unit_folder, "run/" NAME ".new"), 0);
    assert_int_equal(report_store(&report, path), 0);
    content = content_of(unit_folder, "precious");
    assert_string_equal(content, "precious");
    free(content);
}

TEST(a_folder_that_is_a_link_is_not_followed) {
    struct report report = {0};
    char path[4096];

    run_folder(path, sizeof(path));
    put_folder(unit_folder, "elsewhere");
    assert_int_equal(symlinkat("elsewhere", unit_folder, "run"), 0);
    assert_true(report_store(&report, path) < 0);
    assert_int_equal(entries_of("elsewhere"), 0);
}

TEST(a_folder_that_cannot_be_made_is_an_error) {
    struct report report = {0};
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/missing/run", unit_folder_path);
    assert_int_equal(report_store(&report, path), -ENOENT);
    put_file(unit_folder, "missing", "");
    assert_int_equal(report_store(&report, path), -ENOTDIR);
}

TEST(no_temporary_file_is_left_when_the_name_cannot_be_given) {
    struct report report = {0};
    char path[4096];
    struct stat st;

    run_folder(path, sizeof(path));
    put_folder(unit_folder, "run/" NAME "/in-the-way");
    assert_true(report_store(&report, path) < 0);
    assert_int_equal(fstatat(unit_folder, "run/" NAME "/in-the-way", &st, 0), 0);
    assert_int_equal(entries_of("run"), 1);
}

/* As where no space is left. */
static int store_without_space(void *argument) {
    struct rlimit limit = {.rlim_cur = 100, .rlim_max = 100};
    struct report report = {0};

    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 255;
    return report_store(&report, argument) < 0 ? 0 : 1;
}

TEST(a_report_that_cannot_be_written_leaves_the_old_one_and_no_temporary_file) {
    char path[4096], *content;

    run_folder(path, sizeof(path));
    put_folder(unit_folder, "run");
    put_file(unit_folder, "run/" NAME, "the old report");
    assert_int_equal(in_child(store_without_space, path), 0);
    content = content_of(unit_folder, "run/" NAME);
    assert_string_equal(content, "the old report");
    free(content);
    assert_int_equal(entries_of("run"), 1);
}

/* ---- the clock --------------------------------------------------------------------------- */

TEST(laps_add_up) {
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    double start = clock_seconds(), lap_start = start, first, second;

    assert_int_equal(nanosleep(&pause, NULL), 0);
    first = clock_lap(&lap_start);
    assert_int_equal(nanosleep(&pause, NULL), 0);
    second = clock_lap(&lap_start);
    assert_true(first >= 0.019 && second >= 0.019);
    assert_true(first + second - (lap_start - start) < 1e-6);
    assert_true((lap_start - start) - (first + second) < 1e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(an_empty_report_has_all_keys),
        UNIT_TEST(a_whole_report_is_one_object),
        UNIT_TEST(actions_have_their_names),
        UNIT_TEST(what_was_never_looked_at_counts_as_failed),
        UNIT_TEST(the_first_error_is_kept_and_every_one_is_said),
        UNIT_TEST(a_refusal_outranks_a_failure_in_any_order),
        UNIT_TEST(an_error_gets_into_the_object_as_it_is),
        UNIT_TEST(an_error_of_any_length_is_kept_whole),
        UNIT_TEST(the_report_is_stored_with_its_folder),
        UNIT_TEST(everybody_may_read_it_whatever_the_umask),
        UNIT_TEST(a_new_report_replaces_the_old_one_as_a_whole),
        UNIT_TEST(a_temporary_file_of_a_killed_run_does_not_matter),
        UNIT_TEST(a_link_in_place_of_the_temporary_file_is_not_followed),
        UNIT_TEST(a_folder_that_is_a_link_is_not_followed),
        UNIT_TEST(a_folder_that_cannot_be_made_is_an_error),
        UNIT_TEST(no_temporary_file_is_left_when_the_name_cannot_be_given),
        UNIT_TEST(a_report_that_cannot_be_written_leaves_the_old_one_and_no_temporary_file),
        UNIT_TEST(laps_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
