/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "common/fstab.h"
#include "common/problems.h"
#include "fuzz.h"
#include "init-storage/plan.h"

/* The input: a whole fstab. Its lines and fields are libmount's to find; what is made of each
 * field is judged here. */

#define OURS "x-init-storage."
#define LINK_FOLDER "/dev/disk/by-"

struct option {
    const char *name, *value; /* value: NULL or behind "=" */
    size_t name_length, value_length;
};

static bool is_named(const struct option *option, const char *name) {
    return option->name_length == strlen(name) &&
           memcmp(option->name, name, option->name_length) == 0;
}

/* Between quotes nothing is separated, and a name has at least one byte. False at the end. */
static bool next_option(const char **options, struct option *ret) {
    const char *begin = *options + strspn(*options, ","), *end, *equals = NULL;
    bool quoted = false;

    for (end = begin; *end && (quoted || *end != ','); end++) {
        quoted = quoted != (*end == '"');
        if (*end == '=' && !quoted && !equals && end > begin)
            equals = end;
    }
    *ret = (struct option){.name = begin, .name_length = (size_t)((equals ? equals : end) - begin)};
    if (equals) {
        ret->value = equals + 1;
        ret->value_length = (size_t)(end - ret->value);
    }
    *options = end;
    return end > begin;
}

/* The last one counts. NULL: not there. For free(). */
static char *value_of(const char *options, const char *name) {
    struct option option;
    char *value = NULL;

    while (next_option(&options, &option)) {
        if (!is_named(&option, name))
            continue;
        free(value);
        value = strndup(option.value ? option.value : "", option.value_length);
        require(value != NULL);
    }
    return value;
}

static void require_value(const char *is, const char *options, const char *name) {
    char *wanted = value_of(options, name);

    require((is != NULL) == (wanted != NULL) && (!is || strcmp(is, wanted) == 0));
    free(wanted);
}

static bool has_dots(const char *path) {
    return strncmp(path, "./", 2) == 0 || strncmp(path, "../", 3) == 0 || strstr(path, "/./") ||
           strstr(path, "/../") || strcmp(path, ".") == 0 || strcmp(path, "..") == 0 ||
           (strlen(path) > 1 && strcmp(path + strlen(path) - 2, "/.") == 0) ||
           (strlen(path) > 2 && strcmp(path + strlen(path) - 3, "/..") == 0);
}

static void require_target(const char *target) {
    require(*target == '/' && !strstr(target, "//") && !has_dots(target));
    require(strcmp(target, "/") == 0 || target[strlen(target) - 1] != '/');
}

static int digit_of(char c) {
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *digit = c ? strchr(digits, c) : NULL;

    return digit ? (int)(digit - digits) % 16 : -1;
}

/* What udev wrote as "\x2f" into a link's name. */
static void require_decoded(const char *is, const char *name) {
    while (*name) {
        bool escaped =
            name[0] == '\\' && name[1] == 'x' && digit_of(name[2]) >= 0 && digit_of(name[3]) >= 0;
        char c = escaped ? (char)(digit_of(name[2]) * 16 + digit_of(name[3])) : *name;

        if (!c)
            break; /* nobody's name */
        require(*is++ == c);
        name += escaped ? 4 : 1;
    }
    require(*is == '\0');
}

/* One of udev's links is the tag that it stands for; NULL: not given. */
static void require_source(const char *is, const char *written) {
    static const char *const kinds[] = {"label", "uuid", "partlabel", "partuuid"};
    static const char *const tags[] = {"LABEL=", "UUID=", "PARTLABEL=", "PARTUUID="};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        size_t length = strlen(LINK_FOLDER) + strlen(kinds[i]);

        if (strncmp(written, LINK_FOLDER, strlen(LINK_FOLDER)) != 0 ||
            strncmp(written + strlen(LINK_FOLDER), kinds[i], strlen(kinds[i])) != 0 ||
            written[length] != '/' || strchr(written + length + 1, '/'))
            continue;
        require(strncmp(is, tags[i], strlen(tags[i])) == 0);
        require_decoded(is + strlen(tags[i]), written + length + 1);
        return;
    }
    require(strcmp(is, written) == 0);
}

static void require_entry(const struct fstab_entry *entry, size_t *unknown) {
    static const char *const known[] = {OURS "subvol", OURS "nodatacow", OURS "device",
                                        OURS "blank"};
    char *locator = value_of(entry->options, OURS "device");
    char *subvolid = value_of(entry->options, "subvolid");
    char *noauto = value_of(entry->options, "noauto");
    char *nofail = value_of(entry->options, "nofail");
    const char *rest = entry->options;
    struct option option;
    size_t quotes = 0;

    for (const char *c = rest; *c; c++)
        quotes += *c == '"';
    require(quotes % 2 == 0);
    require_target(entry->target);
    require_value(entry->subvol, entry->options, "subvol");
    require_value(entry->nested, entry->options, known[0]);
    require_value(entry->nodatacow, entry->options, known[1]);
    require_value(entry->blank, entry->options, known[3]);
    require((entry->locator != NULL) == (locator != NULL));
    if (locator)
        require_source(entry->locator, locator);
    require(entry->has_subvolid == (subvolid != NULL));
    require(entry->noauto == (noauto != NULL) && entry->nofail == (nofail != NULL));
    free(locator), free(subvolid), free(noauto), free(nofail);
    while (next_option(&rest, &option)) {
        bool found = false;

        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
            found = found || is_named(&option, known[i]);
        *unknown += !found && option.name_length >= strlen(OURS) &&
                    memcmp(option.name, OURS, strlen(OURS)) == 0;
    }
}

