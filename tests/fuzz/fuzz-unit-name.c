/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "generator/unit-name.h"

/* The input: a path of fstab, a source, a label. systemd-escape(1) and systemd.unit(5) say how a
 * path is escaped: taken back, it must be the path again. */

#define ALPHANUMERIC "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Names with one slash behind each, without those that are "."; false: there is a ".." or a name of
 * more than 255 bytes. */
static bool plain_path(const char *path, char *plain) {
    char *copy = strdup(path), *rest = copy, *name;
    bool right = copy != NULL;

    *plain = '\0';
    while (right && (name = strtok_r(rest, "/", &rest))) {
        right = strcmp(name, "..") != 0 && strlen(name) <= 255;
        if (right && strcmp(name, ".") != 0)
            plain = stpcpy(stpcpy(plain, name), "/");
    }
    free(copy);
    return right;
}

static void require_path(const char *escaped, const char *plain) {
    require(*escaped && *escaped != '.');
    if (strcmp(escaped, "-") == 0) {
        require(*plain == '\0');
        return;
    }
    while (*escaped) {
        char c = '/';
        size_t length = fuzz_unescape(escaped, &c);

        /* What needs no escape has none. */
        require(length == 0 || !strchr(ALPHANUMERIC ":_", c) || !c);
        if (length == 0 && *escaped != '-') {
            c = *escaped;
            require(strchr(ALPHANUMERIC ":_.", c) != NULL);
        }
        require(*plain++ == c);
        escaped += length ? length : 1;
    }
    require(strcmp(plain, "/") == 0);
}

static void check_unit_name(const char *path, const char *escaped) {
    static const char prefix[] = "systemd-fsck@", suffix[] = ".service";
    size_t length = strlen(prefix) + strlen(escaped) + strlen(suffix);
    char *name = NULL;
    int r = unit_name_of(prefix, path, suffix, &name);

    require(r == (length > 255 ? -ENAMETOOLONG : 0) && (name != NULL) == (r == 0));
    if (name) {
        require(strlen(name) == length && strncmp(name, prefix, strlen(prefix)) == 0);
        require(strncmp(name + strlen(prefix), escaped, strlen(escaped)) == 0);
        require(strcmp(name + length - strlen(suffix), suffix) == 0);
    }
    free(name);
}

static void check_path(const char *path) {
    char *plain = calloc(2, strlen(path) + 2), *escaped = NULL;
    int r = unit_escape_path(path, &escaped);

    require(plain != NULL);
    if (plain_path(path, plain)) {
        require(r == 0);
        require_path(escaped, plain);
        check_unit_name(path, escaped);
    } else {
        require(r == -EINVAL && escaped == NULL);
    }
    free(plain);
    free(escaped);
}

/* A character that systemd and udev take for text. */
static size_t text_length(const char *text) {
    size_t length;
    uint32_t character = fuzz_character(text, &length);
    bool is_none = (character >= 0xfdd0 && character <= 0xfdef) || (character & 0xfffe) == 0xfffe;

    return character == 0 || is_none ? 0 : length;
}

static void check_label(const char *label) {
    char *encoded = udev_encode(label), *is = encoded;

    require(encoded != NULL);
    while (*label) {
        size_t length = text_length(label), escape;
        char c = '\0';

        escape = fuzz_unescape(is, &c);
        if (length > 1) {
            require(strncmp(is, label, length) == 0);
        } else if (length == 1 && strchr(ALPHANUMERIC "#+-.:=@_", *label)) {
            require(*is == *label);
            length = 1;
        } else {
            require(escape == 4 && c == *label);
            length = 1;
        }
        is += escape ? escape : length;
        label += length;
    }
    require(*is == '\0');
    free(encoded);
}

static void check_source(const char *source) {
    char *path = NULL;
    int r = device_path_of(source, &path);

    require((r == 0) == (path != NULL));
    if (!path)
        return;
    require(strncmp(path, "/dev/", 5) == 0 && strlen(path) > 5);
    require(!strstr(path, "//") && !strstr(path, "/../"));
    if (*source != '/')
        require(strncmp(path, "/dev/disk/by-", 13) == 0 && strchr(source, '='));
    free(path);
}

static void check_value(const char *value) {
    char *printed = NULL;
    size_t size = 0, at = 0;
    FILE *stream = open_memstream(&printed, &size);
    bool fits = true;

    require(stream != NULL);
    unit_print_value(stream, value);
    require(fclose(stream) == 0);
    for (const char *c = value; *c; c++) {
        require(printed[at++] == *c);
        require(*c != '%' || printed[at++] == '%');
    }
    require(at == size);
    free(printed);
    for (const char *c = value; *c && fits; c += text_length(c))
        fits = text_length(c) > 0 && *c != '\n' && *c != '\r';
    fits = fits && (!*value || value[strlen(value) - 1] != '\\');
    require(unit_value_fits(value) == fits);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    char *text = fuzz_string(input, size);

    check_path(text);
    check_label(text);
    check_source(text);
    check_value(text);
    free(text);
    return 0;
}
