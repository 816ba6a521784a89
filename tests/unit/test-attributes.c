/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "set-root-password/attributes.h"
#include "unit.h"

#define ACCESS_ACL "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"

/* acl(5) as the kernel stores it, little-endian, see linux/posix_acl_xattr.h: rw for the owner,
 * r for user 12345, nothing for the others; the mask is r. */
static const unsigned char acl[] = {
    2,    0, 0, 0,                         /* the version */
    0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* owner */
    0x02, 0, 4, 0, 0x39, 0x30, 0,    0,    /* user 12345 */
    0x04, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* group */
    0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* mask */
    0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, /* others */
};

static int from, to;

static void make_both(void) {
    put_file(unit_folder, "from", "");
    put_file(unit_folder, "to", "");
    from = open_path(unit_folder, "from", O_RDWR);
    to = open_path(unit_folder, "to", O_RDWR);
}

static void close_both(void) {
    assert_int_equal(close(from), 0);
    assert_int_equal(close(to), 0);
}

static void give(const char *name, const void *value, size_t size) {
    skip_unless(fsetxattr(from, name, value, size, 0) == 0, "no such attribute here");
}

static void has(const char *name, const void *value, size_t size) {
    char found[256];

    assert_int_equal(fgetxattr(to, name, found, sizeof(found)), size);
    assert_memory_equal(found, value, size);
}

TEST(every_mode_is_copied) {
    static const mode_t modes[] = {0, 0400, 0640, 0600, 0777, 02755, 04711, 01777};

    make_both();
    for (size_t i = 0; i < COUNT(modes); i++) {
        struct stat st;

        assert_int_equal(fchmod(from, modes[i]), 0);
        assert_int_equal(attributes_copy(from, to), 0);
        assert_int_equal(fstat(to, &st), 0);
        assert_int_equal(st.st_mode & 07777, modes[i]);
    }
    close_both();
}

TEST(owner_and_group_are_copied_and_the_setuid_bit_stays) {
    struct stat st;

    make_both();
    skip_unless(fchown(from, 12345, 54321) == 0, "owners cannot be changed here");
    assert_int_equal(fchmod(from, 04750), 0);
    assert_int_equal(attributes_copy(from, to), 0);
    assert_int_equal(fstat(to, &st), 0);
    assert_int_equal(st.st_uid, 12345);
    assert_int_equal(st.st_gid, 54321);
    assert_int_equal(st.st_mode & 07777, 04750);
    close_both();
}

TEST(attributes_are_copied_byte_by_byte) {
    make_both();
    give("user.bytes", "a\0b", 3);
    give("user.empty", "", 0);
    assert_int_equal(attributes_copy(from, to), 0);
    has("user.bytes", "a\0b", 3);
    has("user.empty", "", 0);
    close_both();
}

TEST(only_the_label_is_copied_where_that_is_asked_for) {
    char value[16];

    make_both();
    give("user.other", "x", 1);
    give("security.selinux", "a:b:c:s0", 9);
    assert_int_equal(attributes_copy_label(from, to), 0);
    has("security.selinux", "a:b:c:s0", 9);
    assert_int_equal(fgetxattr(to, "user.other", value, sizeof(value)), -1);
    assert_int_equal(errno, ENODATA);
    close_both();
}

TEST(without_a_label_there_is_none_to_copy) {
    struct stat st;

    make_both();
    assert_int_equal(fchmod(from, 0640), 0);
    assert_int_equal(attributes_copy_label(from, to), 0);
    assert_int_equal(fstat(to, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    close_both();
}

TEST(an_acl_is_copied) {
    make_both();
    give(ACCESS_ACL, acl, sizeof(acl));
    assert_int_equal(attributes_copy(from, to), 0);
    has(ACCESS_ACL, acl, sizeof(acl));
    close_both();
}

/* Or who is in the folder's default ACL could read a new shadow file. */
TEST(an_acl_that_the_folder_gave_is_taken_away) {
    char value[256];

    make_both();
    assert_int_equal(fchmod(from, 0640), 0);
    skip_unless(fsetxattr(unit_folder, DEFAULT_ACL, acl, sizeof(acl), 0) == 0, "no ACLs here");
    put_file(unit_folder, "inherits", "");
    assert_int_equal(close(to), 0);
    to = open_path(unit_folder, "inherits", O_RDWR);
    assert_true(fgetxattr(to, ACCESS_ACL, value, sizeof(value)) > 0);
    assert_int_equal(attributes_copy(from, to), 0);
    assert_int_equal(fgetxattr(to, ACCESS_ACL, value, sizeof(value)), -1);
    assert_int_equal(errno, ENODATA);
    close_both();
}

TEST(what_cannot_be_copied_is_an_error) {
    make_both();
    assert_int_equal(attributes_copy(-1, to), -EBADF);
    assert_int_equal(attributes_copy(from, -1), -EBADF);
    close_both();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(every_mode_is_copied),
        UNIT_TEST(owner_and_group_are_copied_and_the_setuid_bit_stays),
        UNIT_TEST(attributes_are_copied_byte_by_byte),
        UNIT_TEST(only_the_label_is_copied_where_that_is_asked_for),
        UNIT_TEST(without_a_label_there_is_none_to_copy),
        UNIT_TEST(an_acl_is_copied),
        UNIT_TEST(an_acl_that_the_folder_gave_is_taken_away),
        UNIT_TEST(what_cannot_be_copied_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
