/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "common/json.h"
#include "common/log.h"
#include "common/path.h"
#include "fuzz.h"

/* The input: a name out of an image, of whatever bytes. A report must be JSON with it, and a
 * terminal must survive it. */

static unsigned number_of(const char *digits) {
    char copy[5] = {digits[0], digits[1], digits[2], digits[3]}, *end;
    unsigned long number = strtoul(copy, &end, 16);

    require(end == copy + 4 && copy[0] != '+' && copy[0] != '-' && copy[0] != ' ');
    return (unsigned)number;
}

/* RFC 8259, section 7, backwards: what a reader makes of the string is the text. */
static void check_json(const char *text) {
    char *printed = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&printed, &size);
    const char *is;

    require(stream != NULL);
    json_string(stream, text);
    require(fclose(stream) == 0 && size >= 2 && printed[0] == '"');
    for (is = printed + 1; *text;) {
        size_t length;
        uint32_t character = fuzz_character(text, &length);

        if (character < 0x20 || character == 0x7f) {
            require(is[0] == '\\' && is[1] == 'u');
            require(number_of(is + 2) == (character ? character : 0xfffd));
            is += 6;
        } else {
            if (character == '"' || character == '\\')
                require(*is++ == '\\');
            require(memcmp(is, text, length) == 0);
            is += length;
        }
        text += length;
    }
    require(strcmp(is, "\"") == 0);
    free(printed);
}

/* Nothing that moves a cursor, and the same in its place. */
static void check_mask(const char *text) {
    char *masked = strdup(text), *is = masked;

    require(masked != NULL);
    mask_control_characters(masked);
    require(strlen(masked) == strlen(text));
    while (*text) {
        size_t length;
        uint32_t character = fuzz_character(text, &length);

        if (character == 0 || iswcntrl(character)) {
            /* Unicode's line and paragraph separators move none. */
            require((character == 0x2028 || character == 0x2029) || strspn(is, "?") >= length);
        } else {
            require(memcmp(is, text, length) == 0);
        }
        is += length;
        text += length;
    }
    free(masked);
}

static bool has_name(const char *path, const char *name) {
    char *copy = strdup(path), *rest = copy, *component;
    bool found = false;

    require(copy != NULL);
    while ((component = strsep(&rest, "/")))
        found = found || strcmp(component, name) == 0;
    free(copy);
    return found;
}

static void check_path(const char *path) {
    char *normal = NULL, *again = NULL;
    bool dots = has_name(path, ".") || has_name(path, "..");

    require(path_is_plain(path) == (!dots && !has_name(path, "")));
    require((path_normalize(path, &normal) == 0) == (*path == '/' && !dots));
    if (!normal)
        return;
    require(strcmp(normal, "/") == 0 || path_is_plain(normal + 1));
    require(path_normalize(normal, &again) == 0 && strcmp(normal, again) == 0);
    free(normal);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    char *text = fuzz_string(input, size);

    check_json(text);
    check_mask(text);
    check_path(text);
    free(text);
    return 0;
}
