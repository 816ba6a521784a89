/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "copy-fixture.h"

/* Subvolumes of their own need btrfs; all else of the copier works on any file system. */

static void put_pattern(const char *path, size_t size) {
    char *bytes = malloc(size + 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 31 + i / 251);
    put_bytes(image, path, bytes, size);
    free(bytes);
}

static struct stat stat_of(int folder, const char *path) {
    struct stat st;

    assert_int_equal(fstatat(folder, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st;
}

/* ---- content ----------------------------------------------------------------------------- */

TEST(files_of_every_size_are_copied_whole) {
    static const size_t sizes[] = {0,      1,      4095,          4096,    4097,   131071,
                                   131072, 131073, 262144 - 1000, 1000003, 6000011};

    put_folder(image, "tree");
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "tree/%zu", sizes[i]);
        put_pattern(path, sizes[i]);
        age(image, path, (int64_t)i);
    }
    age(image, "tree", 50);
    copy_and_compare();
    assert_int_equal(context.progress->done, copy_measure(&context, "/tree"));
}

TEST(many_small_files_are_copied) {
    put_folder(image, "tree");
    for (int i = 0; i < 4000; i++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "tree/%s%04d", i % 3 ? "" : "a-longer-name-", i);
        put_pattern(path, (size_t)i % 700);
    }
    copy_and_compare();
}

static bool has_holes(const char *path) {
    int fd = open_path(image, path, O_RDONLY);
    bool found = lseek(fd, 0, SEEK_HOLE) < lseek(fd, 0, SEEK_END);

    assert_int_equal(close(fd), 0);
    return found;
}

/* Where data begins and ends, as text. */
static char *extents_of(int folder, const char *path) {
    int fd = open_path(folder, path, O_RDONLY);
    off_t at = 0, end = lseek(fd, 0, SEEK_END);
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    while (at < end && (at = lseek(fd, at, SEEK_DATA)) >= 0) {
        fprintf(stream, "%jd-", (intmax_t)at);
        at = lseek(fd, at, SEEK_HOLE);
        fprintf(stream, "%jd ", (intmax_t)at);
    }
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(close(fd), 0);
    return text;
}

TEST(holes_stay_holes) {
    static const struct {
        const char *path;
        off_t size, data[3]; /* where 64 KiB of data lie; -1: nowhere */
    } rows[] = {
        {"tree/all-hole", 1 << 30, {-1, -1, -1}},
        {"tree/in-the-middle", 1 << 30, {512 << 20, -1, -1}},
        {"tree/at-the-start", 1 << 28, {0, -1, -1}},
        {"tree/at-the-end", 1 << 28, {(1 << 28) - 65536, -1, -1}},
        {"tree/three", (1 << 28) + 1, {0, 100 << 20, 200 << 20}},
    };

    put_folder(image, "tree");
    for (size_t i = 0; i < COUNT(rows); i++) {
        int fd = put_sparse(image, rows[i].path, rows[i].size);
        char bytes[65536];

        memset(bytes, 'x', sizeof(bytes));
        for (size_t piece = 0; piece < 3; piece++) {
            if (rows[i].data[piece] >= 0)
                assert_int_equal(pwrite(fd, bytes, sizeof(bytes), rows[i].data[piece]),
                                 sizeof(bytes));
        }
        assert_int_equal(close(fd), 0);
    }
    skip_unless(has_holes("tree/in-the-middle"), "no holes here");
    assert_int_equal(copy(COPY_OBJECT, "/tree", "tree"), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *wanted = extents_of(image, rows[i].path), *is = extents_of(copies, rows[i].path);

        assert_string_equal(is, wanted);
        assert_int_equal(stat_of(copies, rows[i].path).st_size, rows[i].size);
        free(wanted);
        free(is);
    }
    /* Holes are copied in no time, but they count. */
    assert_int_equal(context.progress->done >= (uint64_t)(512 << 20), true);
}

TEST(written_zeros_are_no_holes) {
    struct stat first, second;

    put_folder(image, "tree");
    put_bytes(image, "tree/zeros", (char[100000]){0}, 100000);
    copy_and_compare();
    first = stat_of(image, "tree/zeros");
    second = stat_of(copies, "tree/zeros");
    assert_int_equal(first.st_blocks, second.st_blocks);
}

