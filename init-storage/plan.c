/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/fstab.h"
#include "common/log.h"
#include "common/path.h"
#include "common/problems.h"

#define VAR_NESTED_DEFAULT "log:tmp"

void plan_free(struct plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->subvolumes[i].path);
        free(plan->subvolumes[i].target);
    }
    for (size_t i = 0; i < plan->place_count; i++)
        free(plan->places[i].target);
    free(plan->subvolumes);
    free(plan->places);
    *plan = (struct plan){0};
}

struct subvolume *plan_at_target(const struct plan *plan, const char *target) {
    for (size_t i = 0; i < plan->count; i++) {
        if (strcmp(plan->subvolumes[i].target, target) == 0)
            return &plan->subvolumes[i];
    }
    return NULL;
}

struct subvolume *plan_above_target(const struct plan *plan, const char *target) {
    struct subvolume *deepest = NULL;

    for (size_t i = 0; i < plan->count; i++) {
        struct subvolume *subvolume = &plan->subvolumes[i];

        if (path_below(target, subvolume->target) &&
            (!deepest || strlen(subvolume->target) > strlen(deepest->target)))
            deepest = subvolume;
    }
    return deepest;
}

struct subvolume *plan_above_path(const struct plan *plan, const struct subvolume *subvolume) {
    struct subvolume *deepest = NULL;

    for (size_t i = 0; i < plan->count; i++) {
        struct subvolume *upper = &plan->subvolumes[i];
        const char *rest = path_below(subvolume->path, upper->path);

        if (upper != subvolume && rest && *rest &&
            (!deepest || strlen(upper->path) > strlen(deepest->path)))
            deepest = upper;
    }
    return deepest;
}

const struct place *plan_place_at(const struct plan *plan, const char *target) {
    for (size_t i = 0; i < plan->place_count; i++) {
        if (strcmp(plan->places[i].target, target) == 0)
            return &plan->places[i];
    }
    return NULL;
}

struct subvolume *plan_default(const struct plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->subvolumes[i].is_default)
            return &plan->subvolumes[i];
    }
    return NULL;
}

bool plan_has(const struct plan *plan, enum member_state state) {
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->subvolumes[i].state == state)
            return true;
    }
    return false;
}

static int compare_paths(const void *one, const void *other) {
    return strcmp(((const struct subvolume *)one)->path, ((const struct subvolume *)other)->path);
}

int plan_move_default(struct plan *plan, const char *path) {
    const struct subvolume *moved = plan_default(plan);
    _cleanup_free_ char *old = moved ? strdup(moved->path) : NULL;

    if (!moved)
        return 0;
    if (!old)
        return -ENOMEM;
    for (size_t i = 0; i < plan->count; i++) {
        struct subvolume *subvolume = &plan->subvolumes[i];
        const char *rest = path_below(subvolume->path, old);
        char *joined;

        if (!subvolume->below_default || !rest)
            continue;
        joined = path_join(path, rest);
        if (!joined)
            return -ENOMEM;
        free(subvolume->path);
        subvolume->path = joined;
    }
    /* No pointer into the array is kept at this time: "inside" is set by the survey later on. */
    qsort(plan->subvolumes, plan->count, sizeof(*plan->subvolumes), compare_paths);
    return 0;
}

/* Takes path and target over, also on failure. */
static struct subvolume *add_subvolume(struct plan *plan, char *path, char *target) {
    struct subvolume *grown = NULL;

    if (path && target)
        grown = reallocarray(plan->subvolumes, plan->count + 1, sizeof(*grown));
    if (!grown) {
        free(path);
        free(target);
        return NULL;
    }
    plan->subvolumes = grown;
    grown[plan->count] = (struct subvolume){.path = path, .target = target};
    return &grown[plan->count++];
}

static struct place *add_place(struct plan *plan, const char *target) {
    struct place *grown;
    char *copy;

