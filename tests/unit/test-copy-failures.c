/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "common/interrupt.h"
#include "copy-fixture.h"

/* What cannot be copied whole is an error that names it. */

static void check_failure(int error, const char *path) {
    assert_int_equal(failure.error, error);
    assert_string_equal(failure.path, path);
    assert_true(*failure.step);
}

TEST(the_first_failure_is_kept) {
    struct copy_failure kept = {0};

    assert_int_equal(copy_fail(&kept, -EIO, "/var/one", "reading"), -EIO);
    assert_int_equal(copy_fail(&kept, -ENOSPC, "/var/two", "writing"), -ENOSPC);
    assert_int_equal(kept.error, EIO);
    assert_string_equal(kept.path, "/var/one");
    assert_string_equal(kept.step, "reading");
}

TEST(a_path_of_any_length_is_cut) {
    static char path[3 * PATH_MAX];
    struct copy_failure kept = {0};

    memset(path, 'x', sizeof(path) - 1);
    (void)copy_fail(&kept, -EIO, path, path);
    assert_int_equal(strlen(kept.path), sizeof(kept.path) - 1);
    assert_int_equal(strlen(kept.step), sizeof(kept.step) - 1);
}

TEST(what_the_image_lacks_is_an_error) {
    assert_int_equal(copy(COPY_OBJECT, "/etc/missing", "missing"), -ENOENT);
    check_failure(ENOENT, "/etc/missing");
    put_folder(image, "etc");
    assert_int_equal(copy(COPY_OBJECT, "/etc/missing", "missing"), -ENOENT);
    check_failure(ENOENT, "/etc/missing");
}

TEST(a_link_is_not_followed_into_the_image) {
    put_folder(image, "real");
    put_file(image, "real/file", "x");
    assert_int_equal(symlinkat("real", image, "link"), 0);
    assert_true(copy(COPY_OBJECT, "/link", "link") < 0);
    assert_true(copy(COPY_OBJECT, "/link/file", "file") < 0);
    check_failure(ELOOP, "/link/file");
    assert_true(faccessat(copies, "link", F_OK, AT_SYMLINK_NOFOLLOW) < 0);
    assert_true(faccessat(copies, "file", F_OK, AT_SYMLINK_NOFOLLOW) < 0);
}

