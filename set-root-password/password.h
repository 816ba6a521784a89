/* SPDX-License-Identifier: MIT */
#ifndef PASSWORD_H
#define PASSWORD_H

#include "secret.h"

/* What crypt(3) and PAM take at most, in bytes: CRYPT_MAX_PASSPHRASE_SIZE and PAM_MAX_RESP_SIZE
 * are 512, the NUL included. */
#define PASSWORD_LIMIT 511

/* Reads a new password, all there is on fd: one line, with its newline or without. -EINVAL:
 * that is no password, and *ret_wrong says why; else -errno. */
int password_read(int fd, struct secret *ret, const char **ret_wrong);

#endif