/* ---- every kind of file ------------------------------------------------------------------ */

TEST(symbolic_links_are_copied_as_they_are) {
    char longest[PATH_MAX];

    put_folder(image, "tree/sub");
    put_file(image, "tree/file", "x");
    memset(longest, 'l', sizeof(longest));
    longest[4000] = '\0';
    assert_int_equal(symlinkat("file", image, "tree/relative"), 0);
    assert_int_equal(symlinkat("/etc/passwd", image, "tree/absolute"), 0);
    assert_int_equal(symlinkat("../..", image, "tree/sub/upwards"), 0);
    assert_int_equal(symlinkat("nowhere", image, "tree/dangling"), 0);
    assert_int_equal(symlinkat("circle", image, "tree/circle"), 0);
    assert_int_equal(symlinkat("odd\n\xff\033[m", image, "tree/odd"), 0);
    assert_int_equal(symlinkat(longest, image, "tree/long"), 0);
    copy_and_compare();
    /* Comparing reads them, on both sides. */
    age(image, "tree/relative", 1);
    assert_int_equal(copy(COPY_OBJECT, "/tree", "again"), 0);
    assert_int_equal(stat_of(copies, "again/relative").st_atim.tv_sec, 1000000001);
    assert_int_equal(stat_of(copies, "again/relative").st_atim.tv_nsec, 123456789);
}

static void put_socket(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_true((size_t)snprintf(address.sun_path, sizeof(address.sun_path),
                                 "/proc/self/fd/%d/tree/socket", image) < sizeof(address.sun_path));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(close(fd), 0);
}

TEST(fifos_and_sockets_are_copied_without_opening_them) {
    put_folder(image, "tree");
    assert_int_equal(mkfifoat(image, "tree/fifo", 0640), 0);
    put_socket();
    age(image, "tree/fifo", 2);
    age(image, "tree/socket", 3);
    copy_and_compare();
    assert_true(S_ISFIFO(stat_of(copies, "tree/fifo").st_mode));
    assert_true(S_ISSOCK(stat_of(copies, "tree/socket").st_mode));
}

TEST(device_nodes_keep_their_numbers) {
    put_folder(image, "tree");
    skip_unless(mknodat(image, "tree/null", S_IFCHR | 0666, makedev(1, 3)) == 0 &&
                    mknodat(image, "tree/block", S_IFBLK | 0600, makedev(7, 1048575)) == 0,
                "device nodes cannot be made here");
    age(image, "tree/null", 4);
    copy_and_compare();
}

TEST(hard_links_stay_together) {
    put_folder(image, "tree/a/b");
    put_folder(image, "tree/c");
    put_pattern("tree/one", 300000);
    put_pattern("tree/other", 10);
    assert_int_equal(symlinkat("one", image, "tree/symlink"), 0);
    assert_int_equal(mkfifoat(image, "tree/fifo", 0600), 0);
    assert_int_equal(linkat(image, "tree/one", image, "tree/a/b/two", 0), 0);
    assert_int_equal(linkat(image, "tree/one", image, "tree/c/three", 0), 0);
    assert_int_equal(linkat(image, "tree/other", image, "tree/c/other2", 0), 0);
    assert_int_equal(linkat(image, "tree/symlink", image, "tree/c/symlink2", 0), 0);
    assert_int_equal(linkat(image, "tree/fifo", image, "tree/c/fifo2", 0), 0);
    age(image, "tree", 5);
    copy_and_compare();
    assert_int_equal(stat_of(copies, "tree/one").st_ino, stat_of(copies, "tree/a/b/two").st_ino);
    assert_int_equal(stat_of(copies, "tree/one").st_ino, stat_of(copies, "tree/c/three").st_ino);
    assert_int_equal(stat_of(copies, "tree/other").st_ino, stat_of(copies, "tree/c/other2").st_ino);
    assert_int_equal(stat_of(copies, "tree/fifo").st_ino, stat_of(copies, "tree/c/fifo2").st_ino);
    assert_int_not_equal(stat_of(copies, "tree/one").st_ino, stat_of(copies, "tree/other").st_ino);
}

static size_t entries_of(const char *path) {
    DIR *stream = fdopendir(open_path(copies, path, O_RDONLY | O_DIRECTORY));
    size_t count = 0;

    assert_non_null(stream);
    while (readdir(stream))
        count++;
    assert_int_equal(closedir(stream), 0);
    return count - 2;
}

