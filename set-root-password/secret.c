/* SPDX-License-Identifier: MIT */
#include "secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

void secret_wipe(struct secret *secret) {
    if (secret->text)
        explicit_bzero(secret->text, secret->size);
    free(secret->text);
    *secret = (struct secret){0};
}

void secret_protect_memory(void) {
    /* Not 0: a core_pattern that is a pipe ignores every limit but this one, see do_coredump() of
     * the kernel. It is passed on to passwd, which PR_SET_DUMPABLE is not. */
    const struct rlimit none = {1, 1};

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)mlockall(MCL_CURRENT | MCL_FUTURE);
}

static int read_whole(int fd, struct secret *secret) {
    size_t length = 0;

    while (length < secret->size) {
        ssize_t n = pread(fd, secret->text + length, secret->size - length, (off_t)length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EAGAIN;
        length += (size_t)n;
    }
    return 0;
}

int secret_read(int fd, size_t limit, struct secret *ret) {
    _cleanup_secret_ struct secret secret = {0};
    struct stat st;
    int r;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if ((size_t)st.st_size > limit)
        return -EFBIG;
    secret.text = malloc((size_t)st.st_size + 1);
    if (!secret.text)
        return -ENOMEM;
    secret.size = (size_t)st.st_size;
    r = read_whole(fd, &secret);
    if (r < 0)
        return r;
    if (pread(fd, secret.text + secret.size, 1, st.st_size) != 0)
        return -EAGAIN;
    *ret = secret;
    secret = (struct secret){0};
    return 0;
}

bool secret_equal(const struct secret *one, const struct secret *other) {
    return one->size == other->size && memcmp(one->text, other->text, one->size) == 0;
}
