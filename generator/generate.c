/* SPDX-License-Identifier: MIT */
#include "generate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "bind-units.h"
#include "common/cleanup.h"
#include "common/fstab.h"
#include "common/path.h"
#include "common/writable-etc.h"
#include "storage-units.h"

/* What is wrong in the image has been said and must not fail; what could not be read or written
 * must, and goes to "output". */
struct generator {
    const struct settings *settings;
    struct fstab fstab;
    struct etc_list list;
    struct problems input, output;
};

static int open_folder(struct generator *generator, const char *path, int flags) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);

    if (fd >= 0)
        return fd;
    fd = -errno;
    problem(&generator->output, "%s: cannot open: %s", path, strerror(-fd));
    return fd;
}

/* 1: there is nothing to write for, and that has been said. */
static int read_configuration(struct generator *generator) {
    _cleanup_close_ int root = open_folder(generator, generator->settings->root, 0);
    int fd, r;

    if (root < 0)
        return root;
    fd = open_in_root(root, "etc/fstab", O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        problem(fd == -ENOENT ? &generator->input : &generator->output,
                "/etc/fstab: cannot open: %s; nothing to do", strerror(-fd));
        return 1;
    }
    r = fstab_read(fd, "/etc/fstab", &generator->fstab, &generator->input);
    if (r < 0)
        return r == -ENOENT || r == -EMEDIUMTYPE ? 1 : r;
    r = etc_list_read(root, &generator->list, &generator->input);
    if (r == 1)
        generator->output.status = EXIT_STATUS_FAILED; /* said; the others are bound */
    return r < 0 ? r : 0;
}

/* The map: fstab and lists; what waits for the device and init-storage; the binds over /etc. */
static int steps(struct generator *generator) {
    _cleanup_close_ int normal = -1, late = -1;
    int r = read_configuration(generator);

    if (r != 0)
        return r;
    normal = open_folder(generator, generator->settings->normal, O_NOFOLLOW);
    if (normal < 0)
        return normal;
    late = open_folder(generator, generator->settings->late, O_NOFOLLOW);
    if (late < 0)
        return late;
    r = storage_units_write(&generator->fstab, normal, &generator->input, &generator->output);
    if (r < 0)
        return r;
    return bind_units_write(&generator->fstab, &generator->list, late, &generator->input,
                            &generator->output);
}

enum exit_status generate(const struct settings *settings) {
    struct generator generator = {.settings = settings};
    enum exit_status status;
    int r = steps(&generator);

    if (r < 0 && generator.output.status == EXIT_STATUS_DONE)
        problem(&generator.output, "cannot go on: %s", strerror(-r));
    status = generator.output.status;
    etc_list_free(&generator.list);
    fstab_free(&generator.fstab);
    problems_free(&generator.input);
    problems_free(&generator.output);
    return status;
}
