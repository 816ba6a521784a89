/* SPDX-License-Identifier: MIT */
#include "common/signatures.h"

#include <blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/cleanup.h"

/* libblkid's probing conventions end in this file. There is one set of what it is asked for: what
 * is found is what is wiped. */

/* libblkid: values are NUL-terminated, the size counts the NUL. */
static const char *value_of(blkid_probe probe, const char *name) {
    const char *value = NULL;

    return blkid_probe_lookup_value(probe, name, &value, NULL) == 0 ? value : NULL;
}

static void describe(blkid_probe probe, char *found, size_t size) {
    const char *type = value_of(probe, "TYPE"), *usage = value_of(probe, "USAGE");
    const char *label = value_of(probe, "LABEL"), *table = value_of(probe, "PTTYPE");
    const char *offset = value_of(probe, type ? "SBMAGIC_OFFSET" : "PTMAGIC_OFFSET");
    const char *damaged = value_of(probe, "SBBADCSUM") ? ", with a wrong checksum" : "";

    (void)snprintf(found, size, "%s%s%s%s%s%s%s%s%s%s", type ? type : "a partition table of type ",
                   type    ? " ("
                   : table ? table
                           : "unknown",
                   type && usage ? usage : "", type ? ")" : "", label ? ", label \"" : "",
                   label ? label : "", label ? "\"" : "", offset ? ", signature at byte " : "",
                   offset ? offset : "", damaged);
}

static blkid_probe new_probe(int fd) {
    blkid_probe probe = blkid_new_probe();

    if (!probe)
        return NULL;
    if (blkid_probe_set_device(probe, fd, 0, 0) != 0 ||
        blkid_probe_enable_superblocks(probe, 1) != 0 ||
        blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE |
                                                     BLKID_SUBLKS_LABEL | BLKID_SUBLKS_MAGIC |
                                                     BLKID_SUBLKS_BADCSUM) != 0 ||
        blkid_probe_enable_partitions(probe, 1) != 0 ||
        blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC | BLKID_PARTS_FORCE_GPT) != 0) {
        blkid_free_probe(probe);
        return NULL;
    }
    return probe;
}

static void free_probe(blkid_probe *probe) {
    blkid_free_probe(*probe);
}

/* Every signature, one after the other. */
static void list_all(int fd, char *found, size_t size) {
    blkid_probe probe __attribute__((cleanup(free_probe))) = new_probe(fd);
    size_t length = (size_t)snprintf(found, size, "signatures of more than one kind");
    const char *separator = ": ";

    while (probe && length + 1 < size && blkid_do_probe(probe) == 0) {
        length += (size_t)snprintf(found + length, size - length, "%s", separator);
        if (length + 1 >= size)
            return;
        describe(probe, found + length, size - length);
        length += strlen(found + length);
        separator = "; ";
    }
}

bool signatures_is_private_mapping(const char *uuid) {
    /* "LVM-" and two identifiers of 32 characters; a suffix behind them marks a private part, as
     * libblkid's sysfs_devno_is_dm_private() has it. */
    static const char lvm[] = "LVM-", stratis[] = "stratis-1-private";
    const size_t identifiers = 64;

    if (strncmp(uuid, stratis, sizeof(stratis) - 1) == 0)
        return true;
    return strncmp(uuid, lvm, sizeof(lvm) - 1) == 0 &&
           strlen(uuid) > sizeof(lvm) - 1 + identifiers &&
           uuid[sizeof(lvm) - 1 + identifiers] == '-';
}

static bool is_private(int fd) {
    char path[64], uuid[256];
    _cleanup_close_ int file = -1;
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
        return false;
    (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/dm/uuid", major(st.st_rdev),
                   minor(st.st_rdev));
    file = open(path, O_RDONLY | O_CLOEXEC);
    n = file < 0 ? -1 : read(file, uuid, sizeof(uuid) - 1);
    if (n <= 0)
        return false;
    uuid[n] = '\0';
    uuid[strcspn(uuid, "\n")] = '\0';
    return signatures_is_private_mapping(uuid);
}

enum signatures signatures_find(int fd, char *found, size_t size) {
    blkid_probe probe __attribute__((cleanup(free_probe))) = new_probe(fd);
    const char *type;

    if (!probe) {
        (void)snprintf(found, size, "cannot be probed: %s", strerror(errno));
        return SIGNATURES_ERROR;
    }
    if (is_private(fd)) {
        (void)snprintf(found, size, "a private part of a logical volume");
        return SIGNATURES_OTHER;
    }
    errno = 0;
    switch (blkid_do_safeprobe(probe)) {
    case 0:
        type = value_of(probe, "TYPE");
        if (!type || strcmp(type, "btrfs") != 0) {
            describe(probe, found, size);
            return SIGNATURES_OTHER;
        }
        if (!value_of(probe, "PTTYPE"))
            return SIGNATURES_BTRFS;
        /* Which of the two is the older one's rest, nobody can tell from here. */
        list_all(fd, found, size);
        return SIGNATURES_OTHER;
    case 1:
        return SIGNATURES_NONE;
    case -2:
        list_all(fd, found, size);
        return SIGNATURES_OTHER;
    default:
        (void)snprintf(found, size, "a read error while it was probed: %s",
                       strerror(errno ? errno : EIO));
        return SIGNATURES_ERROR;
    }
}

int signatures_wipe(int fd) {
    blkid_probe probe __attribute__((cleanup(free_probe))) = new_probe(fd);
    int found, r = 0;

    if (!probe)
        return -EIO;
    while (r == 0 && (found = blkid_do_probe(probe)) == 0)
        r = blkid_do_wipe(probe, 0) < 0 ? -EIO : 0;
    return r == 0 && found < 0 ? -EIO : r;
}
