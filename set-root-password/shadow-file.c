/* SPDX-License-Identifier: MIT */
#include "shadow-file.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* shadow(5): name, hash, six numbers or nothing, a reserved field. */
#define COLONS 8
#define NUMBERS 6
#define NAME_SHOWN 32

static const char root_name[] = "root:";

struct line {
    const char *text;
    size_t size; /* without the newline */
};

/* Takes the next line off [*text, end). Returns false at the end. */
static bool next_line(const char **text, const char *end, struct line *ret) {
    const char *newline;

    if (*text >= end)
        return false;
    newline = memchr(*text, '\n', (size_t)(end - *text));
    ret->text = *text;
    ret->size = (size_t)((newline ? newline : end) - *text);
    *text += ret->size + 1;
    return true;
}

static bool is_root(const struct line *line) {
    const size_t size = sizeof(root_name) - 1;

    return line->size >= size && memcmp(line->text, root_name, size) == 0;
}

static bool is_same(const struct line *one, const struct line *other) {
    return one->size == other->size && memcmp(one->text, other->text, one->size) == 0;
}

static size_t count_root(const char *text, const char *end) {
    struct line line;
    size_t count = 0;

    while (next_line(&text, end, &line))
        count += is_root(&line);
    return count;
}

static int __attribute__((format(printf, 2, 3)))
reject(struct shadow_reason *reason, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(reason->text, sizeof(reason->text), format, arguments);
    va_end(arguments);
    return -EBADMSG;
}

/* Names a line of the old file without showing the secret in it. What is new may be the rest of a
 * torn line, so that not even its beginning is shown. */
static int reject_line(struct shadow_reason *reason, const struct line *line, size_t number,
                       const char *what) {
    const char *colon = memchr(line->text, ':', line->size);
    size_t size = colon ? (size_t)(colon - line->text) : 0;

    if (size == 0 || size > NAME_SHOWN)
        return reject(reason, "line %zu %s", number, what);
    return reject(reason, "line %zu, the entry of %.*s, %s", number, (int)size, line->text, what);
}

void shadow_trim(struct secret *file) {
    while (file->size > 1 && file->text[file->size - 1] == '\n' &&
           file->text[file->size - 2] == '\n')
        file->size--;
    if (file->size == 1 && file->text[0] == '\n')
        file->size = 0;
}

int shadow_check_old(const struct secret *file, struct shadow_reason *ret) {
    size_t count = file->size ? count_root(file->text, file->text + file->size) : 0;

    if (count == 1)
        return 0;
    return reject(ret, count == 0 ? "it has no entry for root" : "it has %zu entries for root",
                  count);
}

static const char *field_problem(const char *text, size_t size, unsigned number) {
    for (size_t i = 0; i < size; i++) {
        if (!isgraph((unsigned char)text[i]))
            return "has a blank or an unprintable character";
        if (number >= 2 && number < 2 + NUMBERS && !isdigit((unsigned char)text[i]))
            return "has something else than a number";
    }
    /* "!" and "*" are no hashes: they lock the account. */
    if (number == 1 && (size == 0 || *text == '!' || *text == '*'))
        return "has no hashed password";
    return NULL;
}

/* NULL: root's entry is as shadow(5) has it. */
static const char *root_problem(const struct line *line) {
    const char *text = line->text, *end = line->text + line->size;

    for (unsigned number = 0; number <= COLONS; number++) {
        const char *colon = memchr(text, ':', (size_t)(end - text));
        const char *wrong;

        if ((colon != NULL) != (number < COLONS))
            return colon ? "has too many fields" : "has too few fields";
        wrong = field_problem(text, (size_t)((colon ? colon : end) - text), number);
        if (wrong)
            return wrong;
        text = colon ? colon + 1 : end;
    }
    return NULL;
}

static int check_text(const struct secret *file, struct shadow_reason *ret) {
    if (file->size > SHADOW_LIMIT)
        return reject(ret, "it has more than %zu MiB", SHADOW_LIMIT >> 20);
    if (memchr(file->text, '\0', file->size))
        return reject(ret, "there is a NUL in it");
    if (file->text[file->size - 1] != '\n')
        return reject(ret, "its last line has no end");
    return 0;
}

static int check_lines(const struct secret *old, const struct secret *changed,
                       struct shadow_reason *ret) {
    const char *before = old->text, *before_end = old->text + old->size;
    const char *after = changed->text, *after_end = changed->text + changed->size;
    struct line was, is;
    size_t number;

    for (number = 1; next_line(&before, before_end, &was); number++) {
        const char *wrong;

        if (!next_line(&after, after_end, &is))
            return reject_line(ret, &was, number, "is lost");
        if (!is_root(&was)) {
            if (!is_same(&was, &is))
                return reject_line(ret, &was, number, "is lost or changed");
            continue;
        }
        if (!is_root(&is))
            return reject_line(ret, &was, number, "is lost or moved");
        wrong = root_problem(&is);
        if (wrong)
            return reject_line(ret, &was, number, wrong);
    }
    return next_line(&after, after_end, &is) ? reject(ret, "line %zu is new", number) : 0;
}

int shadow_check_change(const struct secret *old, const struct secret *changed,
                        struct shadow_reason *ret) {
    size_t roots;
    int r;

    if (changed->size == 0)
        return reject(ret, "it is empty");
    r = check_text(changed, ret);
    if (r < 0)
        return r;
    roots = count_root(changed->text, changed->text + changed->size);
    if (roots != 1)
        return reject(ret, "it has %zu entries for root", roots);
    return check_lines(old, changed, ret);
}

int shadow_check_history(const struct secret *changed, struct shadow_reason *ret) {
    return changed->size == 0 ? 0 : check_text(changed, ret);
}
