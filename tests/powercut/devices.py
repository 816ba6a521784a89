# SPDX-License-Identifier: MIT
"""Loop devices that go away with the process that holds them, and images."""

import contextlib
import errno
import fcntl
import os
import struct
import subprocess
import time

LOOP_CTL_GET_FREE = 0x4C82
LOOP_CONFIGURE = 0x4C0A
LO_FLAGS_AUTOCLEAR, LO_FLAGS_DIRECT_IO = 4, 16
# struct loop_config: descriptor, block size, loop_info64 (its flags after 52 bytes), reserved.
LOOP_CONFIG = struct.Struct("=II 52x I 176x 64x")
BTRFS_IOC_FORGET_DEV = 0x50009405
BTRFS_VOLUME_ARGUMENTS = struct.Struct("=q 4088s")
COPY_SIZE = 1 << 20


def _attach_some(file, flags):
    """Another process may take the free device first."""
    while True:
        with open("/dev/loop-control", "rb") as control:
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
        device = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(device, LOOP_CONFIGURE, LOOP_CONFIG.pack(file, 0, flags))
            return device, f"/dev/loop{number}"
        except OSError as error:
            os.close(device)
            if error.errno != errno.EBUSY:
                raise


def forget(path):
    """btrfs remembers a device that was mounted, and would prefer it to an older state of it."""
    with open("/dev/btrfs-control", "rb") as control, contextlib.suppress(OSError):
        fcntl.ioctl(control, BTRFS_IOC_FORGET_DEV, bytearray(BTRFS_VOLUME_ARGUMENTS.pack(0, path.encode())))


@contextlib.contextmanager
def attached(image, direct=False):
    """The path of a loop device over an image. The kernel detaches it when its last user goes."""
    file = os.open(image, os.O_RDWR | os.O_CLOEXEC)
    flags = LO_FLAGS_AUTOCLEAR | (LO_FLAGS_DIRECT_IO if direct else 0)
    try:
        device, path = _attach_some(file, flags)
    finally:
        os.close(file)
    try:
        yield path
    finally:
        forget(path)
        os.close(device)


def keep_requests_apart(path):
    """The block layer is not to make one write of two."""
    with open(f"/sys/block/{os.path.basename(path)}/queue/nomerges", "w", encoding="ascii") as file:
        file.write("2")


def data_ranges(file):
    end, size = 0, os.fstat(file).st_size
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end


def copy_sparse(source, path):
    """Makes a new file, and so a new inode, of what the descriptor source holds."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.ftruncate(target, os.fstat(source).st_size)
    for start, end in data_ranges(source):
        for offset in range(start, end, COPY_SIZE):
            os.pwrite(target, os.pread(source, min(COPY_SIZE, end - offset), offset), offset)
    return target


def unmount_below(folder):
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        points = [line.split()[4] for line in mounts]
    for point in reversed(points):
        if point.startswith(f"{folder}/"):
            subprocess.run(["umount", point], check=True)


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} after {seconds} s")
        time.sleep(0.01)
