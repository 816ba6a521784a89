/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/reset-request.h"
#include "init-storage/reset.h"
#include "unit.h"

#define FSID "0b7a6f2e-1d2c-4b3a-9e8f-00112233aabb"

static struct reset_request example(void) {
    return (struct reset_request){.fsid = FSID,
                                  .boot_id = "95c77e75-2363-4f93-87e3-4358daf7e86e",
                                  .time = "2026-11-21T22:50:27Z",
                                  .by = "ada, uid 0, logged in as uid 1000",
                                  .erase = ERASE_ZERO};
}

static int parse(const char *text) {
    struct reset_request request;

    return request_parse(text, strlen(text), &request);
}

TEST(what_is_written_reads_back) {
    struct reset_request request = example(), back;
    char text[REQUEST_SIZE];
    size_t size = request_format(&request, text);

    assert_string_equal(text,
                        "{\"version\":1,\"fsid\":\"" FSID
                        "\",\"boot_id\":\"95c77e75-2363-4f93-87e3-4358daf7e86e\",\"time\":\"2026-"
                        "11-21T22:50:27Z\",\"by\":\"ada, uid 0, logged in as uid "
                        "1000\",\"erase\":\"zero\"}");
    assert_int_equal(size, strlen(text));
    assert_int_equal(request_parse(text, size, &back), 0);
    assert_string_equal(back.fsid, request.fsid);
    assert_string_equal(back.boot_id, request.boot_id);
    assert_string_equal(back.time, request.time);
    assert_string_equal(back.by, request.by);
    assert_int_equal(back.erase, request.erase);
}

TEST(every_part_of_a_request_alone_is_none) {
    struct reset_request request = example(), back;
    char text[REQUEST_SIZE];
    size_t size = request_format(&request, text);

    for (size_t length = 0; length < size; length++)
        assert_int_equal(request_parse(text, length, &back), -EBADMSG);
}

TEST(a_request_with_one_byte_changed_is_none_or_differs_in_a_value) {
    struct reset_request request = example(), back;
    char text[REQUEST_SIZE], again[REQUEST_SIZE];
    size_t size = request_format(&request, text);

    for (size_t i = 0; i < size; i++) {
        char keep = text[i];

        text[i] = (char)(keep ^ 1);
        if (request_parse(text, size, &back) == 0) {
            assert_int_equal(request_format(&back, again), size);
            assert_memory_equal(again, text, size);
        }
        text[i] = keep;
    }
}

TEST(garbage_is_no_request) {
    static const char *const rows[] = {
        "",
        "{}",
        "null",
        "yes",
        "{\"version\":2,\"fsid\":\"" FSID "\"}",
        "{\"version\":1,\"fsid\":\"x\",\"boot_id\":\"\",\"time\":\"\",\"by\":\"\",\"erase\":"
        "\"zero\"}",
        "{\"version\":1,\"fsid\":\"" FSID
        "\",\"boot_id\":\"\",\"time\":\"\",\"by\":\"\",\"erase\":\"all\"}",
        "{\"version\":1,\"fsid\":\"" FSID
        "\",\"boot_id\":\"\",\"time\":\"\",\"by\":\"a\\u0041\",\"erase\":\"zero\"}",
        "{\"version\":1,\"fsid\":\"" FSID
        "\",\"boot_id\":\"\",\"time\":\"\",\"by\":\"\",\"erase\":\"zero\"}x",
    };
    char large[REQUEST_SIZE + 1];

    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(parse(rows[i]), -EBADMSG);
    memset(large, ' ', sizeof(large));
    assert_int_equal(request_parse(large, sizeof(large), &(struct reset_request){0}), -EBADMSG);
    assert_int_equal(request_parse("{\0}", 3, &(struct reset_request){0}), -EBADMSG);
}

TEST(a_value_that_is_too_long_is_refused) {
    char text[REQUEST_SIZE], by[REQUEST_BY_SIZE + 1];

    memset(by, 'b', sizeof(by) - 1);
    by[sizeof(by) - 1] = '\0';
    (void)snprintf(text, sizeof(text),
                   "{\"version\":1,\"fsid\":\"" FSID
                   "\",\"boot_id\":\"\",\"time\":\"\",\"by\":\"%s\",\"erase\":\"zero\"}",
                   by);
    assert_int_equal(parse(text), -EBADMSG);
}

TEST(a_caller_cannot_forge_a_request_by_his_name) {
    struct reset_request request = example(), back;
    char text[REQUEST_SIZE];
    size_t size;

    assert_int_equal(setenv("SUDO_USER", "eve\",\"erase\":\"zero\"}", 1), 0);
    request_sign(&request);
    assert_int_equal(unsetenv("SUDO_USER"), 0);
    size = request_format(&request, text);
    assert_null(strstr(text, "eve"));
    assert_int_equal(request_parse(text, size, &back), 0);
}

TEST(the_longest_request_fits) {
    struct reset_request request = example(), back;
    char text[REQUEST_SIZE];
    size_t size;

    memset(request.by, 'b', sizeof(request.by) - 1);
    memset(request.time, 't', sizeof(request.time) - 1);
    memset(request.boot_id, 'i', sizeof(request.boot_id) - 1);
    size = request_format(&request, text);
    assert_true(size < REQUEST_SIZE);
    assert_int_equal(request_parse(text, size, &back), 0);
}

TEST(the_flag_is_armed_read_and_removed) {
    struct reset_request request = example(), back;
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/run", unit_folder_path);
    assert_int_equal(request_flag_read(path, &back), -ENOENT);
    assert_int_equal(request_flag_remove(path), 0);
    assert_int_equal(request_flag_arm(path, &request), 0);
    assert_int_equal(request_flag_read(path, &back), 0);
    assert_string_equal(back.fsid, FSID);
    assert_int_equal(request_flag_remove(path), 0);
    assert_int_equal(request_flag_read(path, &back), -ENOENT);
    put_file(unit_folder, "run/" REQUEST_FLAG, "wipe it all");
    assert_int_equal(request_flag_read(path, &back), -EBADMSG);
}

TEST(only_the_right_word_of_the_command_line_resets) {
    static const struct {
        const char *line;
        bool wanted;
    } rows[] = {
        {"", false},
        {"quiet systemd.factory_reset=1", true},
        {"systemd.factory_reset=yes quiet\n", true},
        {"systemd.factory_reset=true", true},
        {"systemd.factory_reset=0", false},
        {"systemd.factory_reset=no", false},
        {"systemd.factory_reset", false},
        {"systemd.factory_reset=10", false},
        {"xsystemd.factory_reset=1", false},
        {"rd.systemd.factory_reset=1", false},
        {"systemd.factory_reset=1 systemd.factory_reset=0", false},
        {"systemd.factory_reset=0 systemd.factory_reset=1", true},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(reset_in_command_line(rows[i].line), rows[i].wanted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(what_is_written_reads_back),
        UNIT_TEST(every_part_of_a_request_alone_is_none),
        UNIT_TEST(a_request_with_one_byte_changed_is_none_or_differs_in_a_value),
        UNIT_TEST(garbage_is_no_request),
        UNIT_TEST(a_value_that_is_too_long_is_refused),
        UNIT_TEST(a_caller_cannot_forge_a_request_by_his_name),
        UNIT_TEST(the_longest_request_fits),
        UNIT_TEST(the_flag_is_armed_read_and_removed),
        UNIT_TEST(only_the_right_word_of_the_command_line_resets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
