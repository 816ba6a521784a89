/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "init-storage/reset.h"
#include "options.h"

/* The input: words between NULs, the arguments of a program; and as a kernel command line. */

#define WORDS_LIMIT 16

static bool stands_for(const char *word, const char *name) {
    size_t length = strcspn(word, "=");

    return length > 2 && strncmp(word, "--", 2) == 0 && length - 2 <= strlen(name) &&
           strncmp(word + 2, name, length - 2) == 0;
}

bool options_have(int count, char **arguments, const char *name, const char *const *valued) {
    for (int i = 1; i < count; i++) {
        bool has_value = false;

        if (stands_for(arguments[i], name))
            return true;
        for (size_t j = 0; valued[j]; j++)
            has_value = has_value || stands_for(arguments[i], valued[j]);
        i += has_value && !strchr(arguments[i], '=');
    }
    return false;
}

/* The last word that begins so counts. From end to front, unlike the parser. */
static bool kernel_asks(const char *line) {
    static const char key[] = "systemd.factory_reset=", separators[] = " \t\n";
    const char *end = line + strlen(line);

    while (end > line) {
        const char *begin = end;
        size_t length;

        while (begin > line && !strchr(separators, begin[-1]))
            begin--;
        length = (size_t)(end - begin);
        if (length >= strlen(key) && memcmp(begin, key, strlen(key)) == 0) {
            const char *value = begin + strlen(key);

            length -= strlen(key);
            return (length == 1 && *value == '1') ||
                   (length == 3 && memcmp(value, "yes", 3) == 0) ||
                   (length == 4 && memcmp(value, "true", 4) == 0);
        }
        end = begin > line ? begin - 1 : line;
    }
    return false;
}

static int split(char *text, size_t size, char **words) {
    int count = 0;

    words[count++] = text + size; /* the program's name: "" */
    for (size_t at = 0; at < size && count < WORDS_LIMIT; at += strlen(text + at) + 1)
        words[count++] = text + at;
    words[count] = NULL;
    return count;
}

/* Taken, or all is said, or one line about what is wrong. */
static void check_options(const uint8_t *input, size_t size, int (*parse)(int, char **)) {
    char *text = malloc(size + 1), *words[WORDS_LIMIT + 1];
    int result;

    require(text != NULL);
    if (size > 0)
        memcpy(text, input, size);
    text[size] = '\0';
    fuzz_listen();
    result = parse(split(text, size, words), words);
    require(result == -1 || result == 0 || result == 2);
    require(fuzz_lines_said() == (result == 2));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    static FILE *nowhere;
    char *line = fuzz_string(input, size);

    if (!nowhere)
        stdout = nowhere = fopen("/dev/null", "we"); /* --help */
    require(nowhere != NULL);
    require(reset_in_command_line(line) == kernel_asks(line));
    free(line);
    check_options(input, size, options_of_init_storage);
    check_options(input, size, options_of_factory_reset);
    check_options(input, size, options_of_set_root_password);
    return 0;
}
