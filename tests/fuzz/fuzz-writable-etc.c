/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/problems.h"
#include "common/writable-etc.h"
#include "fuzz.h"

/* The input: the image builder's list, for an image with the few paths below. An entry is right if
 * it is one of those, letter for letter, with that type: so nothing has to be said again of
 * slashes, dots and links, which would reach the same files by other names. */

#define NAME "etc/aimee-os/writable-etc"

static const struct {
    char type; /* ' ': never */
    const char *path;
} image[] = {
    {'f', "shadow"}, {'d', "ssh"},     {'f', "ssh/key"}, {'d', "ssh/keys"}, {'f', "ssh/keys/a"},
    {'f', "a b"},    {'f', "ssh-old"}, {'d', "..."},     {' ', "link"},     {' ', ".init-storage"},
};

struct expected {
    size_t place; /* in the image */
    unsigned line;
};

static char root_path[256];
static int root = -1, list_file = -1;

static void remove_image(void) {
    require(unlinkat(root, NAME, 0) == 0 && unlinkat(root, "etc/aimee-os", AT_REMOVEDIR) == 0);
    for (size_t i = sizeof(image) / sizeof(*image); i-- > 0;) {
        int etc = openat(root, "etc", O_PATH | O_CLOEXEC);

        require(unlinkat(etc, image[i].path, 0) == 0 ||
                unlinkat(etc, image[i].path, AT_REMOVEDIR) == 0);
        require(close(etc) == 0);
    }
    require(unlinkat(root, "etc", AT_REMOVEDIR) == 0 && rmdir(root_path) == 0);
}

static void make_file(int etc, const char *path) {
    int fd = openat(etc, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    require(fd >= 0 && close(fd) == 0);
}

static void prepare(void) {
    const char *folder = getenv("TMPDIR");
    int etc;

    (void)snprintf(root_path, sizeof(root_path), "%s/fuzz.XXXXXX", folder ? folder : "/tmp");
    require(mkdtemp(root_path) != NULL);
    root = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require(root >= 0 && mkdirat(root, "etc", 0700) == 0);
    etc = openat(root, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    require(etc >= 0 && mkdirat(etc, "aimee-os", 0700) == 0);
    for (size_t i = 0; i < sizeof(image) / sizeof(*image); i++) {
        if (image[i].type == 'd')
            require(mkdirat(etc, image[i].path, 0700) == 0);
        else if (strcmp(image[i].path, "link") == 0)
            require(symlinkat("shadow", etc, "link") == 0);
        else
            make_file(etc, image[i].path);
    }
    require(close(etc) == 0);
    list_file = openat(root, NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    require(list_file >= 0 && atexit(remove_image) == 0);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* One more entry, nothing (a comment), or a wrong line. From end to front, unlike the parser. */
static bool line_is_right(const char *line, const char *end, size_t *ret_place, bool *ret_entry) {
    *ret_entry = false;
    while (end > line && is_blank(end[-1]))
        end--;
    while (line < end && is_blank(*line))
        line++;
    if (line == end || *line == '#')
        return true;
    *ret_entry = true;
    for (*ret_place = 0; *ret_place < sizeof(image) / sizeof(*image); (*ret_place)++) {
        size_t length = strlen(image[*ret_place].path);
        const char *path = end - length;

        /* A blank in a path stays; those between type and path do not. */
        if (path <= line || memcmp(path, image[*ret_place].path, length) != 0)
            continue;
        while (path > line && is_blank(path[-1]))
            path--;
        if (path == line + 1 && end - length > path && *line == image[*ret_place].type)
            return true;
    }
    return false;
}

static bool is_known(const struct expected *expected, size_t count, size_t place) {
    for (size_t i = 0; i < count; i++) {
        if (expected[i].place == place)
            return true;
    }
    return false;
}

/* Returns how many entries there are to be. */
static size_t expect(const char *text, size_t size, struct expected *expected, size_t *ret_wrong) {
    const char *end = text + size;
    size_t count = 0;

    *ret_wrong = 0;
    for (unsigned number = 1; text < end; number++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline ? newline : end;
        size_t place = 0;
        bool entry;

        if (memchr(text, '\0', (size_t)(line_end - text)) ||
            !line_is_right(text, line_end, &place, &entry))
            (*ret_wrong)++;
        else if (entry && !is_known(expected, count, place))
            expected[count++] = (struct expected){.place = place, .line = number};
        text = line_end + 1;
    }
    return count;
}

static void check_list(const struct etc_list *list, const struct expected *expected, size_t count) {
    require(list->count == count);
    for (size_t i = 0; i < count; i++) {
        const struct etc_entry *entry = &list->entries[i];

        require(strcmp(entry->path, image[expected[i].place].path) == 0);
        require(entry->directory == (image[expected[i].place].type == 'd'));
        require(entry->line == expected[i].line && strcmp(entry->list, NAME) == 0);
    }
}

/* Leaves out what lies below another entry. */
static size_t without_covered(struct expected *expected, size_t count) {
    bool covered[sizeof(image) / sizeof(*image)] = {0};
    size_t left = 0;

    for (size_t i = 0; i < count; i++) {
        const char *path = image[expected[i].place].path;

        for (size_t j = 0; j < count; j++) {
            const char *upper = image[expected[j].place].path;

            covered[i] =
                covered[i] || (strlen(path) > strlen(upper) && path[strlen(upper)] == '/' &&
                               memcmp(path, upper, strlen(upper)) == 0);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!covered[i])
            expected[left++] = expected[i];
    }
    return left;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    struct expected expected[sizeof(image) / sizeof(*image)];
    struct problems problems = {0};
    struct etc_list list = {0};
    char *text = malloc(size ? size : 1);
    size_t wrong, count, left;

    if (root < 0)
        prepare();
    require(text != NULL);
    if (size > 0)
        memcpy(text, input, size);
    count = expect(text, size, expected, &wrong);
    fuzz_listen();
    require(etc_list_parse(root, NAME, text, size, &list, &problems) == 0);
    check_list(&list, expected, count);
    require(fuzz_lines_said() == wrong && (problems.status != EXIT_STATUS_DONE) == (wrong > 0));
    etc_list_free(&list);
    problems_free(&problems);

    require(ftruncate(list_file, 0) == 0 && pwrite(list_file, text, size, 0) == (ssize_t)size);
    left = without_covered(expected, count);
    require(etc_list_read(root, &list, &problems) == 0);
    check_list(&list, expected, left);
    require(fuzz_lines_said() == wrong + count - left);
    etc_list_free(&list);
    problems_free(&problems);
    free(text);
    return 0;
}
