/* SPDX-License-Identifier: MIT */
#ifndef RUN_FILE_H
#define RUN_FILE_H

#include <sys/types.h>

/* Small files below /run, most of them in our run-time directory (RUN_DIRECTORY), which is made
 * when it is missing, 0755. They live in memory: nothing is flushed. No symbolic link is followed.
 */

#define RUN_DIRECTORY "/run/aimee-os"

/* Makes the directory where it is missing, and opens it. Returns a descriptor or -errno; a symbolic
 * link in its place is -ELOOP or -ENOTDIR. */
int run_directory_make(const char *directory);
int run_directory_make_at(int parent, const char *directory);

/* Replaces directory/name as a whole, mode 0644. Returns 0 or -errno. */
int run_file_write(const char *directory, const char *name, const char *text, size_t size);
int run_file_write_at(int folder, const char *name, const char *text, size_t size);

/* Returns how many bytes were read, at most size, or -errno. */
ssize_t run_file_read(const char *directory, const char *name, char *text, size_t size);

/* Not there is no error. */
int run_file_remove(const char *directory, const char *name);

#endif
