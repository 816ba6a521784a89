# SPDX-License-Identifier: MIT
"""Which system call can fail in which way: the one table, and the faults of a run made by it.

An error is listed where Linux can return it for a reason that has nothing to do with how the
program calls: a bad disk (EIO), no room (ENOSPC), no memory (ENOMEM), no descriptors (EMFILE), a
read-only file system (EROFS), a policy such as SELinux's (EACCES), somebody else (EBUSY), a signal
(EINTR, but only where the call waits for something other than a disk), an old kernel (ENOSYS).
"""

import collections
import errno
import random

# Calls whose N-th one is disturbed. "lost" and "full" are explained in inject.c.
NEW_NAME = ("EIO", "ENOSPC", "EROFS", "ENOMEM")
CHANGE = ("EIO", "ENOSPC", "EROFS")
LOOK = ("EIO", "ENOMEM")
OPEN = ("EACCES", "EIO", "EMFILE", "ENOMEM")
FLUSH = ("EIO", "ENOSPC")
PROCESS = ("EAGAIN", "ENOMEM")
ERRORS = {
    "open": OPEN, "openat": OPEN, "openat2": (*OPEN, "ENOSYS"),
    "read": ("EIO", "short"), "pread64": ("EIO", "short"),
    "write": ("EIO", "ENOSPC", "short"), "pwrite64": ("EIO", "ENOSPC", "short"),
    "sendfile": ("EIO", "ENOSPC", "short"), "copy_file_range": ("EIO", "ENOSPC", "short"),
    "getdents64": LOOK, "newfstatat": LOOK, "fstat": LOOK, "stat": LOOK, "lstat": LOOK, "statx": LOOK,
    "statfs": LOOK, "fstatfs": LOOK, "readlink": LOOK, "readlinkat": LOOK, "access": LOOK,
    "faccessat": LOOK, "faccessat2": LOOK, "getcwd": ("ENOMEM",), "chdir": LOOK, "fchdir": ("EACCES",),
    "fgetxattr": LOOK, "getxattr": LOOK, "lgetxattr": LOOK,
    "flistxattr": LOOK, "listxattr": LOOK, "llistxattr": LOOK,
    # What was written to a network's file system is flushed then; the descriptor is gone in any case.
    "close": ("lost",),
    "mkdir": NEW_NAME, "mkdirat": NEW_NAME, "mknodat": NEW_NAME, "symlinkat": NEW_NAME,
    "linkat": NEW_NAME, "rename": NEW_NAME, "renameat": NEW_NAME, "renameat2": NEW_NAME,
    "unlink": NEW_NAME, "unlinkat": NEW_NAME, "rmdir": NEW_NAME,
    "fchmod": CHANGE, "fchmodat": CHANGE, "fchown": CHANGE, "fchownat": CHANGE, "utimensat": CHANGE,
    "fsetxattr": CHANGE, "setxattr": CHANGE, "lsetxattr": CHANGE,
    "fremovexattr": CHANGE, "removexattr": CHANGE,
    "ftruncate": ("EIO", "ENOSPC"), "fallocate": ("EIO", "ENOSPC"),
    "fsync": FLUSH, "fdatasync": FLUSH, "syncfs": FLUSH, "sync_file_range": FLUSH,
    "ioctl": ("EIO", "ENOMEM", "ENOSPC"),
    "flock": ("EINTR", "ENOLCK", "EWOULDBLOCK"),
    "mount": ("EACCES", "EBUSY", "EIO", "ENOMEM"), "umount2": ("EBUSY",),
    "open_tree": ("EMFILE", "ENOMEM"), "move_mount": ("EBUSY", "ENOMEM"), "mount_setattr": ("ENOMEM",),
    "fsopen": ("EMFILE", "ENOMEM", "ENOSYS"), "fsconfig": ("ENOMEM",), "fsmount": ("EMFILE", "ENOMEM"),
    "unshare": ("ENOMEM", "ENOSPC"), "setns": ("ENOMEM",), "chroot": ("EIO",), "pivot_root": ("EBUSY",),
    "mmap": ("ENOMEM",), "mremap": ("ENOMEM",), "mprotect": ("ENOMEM",), "brk": ("full",),
    "mlock": ("ENOMEM",), "mlockall": ("ENOMEM",), "memfd_create": ("EMFILE", "ENOMEM"),
    "clone": PROCESS, "clone3": PROCESS, "fork": PROCESS, "vfork": PROCESS,
    "execve": ("EACCES", "EIO", "ENOMEM"), "execveat": ("EACCES", "EIO", "ENOMEM"),
    "dup": ("EMFILE",), "dup2": ("EBUSY",), "dup3": ("EBUSY",), "fcntl": ("EMFILE",), "pipe2": ("EMFILE",),
    "wait4": ("EINTR",), "waitid": ("EINTR",), "poll": ("EINTR", "ENOMEM"), "ppoll": ("EINTR", "ENOMEM"),
    "timer_create": ("EAGAIN",), "nanosleep": ("EINTR",), "clock_nanosleep": ("EINTR",),
    "pidfd_open": ("EMFILE", "ENOMEM", "ENOSYS"), "signalfd4": ("EMFILE", "ENOMEM"),
    "socket": ("EMFILE", "ENOMEM"), "connect": ("ECONNREFUSED",), "sendto": ("ENOMEM",), "sendmsg": ("ENOMEM",),
}

