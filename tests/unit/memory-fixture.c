/* SPDX-License-Identifier: MIT */
#include "memory-fixture.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

/* What is kept of it has this bit set in every byte. */
#define MASK 0x80

static const unsigned char masked[MARKER_SIZE] = {
    'm' | MASK, 'A' | MASK, 'r' | MASK, 'K' | MASK, 'e' | MASK, 'R' | MASK, '-' | MASK, '7' | MASK,
    '3' | MASK, 'q' | MASK, 'Z' | MASK, 'w' | MASK, '0' | MASK, 'x' | MASK, 'J' | MASK, '5' | MASK,
};

/* Larger mappings are AddressSanitizer's own. */
#define MAPPING_LIMIT ((size_t)64 << 20)
#define PART_SIZE ((size_t)64 << 10)

void write_marker(int fd, size_t count, const char *end) {
    unsigned char marker[MARKER_SIZE];

    for (size_t i = 0; i < MARKER_SIZE; i++)
        marker[i] = masked[i] ^ MASK;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(write(fd, marker, MARKER_SIZE), MARKER_SIZE);
    explicit_bzero(marker, sizeof(marker));
    assert_int_equal(write(fd, end, strlen(end)), strlen(end));
}

static bool is_marker(const unsigned char *bytes) {
    for (size_t i = 0; i < MARKER_SIZE; i++) {
        if ((bytes[i] ^ MASK) != masked[i])
            return false;
    }
    return true;
}

/* Reads by the kernel: to the sanitizers what was given back cannot be touched. */
static bool mapping_holds_marker(int memory, size_t begin, size_t end) {
    static unsigned char part[PART_SIZE + MARKER_SIZE];
    bool found = false;

    for (size_t at = begin; at < end && !found; at += PART_SIZE) {
        size_t size = end - at < sizeof(part) ? end - at : sizeof(part);
        ssize_t n = pread(memory, part, size, (off_t)at);

        for (ssize_t i = 0; i + MARKER_SIZE <= n && !found; i++)
            found = is_marker(part + i);
        explicit_bzero(part, sizeof(part));
    }
    return found;
}

bool memory_holds_marker(void) {
    FILE *maps = fopen("/proc/self/maps", "re");
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    char line[4096 + 128];
    bool found = false;

    assert_non_null(maps);
    assert_true(memory >= 0);
    while (!found && fgets(line, sizeof(line), maps)) {
        size_t begin = 0, end = 0;
        char access[5] = "";

        assert_int_equal(sscanf(line, "%zx-%zx %4s", &begin, &end, access), 3);
        if (access[1] == 'w' && end - begin <= MAPPING_LIMIT)
            found = mapping_holds_marker(memory, begin, end);
    }
    assert_int_equal(fclose(maps), 0);
    assert_int_equal(close(memory), 0);
    return found;
}
