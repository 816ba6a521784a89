/* SPDX-License-Identifier: MIT */
#include "common/fstab.h"

#include <blkid.h>
#include <ctype.h>
#include <errno.h>
#include <libmount.h>
#include <string.h>
#include <sys/mount.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "common/problems.h"

/* libmount's conventions end in this file: 0 found, 1 not there, negative errno. */

/* Not MS_RDONLY, and none that makes mount(2) do something else than mount (propagation, bind). */
#define PRIVATE_MOUNT_FLAGS                                                                        \
    (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_DIRSYNC | MS_NODIRATIME | MS_LAZYTIME)

#define OPTION_PREFIX "x-init-storage."

static void free_table(struct libmnt_table **table) {
    mnt_unref_table(*table);
}

static void free_iterator(struct libmnt_iter **iterator) {
    mnt_free_iter(*iterator);
}

static void free_entry(struct fstab_entry *entry) {
    free(entry->source);
    free(entry->target);
    free(entry->options);
    free(entry->subvol);
    free(entry->nested);
    free(entry->nodatacow);
    free(entry->locator);
    free(entry->blank);
}

void fstab_free(struct fstab *fstab) {
    for (size_t i = 0; i < fstab->count; i++)
        free_entry(&fstab->entries[i]);
    free(fstab->entries);
    *fstab = (struct fstab){0};
}

static int report_malformed(struct libmnt_table *table, const char *name, int line) {
    problem(mnt_table_get_userdata(table),
            "%s:%d: malformed line, skipped; it needs a source, a target, a type, options", name,
            line);
    return 1;
}

/* The last value of an option, as the kernel takes it; *ret stays NULL when it is not there. */
static int copy_option(const char *options, const char *name, char **ret) {
    _cleanup_free_ char *last = strdup(options);
    char *value = NULL;
    size_t size = 0;
    int r;

    if (!last)
        return -ENOMEM;
    r = mnt_optstr_deduplicate_option(&last, name);
    if (r < 0)
        return r;
    r = mnt_optstr_get_option(last, name, &value, &size);
    if (r != 0)
        return r < 0 ? r : 0;
    *ret = strndup(value ? value : "", size);
    return *ret ? 0 : -ENOMEM;
}

static bool has_option(const char *options, const char *name) {
    char *value = NULL;
    size_t size = 0;

    return mnt_optstr_get_option(options, name, &value, &size) == 0;
}

static void report_unknown_options(const struct fstab_entry *entry, struct problems *problems) {
    static const char *const known[] = {"subvol", "nodatacow", "device", "blank"};
    char *next = entry->options, *name = NULL;
    size_t length = 0;

    while (mnt_optstr_next_option(&next, &name, &length, NULL, NULL) == 0) {
        size_t prefix = strlen(OPTION_PREFIX);
        bool found = false;

        if (length < prefix || strncmp(name, OPTION_PREFIX, prefix) != 0)
            continue;
        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
            found = found || (length - prefix == strlen(known[i]) &&
                              strncmp(name + prefix, known[i], length - prefix) == 0);
        }
        if (!found)
            problem(problems, "fstab: %s: unknown option \"%.*s\", see init-storage(8)",
                    entry->target, (int)length, name);
    }
}

