/* SPDX-License-Identifier: MIT */
#ifndef PLAN_H
#define PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/layout.h"

struct fstab;
struct problems;

/* The final name of the subvolume of an entry without subvol=. */
#define DEFAULT_NAME "@default"

/* Where something that is wanted stands. */
enum member_state {
    MEMBER_UNKNOWN,
    MEMBER_PRESENT,
    MEMBER_MISSING,
    MEMBER_CREATED,
    MEMBER_FAILED,
};

struct subvolume {
    char *path;   /* final name, relative to the top of the file system */
    char *target; /* where the running system sees it, and the image's directory that fills it */
    bool nested;  /* named by x-init-storage.subvol= or ours; a plain directory will do too */
    bool is_default;
    bool below_default; /* path begins with the default subvolume's */
    bool implicit;      /* nested by default: whatever else is there will do */
    bool left_plain;    /* nested, and found as a plain directory */
    bool needs_default; /* the default subvolume is still the top */
    enum member_state state;
    const char *problem; /* why it failed, when the survey found it so; a constant */
    /* The missing subvolume in whose staging tree this one is made; NULL: it has its own. */
    struct subvolume *inside;
    uint64_t files, bytes; /* non-directories, and their content, copied */
};

/* A directory that must be there, whether the image has it or not. */
struct place {
    char *target;
    bool nodatacow;
    bool mount_point; /* of a managed entry below another: nothing is copied into it here */
    bool private;     /* mode 0700, root's */
};

struct plan {
    struct subvolume *subvolumes; /* in order of path: upper ones first */
    size_t count;
    struct place *places;
    size_t place_count;
};

/* Makes a plan of those entries for which managed[i] is set. What is wrong with an entry is
 * reported, and the others hold. Returns 0 or -ENOMEM; free with plan_free. */
int plan_make(const struct fstab *fstab, const bool *managed, struct plan *ret,
              struct problems *problems);
void plan_free(struct plan *plan);

/* The subvolume seen at target itself, or the deepest one at or above it; NULL: none. */
struct subvolume *plan_at_target(const struct plan *plan, const char *target);
struct subvolume *plan_above_target(const struct plan *plan, const char *target);

/* The deepest subvolume whose path lies strictly above this one's; NULL: none. */
struct subvolume *plan_above_path(const struct plan *plan, const struct subvolume *subvolume);

const struct place *plan_place_at(const struct plan *plan, const char *target);

/* The entry without subvol=, or NULL. */
struct subvolume *plan_default(const struct plan *plan);

/* Gives the default subvolume another path, and what lies below it with it. Returns 0 or -ENOMEM.
 */
int plan_move_default(struct plan *plan, const char *path);

/* Whether any subvolume is in a state. */
bool plan_has(const struct plan *plan, enum member_state state);

#endif
