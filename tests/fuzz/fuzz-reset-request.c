/* SPDX-License-Identifier: MIT */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/erase-record.h"
#include "fuzz.h"

/* The input: what lies in a request's place; taken as the text in an erase record, as a whole
 * erase record with and without the checksum made right, and as the words of a request to write. */

#define RECORD_HEADER 48   /* and then the text */
#define TEXT "[] !#-[^-~]" /* printable, neither quote nor backslash */

static const char pattern[] =
    "^[{]\"version\":1,\"fsid\":\"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\","
    "\"boot_id\":\"(" TEXT "{0,36})\",\"time\":\"(" TEXT "{0,31})\",\"by\":\"(" TEXT "{0,127})\","
    "\"erase\":\"(signature|discard|zero)\"[}]\n?$";

static bool is_request(const uint8_t *text, size_t size) {
    static regex_t expression;
    static bool compiled;
    char *copy;
    bool matches;

    if (!compiled)
        compiled = regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB) == 0;
    require(compiled);
    if (size > 1024 || (size > 0 && memchr(text, '\0', size)))
        return false;
    copy = fuzz_string(text, size);
    matches = regexec(&expression, copy, 0, NULL, 0) == 0;
    free(copy);
    return matches;
}

/* We write what we read, letter for letter. */
static void require_text(const struct reset_request *request, const uint8_t *text, size_t size) {
    char formatted[REQUEST_SIZE];
    size_t length = request_format(request, formatted);

    require(length == size - (text[size - 1] == '\n'));
    require(memcmp(formatted, text, length) == 0);
}

static void check_text(const uint8_t *input, size_t size) {
    struct reset_request request = {0};
    char *exact = malloc(size ? size : 1);

    require(exact != NULL);
    if (size > 0)
        memcpy(exact, input, size);
    if (request_parse(exact, size, &request) == 0) {
        require(is_request(input, size));
        require_text(&request, input, size);
    } else {
        require(!is_request(input, size));
    }
    free(exact);
}

static uint64_t number_at(const unsigned char *block, size_t at, size_t size) {
    uint64_t number = 0;

    while (size--)
        number = number << 8 | block[at + size];
    return number;
}

static void put_number(unsigned char *block, size_t at, size_t size, uint64_t number) {
    for (size_t i = 0; i < size; i++)
        block[at + i] = (unsigned char)(number >> (8 * i));
}

static uint64_t sum_of(const unsigned char *block) {
    static const unsigned char zero[8];
    XXH64_state_t *state = XXH64_createState();
    uint64_t sum;

    require(state && XXH64_reset(state, 0) == XXH_OK);
    (void)XXH64_update(state, block, 40);
    (void)XXH64_update(state, zero, sizeof(zero));
    (void)XXH64_update(state, block + 48, 4096 - 48);
    sum = XXH64_digest(state);
    (void)XXH64_freeState(state);
    return sum;
}

static bool is_record(const unsigned char *block) {
    uint64_t length = number_at(block, 20, 4);

    return memcmp(block, "AimeeOS erased\n", 16) == 0 && number_at(block, 16, 4) == 1 &&
           block[33] <= 3 && number_at(block, 40, 8) == sum_of(block) && length <= 1024 &&
           is_request(block + RECORD_HEADER, (size_t)length);
}

static void check_block(const unsigned char *block) {
    struct erase_record record = {0}, again = {0};
    unsigned char encoded[ERASE_RECORD_SIZE];
    unsigned char *exact = malloc(ERASE_RECORD_SIZE);

    require(exact != NULL);
    memcpy(exact, block, ERASE_RECORD_SIZE);
    require((erase_record_decode(exact, &record) == 0) == is_record(block));
    free(exact);
    if (!is_record(block))
        return;
    require(record.offset == number_at(block, 24, 8));
    require(record.done == (block[32] == 1) && (unsigned)record.level == block[33]);
    require_text(&record.request, block + RECORD_HEADER, (size_t)number_at(block, 20, 4));
    erase_record_encode(&record, encoded);
    require(is_record(encoded) && erase_record_decode(encoded, &again) == 0);
    require(again.offset == record.offset && again.done == record.done);
    require(again.level == record.level && strcmp(again.request.by, record.request.by) == 0);
}

/* A record of our own with this text, and these bytes as a record. */
static void check_record(const uint8_t *input, size_t size) {
    unsigned char block[ERASE_RECORD_SIZE] = "AimeeOS erased\n";
    size_t length = size < 4096 - RECORD_HEADER ? size : 4096 - RECORD_HEADER;

    put_number(block, 16, 4, 1);
    put_number(block, 20, 4, length);
    put_number(block, 24, 8, size * UINT64_C(0x9e3779b97f4a7c15));
    block[32] = size & 1;
    block[33] = (size >> 1) & 3;
    if (length > 0)
        memcpy(block + RECORD_HEADER, input, length);
    put_number(block, 40, 8, sum_of(block));
    check_block(block);
    memset(block, 0, sizeof(block));
    if (size > 0)
        memcpy(block, input, size < sizeof(block) ? size : sizeof(block));
    check_block(block);
    put_number(block, 40, 8, sum_of(block));
    check_block(block);
}

/* The next words of the input, at most size - 1, of characters that may be in a request. */
static void fill(char *text, size_t size, const uint8_t **input, const uint8_t *end) {
    size_t length = 0;

    while (*input < end && length < size - 1 && **input >= ' ') {
        char c = (char)*(*input)++;

        text[length++] = (char)(c < ' ' || c > '~' || c == '"' || c == '\\' ? '_' : c);
    }
    text[length] = '\0';
    *input += *input < end;
}

/* Whatever we write is a request. */
static void check_written(const uint8_t *input, size_t size) {
    struct reset_request request = {.fsid = "6b1d7a52-0c7e-4f0a-9f5e-3c2b1a908f70"}, again = {0};
    const uint8_t *end = input + size;
    char text[REQUEST_SIZE];
    size_t length;

    fill(request.boot_id, sizeof(request.boot_id), &input, end);
    fill(request.time, sizeof(request.time), &input, end);
    fill(request.by, sizeof(request.by), &input, end);
    request.erase = (enum erase_kind)(size % 3);
    length = request_format(&request, text);
    require(length < sizeof(text) && is_request((const uint8_t *)text, length));
    require(request_parse(text, length, &again) == 0);
    require(strcmp(again.fsid, request.fsid) == 0 && strcmp(again.time, request.time) == 0);
    require(strcmp(again.boot_id, request.boot_id) == 0 && strcmp(again.by, request.by) == 0);
    require(again.erase == request.erase);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    check_text(input, size);
    check_record(input, size);
    check_written(input, size);
    return 0;
}