/* udev writes "\\x20" for a byte that may not be in a link's name. */
static void decode_link_name(char *name) {
    char *to = name;

    for (const char *from = name; *from; to++) {
        if (from[0] == '\\' && from[1] == 'x' && isxdigit((unsigned char)from[2]) &&
            isxdigit((unsigned char)from[3])) {
            const char digits[] = {from[2], from[3], '\0'};

            *to = (char)strtoul(digits, NULL, 16);
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* A source, with udev's links as the tags that they stand for: a link says nothing of a second
 * device with that name, and does not exist for a blank device. The caller frees it. */
static char *name_source(const char *source) {
    static const struct {
        const char *folder, *tag;
    } links[] = {{"/dev/disk/by-label/", "LABEL"},
                 {"/dev/disk/by-uuid/", "UUID"},
                 {"/dev/disk/by-partlabel/", "PARTLABEL"},
                 {"/dev/disk/by-partuuid/", "PARTUUID"}};
    char *named = NULL;

    for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
        size_t length = strlen(links[i].folder);

        if (strncmp(source, links[i].folder, length) != 0 || strchr(source + length, '/'))
            continue;
        if (asprintf(&named, "%s=%s", links[i].tag, source + length) < 0)
            return NULL;
        decode_link_name(strchr(named, '=') + 1);
        return named;
    }
    return strdup(source);
}

static int read_options(struct fstab_entry *entry) {
    char *subvolid = NULL;
    int r = copy_option(entry->options, "subvol", &entry->subvol);

    if (r == 0)
        r = copy_option(entry->options, OPTION_PREFIX "subvol", &entry->nested);
    if (r == 0)
        r = copy_option(entry->options, OPTION_PREFIX "nodatacow", &entry->nodatacow);
    if (r == 0)
        r = copy_option(entry->options, OPTION_PREFIX "device", &entry->locator);
    if (r == 0)
        r = copy_option(entry->options, OPTION_PREFIX "blank", &entry->blank);
    if (r == 0)
        r = copy_option(entry->options, "subvolid", &subvolid);
    if (r == 0 && entry->locator) {
        char *named = name_source(entry->locator);

        free(entry->locator);
        entry->locator = named;
        r = named ? 0 : -ENOMEM;
    }
    entry->has_subvolid = subvolid != NULL;
    entry->noauto = has_option(entry->options, "noauto");
    entry->nofail = has_option(entry->options, "nofail");
    free(subvolid);
    return r;
}

/* libmount takes everything behind it for one option, and does not say so. */
static bool has_open_quote(const char *options) {
    bool open = false;

    for (; *options; options++)
        open = open != (*options == '"');
    return open;
}

static int read_entry(struct libmnt_fs *line, struct fstab_entry *entry,
                      struct problems *problems) {
    const char *source = mnt_fs_get_source(line);
    const char *options = mnt_fs_get_options(line);
    int r = path_normalize(mnt_fs_get_target(line), &entry->target);

    if (r == -EINVAL) {
        problem(problems, "fstab: \"%s\" is not an absolute path without \"..\", skipped",
                mnt_fs_get_target(line));
        return 1;
    }
    if (r < 0)
        return r;
    entry->source = name_source(source ? source : "");
    entry->options = strdup(options ? options : "");
    if (!entry->source || !entry->options)
        return -ENOMEM;
    if (has_open_quote(entry->options)) {
        problem(problems, "fstab: %s: a quote in its options is not closed, line skipped",
                entry->target);
        return 1;
    }
    r = read_options(entry);
    if (r == 0)
        report_unknown_options(entry, problems);
    return r;
}

static bool is_data_target(struct libmnt_fs *line) {
    _cleanup_free_ char *target = NULL;

    return path_normalize(mnt_fs_get_target(line), &target) == 0 &&
           strcmp(target, DATA_TARGET) == 0;
}

static int collect(struct libmnt_table *table, struct fstab *fstab, struct problems *problems) {
    struct libmnt_iter *iterator __attribute__((cleanup(free_iterator))) =
        mnt_new_iter(MNT_ITER_FORWARD);
    struct libmnt_fs *line = NULL;
    bool found = false, other_type = false;
    int r;

    if (!iterator)
        return -ENOMEM;
    fstab->entries = calloc((size_t)mnt_table_get_nents(table) + 1, sizeof(*fstab->entries));
    if (!fstab->entries)
        return -ENOMEM;
    while ((r = mnt_table_next_fs(table, iterator, &line)) == 0) {
        struct fstab_entry *entry = &fstab->entries[fstab->count];
        const char *type = mnt_fs_get_fstype(line);

        if (!type || strcmp(type, "btrfs") != 0) {
            other_type = other_type || is_data_target(line);
            continue;
        }
        r = read_entry(line, entry, problems);
        if (r != 0) {
            free_entry(entry);
            *entry = (struct fstab_entry){0};
            if (r < 0)
                return r;
            continue;
        }
        if (!found && strcmp(entry->target, DATA_TARGET) == 0) {
            fstab->var = fstab->count;
            found = true;
        }
        fstab->count++;
    }
    if (r < 0)
        return r;
    return found ? 0 : other_type ? -EMEDIUMTYPE : -ENOENT;
}

int fstab_read(int fd, const char *name, struct fstab *ret, struct problems *problems) {
    struct libmnt_table *table __attribute__((cleanup(free_table))) = mnt_new_table();
    _cleanup_fclose_ FILE *stream = fdopen(fd, "re");
    int r = -ENOMEM;

    if (!stream)
        close_fd(&fd);
    if (table && stream) {
        mnt_table_set_userdata(table, problems);
        mnt_table_set_parser_errcb(table, report_malformed);
        r = mnt_table_parse_stream(table, stream, name);
        if (r == 0)
            r = collect(table, ret, problems);
    }
    if (r == -ENOENT)
        problem(problems, "%s: no line for %s, so there is no data device to look for", name,
                DATA_TARGET);
    else if (r == -EMEDIUMTYPE)
        problem(problems, "%s: %s is not of type btrfs, nothing to do for this program", name,
                DATA_TARGET);
    else if (r < 0)
        problem(problems, "%s: cannot read: %s", name, strerror(-r));
    if (r < 0)
        fstab_free(ret);
    return r;
}

bool fstab_same_source(const char *one, const char *other) {
    _cleanup_free_ char *name1 = NULL, *value1 = NULL, *name2 = NULL, *value2 = NULL;

    if (strcmp(one, other) == 0)
        return true;
    /* LABEL=x and LABEL="x" are the same words */
    if (blkid_parse_tag_string(one, &name1, &value1) != 0 ||
        blkid_parse_tag_string(other, &name2, &value2) != 0)
        return false;
    return strcmp(name1, name2) == 0 && strcmp(value1, value2) == 0;
}

static bool kernel_gets(const char *name, size_t length) {
    static const char context[] = "context";
    size_t suffix = sizeof(context) - 1;

    if (length == strlen("subvol") && strncmp(name, "subvol", length) == 0)
        return false;
    if (length == strlen("subvolid") && strncmp(name, "subvolid", length) == 0)
        return false;
    return length < suffix || strncmp(name + length - suffix, context, suffix) != 0;
}

/* libmount's word for an attribute of the mount, which newer ones let have a value ("ro=vfs"). */
static int is_attribute(const char *name) {
    _cleanup_free_ char *attribute = NULL;
    int r = mnt_split_optstr(name, NULL, &attribute, NULL, 0, 0);

    return r < 0 ? r : attribute != NULL;
}

/* Adds an option to *kept if it is for the kernel, or for libmount to tell. */
static int keep_option(char **kept, const char *name, size_t length, const char *value,
                       size_t value_length) {
    _cleanup_free_ char *one = strndup(name, length);
    _cleanup_free_ char *its_value = value ? strndup(value, value_length) : NULL;
    int r;

    if (!one || (value && !its_value))
        return -ENOMEM;
    r = is_attribute(one);
    return r < 0 ? r : mnt_optstr_append_option(kept, one, r ? NULL : its_value);
}

int fstab_mount_options(const char *options, unsigned long *ret_flags, char **ret_data) {
    _cleanup_free_ char *copy = strdup(options), *kept = NULL, *vfs = NULL, *data = NULL;
    char *next = copy, *name, *value;
    size_t length, value_length;
    unsigned long flags = 0;
    int r = copy ? 0 : -ENOMEM;

    while (r == 0 &&
           (r = mnt_optstr_next_option(&next, &name, &length, &value, &value_length)) == 0) {
        if (kernel_gets(name, length))
            r = keep_option(&kept, name, length, value, value_length);
    }
    if (r >= 0 && kept)
        r = mnt_split_optstr(kept, NULL, &vfs, &data, 0, 0);
    if (r >= 0 && vfs)
        r = mnt_optstr_get_flags(vfs, &flags, mnt_get_builtin_optmap(MNT_LINUX_MAP));
    if (r < 0)
        return r;
    *ret_flags = flags & PRIVATE_MOUNT_FLAGS;
    *ret_data = take_pointer(data);
    return 0;
}
