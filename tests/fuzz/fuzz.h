/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* What the fuzz targets share. Nothing here is the code under test's. */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* Stops the target with the input that did it. */
#define require(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

/* A NUL-terminated copy for free(), cut at a NUL in the input. Its memory has exactly that size,
 * so that the address sanitizer sees a step too far. */
char *fuzz_string(const uint8_t *input, size_t size);

/* A new file in memory with this content, its offset at the start. */
int fuzz_file(const void *content, size_t size);

/* Standard error goes to memory from now on: lines that were said since, and forgets them.
 * LibFuzzer and the sanitizers keep theirs. */
void fuzz_listen(void);
size_t fuzz_lines_said(void);
/* Lines with this text among them; does not forget. */
size_t fuzz_said(const char *text);

/* The next character of a UTF-8 text by the C library's word, 0 for none: *ret_length is what it
 * takes, 1 for a byte that is none. */
uint32_t fuzz_character(const char *text, size_t *ret_length);

/* How many bytes in front may be escaped as "\x2d"; the byte in *ret. 0: none are. */
size_t fuzz_unescape(const char *text, char *ret);

#endif