/* As somebody who may not: root may read everything. */
static int copy_as_nobody(void *argument) {
    if (geteuid() == 0 &&
        (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
        return 255;
    (void)copy(COPY_OBJECT, "/tree", "tree");
    *(struct copy_failure *)argument = failure;
    return 0;
}

TEST(a_file_that_cannot_be_read_is_named) {
    struct copy_failure *seen = share(sizeof(*seen));

    put_folder(image, "tree");
    put_file(image, "tree/file", "x");
    assert_int_equal(fchmodat(image, "tree/file", 0, 0), 0);
    if (geteuid() == 0) {
        assert_int_equal(fchown(copies, 65534, 65534), 0);
        assert_int_equal(fchownat(image, "tree", 65534, 65534, 0), 0);
        assert_int_equal(fchownat(image, "tree/file", 65534, 65534, 0), 0);
    }
    assert_int_equal(in_child(copy_as_nobody, seen), 0);
    assert_int_equal(seen->error, EACCES);
    assert_string_equal(seen->path, "/tree/file");
    assert_true(*seen->step);
    unshare_memory(seen, sizeof(*seen));
}

TEST(where_no_subvolume_can_be_made_that_is_said) {
    struct statfs fs;

    assert_int_equal(fstatfs(copies, &fs), 0);
    skip_unless(fs.f_type != BTRFS_SUPER_MAGIC, "a btrfs: one can be made here");
    put_folder(image, "tree");
    assert_true(copy(COPY_SUBVOLUME, "/tree", "tree") < 0);
    assert_string_equal(failure.path, "/tree");
    assert_non_null(strstr(failure.step, "subvolume"));
}

TEST(what_is_there_is_not_replaced) {
    put_folder(image, "tree");
    put_file(image, "file", "new");
    put_folder(copies, "tree");
    put_file(copies, "file", "old");
    assert_int_equal(copy(COPY_OBJECT, "/tree", "tree"), -EEXIST);
    check_failure(EEXIST, "/tree");
    assert_int_equal(copy(COPY_OBJECT, "/file", "file"), -EEXIST);
    check_failure(EEXIST, "/file");
}

static int copy_with_a_limit(void *argument) {
    struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    int r;

    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
        return 255;
    r = copy(COPY_OBJECT, "/tree", "tree");
    *(struct copy_failure *)argument = failure;
    return -r;
}

/* The reader is far ahead of a writer that fails, and must not wait for it for ever. */
TEST(a_write_that_fails_ends_the_copy_and_names_the_file) {
    struct copy_failure *seen = share(sizeof(*seen));
    static const off_t sizes[] = {2 << 20, 64 << 20};

    put_folder(image, "tree");
    for (size_t i = 0; i < COUNT(sizes); i++) {
        int fd;

        put_file(image, "tree/file", "");
        fd = open_path(image, "tree/file", O_WRONLY);
        assert_int_equal(posix_fallocate(fd, 0, sizes[i]), 0);
        assert_int_equal(close(fd), 0);
        assert_int_equal(in_child(copy_with_a_limit, seen), EFBIG);
        assert_int_equal(seen->error, EFBIG);
        assert_string_equal(seen->path, "/tree/file");
        assert_int_equal(renameat(copies, "tree", copies, i ? "second" : "first"), 0);
    }
    unshare_memory(seen, sizeof(*seen));
}

static atomic_bool changing;

static void *change(void *argument) {
    while (atomic_load(&changing)) {
        const struct timespec pause = {.tv_nsec = 200 * 1000};

        (void)futimens(*(const int *)argument, NULL);
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

TEST(a_file_that_changes_meanwhile_is_an_error) {
    char bytes[65536];
    pthread_t changer;
    int fd, r;

    put_folder(image, "tree");
    put_file(image, "tree/file", "");
    fd = open_path(image, "tree/file", O_RDWR);
    memset(bytes, 'x', sizeof(bytes));
    for (int i = 0; i < 1024; i++)
        assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
    atomic_store(&changing, true);
    assert_int_equal(pthread_create(&changer, NULL, change, &fd), 0);
    r = copy(COPY_OBJECT, "/tree", "tree");
    atomic_store(&changing, false);
    assert_int_equal(pthread_join(changer, NULL), 0);
    assert_int_equal(r, -ESTALE);
    check_failure(ESTALE, "/tree/file");
    assert_int_equal(close(fd), 0);
}

TEST(a_copy_that_ended_may_be_followed_by_another) {
    assert_int_equal(copy(COPY_OBJECT, "/none", "none"), -ENOENT);
    put_folder(image, "tree");
    put_file(image, "tree/file", "x");
    copy_and_compare();
}

static int copy_after_a_signal(void *argument) {
    (void)argument;
    if (interrupt_catch() < 0 || raise(SIGTERM) != 0)
        return 255;
    return -copy(COPY_OBJECT, "/tree", "tree");
}

TEST(a_signal_that_asks_to_stop_is_told) {
    put_folder(image, "tree");
    put_file(image, "tree/file", "x");
    assert_int_equal(in_child(copy_after_a_signal, NULL), EINTR);
}

static void *send_term(void *argument) {
    const struct timespec pause = {.tv_nsec = 30 * 1000 * 1000};

    (void)argument;
    (void)nanosleep(&pause, NULL);
    (void)kill(getpid(), SIGTERM);
    return NULL;
}

static int copy_during_a_signal(void *argument) {
    pthread_t sender;
    int r = 0;

    if (interrupt_catch() < 0)
        return 255;
    /* Until one of them comes while it copies: the tree is small. */
    if (pthread_create(&sender, NULL, send_term, NULL) != 0)
        return 255;
    for (int i = 0; i < 10000; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%d", i);
        r = copy(COPY_OBJECT, "/tree", name);
        *(int *)argument = failure.error;
        if (r < 0)
            break;
    }
    (void)pthread_join(sender, NULL);
    return -r;
}

TEST(a_signal_in_the_middle_ends_the_copy) {
    int *error = share(sizeof(*error));

    put_folder(image, "tree");
    for (int i = 0; i < 100; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "tree/%d", i);
        put_file(image, name, "x");
    }
    assert_int_equal(in_child(copy_during_a_signal, error), EINTR);
    unshare_memory(error, sizeof(*error));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        COPY_TEST(the_first_failure_is_kept),
        COPY_TEST(a_path_of_any_length_is_cut),
        COPY_TEST(what_the_image_lacks_is_an_error),
        COPY_TEST(a_link_is_not_followed_into_the_image),
        COPY_TEST(a_file_that_cannot_be_read_is_named),
        COPY_TEST(where_no_subvolume_can_be_made_that_is_said),
        COPY_TEST(what_is_there_is_not_replaced),
        COPY_TEST(a_write_that_fails_ends_the_copy_and_names_the_file),
        COPY_TEST(a_file_that_changes_meanwhile_is_an_error),
        COPY_TEST(a_copy_that_ended_may_be_followed_by_another),
        COPY_TEST(a_signal_that_asks_to_stop_is_told),
        COPY_TEST(a_signal_in_the_middle_ends_the_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
