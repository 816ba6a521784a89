/* SPDX-License-Identifier: MIT */
#ifndef JSON_H
#define JSON_H

#include <stdio.h>

/* Prints text as a JSON string, or null for NULL. Bytes that are not valid UTF-8 come out as
 * U+FFFD, so that the object always parses. */
void json_string(FILE *stream, const char *text);

#endif
