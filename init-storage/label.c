/* SPDX-License-Identifier: MIT */
#include "label.h"

#include <errno.h>
#include <fcntl.h>
#include <selinux/label.h>
#include <selinux/selinux.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/path.h"

/* libselinux's conventions end in this file: -1 and errno. */

#define CONFIG "etc/selinux/config"

void labels_open(struct labels *labels, const char *root) {
    *labels = (struct labels){.root = root, .active = is_selinux_enabled() > 0};
}

void labels_close(struct labels *labels) {
    if (labels->handle)
        selabel_close(labels->handle);
    labels->handle = NULL;
}

/* The policy that the image's own /etc/selinux/config names. *ret stays NULL: none, or disabled.
 * Returns 0 or -errno. */
static int policy_type(const char *root, char **ret) {
    _cleanup_close_ int directory = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    _cleanup_close_ int fd = directory < 0 ? -errno : open_in_root(directory, CONFIG, O_RDONLY);
    _cleanup_fclose_ FILE *stream = NULL;
    _cleanup_free_ char *line = NULL, *type = NULL;
    size_t size = 0;

    if (fd < 0)
        return fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
    stream = fdopen(fd, "re");
    if (!stream)
        return -errno;
    (void)take_fd(&fd);
    while (getline(&line, &size, stream) > 0) {
        static const char key[] = "SELINUXTYPE=", disabled[] = "SELINUX=disabled";

        line[strcspn(line, " \t\r\n")] = '\0';
        if (strcmp(line, disabled) == 0)
            return 0;
        if (strncmp(line, key, sizeof(key) - 1) != 0)
            continue;
        free(type);
        type = strdup(line + sizeof(key) - 1);
        if (!type)
            return -ENOMEM;
    }
    if (ferror(stream))
        return -EIO;
    if (type && (!path_is_plain(type) || strchr(type, '/')))
        return 0;
    *ret = take_pointer(type);
    return 0;
}

static int open_database(struct labels *labels) {
    _cleanup_free_ char *type = NULL, *path = NULL;
    struct selinux_opt option = {.type = SELABEL_OPT_PATH};
    int r = policy_type(labels->root, &type);

    if (r < 0)
        return r;
    labels->looked = true;
    if (!type)
        return 0;
    if (asprintf(&path, "%s/etc/selinux/%s/contexts/files/file_contexts", labels->root, type) < 0)
        return -ENOMEM;
    option.value = path;
    labels->handle = selabel_open(SELABEL_CTX_FILE, &option, 1);
    if (!labels->handle && errno != ENOENT)
        return -errno;
    return 0;
}

int labels_lookup(struct labels *labels, const char *path, mode_t mode, char **ret) {
    int r = labels->looked ? 0 : open_database(labels);

    *ret = NULL;
    if (r < 0 || !labels->handle)
        return r;
    if (selabel_lookup_raw(labels->handle, ret, path, (int)mode) < 0)
        return errno == ENOENT ? 0 : -errno; /* <<none>>, or no pattern fits */
    return 0;
}

int labels_create_as(const struct labels *labels, const char *label) {
    if (!labels->active)
        return 0;
    return setfscreatecon_raw(label) < 0 ? -errno : 0;
}