# Those that fail for a wrong argument alone, that tell by failing (a futex says EAGAIN at every
# turn), or that only advise.
CANNOT_FAIL = frozenset("""
    exit exit_group munmap madvise fadvise64 arch_prctl set_tid_address set_robust_list rseq prlimit64 futex
    getuid geteuid getgid getegid getpid getppid gettid umask alarm prctl uname sched_yield getrandom lseek kill
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend restart_syscall tgkill getpgrp getpgid setpgid setsid
    pidfd_send_signal timer_settime timer_delete clock_gettime setitimer pause close_range sched_getaffinity
    sigaltstack getgroups setgroups
    """.split())

# Before main(): the C library ends the process in its own words.
START_UP = frozenset("""execve brk arch_prctl set_tid_address set_robust_list rseq prlimit64 readlink readlinkat
    getrandom mprotect uname newfstatat""".split())

WAITS = ("pipe:", "socket:", "/dev/pts/", "/dev/tty")

Call = collections.namedtuple("Call", "task name number length result path")


def parse_trace(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            task, name, number, length, result, path = line.rstrip("\n").lstrip("!").split(" ")
            yield Call(int(task), name, int(number), int(length), result, path)


def actions(call):
    """What can become of a call, in inject's words."""
    for word in ERRORS[call.name]:
        if word == "short":
            # So that less comes than came: half of it.
            if call.result.isdigit() and int(call.result) > 1:
                yield f"short={int(call.result) // 2}"
        elif word == "lost":
            yield f"lost={errno.EIO}"
        elif word == "full":
            yield "full=0"
        else:
            yield f"errno={getattr(errno, word)}"
    if call.name in ("read", "write") and call.path.startswith(WAITS):
        yield f"errno={errno.EINTR}"


def without_start_up(calls):
    for index, call in enumerate(calls):
        if call.task != 0 or call.name not in START_UP:
            return calls[index:]
    return []


def faults_of(trace):
    """Every fault of a run, as "TASK.CALL.NUMBER.ACTION"."""
    calls = without_start_up(list(parse_trace(trace)))
    unknown = {call.name for call in calls} - set(ERRORS) - CANNOT_FAIL
    if unknown:
        raise RuntimeError(f"neither in ERRORS nor in CANNOT_FAIL: {', '.join(sorted(unknown))}")
    found = []
    for call in calls:
        place = f"{call.task}.{call.name}.{call.number}"
        if call.name in ERRORS:
            found += [f"{place}.{action}" for action in actions(call)]
        if call.name != "futex":
            found.append(f"{place}.kill=0")
    return found


def kind_of(fault):
    """Faults of a kind are alike: the same call in the same kind of trouble."""
    if "." not in fault:
        return fault.split("=")[0]      # surroundings
    task, name, _, action = fault.split(".")
    return (name, action.split("=")[0] if action.startswith("short") else action, task == "0")


def spread(faults, limit, seed):
    """At most limit of them, of every kind as many as of every other, as far as there are any."""
    if not limit or limit >= len(faults):
        return faults
    chance = random.Random(seed)
    kinds = collections.defaultdict(list)
    for fault in faults:
        kinds[kind_of(fault)].append(fault)
    for members in kinds.values():
        chance.shuffle(members)
    rounds = list(kinds.values())
    chance.shuffle(rounds)
    chosen = set()
    while len(chosen) < limit:
        for members in rounds:
            if members and len(chosen) < limit:
                chosen.add(members.pop())
    return [fault for fault in faults if fault in chosen]
