/* SPDX-License-Identifier: MIT */
#include "copy-fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

int image = -1, copies = -1;
struct copy_context context;
struct copy_failure failure;

static struct labels labels;
static struct progress progress;
static char image_path[4096 + 16];

int copy_begin(void **state) {
    int r = unit_begin(state);

    if (r < 0)
        return r;
    (void)snprintf(image_path, sizeof(image_path), "%s/image", unit_folder_path);
    put_folder(unit_folder, "image");
    put_folder(unit_folder, "copies");
    image = open_path(unit_folder, "image", O_RDONLY | O_DIRECTORY);
    copies = open_path(unit_folder, "copies", O_RDONLY | O_DIRECTORY);
    labels_open(&labels, image_path);
    labels.active = false; /* what this machine's kernel does is not looked at here */
    progress = (struct progress){.notify = -1};
    context = (struct copy_context){.image = image, .labels = &labels, .progress = &progress};
    return 0;
}

int copy_end(void **state) {
    labels_close(&labels);
    (void)close(image);
    (void)close(copies);
    return unit_end(state);
}

int copy(enum copy_kind kind, const char *source, const char *name) {
    struct copy_request request = {.kind = kind, .source = source, .parent = copies, .name = name};
    mode_t mask = umask(077);
    int r = copy_run(&context, &request, &failure);

    (void)umask(mask);
    return r;
}

