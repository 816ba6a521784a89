/* SPDX-License-Identifier: MIT */
#ifndef COPY_FIXTURE_H
#define COPY_FIXTURE_H

#include "init-storage/copy.h"
#include "unit.h"

/* An image and a place for copies, both folders of the test. What is copied is /tree. */
extern int image, copies; /* directory descriptors */
extern struct copy_context context;
extern struct copy_failure failure;

int copy_begin(void **state);
int copy_end(void **state);

#define COPY_TEST(function) cmocka_unit_test_setup_teardown(function, copy_begin, copy_end)

/* Copies source, an absolute path in the image, to name; under the program's umask. */
int copy(enum copy_kind kind, const char *source, const char *name);

/* Copies /tree and fails the test where the copy differs: type, mode, owner, times, device number,
 * number of links, content, extended attributes. */
void copy_and_compare(void);

/* Sets a time that no copy has by chance: nanoseconds, and long ago. */
void age(int folder, const char *path, int64_t seconds);

/* An extended attribute of a file, itself no link. Skips the test where there are none. */
void put_xattr(int folder, const char *path, const char *name, const void *value, size_t size);
bool has_xattr(int folder, const char *path, const char *name);

#endif
