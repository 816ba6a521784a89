/* SPDX-License-Identifier: MIT */
#include "common/reset-request.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>
#include <uuid.h>

#include "common/cleanup.h"
#include "common/run-file.h"

static const char *const erase_names[] = {
    [ERASE_SIGNATURE] = "signature", [ERASE_DISCARD] = "discard", [ERASE_ZERO] = "zero"};

const char *erase_name(enum erase_kind kind) {
    return erase_names[kind];
}

int erase_parse(const char *name, enum erase_kind *ret) {
    for (size_t i = 0; i < sizeof(erase_names) / sizeof(*erase_names); i++) {
        if (strcmp(name, erase_names[i]) == 0) {
            *ret = (enum erase_kind)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* Nothing that JSON would have to escape: the format stays trivial, and a terminal whole. */
static bool is_plain_text(const char *text) {
    for (; *text; text++) {
        if (*text < 0x20 || *text > 0x7e || *text == '"' || *text == '\\')
            return false;
    }
    return true;
}

static void read_line(const char *path, char *text, size_t size) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

/* sudo's word for who it was, and the kernel's: the user who logged in, whoever he became. */
static void describe_caller(char by[REQUEST_BY_SIZE]) {
    static const char unset[] = "4294967295";
    const char *sudo_user = getenv("SUDO_USER");
    char login[16];

    read_line("/proc/self/loginuid", login, sizeof(login));
    if (!sudo_user || !is_plain_text(sudo_user) || strlen(sudo_user) > 64)
        sudo_user = NULL;
    (void)snprintf(by, REQUEST_BY_SIZE, "%s%suid %u%s%s", sudo_user ? sudo_user : "",
                   sudo_user ? ", " : "", (unsigned)getuid(),
                   *login && strcmp(login, unset) != 0 ? ", logged in as uid " : "",
                   *login && strcmp(login, unset) != 0 ? login : "");
}

void request_sign(struct reset_request *request) {
    time_t now = time(NULL);
    struct tm broken;

    (void)strftime(request->time, sizeof(request->time), "%Y-%m-%dT%H:%M:%SZ",
                   gmtime_r(&now, &broken));
    read_line("/proc/sys/kernel/random/boot_id", request->boot_id, sizeof(request->boot_id));
    describe_caller(request->by);
}

size_t request_format(const struct reset_request *request, char text[REQUEST_SIZE]) {
    return (size_t)snprintf(text, REQUEST_SIZE,
                            "{\"version\":1,\"fsid\":\"%s\",\"boot_id\":\"%s\",\"time\":\"%s\","
                            "\"by\":\"%s\",\"erase\":\"%s\"}",
                            request->fsid, request->boot_id, request->time, request->by,
                            erase_name(request->erase));
}

/* Moves *text behind expected. */
static bool take_literal(const char **text, const char *expected) {
    size_t length = strlen(expected);

    if (strncmp(*text, expected, length) != 0)
        return false;
    *text += length;
    return true;
}

/* "name":"value" with what stands before it; the value has no escapes. */
static bool take_member(const char **text, const char *before, const char *name, char *value,
                        size_t size) {
    size_t length;

    if (!take_literal(text, before) || !take_literal(text, "\"") || !take_literal(text, name) ||
        !take_literal(text, "\":\""))
        return false;
    length = strcspn(*text, "\"");
    if (length >= size || (*text)[length] != '"')
        return false;
    memcpy(value, *text, length);
    value[length] = '\0';
    *text += length + 1;
    return is_plain_text(value);
}

/* As we write it, letter for letter: whoever writes it otherwise has not written a request. */
int request_parse(const char *stored, size_t size, struct reset_request *ret) {
    struct reset_request request = {0};
    char copy[REQUEST_SIZE + 1], erase[16];
    const char *text = copy;
    uuid_t fsid;

    if (size > REQUEST_SIZE || memchr(stored, '\0', size))
        return -EBADMSG;
    memcpy(copy, stored, size);
    copy[size] = '\0';
    if (!take_literal(&text, "{\"version\":1") ||
        !take_member(&text, ",", "fsid", request.fsid, sizeof(request.fsid)) ||
        !take_member(&text, ",", "boot_id", request.boot_id, sizeof(request.boot_id)) ||
        !take_member(&text, ",", "time", request.time, sizeof(request.time)) ||
        !take_member(&text, ",", "by", request.by, sizeof(request.by)) ||
        !take_member(&text, ",", "erase", erase, sizeof(erase)) || !take_literal(&text, "}"))
        return -EBADMSG;
    if (*text == '\n')
        text++;
    if (*text || uuid_parse(request.fsid, fsid) != 0 || erase_parse(erase, &request.erase) < 0)
        return -EBADMSG;
    *ret = request;
    return 0;
}

int request_read(int top, struct reset_request *ret) {
    char text[REQUEST_SIZE + 1];
    ssize_t n = fgetxattr(top, REQUEST_XATTR, text, sizeof(text));

    if (n < 0 && errno == ERANGE)
        return -EBADMSG;
    return n < 0 ? -errno : request_parse(text, (size_t)n, ret);
}

/* One transaction, and small enough to lie in the directory's own leaf: it also works where no
 * file could be made any more. */
int request_store(int top, const struct reset_request *request) {
    char text[REQUEST_SIZE];
    size_t size = request_format(request, text);

    if (fsetxattr(top, REQUEST_XATTR, text, size, 0) < 0)
        return -errno;
    return syncfs(top) < 0 ? -errno : 0;
}

int request_remove(int top) {
    if (fremovexattr(top, REQUEST_XATTR) < 0 && errno != ENODATA)
        return -errno;
    return syncfs(top) < 0 ? -errno : 0;
}

int request_flag_read(const char *run_directory, struct reset_request *ret) {
    char text[REQUEST_SIZE + 2];
    ssize_t n = run_file_read(run_directory, REQUEST_FLAG, text, sizeof(text));

    return n < 0 ? (int)n : request_parse(text, (size_t)n, ret);
}

int request_flag_arm(const char *run_directory, const struct reset_request *request) {
    char text[REQUEST_SIZE];
    size_t size = request_format(request, text);

    return run_file_write(run_directory, REQUEST_FLAG, text, size);
}

int request_flag_remove(const char *run_directory) {
    return run_file_remove(run_directory, REQUEST_FLAG);
}
