/* SPDX-License-Identifier: MIT */
#include "common/json.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many bytes the UTF-8 character at text has; 0 when it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *text) {
    size_t length;
    uint32_t smallest, value;

    if (text[0] < 0x80)
        return 1;
    if (text[0] >= 0xc2 && text[0] <= 0xdf) {
        length = 2, smallest = 0x80, value = text[0] & 0x1f;
    } else if ((text[0] & 0xf0) == 0xe0) {
        length = 3, smallest = 0x800, value = text[0] & 0x0f;
    } else if (text[0] >= 0xf0 && text[0] <= 0xf4) {
        length = 4, smallest = 0x10000, value = text[0] & 0x07;
    } else {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (text[i] & 0x3f);
    }
    if (value < smallest || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    return length;
}

void json_string(FILE *stream, const char *text) {
    const unsigned char *c = (const unsigned char *)text;

    if (!text) {
        fputs("null", stream);
        return;
    }
    putc('"', stream);
    while (*c) {
        size_t length = utf8_length(c);

        if (length == 0)
            fputs("\\ufffd", stream);
        else if (*c == '"' || *c == '\\')
            fprintf(stream, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            fprintf(stream, "\\u%04x", *c);
        else
            fwrite(c, 1, length, stream);
        c += length ? length : 1;
    }
    putc('"', stream);
}
