/* SPDX-License-Identifier: MIT */
#include "bind-units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/layout.h"
#include "unit-file.h"
#include "unit-name.h"

/* Before local-fs.target, as mount units are by default, and so before all that reads /etc later.
 * Where a boot may go on without /var it may go on without the binds. The condition: systemd would
 * make a source that is missing, as a directory. */
static void print_unit(FILE *stream, const struct etc_entry *entry, bool nofail) {
    fprintf(stream, "# Written by aimee-os-generator.\n[Unit]\nDescription=Writable /etc/");
    unit_print_value(stream, entry->path);
    fprintf(stream,
            "\nDocumentation=man:aimee-os-generator(8) man:writable-etc(5)\n"
            "SourcePath=/%s\n"
            "After=init-storage.service\n"
            "RequiresMountsFor=" STATE_TARGET "\n"
            "ConditionPathExists=" STATE_TARGET "/",
            entry->list);
    unit_print_value(stream, entry->path);
    fputs("\n\n[Mount]\nWhat=" STATE_TARGET "/", stream);
    unit_print_value(stream, entry->path);
    fputs("\nWhere=/etc/", stream);
    unit_print_value(stream, entry->path);
    fprintf(stream, "\nType=none\nOptions=bind%s\n", nofail ? ",nofail" : "");
}

static int write_unit(const struct etc_entry *entry, const char *unit, bool nofail, int folder,
                      struct problems *output) {
    _cleanup_free_ char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    int r;

    if (!stream)
        return -ENOMEM;
    print_unit(stream, entry, nofail);
    if (fclose(stream) != 0)
        return -ENOMEM;
    r = unit_wanted_write(folder, "local-fs.target", unit, text, size);
    if (r < 0 && r != -ENOMEM)
        problem(output, "%s: cannot write it: %s", unit, strerror(-r));
    return r == -ENOMEM ? r : 0;
}

static int write_entry(const struct etc_entry *entry, bool nofail, int folder,
                       struct problems *input, struct problems *output) {
    _cleanup_free_ char *target = NULL, *unit = NULL;
    int r;

    if (!unit_value_fits(entry->path)) {
        problem(input,
                "/%s:%u: no unit can hold a name that is not UTF-8, has a line break or ends "
                "with a backslash, so it is not bound: %s",
                entry->list, entry->line, entry->path);
        return 0;
    }
    if (asprintf(&target, "/etc/%s", entry->path) < 0) {
        target = NULL;
        return -ENOMEM;
    }
    r = unit_name_of("", target, ".mount", &unit);
    if (r == -EINVAL || r == -ENAMETOOLONG) {
        problem(input, "/%s:%u: too long for the name of a unit, so it is not bound: %s",
                entry->list, entry->line, entry->path);
        return 0;
    }
    return r < 0 ? r : write_unit(entry, unit, nofail, folder, output);
}

int bind_units_write(const struct fstab *fstab, const struct etc_list *list, int folder,
                     struct problems *input, struct problems *output) {
    bool nofail = fstab->entries[fstab->var].nofail;
    int r = 0;

    for (size_t i = 0; i < list->count && r == 0; i++)
        r = write_entry(&list->entries[i], nofail, folder, input, output);
    return r;
}