void age(int folder, const char *path, int64_t seconds) {
    const struct timespec times[2] = {{.tv_sec = 1000000000 + seconds, .tv_nsec = 123456789},
                                      {.tv_sec = 1100000000 + seconds, .tv_nsec = 987654321}};

    assert_int_equal(utimensat(folder, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* No call takes a folder's descriptor and a name. */
static const char *by_descriptor(int folder, const char *name, char *path, size_t size) {
    (void)snprintf(path, size, "/proc/self/fd/%d/%s", folder, name);
    return path;
}

void put_xattr(int folder, const char *path, const char *name, const void *value, size_t size) {
    char whole[4200];

    if (lsetxattr(by_descriptor(folder, path, whole, sizeof(whole)), name, value, size, 0) < 0) {
        print_message("             %s: %s\n", name, strerror(errno));
        skip_unless(errno != EPERM && errno != EOPNOTSUPP && errno != ENOSPC && errno != E2BIG,
                    "such an extended attribute cannot be set here");
        fail();
    }
}

bool has_xattr(int folder, const char *path, const char *name) {
    char whole[4200];

    return lgetxattr(by_descriptor(folder, path, whole, sizeof(whole)), name, NULL, 0) >= 0;
}

/* ---- comparing --------------------------------------------------------------------------- */

static int compare_names(const void *one, const void *other) {
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* All attributes as text, in order of name. */
static char *xattrs_of(int folder, const char *name) {
    char path[4200], list[8192], *names[256] = {NULL}, *text = NULL;
    unsigned char value[65536];
    size_t size = 0, count = 0;
    FILE *stream = open_memstream(&text, &size);
    ssize_t n = llistxattr(by_descriptor(folder, name, path, sizeof(path)), list, sizeof(list));

    assert_non_null(stream);
    for (char *at = list; n > 0 && at < list + n && count < COUNT(names); at += strlen(at) + 1)
        names[count++] = at;
    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 0; i < count; i++) {
        ssize_t length = lgetxattr(path, names[i], value, sizeof(value));

        fprintf(stream, "%s=", names[i]);
        for (ssize_t at = 0; at < length; at++)
            fprintf(stream, "%02x", value[at]);
        fputc('\n', stream);
    }
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void compare_content(int one, int other, const char *name) {
    int first = open_path(one, name, O_RDONLY | O_NOATIME),
        second = open_path(other, name, O_RDONLY | O_NOATIME);
    static char buffers[2][1 << 20];
    ssize_t n;

    do {
        n = read(first, buffers[0], sizeof(buffers[0]));
        assert_true(n >= 0);
        assert_int_equal(read(second, buffers[1], sizeof(buffers[1])), n);
        if (memcmp(buffers[0], buffers[1], (size_t)n) != 0)
            fail_with("%s: another content", name);
    } while (n > 0);
    assert_int_equal(close(first), 0);
    assert_int_equal(close(second), 0);
}

static void compare_targets(int one, int other, const char *name) {
    char targets[2][4097];
    ssize_t n = readlinkat(one, name, targets[0], sizeof(targets[0]));

    assert_true(n > 0);
    assert_int_equal(readlinkat(other, name, targets[1], sizeof(targets[1])), n);
    assert_memory_equal(targets[0], targets[1], n);
}

#define SAME(member, text)                                                                         \
    do {                                                                                           \
        if (first.member != second.member)                                                         \
            fail_with("%s: its " text ": %jx is %jx", name, (uintmax_t)first.member,               \
                      (uintmax_t)second.member);                                                   \
    } while (0)

static void compare_attributes(int one, const struct stat *before, int other, const char *name) {
    const struct stat first = *before;
    struct stat second;
    char *xattrs[2];

    if (fstatat(other, name, &second, AT_SYMLINK_NOFOLLOW) < 0)
        fail_with("%s: %s", name, strerror(errno));
    SAME(st_mode, "mode");
    SAME(st_uid, "owner");
    SAME(st_gid, "group");
    SAME(st_rdev, "device number");
    SAME(st_mtim.tv_sec, "time");
    SAME(st_mtim.tv_nsec, "time's nanoseconds");
    if (!S_ISDIR(first.st_mode)) {
        SAME(st_nlink, "number of links");
        SAME(st_size, "size");
    }
    if (!S_ISLNK(first.st_mode)) { /* reading one is a read */
        SAME(st_atim.tv_sec, "access time");
        SAME(st_atim.tv_nsec, "access time's nanoseconds");
    }
    xattrs[0] = xattrs_of(one, name);
    xattrs[1] = xattrs_of(other, name);
    assert_string_equal(xattrs[1], xattrs[0]);
    free(xattrs[0]);
    free(xattrs[1]);
}

static void compare(int one, const struct stat *before, int other, const char *name);

static void compare_folders(int one, int other, const char *name) {
    int first = open_path(one, name, O_RDONLY | O_DIRECTORY | O_NOATIME),
        second = open_path(other, name, O_RDONLY | O_DIRECTORY | O_NOATIME);
    DIR *streams[2] = {fdopendir(first), fdopendir(second)};
    const struct dirent *entry;
    size_t counts[2] = {0, 0};

    assert_true(streams[0] && streams[1]);
    while ((entry = readdir(streams[1])))
        counts[1]++;
    while ((entry = readdir(streams[0]))) {
        struct stat st;

        counts[0]++;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        assert_int_equal(fstatat(first, entry->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
        compare(first, &st, second, entry->d_name);
    }
    if (counts[0] != counts[1])
        fail_with("%s: %zu entries are %zu", name, counts[0], counts[1]);
    assert_int_equal(closedir(streams[0]), 0);
    assert_int_equal(closedir(streams[1]), 0);
}

static void compare(int one, const struct stat *before, int other, const char *name) {
    compare_attributes(one, before, other, name);
    if (S_ISDIR(before->st_mode))
        compare_folders(one, other, name);
    else if (S_ISREG(before->st_mode))
        compare_content(one, other, name);
    else if (S_ISLNK(before->st_mode))
        compare_targets(one, other, name);
}

void copy_and_compare(void) {
    struct stat before;
    int r = fstatat(image, "tree", &before, AT_SYMLINK_NOFOLLOW);

    assert_int_equal(r, 0);
    r = copy(COPY_OBJECT, "/tree", "tree");
    if (r < 0)
        fail_with("%s: %s: %s", failure.path, failure.step, strerror(-r));
    assert_int_equal(failure.error, 0);
    compare(image, &before, copies, "tree");
}
