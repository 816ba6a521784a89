/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wchar.h>

static char *said;
static size_t said_size;
static FILE *listening;

char *fuzz_string(const uint8_t *input, size_t size) {
    size_t length = size ? strnlen((const char *)input, size) : 0;
    char *text = malloc(length + 1);

    require(text != NULL);
    if (length > 0)
        memcpy(text, input, length);
    text[length] = '\0';
    return text;
}

int fuzz_file(const void *content, size_t size) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    require(fd >= 0);
    require(size == 0 || pwrite(fd, content, size, 0) == (ssize_t)size);
    return fd;
}

void fuzz_listen(void) {
    if (!listening) {
        listening = open_memstream(&said, &said_size);
        require(listening != NULL);
        stderr = listening;
    }
    require(fseek(listening, 0, SEEK_SET) == 0 && fflush(listening) == 0);
}

size_t fuzz_said(const char *text) {
    size_t found = 0;

    require(fflush(listening) == 0);
    for (const char *line = said; line < said + said_size;) {
        const char *end = memchr(line, '\n', (size_t)(said + said_size - line));

        require(end != NULL);
        found += memmem(line, (size_t)(end - line), text, strlen(text)) != NULL;
        line = end + 1;
    }
    return found;
}

size_t fuzz_lines_said(void) {
    size_t lines = fuzz_said("");

    fuzz_listen();
    return lines;
}

uint32_t fuzz_character(const char *text, size_t *ret_length) {
    static bool prepared;
    mbstate_t state = {0};
    wchar_t character;
    size_t length;

    if (!prepared)
        prepared = setlocale(LC_CTYPE, "C.UTF-8") != NULL;
    require(prepared);
    length = mbrtowc(&character, text, strlen(text) + 1, &state);
    *ret_length = 1;
    /* Beyond Unicode's last one the C library goes on. */
    if (length == 0 || length > 4 || character > 0x10ffff)
        return 0;
    *ret_length = length;
    return (uint32_t)character;
}

static int digit_of(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *digit = c ? strchr(digits, c) : NULL;

    return digit ? (int)(digit - digits) : -1;
}

size_t fuzz_unescape(const char *text, char *ret) {
    int high, low;

    if (text[0] != '\\' || text[1] != 'x')
        return 0;
    high = digit_of(text[2]);
    low = high < 0 ? -1 : digit_of(text[3]);
    if (low < 0)
        return 0;
    *ret = (char)(high * 16 + low);
    return 4;
}
