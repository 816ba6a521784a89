/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "unit.h"

static void check(const char *text, const char *wanted) {
    char *is = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&is, &size);

    assert_non_null(stream);
    json_string(stream, text);
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(is, wanted);
    free(is);
}

TEST(nothing_is_null_and_an_empty_text_is_not) {
    check(NULL, "null");
    check("", "\"\"");
}

TEST(plain_text_stays_as_it_is) {
    check("/var/lib/a b", "\"/var/lib/a b\"");
    check(" !#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~", "\" !#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~\"");
}

TEST(quotes_and_backslashes_are_escaped) {
    check("\"", "\"\\\"\"");
    check("\\", "\"\\\\\"");
    check("a\"b\\c", "\"a\\\"b\\\\c\"");
    check("\\\"\\\\", "\"\\\\\\\"\\\\\\\\\"");
}

TEST(every_control_character_is_escaped) {
    for (int c = 1; c < 0x20; c++) {
        char text[] = {'a', (char)c, 'b', '\0'}, wanted[16];

        (void)snprintf(wanted, sizeof(wanted), "\"a\\u%04xb\"", (unsigned)c);
        check(text, wanted);
    }
    check("\x7f", "\"\\u007f\"");
}

TEST(valid_utf8_stays_as_it_is) {
    static const char *const rows[] = {
        "gr\xc3\xbc\xc3\x9f", "\xc2\x80",         "\xdf\xbf",         "\xe0\xa0\x80",
        "\xe2\x82\xac",       "\xed\x9f\xbf",     "\xee\x80\x80",     "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",   "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf",
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char wanted[32];

        (void)snprintf(wanted, sizeof(wanted), "\"%s\"", rows[i]);
        check(rows[i], wanted);
    }
}

#define BAD "\\ufffd"

TEST(bytes_that_are_no_utf8_are_replaced) {
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {"\x80", BAD}, /* a continuation alone */
        {"\xbf", BAD},
        {"a\xffz", "a" BAD "z"},
        {"\xfe", BAD},
        {"\xc3", BAD}, /* cut off */
        {"\xe2\x82", BAD BAD},
        {"\xf0\x9f\x98", BAD BAD BAD},
        {"\xc3z", BAD "z"}, /* the next character is not eaten */
        {"\xe2\x82\"", BAD BAD "\\\""},
        {"\xc3\n", BAD "\\u000a"},
        {"\xc0\x80", BAD BAD}, /* longer than needed */
        {"\xc1\xbf", BAD BAD},
        {"\xe0\x80\xaf", BAD BAD BAD},
        {"\xe0\x9f\xbf", BAD BAD BAD},
        {"\xf0\x80\x80\xaf", BAD BAD BAD BAD},
        {"\xf0\x8f\xbf\xbf", BAD BAD BAD BAD},
        {"\xed\xa0\x80", BAD BAD BAD}, /* surrogates */
        {"\xed\xbf\xbf", BAD BAD BAD},
        {"\xf4\x90\x80\x80", BAD BAD BAD BAD}, /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", BAD BAD BAD BAD},
        {"\xf8\x88\x80\x80\x80", BAD BAD BAD BAD BAD},
        {"\xc3\xbc\xc3", "\xc3\xbc" BAD},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char wanted[64];

        (void)snprintf(wanted, sizeof(wanted), "\"%s\"", rows[i].wanted);
        check(rows[i].text, wanted);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(nothing_is_null_and_an_empty_text_is_not),
        UNIT_TEST(plain_text_stays_as_it_is),
        UNIT_TEST(quotes_and_backslashes_are_escaped),
        UNIT_TEST(every_control_character_is_escaped),
        UNIT_TEST(valid_utf8_stays_as_it_is),
        UNIT_TEST(bytes_that_are_no_utf8_are_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
