/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "set-root-password/shadow-file.h"
#include "unit.h"

/* Every secret here is made of Q and $, which no reason and no user's name has. */
#define OLD_HASH "$y$QQQQ$QQQQQQQQ"
#define NEW_HASH "$6$QQQQQQ$QQQQQQ"
#define DATES ":20000:0:99999:7:::"
#define ROOT "root:" OLD_HASH DATES "\n"
#define NEW_ROOT "root:" NEW_HASH ":20789:0:99999:7:::\n"
#define DAEMON "daemon:*" DATES "\n"
#define USER "user:" OLD_HASH DATES "\n"
#define OLD DAEMON ROOT USER
#define CHANGED DAEMON NEW_ROOT USER

/* In memory of exactly that size, so that AddressSanitizer sees a read behind it. */
static struct secret take(const void *bytes, size_t size) {
    struct secret file = {.text = malloc(size), .size = size};

    assert_non_null(file.text);
    memcpy(file.text, bytes, size);
    return file;
}

/* Returns what was wrong, or NULL; valid until the next call. */
static const char *look(int r, const struct shadow_reason *reason) {
    static struct shadow_reason kept;

    kept = *reason;
    if (r == 0)
        return NULL;
    assert_int_equal(r, -EBADMSG);
    assert_non_null(memchr(kept.text, '\0', sizeof(kept.text)));
    assert_true(strlen(kept.text) > 8);
    if (strpbrk(kept.text, "Q$\n"))
        fail_with("it shows a secret: %s", kept.text);
    return kept.text;
}

static const char *wrong_bytes(const char *old, const void *changed, size_t size) {
    struct secret before = take(old, strlen(old)), after = take(changed, size);
    struct shadow_reason reason;
    int r;

    memset(&reason, 'Q', sizeof(reason));
    r = shadow_check_change(&before, &after, &reason);
    secret_wipe(&before);
    secret_wipe(&after);
    return look(r, &reason);
}

static const char *wrong(const char *old, const char *changed) {
    return wrong_bytes(old, changed, strlen(changed));
}

static void accept(const char *old, const char *changed) {
    const char *reason = wrong(old, changed);

    if (reason)
        fail_with("refused: %s: %s", changed, reason);
}

static void refuse(const char *old, const char *changed, const char *wanted) {
    const char *reason = wrong(old, changed);

    if (!reason)
        fail_with("accepted: %s", changed);
    if (!strstr(reason, wanted))
        fail_with("%s: %s, and not: %s", changed, reason, wanted);
}

TEST(a_new_password_of_root_is_accepted_wherever_its_entry_stands) {
    accept(OLD, CHANGED);
    accept(OLD, OLD);
    accept(ROOT, NEW_ROOT);
    accept(ROOT DAEMON USER, NEW_ROOT DAEMON USER);
    accept(DAEMON USER ROOT, DAEMON USER NEW_ROOT);
    accept("root:!" DATES "\n" USER, NEW_ROOT USER);
    accept("root:::::::::\n", "root:QQ:::::::\n");
    accept("root:*\n", "root:QQ:1:2:3:4:5:6:reserved\n");
}

TEST(what_others_have_is_kept_byte_by_byte_whatever_it_is) {
    static const char *const others[] = {
        "# a comment\n", "\n", "+::::::::\n", "\r\n", " root:x\n", "no colon\n", "\xff\xfe:\x01\n",
    };

    for (size_t i = 0; i < COUNT(others); i++) {
        char old[256], changed[256];

        (void)snprintf(old, sizeof(old), "%s" OLD, others[i]);
        (void)snprintf(changed, sizeof(changed), "%s" CHANGED, others[i]);
        accept(old, changed);
        refuse(old, CHANGED, "line 1");
        refuse(OLD, changed, "line 1");
        (void)snprintf(old, sizeof(old), OLD "%s", others[i]);
        (void)snprintf(changed, sizeof(changed), CHANGED "%s", others[i]);
        accept(old, changed);
        refuse(old, CHANGED, "line 4");
        refuse(OLD, changed, "line 4 is new");
    }
}

