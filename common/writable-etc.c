/* SPDX-License-Identifier: MIT */
#include "common/writable-etc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/layout.h"
#include "common/path.h"
#include "common/problems.h"

/* The format, writable-etc(5): a line is empty, a comment ("#"), or a type, blanks, and the rest
 * of the line as a path relative to /etc. */

#define LIST_LIMIT (1024 * 1024)

static const char *const list_names[] = {
    "usr/lib/aimee-os/writable-etc",
    "etc/aimee-os/writable-etc",
};

void etc_list_free(struct etc_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->entries[i].path);
    free(list->entries);
    *list = (struct etc_list){0};
}

static const char *image_problem(int root, bool directory, const char *path) {
    _cleanup_free_ char *whole = path_join("etc", path);
    _cleanup_close_ int fd = whole ? open_beneath(root, whole, O_PATH | O_NOFOLLOW) : -ENOMEM;
    struct stat st;

    if (fd == -ENOENT || fd == -ENOTDIR)
        return "the image has no such path";
    if (fd == -ELOOP)
        return "the image has a symbolic link on the way";
    if (fd < 0 || fstat(fd, &st) < 0)
        return "cannot be looked at in the image";
    if (directory && !S_ISDIR(st.st_mode))
        return "the image has no directory there";
    if (!directory && !S_ISREG(st.st_mode))
        return "the image has no regular file there";
    return NULL;
}

/* NULL: right. */
static const char *line_problem(int root, const char *type, const char *path) {
    if (strcmp(type, "f") != 0 && strcmp(type, "d") != 0)
        return "the type is neither \"f\" nor \"d\"";
    if (*path == '\0')
        return "no path";
    if (*path == '/')
        return "an absolute path; it must be relative to /etc";
    if (!path_is_plain(path))
        return "empty, \".\" or \"..\" component in the path";
    if (path_below(path, STAGING_NAME))
        return "a name of our own";
    return image_problem(root, *type == 'd', path);
}

static int add_entry(struct etc_list *list, const struct etc_entry *entry) {
    struct etc_entry *grown = reallocarray(list->entries, list->count + 1, sizeof(*list->entries));

    if (!grown)
        return -ENOMEM;
    list->entries = grown;
    grown[list->count] = *entry;
    grown[list->count].path = strdup(entry->path);
    return grown[list->count].path ? (list->count++, 0) : -ENOMEM;
}

/* Looks at one line, without its newline. An entry's list and line are set already. */
static int read_line(int root, char *text, struct etc_entry *entry, struct etc_list *list,
                     const char **ret_wrong) {
    static const char blanks[] = " \t\r";
    char *path, *type = text + strspn(text, blanks);

    for (size_t end = strlen(type); end > 0 && strchr(blanks, type[end - 1]); end--)
        type[end - 1] = '\0';
    if (*type == '\0' || *type == '#')
        return 0;
    path = type + strcspn(type, blanks);
    if (*path)
        *path++ = '\0';
    path += strspn(path, blanks);
    *ret_wrong = line_problem(root, type, path);
    if (*ret_wrong)
        return 0;
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->entries[i].path, path) == 0)
            return 0; /* in both lists */
    }
    entry->directory = *type == 'd';
    entry->path = path;
    return add_entry(list, entry);
}

int etc_list_parse(int root, const char *name, const char *text, size_t size, struct etc_list *list,
                   struct problems *problems) {
    const char *end = text + size;

    for (unsigned number = 1; text < end; number++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((newline ? newline : end) - text);
        _cleanup_free_ char *line = strndup(text, length);
        struct etc_entry entry = {.list = name, .line = number};
        const char *wrong = NULL;
        int r;

        if (!line)
            return -ENOMEM;
        if (strlen(line) != length)
            wrong = "a NUL in the line";
        r = wrong ? 0 : read_line(root, line, &entry, list, &wrong);
        if (r < 0)
            return r;
        if (wrong)
            problem(problems, "/%s:%u: %s, line skipped: %.*s", name, number, wrong,
                    (int)strnlen(text, length), text);
        text += length + 1;
    }
    return 0;
}

/* Returns how many bytes were read, up to limit, or -errno. */
static ssize_t read_whole(int fd, char *text, size_t limit) {
    size_t size = 0;

    while (size < limit) {
        ssize_t n = read(fd, text + size, limit - size);

        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            size += (size_t)n;
    }
    return (ssize_t)size;
}

/* 1: it is there and cannot be read, which has been reported. */
static int read_list(int root, const char *name, struct etc_list *list, struct problems *problems) {
    _cleanup_close_ int fd = open_in_root(root, name, O_RDONLY | O_NONBLOCK);
    _cleanup_free_ char *text = NULL;
    ssize_t size;

    if (fd == -ENOENT || fd == -ENOTDIR)
        return 0;
    text = malloc(LIST_LIMIT);
    if (!text)
        return -ENOMEM;
    size = fd < 0 ? fd : read_whole(fd, text, LIST_LIMIT);
    if (size < 0) {
        problem(problems, "/%s: cannot read: %s", name, strerror((int)-size));
        return 1;
    }
    if (size == LIST_LIMIT) {
        problem(problems, "/%s: not shorter than %d bytes, ignored", name, LIST_LIMIT);
        return 0;
    }
    return etc_list_parse(root, name, text, (size_t)size, list, problems);
}

/* Of two entries one above the other, the lower one has no bind mount of its own to make. */
static void drop_covered(struct etc_list *list, struct problems *problems) {
    for (size_t i = 0; i < list->count; i++) {
        for (size_t j = 0; j < list->count; j++) {
            const char *upper = list->entries[j].path;
            const char *rest = path_below(list->entries[i].path, upper);

            if (i == j || !rest || *rest == '\0')
                continue;
            problem(problems, "/%s:%u: %s lies below the entry %s, line skipped",
                    list->entries[i].list, list->entries[i].line, list->entries[i].path, upper);
            free(list->entries[i].path);
            memmove(&list->entries[i], &list->entries[i + 1],
                    (list->count - i - 1) * sizeof(*list->entries));
            list->count--;
            i--;
            break;
        }
    }
}

int etc_list_read(int root, struct etc_list *ret, struct problems *problems) {
    bool unread = false;

    for (size_t i = 0; i < sizeof(list_names) / sizeof(*list_names); i++) {
        int r = read_list(root, list_names[i], ret, problems);

        if (r < 0) {
            etc_list_free(ret);
            return r;
        }
        unread = unread || r == 1;
    }
    drop_covered(ret, problems);
    return unread;
}
