/* SPDX-License-Identifier: MIT */
#include "unit-name.h"

#include <blkid.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "common/utf8.h"

#define UNIT_NAME_MAX 255 /* systemd.unit(5) */
#define ESCAPE_SIZE 4     /* "\x2d" */

static const char alphanumeric[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

static bool is_one_of(unsigned char c, const char *more) {
    return c != '\0' && (strchr(alphanumeric, c) || strchr(more, c));
}

static char *put_escaped(char *to, unsigned char c) {
    static const char digits[] = "0123456789abcdef";

    *to++ = '\\';
    *to++ = 'x';
    *to++ = digits[c >> 4];
    *to++ = digits[c & 0xf];
    return to;
}

static char *put_component(char *to, const char *name, size_t length, bool first) {
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];

        if (is_one_of(c, ":_") || (c == '.' && !(first && i == 0)))
            *to++ = (char)c;
        else
            to = put_escaped(to, c);
    }
    return to;
}

int unit_escape_path(const char *path, char **ret) {
    _cleanup_free_ char *escaped = malloc(ESCAPE_SIZE * strlen(path) + 2);
    char *to = escaped;

    if (!escaped)
        return -ENOMEM;
    for (;;) {
        size_t length;

        path += strspn(path, "/");
        length = strcspn(path, "/");
        if (length == 0)
            break;
        if (length > NAME_MAX || (length == 2 && path[0] == '.' && path[1] == '.'))
            return -EINVAL;
        if (length > 1 || path[0] != '.') {
            if (to != escaped)
                *to++ = '-';
            to = put_component(to, path, length, to == escaped);
        }
        path += length;
    }
    if (to == escaped)
        *to++ = '-';
    *to = '\0';
    *ret = take_pointer(escaped);
    return 0;
}

int unit_name_of(const char *prefix, const char *path, const char *suffix, char **ret) {
    _cleanup_free_ char *escaped = NULL, *name = NULL;
    int length, r = unit_escape_path(path, &escaped);

    if (r < 0)
        return r;
    length = asprintf(&name, "%s%s%s", prefix, escaped, suffix);
    if (length < 0) {
        name = NULL;
        return -ENOMEM;
    }
    if (length > UNIT_NAME_MAX)
        return -ENAMETOOLONG;
    *ret = take_pointer(name);
    return 0;
}

/* Of a character that systemd takes for text: Unicode's noncharacters are none. 0: it is none. */
static size_t text_length(const char *text) {
    const unsigned char *c = (const unsigned char *)text;
    size_t length = utf8_length(c);

    if (length == 3 && c[0] == 0xef && c[1] == 0xb7 && c[2] >= 0x90 && c[2] <= 0xaf)
        return 0;
    if (length >= 3 && c[length - 1] >= 0xbe && c[length - 2] == 0xbf &&
        (c[length - 3] & 0x0f) == 0x0f)
        return 0;
    return length;
}

char *udev_encode(const char *text) {
    char *encoded = malloc(ESCAPE_SIZE * strlen(text) + 1), *to = encoded;

    if (!encoded)
        return NULL;
    while (*text) {
        size_t length = text_length(text);

        if (length > 1) {
            memcpy(to, text, length);
            to += length;
            text += length;
        } else if (is_one_of((unsigned char)*text, "#+-.:=@_")) {
            *to++ = *text++;
        } else {
            to = put_escaped(to, (unsigned char)*text++);
        }
    }
    *to = '\0';
    return encoded;
}

static int link_path_of(const char *source, char **ret) {
    static const struct {
        const char *tag, *folder;
    } links[] = {{"LABEL", "by-label"},
                 {"UUID", "by-uuid"},
                 {"PARTLABEL", "by-partlabel"},
                 {"PARTUUID", "by-partuuid"}};
    _cleanup_free_ char *tag = NULL, *value = NULL, *encoded = NULL;

    if (blkid_parse_tag_string(source, &tag, &value) != 0 || !tag || !value || !*value)
        return -EINVAL;
    for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
        if (strcmp(tag, links[i].tag) != 0)
            continue;
        encoded = udev_encode(value);
        if (!encoded || asprintf(ret, "/dev/disk/%s/%s", links[i].folder, encoded) < 0)
            return -ENOMEM;
        return 0;
    }
    return -EINVAL;
}

int device_path_of(const char *source, char **ret) {
    _cleanup_free_ char *path = NULL;
    const char *name;
    int r;

    if (*source != '/')
        return link_path_of(source, ret);
    r = path_normalize(source, &path);
    if (r < 0)
        return r;
    name = path_below(path, "/dev");
    if (!name || !*name)
        return -EINVAL;
    *ret = take_pointer(path);
    return 0;
}

void unit_print_value(FILE *stream, const char *value) {
    for (; *value; value++) {
        if (*value == '%') /* a specifier otherwise */
            fputc('%', stream);
        fputc(*value, stream);
    }
}

bool unit_value_fits(const char *value) {
    char last = '\0';

    while (*value) {
        size_t length = text_length(value);

        if (length == 0 || *value == '\n' || *value == '\r')
            return false;
        value += length;
        last = value[-1];
    }
    return last != '\\'; /* it would join the next line */
}