TEST(an_entry_that_is_lost_new_or_moved_is_refused) {
    refuse(OLD, NEW_ROOT USER, "line 1, the entry of daemon, is lost or changed");
    refuse(OLD, DAEMON NEW_ROOT, "line 3, the entry of user, is lost");
    refuse(OLD, DAEMON USER, "0 entries for root");
    refuse(OLD, NEW_ROOT DAEMON USER, "line 1, the entry of daemon, is lost or changed");
    refuse(OLD, DAEMON USER NEW_ROOT, "line 2, the entry of root, is lost or moved");
    refuse(OLD, USER NEW_ROOT DAEMON, "line 1, the entry of daemon");
    refuse(OLD, CHANGED "new:" NEW_HASH DATES "\n", "line 4 is new");
    refuse(OLD, DAEMON NEW_ROOT "new:*" DATES "\n" USER, "line 3, the entry of user");
    refuse(OLD, CHANGED USER, "line 4 is new");
    refuse(OLD, CHANGED "\n", "line 4 is new");
    refuse(OLD, DAEMON DAEMON NEW_ROOT USER, "line 2, the entry of root");
    refuse(OLD, "", "it is empty");
    refuse(OLD, "\n", "entries for root");
}

TEST(two_entries_for_root_are_refused) {
    refuse(OLD, CHANGED NEW_ROOT, "2 entries for root");
    refuse(OLD, NEW_ROOT CHANGED, "2 entries for root");
    refuse(OLD, DAEMON NEW_ROOT NEW_ROOT, "2 entries for root");
    refuse(OLD, NEW_ROOT NEW_ROOT USER, "2 entries for root");
    refuse(OLD ROOT, CHANGED NEW_ROOT, "2 entries for root");
    refuse(OLD ROOT, CHANGED, "line 4, the entry of root");
    refuse(OLD, CHANGED "root:\n", "2 entries for root");
}

TEST(no_byte_outside_of_roots_entry_may_change) {
    const size_t begin = sizeof(DAEMON) - 1, end = begin + sizeof(NEW_ROOT) - 1;

    for (size_t i = 0; i < sizeof(CHANGED) - 1; i++) {
        char changed[] = CHANGED;

        if (i >= begin && i < end - 1)
            continue;
        for (unsigned bit = 0; bit < 8; bit++) {
            changed[i] = (char)(CHANGED[i] ^ (1 << bit));
            if (!wrong_bytes(OLD, changed, sizeof(changed) - 1))
                fail_with("byte %zu, bit %u: accepted", i, bit);
        }
    }
}

TEST(a_file_that_is_torn_at_any_byte_is_refused) {
    for (size_t size = 0; size < sizeof(CHANGED) - 1; size++) {
        if (!wrong_bytes(OLD, CHANGED, size))
            fail_with("accepted: its first %zu bytes", size);
        if (size > 0 && !wrong_bytes(OLD, &CHANGED[size], sizeof(CHANGED) - 1 - size))
            fail_with("accepted: all but its first %zu bytes", size);
    }
}

/* As a write that stopped would leave it: the old file's rest is still behind it. */
TEST(a_file_that_is_half_the_new_one_is_refused_if_more_than_root_differs) {
    static const char new_file[] = "daemon:*:20001:0:99999:7:::\n" NEW_ROOT USER;

    for (size_t size = 0; size < sizeof(new_file) - 1; size++) {
        char torn[sizeof(new_file) + sizeof(OLD)];
        bool is_old_daemon = strncmp(new_file, OLD, size) == 0;

        (void)snprintf(torn, sizeof(torn), "%.*s%s", (int)size, new_file, &OLD[size]);
        if (!is_old_daemon && !wrong(OLD, torn))
            fail_with("accepted with %zu new bytes: %s", size, torn);
    }
}

TEST(a_nul_at_any_place_is_refused) {
    for (size_t i = 0; i < sizeof(CHANGED); i++) {
        char changed[sizeof(CHANGED)] = CHANGED;

        if (i < sizeof(CHANGED) - 1) {
            changed[i] = '\0';
            assert_non_null(strstr(wrong_bytes(OLD, changed, sizeof(CHANGED) - 1), "NUL"));
        }
        memcpy(changed, CHANGED, i);
        changed[i] = '\0';
        memcpy(changed + i + 1, &CHANGED[i], sizeof(CHANGED) - 1 - i);
        assert_non_null(strstr(wrong_bytes(OLD, changed, sizeof(changed)), "NUL"));
    }
}

