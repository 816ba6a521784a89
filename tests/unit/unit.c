/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 120

int unit_folder = -1;
const char *unit_folder_path;

static char path_buffer[4096];
static FILE *real_stderr;
static char *said, *said_before;
static size_t said_size;
static mode_t old_umask;

static void keep_stderr(void) {
    real_stderr = stderr;
    stderr = open_memstream(&said, &said_size);
    if (!stderr) {
        stderr = real_stderr;
        abort();
    }
}

static void release_stderr(void) {
    (void)fclose(stderr);
    stderr = real_stderr;
    free(said);
    free(said_before);
    said = said_before = NULL;
}

const char *unit_said(void) {
    FILE *old = stderr;

    (void)fclose(old);
    free(said_before);
    said_before = said;
    stderr = open_memstream(&said, &said_size);
    if (!stderr) {
        stderr = real_stderr;
        abort();
    }
    return said_before;
}

FILE *unit_stderr(void) {
    return real_stderr;
}

size_t unit_count(const char *text, const char *wanted) {
    size_t count = 0;

    while ((text = strstr(text, wanted))) {
        text += strlen(wanted);
        count++;
    }
    return count;
}

static void remove_entry(int folder, const char *name) {
    int fd;
    DIR *stream;
    const struct dirent *entry;

    if (unlinkat(folder, name, 0) == 0 || fchmodat(folder, name, 0700, 0) < 0)
        return;
    fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream)
        return;
    while ((entry = readdir(stream))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_entry(fd, entry->d_name);
    }
    (void)closedir(stream);
    (void)unlinkat(folder, name, AT_REMOVEDIR);
}

int unit_begin(void **state) {
    const char *temporary = getenv("TMPDIR");

    (void)state;
    (void)alarm(SECONDS);
    old_umask = umask(022);
    (void)snprintf(path_buffer, sizeof(path_buffer), "%s/unit-XXXXXX",
                   temporary && *temporary ? temporary : "/tmp");
    unit_folder_path = mkdtemp(path_buffer);
    if (!unit_folder_path)
        return -1;
    unit_folder = open(unit_folder_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    keep_stderr();
    return unit_folder < 0 ? -1 : 0;
}

int unit_end(void **state) {
    (void)state;
    release_stderr();
    (void)close(unit_folder);
    unit_folder = -1;
    remove_entry(AT_FDCWD, unit_folder_path);
    (void)umask(old_umask);
    (void)alarm(0);
    return 0;
}

void put_bytes(int folder, const char *path, const void *bytes, size_t size) {
    int fd = openat(folder, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(close(fd), 0);
}

void put_file(int folder, const char *path, const char *content) {
    put_bytes(folder, path, content, strlen(content));
}

void put_folder(int folder, const char *path) {
    char part[4096];

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        (void)snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        if (mkdirat(folder, part, 0755) < 0)
            assert_int_equal(errno, EEXIST);
    }
    assert_int_equal(mkdirat(folder, path, 0755), 0);
}

int put_sparse(int folder, const char *path, off_t size) {
    int fd = openat(folder, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    if (ftruncate(fd, size) < 0) {
        (void)close(fd);
        skip_unless(false, "no file of that size here");
    }
    return fd;
}

int open_path(int folder, const char *path, int flags) {
    int fd = openat(folder, path, flags | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

char *content_of(int folder, const char *path) {
    int fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *content;

    if (fd < 0)
        return NULL;
    assert_int_equal(fstat(fd, &st), 0);
    content = calloc(1, (size_t)st.st_size + 1);
    assert_non_null(content);
    assert_int_equal(read(fd, content, (size_t)st.st_size), st.st_size);
    assert_int_equal(close(fd), 0);
    return content;
}

bool has_openat2(void) {
    struct open_how how = {.flags = O_PATH | O_CLOEXEC};
    long fd = syscall(SYS_openat2, unit_folder, ".", &how, sizeof(how));

    return fd >= 0 ? close((int)fd) == 0 : errno != ENOSYS;
}

int in_child(int (*function)(void *), void *argument) {
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(function(argument));
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

struct failing {
    long call;
    int error;
    int (*function)(void *);
    void *argument;
};

#define NO_FILTER 255

static int fail_and_run(void *argument) {
    const struct failing *failing = argument;
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)failing->call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)failing->error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = COUNT(rules), .filter = rules};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return NO_FILTER;
    return failing->function(failing->argument);
}

int in_child_failing(long call, int error, int (*function)(void *), void *argument) {
    struct failing failing = {
        .call = call, .error = error, .function = function, .argument = argument};
    int r = in_child(fail_and_run, &failing);

    skip_unless(r != NO_FILTER, "no seccomp filter here");
    return r;
}

void *share(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(memory != MAP_FAILED);
    return memory;
}

void unshare_memory(void *memory, size_t size) {
    assert_int_equal(munmap(memory, size), 0);
}
