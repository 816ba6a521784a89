/* SPDX-License-Identifier: MIT */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

#define TEST(name) static void name(void **state __attribute__((unused)))
#define UNIT_TEST(function) cmocka_unit_test_setup_teardown(function, unit_begin, unit_end)
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Every test has an empty folder of its own, removed afterwards with all that is in it, the umask
 * 022, and 2 minutes. What the code under test says on standard error is kept from the terminal
 * (by its stream: the sanitizers' reports, which go to the descriptor, are not). */
extern int unit_folder; /* a directory descriptor */
extern const char *unit_folder_path;

int unit_begin(void **state);
int unit_end(void **state);

/* What was said since the test began or since this was called last; valid until the next call. */
const char *unit_said(void);

/* How often a text occurs in another. */
size_t unit_count(const char *text, const char *wanted);

/* The stream that standard error is outside of tests. */
FILE *unit_stderr(void);

/* Makes a file, or replaces it. */
void put_file(int folder, const char *path, const char *content);
void put_bytes(int folder, const char *path, const void *bytes, size_t size);
/* Makes a directory with those above it. */
void put_folder(int folder, const char *path);
/* A sparse file of size bytes; returns a descriptor to read and write it. */
int put_sparse(int folder, const char *path, off_t size);
/* A descriptor of a path below folder. Fails the test when it cannot be opened. */
int open_path(int folder, const char *path, int flags);
/* A file's content with a NUL behind it, for free(); NULL: there is no such file. */
char *content_of(int folder, const char *path);

/* Whether the kernel, or what stands between (valgrind), knows openat2(2). */
bool has_openat2(void);

/* Runs it in a process of its own, for what cannot be taken back. There must be no assertions in
 * it. Returns its result (0 to 255), or 256 and the number of the signal that ended it. */
int in_child(int (*function)(void *), void *argument);

/* The same while each call of that number (SYS_...) fails with that error. Ends the test as skipped
 * where there is no seccomp(2). */
int in_child_failing(long call, int error, int (*function)(void *), void *argument);

/* Memory that a child shares with the test; all zero. */
void *share(size_t size);
void unshare_memory(void *memory, size_t size);

/* Ends the test as failed, with words: those of fail_msg() go to standard error, which is kept. */
#define fail_with(...)                                                                             \
    do {                                                                                           \
        print_message("             " __VA_ARGS__);                                                \
        print_message("\n");                                                                       \
        fail();                                                                                    \
    } while (0)

/* For tests that need what this user or file system has not. Ends the test as skipped. */
#define skip_unless(condition, reason)                                                             \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_message("skipped: %s\n", reason);                                                \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

#endif