/* What the kernel gets is for a mount of the whole file system, for us alone, and stays so. */
static void require_mount_options(const char *options) {
    const unsigned long allowed = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_DIRSYNC |
                                  MS_NODIRATIME | MS_LAZYTIME;
    unsigned long flags = 0, again_flags = 0;
    char *data = NULL, *again = NULL;
    struct option option;
    const char *rest;

    if (fstab_mount_options(options, &flags, &data) < 0)
        return;
    require((flags & ~allowed) == 0);
    for (rest = data; rest && next_option(&rest, &option);) {
        char *name = strndup(option.name, option.name_length);

        require(name && strcmp(name, "subvol") != 0 && strcmp(name, "subvolid") != 0);
        require(strncmp(name, "x-", 2) != 0 && strcmp(name, "ro") != 0);
        require(strlen(name) < 7 || strcmp(name + strlen(name) - 7, "context") != 0);
        free(name);
    }
    if (data) {
        require(fstab_mount_options(data, &again_flags, &again) == 0 && again_flags == 0);
        require(again && strcmp(data, again) == 0);
    }
    free(data);
    free(again);
}

/* A name of a list "a:b/c" whose path on the running system is target. */
static bool names_it(const struct fstab_entry *entry, const char *list, const char *target) {
    const char *upper = strcmp(entry->target, "/") == 0 ? "" : entry->target;
    size_t length = strlen(upper);

    if (strncmp(target, upper, length) != 0 || target[length] != '/')
        return false;
    target += length + 1;
    for (; list; list = strchr(list, ':')) {
        list += *list == ':';
        if (strncmp(list, target, strlen(target)) == 0 &&
            (list[strlen(target)] == ':' || !list[strlen(target)]))
            return true;
    }
    return false;
}

/* Some line wants it. */
static bool is_wanted(const struct fstab *fstab, const struct subvolume *subvolume) {
    if (strcmp(subvolume->target, STATE_TARGET) == 0)
        return true;
    for (size_t i = 0; i < fstab->count; i++) {
        const struct fstab_entry *entry = &fstab->entries[i];
        const char *list = entry->nested ? entry->nested : "log:tmp";

        if (subvolume->nested && names_it(entry, list, subvolume->target))
            return true;
        if (!subvolume->nested && strcmp(entry->target, subvolume->target) == 0 &&
            (entry->subvol ? strcmp(entry->subvol, subvolume->path) == 0 : subvolume->is_default))
            return true;
    }
    return false;
}

static void check_plan(const struct fstab *fstab) {
    bool *managed = calloc(fstab->count + 1, sizeof(*managed));
    struct problems problems = {0};
    struct plan plan = {0};

    require(managed != NULL);
    memset(managed, true, fstab->count * sizeof(*managed));
    require(plan_make(fstab, managed, &plan, &problems) == 0);
    for (size_t i = 0; i < plan.count; i++) {
        const struct subvolume *subvolume = &plan.subvolumes[i];

        require(*subvolume->path && *subvolume->path != '/' && !has_dots(subvolume->path));
        require(!strstr(subvolume->path, "//") &&
                strncmp(subvolume->path, ".init-storage/", 14) != 0);
        require(strcmp(subvolume->path, ".init-storage") != 0);
        require_target(subvolume->target);
        require(strcmp(subvolume->target, "/") != 0 && is_wanted(fstab, subvolume));
        require(i == 0 || strcmp(plan.subvolumes[i - 1].path, subvolume->path) < 0);
    }
    for (size_t i = 0; i < plan.place_count; i++)
        require_target(plan.places[i].target);
    plan_free(&plan);
    problems_free(&problems);
    free(managed);
}

static void check_fstab(const struct fstab *fstab) {
    size_t first = 0, unknown = 0;

    while (strcmp(fstab->entries[first].target, "/var") != 0)
        require(++first < fstab->count);
    require(fstab->var == first);
    for (size_t i = 0; i < fstab->count; i++) {
        const struct fstab_entry *entry = &fstab->entries[i];

        require_entry(entry, &unknown);
        require_mount_options(entry->options);
        require(fstab_same_source(entry->source, entry->source));
        require(fstab_same_source(entry->source, fstab->entries[first].source) ==
                fstab_same_source(fstab->entries[first].source, entry->source));
    }
    require(fuzz_said("unknown option") >= unknown);
    check_plan(fstab);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    struct problems problems = {0};
    struct fstab fstab = {0};
    int r;

    fuzz_listen();
    r = fstab_read(fuzz_file(input, size), "fstab", &fstab, &problems);
    require(r == 0 || (fuzz_lines_said() > 0 && problems.status == EXIT_STATUS_FAILED));
    if (r == 0)
        check_fstab(&fstab);
    else
        require(fstab.count == 0 && fstab.entries == NULL);
    fstab_free(&fstab);
    problems_free(&problems);
    return 0;
}
