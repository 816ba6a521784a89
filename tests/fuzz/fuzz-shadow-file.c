/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "set-root-password/shadow-file.h"

/* The input: an old shadow file, a NUL, and what passwd made of it. */

/* In memory of exactly that size. */
static struct secret take(const uint8_t *bytes, size_t size) {
    struct secret file = {.text = malloc(size ? size : 1), .size = size};

    require(file.text != NULL);
    if (size > 0)
        memcpy(file.text, bytes, size);
    return file;
}

/* The end of the line that begins at from, its newline included. */
static size_t line_end(const struct secret *file, size_t from) {
    while (from < file->size && file->text[from] != '\n')
        from++;
    return from < file->size ? from + 1 : from;
}

static bool begins_with(const struct secret *file, size_t from, const char *text) {
    size_t length = strlen(text);

    return file->size - from >= length && strncmp(file->text + from, text, length) == 0;
}

static size_t count(const struct secret *file, size_t from, size_t end, char wanted) {
    size_t found = 0;

    for (; from < end; from++)
        found += file->text[from] == wanted;
    return found;
}

static void require_entry(const struct secret *file, size_t from, size_t end) {
    static const char *const locked[] = {"root::", "root:!", "root:*"};

    require(count(file, from, end, ':') == 8);
    for (size_t i = 0; i < sizeof(locked) / sizeof(*locked); i++)
        require(!begins_with(file, from, locked[i]));
    for (size_t colons = 0; from < end - 1; from++) {
        char c = file->text[from];

        colons += c == ':';
        require(c > ' ' && c < 0x7f);
        require(colons < 2 || colons > 7 || (c >= '0' && c <= ':'));
    }
}

/* What an accepted file must be, said once more and in another way. */
static void require_only_root_differs(const struct secret *old, const struct secret *changed) {
    size_t before = 0, after = 0, roots = 0;

    require(changed->size > 0 && changed->text[changed->size - 1] == '\n');
    require(count(changed, 0, changed->size, '\0') == 0);
    while (after < changed->size) {
        size_t before_end = line_end(old, before), after_end = line_end(changed, after);

        require(before < old->size);
        require(begins_with(old, before, "root:") == begins_with(changed, after, "root:"));
        if (begins_with(changed, after, "root:")) {
            roots++;
            require_entry(changed, after, after_end);
        } else {
            size_t length = after_end - after - 1;

            require(before_end - before - (old->text[before_end - 1] == '\n') == length);
            require(memcmp(old->text + before, changed->text + after, length) == 0);
        }
        before = before_end;
        after = after_end;
    }
    require(before == old->size && roots == 1);
}

static void require_words(const struct shadow_reason *reason) {
    require(memchr(reason->text, '\0', sizeof(reason->text)) != NULL && *reason->text);
}

static void check_change(const struct secret *old, const struct secret *changed) {
    struct shadow_reason reason = {{0}};

    if (shadow_check_change(old, changed, &reason) == 0)
        require_only_root_differs(old, changed);
    else
        require_words(&reason);
    memset(&reason, 0, sizeof(reason));
    if (shadow_check_old(old, &reason) < 0)
        require_words(&reason);
    memset(&reason, 0, sizeof(reason));
    if (shadow_check_history(changed, &reason) < 0)
        require_words(&reason);
}

static void check_trim(const struct secret *file) {
    struct secret trimmed = take((const uint8_t *)file->text, file->size);

    shadow_trim(&trimmed);
    require(trimmed.size <= file->size);
    require(trimmed.size == 0 || memcmp(trimmed.text, file->text, trimmed.size) == 0);
    require(count(file, trimmed.size, file->size, '\n') == file->size - trimmed.size);
    require(trimmed.size == 0 || trimmed.size == file->size ||
            trimmed.text[trimmed.size - 1] == '\n');
    require(trimmed.size < 2 || memcmp(trimmed.text + trimmed.size - 2, "\n\n", 2) != 0);
    secret_wipe(&trimmed);
}

/* Each half with itself, too: a random input rarely has two that agree. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    const uint8_t *nul = size ? memchr(input, '\0', size) : NULL;
    size_t old_size = nul ? (size_t)(nul - input) : size;
    struct secret old = take(input, old_size);
    struct secret changed = nul ? take(nul + 1, size - old_size - 1) : take(input, size);

    check_change(&old, &changed);
    check_change(&changed, &old);
    check_change(&old, &old);
    check_change(&changed, &changed);
    check_trim(&old);
    check_trim(&changed);
    secret_wipe(&old);
    secret_wipe(&changed);
    return 0;
}