    for (size_t i = 0; i < plan->place_count; i++) {
        if (strcmp(plan->places[i].target, target) == 0)
            return &plan->places[i];
    }
    grown = reallocarray(plan->places, plan->place_count + 1, sizeof(*grown));
    if (!grown)
        return NULL;
    plan->places = grown;
    copy = strdup(target);
    if (!copy)
        return NULL;
    grown[plan->place_count] = (struct place){.target = copy};
    return &grown[plan->place_count++];
}

static const struct subvolume *same_path(const struct plan *plan, const char *path) {
    for (size_t i = 0; i < plan->count; i++) {
        if (strcmp(plan->subvolumes[i].path, path) == 0)
            return &plan->subvolumes[i];
    }
    return NULL;
}

/* What is wrong with an entry, in words, or NULL. */
static const char *entry_problem(const struct plan *plan, const struct fstab_entry *entry,
                                 bool default_named) {
    if (plan_at_target(plan, entry->target))
        return "a second line for this mount point";
    if (!entry->subvol)
        return plan_default(plan) ? "a second line without subvol= on this device" : NULL;
    if (*entry->subvol == '/')
        return "subvol= must not begin with a slash";
    if (!path_is_plain(entry->subvol))
        return "subvol= must be a relative path without empty, \".\" or \"..\" components";
    if (path_below(entry->subvol, STAGING_NAME))
        return "subvol=" STAGING_NAME " is a name of our own";
    if (path_below(entry->subvol, DEFAULT_NAME) && default_named)
        return "subvol=" DEFAULT_NAME " is the name of the subvolume of the line without subvol=";
    return NULL;
}

static bool is_filled(const struct fstab_entry *entry) {
    if (strcmp(entry->target, "/") == 0 || entry->noauto || entry->has_subvolid)
        return false;
    return !entry->subvol || strcmp(entry->subvol, "/") != 0;
}

/* 1: added; 0: not, for a reason that was said; -ENOMEM. default_named: some line lacks subvol=. */
static int add_managed(struct plan *plan, const struct fstab_entry *entry, bool default_named,
                       struct problems *problems) {
    const char *wrong = entry_problem(plan, entry, default_named);
    struct subvolume *added;

    if (wrong) {
        problem(problems, "fstab: %s: %s%s%s", entry->target, wrong, entry->subvol ? ": " : "",
                entry->subvol ? entry->subvol : "");
        return 0;
    }
    /* The same subvolume mounted at two places: made once, of the first one's content. */
    if (entry->subvol && same_path(plan, entry->subvol))
        return 0;
    added = add_subvolume(plan, strdup(entry->subvol ? entry->subvol : DEFAULT_NAME),
                          strdup(entry->target));
    if (!added)
        return -ENOMEM;
    added->is_default = added->below_default = entry->subvol == NULL;
    return 1;
}

static int add_nested(struct plan *plan, const char *target) {
    struct subvolume *owner = plan_above_target(plan, target), *added;
    bool below_default;
    char *path;

    /* Its upper one is not filled by us, or a managed entry is mounted there, or named twice. */
    if (!owner || strcmp(owner->target, target) == 0)
        return 0;
    path = path_join(owner->path, path_below(target, owner->target));
    if (path && same_path(plan, path)) {
        free(path); /* a managed entry's, which is mounted elsewhere */
        return 0;
    }
    below_default = owner->below_default;
    added = add_subvolume(plan, path, strdup(target));
    if (!added)
        return -ENOMEM;
    added->nested = true;
    added->below_default = below_default;
    return 0;
}

static int add_implicit(struct plan *plan, const char *target) {
    size_t before = plan->count;
    int r = add_nested(plan, target);

    if (plan->count > before)
        plan->subvolumes[before].implicit = true;
    return r;
}

