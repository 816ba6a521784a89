/* SPDX-License-Identifier: MIT */
#ifndef RESET_REQUEST_H
#define RESET_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/superblock.h"

/* An admin's request to reset, as it is stored: JSON, one flat object, in the extended attribute
 * REQUEST_XATTR of the top directory of the file system (subvolid=5), and while the system runs
 * in REQUEST_FLAG of the run directory, too. The attribute survives a power cut; the flag is what
 * the shutdown looks at. */

#define REQUEST_XATTR "trusted.aimee-os.factory-reset"
#define REQUEST_FLAG "factory-reset.json"
#define REQUEST_SIZE 1024 /* bytes at most */
#define REQUEST_BY_SIZE 128
#define REQUEST_TIME_SIZE 32

/* How much is done beyond making the file system unfindable. */
enum erase_kind { ERASE_SIGNATURE, ERASE_DISCARD, ERASE_ZERO };

const char *erase_name(enum erase_kind kind);
/* Returns 0 or -EINVAL. */
int erase_parse(const char *name, enum erase_kind *ret);

struct reset_request {
    char fsid[FSID_TEXT_SIZE];    /* of the file system that is to go */
    char boot_id[FSID_TEXT_SIZE]; /* of the boot in which it was asked for */
    char time[REQUEST_TIME_SIZE]; /* RFC 3339, UTC */
    char by[REQUEST_BY_SIZE];     /* who, in words */
    enum erase_kind erase;
};

/* Who, when and in which boot, now; the rest stays as it is. */
void request_sign(struct reset_request *request);

/* The object without a newline. Returns its length. */
size_t request_format(const struct reset_request *request, char text[REQUEST_SIZE]);

/* Returns 0, or -EBADMSG: not such an object. Nothing is guessed from a part of one. */
int request_parse(const char *stored, size_t size, struct reset_request *ret);

/* On the file system. -ENODATA: there is none; -EBADMSG: there is something, and it is none.
 * Storing and removing are durable when they return 0. */
int request_read(int top, struct reset_request *ret);
int request_store(int top, const struct reset_request *request);
int request_remove(int top);

/* The flag in run_directory. -ENOENT: not armed; removing what is not there is no error. */
int request_flag_read(const char *run_directory, struct reset_request *ret);
int request_flag_arm(const char *run_directory, const struct reset_request *request);
int request_flag_remove(const char *run_directory);

#endif
