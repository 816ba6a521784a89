/* SPDX-License-Identifier: MIT */
#include "common/json.h"

#include <stddef.h>

#include "common/utf8.h"

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