TEST(a_hard_link_that_leads_out_is_a_file_of_its_own_and_said) {
    char *content;

    put_folder(image, "tree");
    put_file(image, "tree/inside", "text");
    assert_int_equal(linkat(image, "tree/inside", image, "outside", 0), 0);
    assert_int_equal(copy(COPY_OBJECT, "/tree", "tree"), 0);
    content = content_of(copies, "tree/inside");
    assert_string_equal(content, "text");
    free(content);
    assert_int_equal(stat_of(copies, "tree/inside").st_nlink, 1);
    assert_non_null(strstr(unit_said(), "/tree: "));
    assert_int_equal(entries_of("tree"), 1); /* nothing of ours is left */
}

TEST(any_name_will_do) {
    static const char *const names[] = {"-rf",      "...",       ".hidden", " ",        "new\nline",
                                        "\xff\xfe", "tab\there", "\033[2J", "quote\"'", "*"};
    char path[512], longest[256];

    put_folder(image, "tree");
    for (size_t i = 0; i < COUNT(names); i++) {
        (void)snprintf(path, sizeof(path), "tree/%s", names[i]);
        put_file(image, path, names[i]);
    }
    memset(longest, 'n', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    (void)snprintf(path, sizeof(path), "tree/%s", longest);
    put_folder(image, path);
    copy_and_compare();
}

/* ---- attributes -------------------------------------------------------------------------- */

TEST(modes_are_kept_whatever_the_umask) {
    static const mode_t modes[] = {0644,  0600,  0666,  0777,  0400,  0755, 04755,
                                   02755, 01777, 06711, 07777, 04711, 0200};

    put_folder(image, "tree");
    for (size_t i = 0; i < COUNT(modes); i++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "tree/file-%o", (unsigned)modes[i]);
        put_file(image, path, "x");
        if ((modes[i] & 0400) || geteuid() == 0)
            assert_int_equal(fchmodat(image, path, modes[i], 0), 0);
        (void)snprintf(path, sizeof(path), "tree/folder-%o", (unsigned)modes[i]);
        put_folder(image, path);
        if ((modes[i] & 0500) == 0500 || geteuid() == 0)
            assert_int_equal(fchmodat(image, path, modes[i], 0), 0);
    }
    copy_and_compare();
}

