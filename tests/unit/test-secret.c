/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory-fixture.h"
#include "set-root-password/secret.h"
#include "unit.h"

#define LIMIT 4096

TEST(a_file_is_read_whole_from_its_beginning) {
    static const char bytes[] = "line\n\0NUL and no end";
    struct secret secret = {0};
    int fd;

    put_bytes(unit_folder, "file", bytes, sizeof(bytes) - 1);
    fd = open_path(unit_folder, "file", O_RDONLY);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
        assert_int_equal(secret_read(fd, LIMIT, &secret), 0);
        assert_int_equal(secret.size, sizeof(bytes) - 1);
        assert_memory_equal(secret.text, bytes, secret.size);
        secret_wipe(&secret);
    }
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 5);
    assert_int_equal(close(fd), 0);
}

TEST(an_empty_file_is_an_empty_text_and_not_none) {
    struct secret secret = {0};
    int fd = put_sparse(unit_folder, "file", 0);

    assert_int_equal(secret_read(fd, 0, &secret), 0);
    assert_non_null(secret.text);
    assert_int_equal(secret.size, 0);
    secret_wipe(&secret);
    assert_int_equal(close(fd), 0);
}

TEST(the_limit_can_be_reached_and_not_passed) {
    struct secret secret = {0};
    int fd = put_sparse(unit_folder, "file", LIMIT);

    assert_int_equal(secret_read(fd, LIMIT, &secret), 0);
    assert_int_equal(secret.size, LIMIT);
    secret_wipe(&secret);
    assert_int_equal(secret_read(fd, LIMIT - 1, &secret), -EFBIG);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    assert_int_equal(secret_read(fd, LIMIT, &secret), -EFBIG);
    assert_null(secret.text);
    assert_int_equal(secret.size, 0);
    assert_int_equal(close(fd), 0);
}

TEST(only_regular_files_are_read) {
    static const char *const paths[] = {"/dev/zero", "/dev/null", "/"};
    struct secret secret = {0};
    int ends[2];

    for (size_t i = 0; i < COUNT(paths); i++) {
        int fd = open_path(AT_FDCWD, paths[i], O_RDONLY);

        assert_int_equal(secret_read(fd, LIMIT, &secret), -EINVAL);
        assert_int_equal(close(fd), 0);
    }
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(secret_read(ends[0], LIMIT, &secret), -EINVAL);
    assert_int_equal(secret_read(-1, LIMIT, &secret), -EBADF);
    assert_null(secret.text);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

/* A file of /proc says that it has no bytes, and has some: what was read is not all. */
TEST(a_file_that_has_more_than_it_said_is_not_taken_for_whole) {
    struct secret secret = {0};
    int fd = open_path(AT_FDCWD, "/proc/self/stat", O_RDONLY);

    assert_int_equal(secret_read(fd, LIMIT, &secret), -EAGAIN);
    assert_null(secret.text);
    assert_int_equal(close(fd), 0);
}

/* One of /sys says that it has a page, and has a few. */
TEST(a_file_that_has_less_than_it_said_is_not_taken_for_whole) {
    struct secret secret = {0};
    int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);

    skip_unless(fd >= 0, "no /sys here");
    assert_int_equal(secret_read(fd, LIMIT, &secret), -EAGAIN);
    assert_null(secret.text);
    assert_int_equal(close(fd), 0);
}

TEST(a_file_that_cannot_be_read_is_an_error) {
    struct secret secret = {0};
    int fd;

    put_file(unit_folder, "file", "text");
    fd = open_path(unit_folder, "file", O_WRONLY);
    assert_int_equal(secret_read(fd, LIMIT, &secret), -EBADF);
    assert_null(secret.text);
    assert_int_equal(close(fd), 0);
}

TEST(two_are_equal_when_every_byte_is) {
    char text[] = "text\0behind", other[] = "text\0behinD";
    const struct secret one = {text, sizeof(text)}, same = {text, sizeof(text)};
    const struct secret another = {other, sizeof(other)}, shorter = {text, sizeof(text) - 1};
    const struct secret empty = {text, 0}, also_empty = {other, 0};

    assert_true(secret_equal(&one, &same));
    assert_false(secret_equal(&one, &another));
    assert_false(secret_equal(&one, &shorter));
    assert_false(secret_equal(&shorter, &one));
    assert_false(secret_equal(&one, &empty));
    assert_true(secret_equal(&empty, &also_empty));
}

TEST(a_wiped_one_is_empty_and_can_be_wiped_again) {
    struct secret secret = {.text = malloc(4), .size = 4};

    secret_wipe(&secret);
    assert_null(secret.text);
    assert_int_equal(secret.size, 0);
    secret_wipe(&secret);
}

TEST(nothing_of_a_wiped_one_is_left_in_memory) {
    struct secret secret = {0};
    int fd = put_sparse(unit_folder, "file", 0);

    write_marker(fd, 4, "\n");
    assert_int_equal(secret_read(fd, LIMIT, &secret), 0);
    assert_true(memory_holds_marker());
    secret_wipe(&secret);
    assert_false(memory_holds_marker());
    assert_int_equal(close(fd), 0);
}

/* Row numbers of what does not hold. */
static int protect(void *argument) {
    struct rlimit limit;

    (void)argument;
    secret_protect_memory();
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        return 1;
    if (getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_cur != 1 || limit.rlim_max != 1)
        return 2;
    return 0;
}

TEST(a_protected_process_leaves_no_core_dump) {
    assert_int_equal(in_child(protect, NULL), 0);
}

/* Kilobytes of this process that are never swapped; -1: cannot be read. */
static long locked_size(void) {
    FILE *stream = fopen("/proc/self/status", "re");
    char line[256];
    long size = -1;

    while (stream && size < 0 && fgets(line, sizeof(line), stream)) {
        if (strncmp(line, "VmLck:", 6) == 0)
            size = strtol(line + 6, NULL, 10);
    }
    if (stream)
        (void)fclose(stream);
    return size;
}

static int protect_and_map(void *argument) {
    const size_t size = 4 << 20;
    long before;
    void *memory;

    (void)argument;
    secret_protect_memory();
    before = locked_size();
    if (before <= 0)
        return 1;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 2;
    return locked_size() >= before + (long)(size >> 10) ? 0 : 3;
}

TEST(a_protected_process_is_not_swapped_nor_what_it_maps_later) {
#ifdef __SANITIZE_ADDRESS__
    skip_unless(false, "AddressSanitizer makes mlockall() do nothing");
#endif
    skip_unless(geteuid() == 0, "only root can lock that much");
    assert_int_equal(in_child(protect_and_map, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        UNIT_TEST(a_file_is_read_whole_from_its_beginning),
        UNIT_TEST(an_empty_file_is_an_empty_text_and_not_none),
        UNIT_TEST(the_limit_can_be_reached_and_not_passed),
        UNIT_TEST(only_regular_files_are_read),
        UNIT_TEST(a_file_that_has_more_than_it_said_is_not_taken_for_whole),
        UNIT_TEST(a_file_that_has_less_than_it_said_is_not_taken_for_whole),
        UNIT_TEST(a_file_that_cannot_be_read_is_an_error),
        UNIT_TEST(two_are_equal_when_every_byte_is),
        UNIT_TEST(a_wiped_one_is_empty_and_can_be_wiped_again),
        UNIT_TEST(nothing_of_a_wiped_one_is_left_in_memory),
        UNIT_TEST(a_protected_process_leaves_no_core_dump),
        UNIT_TEST(a_protected_process_is_not_swapped_nor_what_it_maps_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
