/* SPDX-License-Identifier: MIT */
#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "commit.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "nodatacow.h"

/* 1: changed, 0: as it should be, or -errno. */
static int complete_one(struct session *session, const struct place *place, const char *path) {
    _cleanup_close_ int fd =
        open_beneath(session->volume.top, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    int r;

    if (fd == -ENOENT) {
        r = commit_parents(session, path);
        if (r == 0)
            r = commit_directory(session, path);
        if (r == 0)
            log_info("%s: directory made", path);
        return r < 0 ? r : 1;
    }
    if (fd == -ENOTDIR || fd == -ELOOP)
        return 0; /* somebody put something else there: theirs */
    if (fd < 0 || !place->nodatacow)
        return fd < 0 ? fd : 0;
    r = nodatacow_set(fd);
    if (r > 0)
        log_info("%s: new files in it are NOCOW from now on", path);
    return r;
}

bool places_complete(struct session *session) {
    bool changed = false;

    for (size_t i = 0; i < session->plan->place_count; i++) {
        const struct place *place = &session->plan->places[i];
        _cleanup_free_ char *path = survey_place_path(session->plan, place);
        int r;

        if (!path || place->private)
            continue;
        r = complete_one(session, place, path);
        if (r < 0)
            problem(&session->report->problems, "%s: cannot be made ready: %s", path, strerror(-r));
        changed = changed || r > 0;
    }
    return changed;
}