TEST(owners_are_kept_with_the_setuid_bits) {
    put_folder(image, "tree/folder");
    put_file(image, "tree/file", "x");
    assert_int_equal(symlinkat("file", image, "tree/link"), 0);
    assert_int_equal(mkfifoat(image, "tree/fifo", 0600), 0);
    skip_unless(fchownat(image, "tree/file", 12345, 54321, 0) == 0,
                "owners cannot be changed here");
    assert_int_equal(fchmodat(image, "tree/file", 06755, 0), 0);
    assert_int_equal(fchownat(image, "tree/folder", 1, 2, 0), 0);
    assert_int_equal(fchmodat(image, "tree/folder", 02775, 0), 0);
    assert_int_equal(fchownat(image, "tree/link", 3, 4, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(fchownat(image, "tree/fifo", 5, 0, 0), 0);
    copy_and_compare();
}

TEST(times_are_kept_to_the_nanosecond) {
    put_folder(image, "tree/folder/inner");
    put_file(image, "tree/folder/inner/file", "x");
    put_file(image, "tree/before-1970", "x");
    put_file(image, "tree/far", "x");
    age(image, "tree/folder/inner/file", 1);
    age(image, "tree/folder/inner", 2);
    age(image, "tree/folder", 3);
    age(image, "tree/before-1970", -1100100000);
    age(image, "tree/far", 2000000000);
    age(image, "tree", 4);
    copy_and_compare();
}

TEST(reading_leaves_no_trace_in_the_image) {
    struct stat before, after;
    static const char *const paths[] = {"tree", "tree/file"};

    put_folder(image, "tree");
    put_file(image, "tree/file", "x");
    for (size_t i = 0; i < COUNT(paths); i++) {
        age(image, paths[i], 5);
        before = stat_of(image, paths[i]);
        assert_int_equal(copy(COPY_OBJECT, "/tree", i ? "two" : "one"), 0);
        after = stat_of(image, paths[i]);
        assert_int_equal(before.st_atim.tv_sec, after.st_atim.tv_sec);
        assert_int_equal(before.st_ctim.tv_sec, after.st_ctim.tv_sec);
    }
}

TEST(extended_attributes_of_users_are_kept) {
    char large[3000];

    put_folder(image, "tree/folder");
    put_file(image, "tree/file", "x");
    put_file(image, "tree/read-only", "x");
    memset(large, 'v', sizeof(large));
    put_xattr(image, "tree/file", "user.text", "value", 5);
    put_xattr(image, "tree/file", "user.empty", "", 0);
    put_xattr(image, "tree/file", "user.binary", "\0\xff\0", 3);
    put_xattr(image, "tree/folder", "user.large", large, sizeof(large));
    put_xattr(image, "tree", "user.top", "value", 5);
    put_xattr(image, "tree/read-only", "user.text", "value", 5);
    assert_int_equal(fchmodat(image, "tree/read-only", 0400, 0), 0);
    age(image, "tree/file", 6);
    age(image, "tree/folder", 7);
    copy_and_compare();
    assert_true(has_xattr(copies, "tree/file", "user.empty"));
}

#define CAPABILITY "\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0" /* cap_net_raw=ep */

TEST(extended_attributes_of_the_system_are_kept) {
    put_folder(image, "tree");
    put_file(image, "tree/file", "x");
    assert_int_equal(symlinkat("file", image, "tree/link"), 0);
    assert_int_equal(mkfifoat(image, "tree/fifo", 0600), 0);
    put_xattr(image, "tree/file", "trusted.test", "value", 5);
    put_xattr(image, "tree/link", "trusted.test", "of the link", 11);
    put_xattr(image, "tree/fifo", "trusted.test", "of the fifo", 11);
    put_xattr(image, "tree", "trusted.test", "of the top", 10);
    copy_and_compare();
    assert_true(has_xattr(copies, "tree/link", "trusted.test"));
}

TEST(capabilities_survive_the_owner_and_a_hole_at_the_end) {
    int fd;

    put_folder(image, "tree");
    put_file(image, "tree/ping", "x");
    fd = put_sparse(image, "tree/sparse", 1 << 20);
    assert_int_equal(close(fd), 0);
    skip_unless(fchownat(image, "tree/ping", 7, 8, 0) == 0, "owners cannot be changed here");
    put_xattr(image, "tree/ping", "security.capability", CAPABILITY, 20);
    put_xattr(image, "tree/sparse", "security.capability", CAPABILITY, 20);
    copy_and_compare();
    assert_true(has_xattr(copies, "tree/ping", "security.capability"));
    assert_true(has_xattr(copies, "tree/sparse", "security.capability"));
}

/* Version 2; entries of tag, permissions, id: user::rwx user:1234:rwx group::r-- mask::rwx
 * other::--- */
#define ACL                                                                                        \
    "\2\0\0\0"                                                                                     \
    "\1\0\7\0\xff\xff\xff\xff"                                                                     \
    "\2\0\7\0\xd2\4\0\0"                                                                           \
    "\4\0\4\0\xff\xff\xff\xff"                                                                     \
    "\x10\0\7\0\xff\xff\xff\xff"                                                                   \
    "\x20\0\0\0\xff\xff\xff\xff"

TEST(access_control_lists_are_kept) {
    put_folder(image, "tree/folder/inner");
    put_file(image, "tree/file", "x");
    put_file(image, "tree/folder/file", "x");
    put_xattr(image, "tree/file", "system.posix_acl_access", ACL, sizeof(ACL) - 1);
    put_xattr(image, "tree/folder", "system.posix_acl_default", ACL, sizeof(ACL) - 1);
    put_xattr(image, "tree/folder", "system.posix_acl_access", ACL, sizeof(ACL) - 1);
    copy_and_compare();
    assert_true(has_xattr(copies, "tree/file", "system.posix_acl_access"));
    /* What was made before its folder got the default one has none. */
    assert_false(has_xattr(copies, "tree/folder/file", "system.posix_acl_access"));
}

TEST(labels_of_the_image_are_kept) {
    put_folder(image, "tree/folder");
    put_file(image, "tree/file", "x");
    assert_int_equal(symlinkat("file", image, "tree/link"), 0);
    put_xattr(image, "tree/file", LABEL_XATTR, "u:object_r:file_t:s0", 21);
    put_xattr(image, "tree/folder", LABEL_XATTR, "u:object_r:folder_t:s0", 23);
    put_xattr(image, "tree/link", LABEL_XATTR, "u:object_r:link_t:s0", 21);
    copy_and_compare();
}

/* ---- deep trees -------------------------------------------------------------------------- */

#define DEPTH 400
#define LONG_NAME "a-name-of-some-length-so-that-the-whole-path-is-longer-than-path-max"

static void make_deep_tree(int folder) {
    int fd = open_path(folder, ".", O_RDONLY | O_DIRECTORY);

    put_folder(fd, "tree");
    for (int level = 0; level < DEPTH; level++) {
        int next = open_path(fd, level == 0 ? "tree" : LONG_NAME, O_RDONLY | O_DIRECTORY);

        assert_int_equal(close(fd), 0);
        fd = next;
        put_file(fd, "before", "x");
        assert_int_equal(mkdirat(fd, LONG_NAME, 0755), 0);
        put_file(fd, "behind", "y");
        assert_int_equal(linkat(fd, "before", fd, "linked", 0), 0);
    }
    assert_int_equal(close(fd), 0);
}

static int copy_with_few_descriptors(void *argument) {
    struct rlimit limit = {.rlim_cur = 200, .rlim_max = 200};

    (void)argument;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 255;
    return -copy(COPY_OBJECT, "/tree", "tree");
}

TEST(a_tree_of_any_depth_is_copied_with_few_descriptors) {
    int one, other, r;

    make_deep_tree(image);
    r = in_child(copy_with_few_descriptors, NULL);
    skip_unless(r != 255, "the number of descriptors cannot be limited");
    assert_int_equal(r, 0);
    one = open_path(image, "tree", O_RDONLY | O_DIRECTORY);
    other = open_path(copies, "tree", O_RDONLY | O_DIRECTORY);
    for (int level = 0; level < DEPTH; level++) {
        static const char *const names[] = {"before", "behind", "linked", LONG_NAME};
        int next[2];

        for (size_t i = 0; i < COUNT(names); i++) {
            struct stat first = stat_of(one, names[i]), second = stat_of(other, names[i]);

            assert_int_equal(first.st_mode, second.st_mode);
            assert_int_equal(first.st_mtim.tv_nsec, second.st_mtim.tv_nsec);
            assert_int_equal(first.st_nlink, second.st_nlink);
        }
        next[0] = open_path(one, LONG_NAME, O_RDONLY | O_DIRECTORY);
        next[1] = open_path(other, LONG_NAME, O_RDONLY | O_DIRECTORY);
        assert_int_equal(close(one), 0);
        assert_int_equal(close(other), 0);
        one = next[0];
        other = next[1];
    }
    assert_int_equal(close(one), 0);
    assert_int_equal(close(other), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COPY_TEST(files_of_every_size_are_copied_whole),
        COPY_TEST(many_small_files_are_copied),
        COPY_TEST(holes_stay_holes),
        COPY_TEST(written_zeros_are_no_holes),
        COPY_TEST(symbolic_links_are_copied_as_they_are),
        COPY_TEST(fifos_and_sockets_are_copied_without_opening_them),
        COPY_TEST(device_nodes_keep_their_numbers),
        COPY_TEST(hard_links_stay_together),
        COPY_TEST(a_hard_link_that_leads_out_is_a_file_of_its_own_and_said),
        COPY_TEST(any_name_will_do),
        COPY_TEST(modes_are_kept_whatever_the_umask),
        COPY_TEST(owners_are_kept_with_the_setuid_bits),
        COPY_TEST(times_are_kept_to_the_nanosecond),
        COPY_TEST(reading_leaves_no_trace_in_the_image),
        COPY_TEST(extended_attributes_of_users_are_kept),
        COPY_TEST(extended_attributes_of_the_system_are_kept),
        COPY_TEST(capabilities_survive_the_owner_and_a_hole_at_the_end),
        COPY_TEST(access_control_lists_are_kept),
        COPY_TEST(labels_of_the_image_are_kept),
        COPY_TEST(a_tree_of_any_depth_is_copied_with_few_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
