/* SPDX-License-Identifier: MIT */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>

/* How many bytes the UTF-8 character at text has; 0 when it is none (RFC 3629). */
size_t utf8_length(const unsigned char *text);

#endif
