/* SPDX-License-Identifier: MIT */
#include "common/utf8.h"

#include <stdint.h>

size_t utf8_length(const unsigned char *text) {
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