/* Calls add for each name of a list "a:b/c", as a path on the running system. */
static int for_each_name(struct plan *plan, const struct fstab_entry *entry, const char *list,
                         int (*add)(struct plan *, const char *), struct problems *problems) {
    _cleanup_free_ char *copy = strdup(list);
    char *rest = copy, *name;

    if (!copy)
        return -ENOMEM;
    while (*list && (name = strsep(&rest, ":"))) {
        _cleanup_free_ char *target = NULL;
        int r;

        if (!path_is_plain(name)) {
            problem(problems,
                    "fstab: %s: \"%s\" is not a path below it (relative, no empty, \".\" "
                    "or \"..\" components), left out",
                    entry->target, name);
            continue;
        }
        target = path_join(entry->target, name);
        if (!target)
            return -ENOMEM;
        r = add(plan, target);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_nodatacow(struct plan *plan, const char *target) {
    struct place *place;

    if (!plan_above_target(plan, target))
        return 0;
    place = add_place(plan, target);
    if (!place)
        return -ENOMEM;
    place->nodatacow = true;
    return 0;
}

/* Managed entries that are mounted inside another one need a directory to be mounted on there. */
static int add_mount_points(struct plan *plan) {
    for (size_t i = 0; i < plan->count; i++) {
        const struct subvolume *lower = &plan->subvolumes[i];

        for (size_t j = 0; j < plan->count && !lower->nested; j++) {
            struct place *place;

            if (j == i || !path_below(lower->target, plan->subvolumes[j].target))
                continue;
            place = add_place(plan, lower->target);
            if (!place)
                return -ENOMEM;
            place->mount_point = true;
        }
    }
    return 0;
}

static int add_below(struct plan *plan, const struct fstab_entry *entry,
                     struct problems *problems) {
    bool is_var = strcmp(entry->target, DATA_TARGET) == 0;
    const char *nested = entry->nested ? entry->nested : is_var ? VAR_NESTED_DEFAULT : "";
    int r = for_each_name(plan, entry, nested, entry->nested ? add_nested : add_implicit, problems);

    if (r == 0 && entry->nodatacow)
        r = for_each_name(plan, entry, entry->nodatacow, add_nodatacow, problems);
    if (r == 0 && is_var)
        r = add_nested(plan, STATE_TARGET);
    if (r == 0 && is_var) {
        struct place *place = add_place(plan, STATE_PARENT);

        if (!place)
            return -ENOMEM;
        place->private = true;
    }
    return r;
}

/* The lines that are made and filled by us, and right. accepted gets one flag a line. */
static int add_all_managed(const struct fstab *fstab, const bool *managed, bool *accepted,
                           struct plan *plan, struct problems *problems) {
    bool default_named = false;
    int r = 0;

    for (size_t i = 0; i < fstab->count; i++) {
        const struct fstab_entry *entry = &fstab->entries[i];

        default_named = default_named || (managed[i] && is_filled(entry) && !entry->subvol);
    }
    for (size_t i = 0; i < fstab->count && r >= 0; i++) {
        const struct fstab_entry *entry = &fstab->entries[i];

        if (managed[i] && is_filled(entry))
            r = add_managed(plan, entry, default_named, problems);
        else if (managed[i] && strcmp(entry->target, "/") != 0)
            log_info("fstab: %s: noauto, subvolid= or subvol=/: never made by us", entry->target);
        accepted[i] = managed[i] && is_filled(entry) && r == 1;
    }
    return r < 0 ? r : 0;
}

/* In two rounds: a managed entry beats a nested name, whatever their order in fstab. */
int plan_make(const struct fstab *fstab, const bool *managed, struct plan *ret,
              struct problems *problems) {
    _cleanup_free_ bool *accepted = calloc(fstab->count, sizeof(*accepted));
    int r = accepted ? add_all_managed(fstab, managed, accepted, ret, problems) : -ENOMEM;

    for (size_t i = 0; i < fstab->count && r == 0; i++) {
        if (accepted[i])
            r = add_below(ret, &fstab->entries[i], problems);
    }
    if (r == 0)
        r = add_mount_points(ret);
    if (r < 0)
        plan_free(ret);
    else if (ret->count > 0)
        qsort(ret->subvolumes, ret->count, sizeof(*ret->subvolumes), compare_paths);
    return r;
}
