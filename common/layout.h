/* SPDX-License-Identifier: MIT */
#ifndef LAYOUT_H
#define LAYOUT_H

/* The folder of ours at the top of the file system, and in the folder of writable-etc's copies. */
#define STAGING_NAME ".init-storage"
/* Where writable-etc's copies live on the running system, and the folder above, which is 0700. */
#define STATE_PARENT "/var/lib/aimee-os"
#define STATE_TARGET STATE_PARENT "/etc"

#endif
