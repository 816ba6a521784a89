/* SPDX-License-Identifier: MIT */
#include "storage-units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "unit-file.h"
#include "unit-name.h"

#define SERVICE "init-storage.service"
#define HEADER "# Written by aimee-os-generator from /etc/fstab.\n[Unit]\n"

/* The paths by which udev shows the data device. */
struct device_paths {
    char *source;  /* that mounts wait for; NULL: a source that cannot be waited for */
    char *locator; /* of x-init-storage.device=; NULL: none */
};

static void free_paths(struct device_paths *paths) {
    free(paths->source);
    free(paths->locator);
}

static int find_path(const char *source, char **ret, struct problems *input) {
    int r = device_path_of(source, ret);

    if (r == -EINVAL) {
        problem(input,
                "fstab: %s: \"%s\" is neither a tag such as PARTLABEL=data nor a path below /dev, "
                "so nothing can wait for it",
                DATA_TARGET, source);
        return 0;
    }
    return r;
}

static int find_paths(const struct fstab_entry *var, struct device_paths *ret,
                      struct problems *input) {
    int r = find_path(var->source, &ret->source, input);

    if (r == 0 && var->locator)
        r = find_path(var->locator, &ret->locator, input);
    if (r == 0 && !var->locator &&
        (strncmp(var->source, "LABEL=", 6) == 0 || strncmp(var->source, "UUID=", 5) == 0))
        log_warning("fstab: %s: no blank device bears %s, so a first boot waits for it in vain; "
                    "say where it is: x-init-storage.device=PARTLABEL=…",
                    DATA_TARGET, var->source);
    return r;
}

/* Those that need init-storage to have run, whether it makes their subvolume or not. */
static bool waits(const struct fstab *fstab, const struct fstab_entry *entry) {
    const struct fstab_entry *var = &fstab->entries[fstab->var];

    if (strcmp(entry->target, "/") == 0)
        return false;
    return fstab_same_source(entry->source, var->source) ||
           (var->locator && fstab_same_source(entry->source, var->locator));
}

static int report_name(int r, const char *path, struct problems *input) {
    if (r == -EINVAL || r == -ENAMETOOLONG)
        problem(input, "%s: too long for the name of a unit", path);
    return r == -ENOMEM ? r : 0;
}

static int report_write(int r, const char *unit, struct problems *output) {
    if (r < 0 && r != -ENOMEM)
        problem(output, "%s: cannot write its drop-in: %s", unit, strerror(-r));
    return r == -ENOMEM ? r : 0;
}

/* One line of the service's drop-in; a name that cannot be is reported. */
static int print_dependency(FILE *stream, const char *settings, const char *prefix,
                            const char *path, const char *suffix, struct problems *input) {
    _cleanup_free_ char *name = NULL;
    int r = unit_name_of(prefix, path, suffix, &name);

    if (r < 0)
        return report_name(r, path, input);
    fprintf(stream, "%s%s\n", settings, name);
    if (strcmp(suffix, ".device") == 0)
        fprintf(stream, "After=%s\n", name);
    return 0;
}

/* Before only the data device's own check and mounts: its key or its tools may lie on others. */
static int print_service(FILE *stream, const struct fstab *fstab, const struct device_paths *paths,
                         struct problems *input) {
    const char *device = paths->locator ? paths->locator : paths->source;
    const char *const checked[] = {paths->source, paths->locator};
    int r = 0;

    fputs(HEADER, stream);
    if (device)
        r = print_dependency(stream, "Requires=", "", device, ".device", input);
    for (size_t i = 0; i < sizeof(checked) / sizeof(*checked) && r == 0; i++) {
        if (checked[i])
            r = print_dependency(stream, "Before=", "systemd-fsck@", checked[i], ".service", input);
    }
    for (size_t i = 0; i < fstab->count && r == 0; i++) {
        if (waits(fstab, &fstab->entries[i]))
            r = print_dependency(stream, "Before=", "", fstab->entries[i].target, ".mount", input);
    }
    return r;
}

static int write_service(const struct fstab *fstab, const struct device_paths *paths, int folder,
                         struct problems *input, struct problems *output) {
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    int r = stream ? print_service(stream, fstab, paths, input) : -ENOMEM;

    if (stream && fclose(stream) != 0)
        return -ENOMEM;
    if (r < 0)
        return r;
    return report_write(unit_drop_in_write(folder, SERVICE, text, size), SERVICE, output);
}

/* A subvolume that is missing fails its mount by itself, and one that is there must be mounted
 * although init-storage refused. The default subvolume always is there: the wrong one, maybe. */
static const char *mount_dependencies(const struct fstab_entry *entry) {
    return entry->subvol || entry->has_subvolid ? HEADER "Wants=" SERVICE "\nAfter=" SERVICE "\n"
                                                : HEADER "Requires=" SERVICE "\nAfter=" SERVICE
                                                         "\n";
}

static int write_drop_in(const char *path, const char *suffix, const char *text, int folder,
                         struct problems *input, struct problems *output) {
    _cleanup_free_ char *unit = NULL;
    int r = unit_name_of("", path, suffix, &unit);

    if (r < 0)
        return report_name(r, path, input);
    return report_write(unit_drop_in_write(folder, unit, text, strlen(text)), unit, output);
}

int storage_units_write(const struct fstab *fstab, int folder, struct problems *input,
                        struct problems *output) {
    struct device_paths paths __attribute__((cleanup(free_paths))) = {0};
    int r = find_paths(&fstab->entries[fstab->var], &paths, input);

    if (r == 0)
        r = write_service(fstab, &paths, folder, input, output);
    for (size_t i = 0; i < fstab->count && r == 0; i++) {
        if (waits(fstab, &fstab->entries[i]))
            r = write_drop_in(fstab->entries[i].target, ".mount",
                              mount_dependencies(&fstab->entries[i]), folder, input, output);
    }
    /* The file system's link comes when it is made, and an erase before that can take hours: the
     * time that systemd waits for the link begins afterwards. */
    if (r == 0 && paths.source && paths.locator && strcmp(paths.source, paths.locator) != 0)
        r = write_drop_in(paths.source, ".device", HEADER "After=" SERVICE "\n", folder, input,
                          output);
    return r;
}