TEST(roots_entry_must_be_as_shadow_has_it) {
    static const struct {
        const char *entry, *wanted;
    } rows[] = {
        {"root:", "too few fields"},
        {"root:" NEW_HASH, "too few fields"},
        {"root:" NEW_HASH ":20000:0:99999:7::", "too few fields"},
        {"root:" NEW_HASH DATES ":", "too many fields"},
        {"root:" NEW_HASH DATES "x:y", "too many fields"},
        {"root::20000:0:99999:7:::", "no hashed password"},
        {"root:!:20000:0:99999:7:::", "no hashed password"},
        {"root:*:20000:0:99999:7:::", "no hashed password"},
        {"root:!" NEW_HASH DATES, "no hashed password"},
        {"root:*" NEW_HASH DATES, "no hashed password"},
        {"root:!!" DATES, "no hashed password"},
        {"root: " NEW_HASH DATES, "a blank"},
        {"root:" NEW_HASH " " DATES, "a blank"},
        {"root:QQ\tQQ" DATES, "a blank"},
        {"root:QQ\x7fQQ" DATES, "unprintable"},
        {"root:QQ\xc3\xbcQQ" DATES, "unprintable"},
        {"root:" NEW_HASH DATES "\r", "unprintable"},
        {"root:" NEW_HASH DATES " ", "a blank"},
        {"root:" NEW_HASH ":-1:0:99999:7:::", "a number"},
        {"root:" NEW_HASH ":20000:x:99999:7:::", "a number"},
        {"root:" NEW_HASH ":20000:0:9e9:7:::", "a number"},
        {"root:" NEW_HASH ":20000:0:99999:+7:::", "a number"},
        {"root:" NEW_HASH ":20000:0:99999:7:never::", "a number"},
        {"root:" NEW_HASH ":20000:0:99999:7::0x1:", "a number"},
        {"root:" NEW_HASH ": 20000:0:99999:7:::", "a blank"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char changed[256];

        (void)snprintf(changed, sizeof(changed), DAEMON "%s\n" USER, rows[i].entry);
        refuse(OLD, changed, rows[i].wanted);
        refuse(OLD, changed, "line 2, the entry of root, ");
    }
}

TEST(a_name_like_root_is_another_user) {
    static const char *const names[] = {"rooty",
                                        "roo",
                                        "Root",
                                        "ROOT",
                                        " root",
                                        "root ",
                                        "#root",
                                        "xroot",
                                        "root\r",
                                        "root\t",
                                        "\xef\xbb\xbfroot",
                                        ""};

    for (size_t i = 0; i < COUNT(names); i++) {
        char old[256], changed[256];

        (void)snprintf(old, sizeof(old), "%s:*:root:" DATES "\n" OLD, names[i]);
        (void)snprintf(changed, sizeof(changed), "%s:*:root:" DATES "\n" CHANGED, names[i]);
        accept(old, changed);
        (void)snprintf(changed, sizeof(changed), "%s:x:root:" DATES "\n" CHANGED, names[i]);
        refuse(old, changed, "line 1");
        (void)snprintf(changed, sizeof(changed), DAEMON "%s:" NEW_HASH DATES "\n" USER, names[i]);
        refuse(OLD, changed, "0 entries for root");
    }
    refuse(OLD, DAEMON "root\n" USER, "0 entries for root");
    refuse("user:x:root:x\n", "user:y:root:x\n", "0 entries for root");
}

TEST(line_ends_are_not_converted) {
    refuse(OLD, "daemon:*" DATES "\r\n" NEW_ROOT USER, "line 1");
    refuse("daemon:*" DATES "\r\n" ROOT, DAEMON NEW_ROOT, "line 1");
    accept("daemon:*" DATES "\r\n" ROOT, "daemon:*" DATES "\r\n" NEW_ROOT);
    accept("root:" OLD_HASH DATES "\r\n", NEW_ROOT);
    refuse(OLD, "daemon:*" DATES "\rroot:" NEW_HASH DATES "\r", "no end");
}

TEST(a_last_line_without_an_end_gets_one) {
    static const char no_end[] = DAEMON ROOT "user:*" DATES;

    accept(no_end, DAEMON NEW_ROOT "user:*" DATES "\n");
    refuse(no_end, DAEMON NEW_ROOT "user:*" DATES, "no end");
    refuse(no_end, DAEMON NEW_ROOT "user:*" DATES "\n\n", "line 4 is new");
    accept("root:*" DATES, NEW_ROOT);
    refuse(OLD, DAEMON NEW_ROOT "user:" OLD_HASH DATES, "no end");
}

TEST(a_long_name_is_not_shown) {
    static const char longest[] = "abcdefghijklmnopqrstuvwxyz012345";
    char old[256];

    (void)snprintf(old, sizeof(old), "%s:x\n" ROOT, longest);
    refuse(old, ROOT, longest);
    (void)snprintf(old, sizeof(old), "%s6:x\n" ROOT, longest);
    refuse(old, ROOT, "line 1 is lost");
    refuse(":" OLD_HASH "\n" ROOT, ROOT, "line 1 is lost");
    refuse(OLD_HASH OLD_HASH "\n" ROOT, ROOT, "line 1 is lost");
}

/* Text of size bytes: root's entry, then a line of what. */
static struct secret make_large(const char *root, size_t size, char what) {
    struct secret file = {.text = malloc(size), .size = size};

    assert_non_null(file.text);
    memset(file.text, what, size);
    memcpy(file.text, root, strlen(root));
    file.text[size - 1] = '\n';
    return file;
}

static int check_large(size_t size, size_t changed_size, char what) {
    struct secret old = make_large(ROOT, size, 'x'), changed = make_large(ROOT, changed_size, what);
    struct shadow_reason reason;
    int r = shadow_check_change(&old, &changed, &reason);

    if (changed_size > SHADOW_LIMIT)
        assert_non_null(strstr(look(r, &reason), "more than 16 MiB"));
    secret_wipe(&old);
    secret_wipe(&changed);
    return r;
}

TEST(sixteen_mib_are_accepted_and_a_byte_more_is_not) {
    assert_int_equal(check_large(SHADOW_LIMIT, SHADOW_LIMIT, 'x'), 0);
    assert_int_equal(check_large(SHADOW_LIMIT, SHADOW_LIMIT, 'y'), -EBADMSG);
    assert_int_equal(check_large(SHADOW_LIMIT, SHADOW_LIMIT - 1, 'x'), -EBADMSG);
    assert_int_equal(check_large(SHADOW_LIMIT + 1, SHADOW_LIMIT + 1, 'x'), -EBADMSG);
}

TEST(a_very_long_password_entry_is_compared_like_any_other) {
    size_t size = 1 << 20;
    struct secret old = take(OLD, sizeof(OLD) - 1), changed = make_large("root:", size, 'h');
    struct shadow_reason reason;

    assert_non_null(look(shadow_check_change(&old, &changed, &reason), &reason));
    memcpy(changed.text + size - 9, ":1::::::", 8);
    secret_wipe(&old);
    old = take(ROOT, sizeof(ROOT) - 1);
    assert_int_equal(shadow_check_change(&old, &changed, &reason), 0);
    secret_wipe(&old);
    secret_wipe(&changed);
}

static struct secret make_users(const char *root, unsigned count, unsigned spoilt) {
    struct secret file = {0};
    FILE *stream = open_memstream(&file.text, &file.size);

    assert_non_null(stream);
    for (unsigned i = 0; i < count; i++) {
        if (i == count / 2)
            fputs(root, stream);
        fprintf(stream, "user%u:%s" DATES "\n", i, i == spoilt ? "x" : "*");
    }
    assert_int_equal(fclose(stream), 0);
    return file;
}

TEST(among_100000_users_one_change_is_found) {
    const unsigned count = 100000, spoilt[] = {0, 49999, 50000, 99999, count};
    struct secret old = make_users(ROOT, count, count);

    for (size_t i = 0; i < COUNT(spoilt); i++) {
        struct secret changed = make_users(NEW_ROOT, count, spoilt[i]);
        struct shadow_reason reason;
        const char *found = look(shadow_check_change(&old, &changed, &reason), &reason);
        char name[32];

        (void)snprintf(name, sizeof(name), "the entry of user%u,", spoilt[i]);
        assert_true(spoilt[i] == count ? !found : found && strstr(found, name));
        secret_wipe(&changed);
    }
    secret_wipe(&old);
}

static void trim(const char *text, const char *wanted) {
    struct secret file = take(text, strlen(text));

    shadow_trim(&file);
    assert_int_equal(file.size, strlen(wanted));
    assert_memory_equal(file.text, wanted, file.size);
    secret_wipe(&file);
}

TEST(empty_lines_at_the_end_are_taken_off) {
    trim(OLD, OLD);
    trim(OLD "\n", OLD);
    trim(OLD "\n\n\n\n\n", OLD);
    trim("no end", "no end");
    trim("\n" OLD "\n" OLD "\n", "\n" OLD "\n" OLD);
    trim(OLD " \n", OLD " \n");
    trim(OLD "\r\n", OLD "\r\n");
    trim("\n\n\n", "");
    trim("\n", "");
    trim("", "");
}

TEST(the_old_file_has_one_entry_for_root) {
    static const struct {
        const char *text, *wanted;
    } rows[] = {
        {OLD, NULL},
        {"root:", NULL},
        {"x\n\n\nroot:\n", NULL},
        {"", "no entry for root"},
        {"\n", "no entry for root"},
        {"root", "no entry for root"},
        {DAEMON USER, "no entry for root"},
        {" root:" OLD_HASH "\n", "no entry for root"},
        {ROOT ROOT, "2 entries for root"},
        {ROOT OLD ROOT, "3 entries for root"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct secret file = take(rows[i].text, strlen(rows[i].text));
        struct shadow_reason reason;
        const char *found = look(shadow_check_old(&file, &reason), &reason);

        assert_true(rows[i].wanted ? found && strstr(found, rows[i].wanted) : !found);
        secret_wipe(&file);
    }
}

static const char *wrong_history(const void *bytes, size_t size) {
    struct secret file = take(bytes, size);
    struct shadow_reason reason;
    int r = shadow_check_history(&file, &reason);

    secret_wipe(&file);
    return look(r, &reason);
}

TEST(the_history_is_text_of_whole_lines) {
    static const char line[] = "root:0:1:" OLD_HASH "\n";

    assert_null(wrong_history("", 0));
    assert_null(wrong_history(line, sizeof(line) - 1));
    assert_non_null(strstr(wrong_history(line, sizeof(line) - 2), "no end"));
    assert_non_null(strstr(wrong_history(line, sizeof(line)), "NUL"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_new_password_of_root_is_accepted_wherever_its_entry_stands),
        UNIT_TEST(what_others_have_is_kept_byte_by_byte_whatever_it_is),
        UNIT_TEST(an_entry_that_is_lost_new_or_moved_is_refused),
        UNIT_TEST(two_entries_for_root_are_refused),
        UNIT_TEST(no_byte_outside_of_roots_entry_may_change),
        UNIT_TEST(a_file_that_is_torn_at_any_byte_is_refused),
        UNIT_TEST(a_file_that_is_half_the_new_one_is_refused_if_more_than_root_differs),
        UNIT_TEST(a_nul_at_any_place_is_refused),
        UNIT_TEST(roots_entry_must_be_as_shadow_has_it),
        UNIT_TEST(a_name_like_root_is_another_user),
        UNIT_TEST(line_ends_are_not_converted),
        UNIT_TEST(a_last_line_without_an_end_gets_one),
        UNIT_TEST(a_long_name_is_not_shown),
        UNIT_TEST(sixteen_mib_are_accepted_and_a_byte_more_is_not),
        UNIT_TEST(a_very_long_password_entry_is_compared_like_any_other),
        UNIT_TEST(among_100000_users_one_change_is_found),
        UNIT_TEST(empty_lines_at_the_end_are_taken_off),
        UNIT_TEST(the_old_file_has_one_entry_for_root),
        UNIT_TEST(the_history_is_text_of_whole_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
