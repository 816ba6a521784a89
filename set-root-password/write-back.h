/* SPDX-License-Identifier: MIT */
#ifndef WRITE_BACK_H
#define WRITE_BACK_H

#include "live.h"

/* What a failed write-back leaves. */
enum write_back_state {
    WRITE_BACK_OLD,     /* the old file, as if nothing had been tried */
    WRITE_BACK_UNKNOWN, /* the new one is seen, but is not known to survive a power cut */
};

/* Gives a live file new content: at any moment, and after a power cut at any moment, every reader
 * in every mount namespace finds the old content or the new one, whole (for a moment, or after
 * a power cut, with empty lines behind it). Owner, mode, attributes stay. On the medium
 * when it returns 0; else returns -errno and tells what is there. -ENOBUFS: there is no space in
 * one piece for it. */
int write_back(const struct live *live, const struct secret *content, enum write_back_state *ret);

#endif
