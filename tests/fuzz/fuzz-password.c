/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "set-root-password/password.h"

/* The input: what --stdin reads. passwd(1) gets exactly those bytes, so an accepted one is the
 * input, but for one newline at its end. */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    struct secret password = {0};
    const char *wrong = NULL;
    size_t length = size > 0 && input[size - 1] == '\n' ? size - 1 : size;
    bool right = length > 0 && length <= 511 && input[length - 1] != '\r';
    int fd = fuzz_file(input, size), r;

    for (size_t i = 0; i < length; i++)
        right = right && input[i] != '\0' && input[i] != '\n';
    r = password_read(fd, &password, &wrong);
    require(r == (right ? 0 : -EINVAL) && (wrong != NULL) == !right && close(fd) == 0);
    if (right)
        require(password.size == length && memcmp(password.text, input, length) == 0);
    else
        require(password.text == NULL && *wrong);
    secret_wipe(&password);
    return 0;
}
