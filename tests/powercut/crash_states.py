# SPDX-License-Identifier: MIT
"""What a device can hold after a power cut, from a log of "record".

The writes between two flushes are an epoch. When the power goes in it, all earlier epochs are
on the device, and of this one whatever the device liked, in any order.
"""

import collections
import hashlib
import itertools
import os
import random
import re

BLOCK = 4096
TEAR_UNITS = (4096, 512)
SUBSET_LIMIT = 4
RANDOM_SUBSETS = 8
# What a file system needs all of at once: the superblocks of ext4 and btrfs, as (offset, size).
SUPERBLOCKS = ((1 << 10, 1 << 10), (64 << 10, 4 << 10), (64 << 20, 4 << 10))

Operation = collections.namedtuple("Operation", "kind offset length place")
# marks: all that were written before the flush that ends it.
Epoch = collections.namedtuple("Epoch", "operations marks")
# Of an operation the bytes from first to last piece, in units; unit 0 is the whole.
Part = collections.namedtuple("Part", "index unit first last", defaults=(0, 0, 0))


def read_log(path):
    """The epochs, in order; one in which nothing happened is none."""
    epochs, operations, marks, place = [], [], [], 0

    def end_epoch():
        if operations or not epochs or epochs[-1].marks != tuple(marks):
            epochs.append(Epoch(tuple(operations), tuple(marks)))
            operations.clear()

    with open(path, encoding="ascii") as log:
        for line in log:
            kind, *fields = line.split()
            if kind == "mark":
                marks.append(fields[0])
            elif kind == "flush":
                end_epoch()
            else:
                offset, length = map(int, fields)
                operations.append(Operation(kind, offset, length, place))
                place += length if kind == "write" else 0
    end_epoch()
    return epochs


class Content:
    """The bytes of a device: which blocks differ from the base image, and how.

    "key" is the same for the same bytes, however they came about.
    """

    def __init__(self, base, lower=None):
        self.base = base
        self.lower = lower.blocks if lower else {}
        self.key = lower.key if lower else 0
        self.blocks = {}

    def block(self, number):
        found = self.blocks.get(number) or self.lower.get(number)
        return found or os.pread(self.base, BLOCK, number * BLOCK)

    def _weight(self, number, block):
        if block == os.pread(self.base, BLOCK, number * BLOCK):
            return 0
        digest = hashlib.blake2b(b"%d " % number + block, digest_size=16).digest()
        return int.from_bytes(digest, "little")

    def write(self, offset, data):
        position = 0
        while position < len(data):
            number, start = divmod(offset + position, BLOCK)
            old = self.block(number)
            piece = data[position:position + BLOCK - start]
            new = old[:start] + piece + old[start + len(piece):]
            if new != old:
                self.key += self._weight(number, new) - self._weight(number, old)
                self.blocks[number] = new
            position += len(piece)

    def changes(self):
        return {**self.lower, **self.blocks}

    def absorb(self, upper):
        self.blocks.update(upper.blocks)
        self.key = upper.key


class Recording:
    """A base image and what was written to it."""

    def __init__(self, folder):
        self.folder = folder
        self.epochs = read_log(os.path.join(folder, "log"))
        self.base = os.open(os.path.join(folder, "base.img"), os.O_RDONLY)
        self.data = os.open(os.path.join(folder, "data"), os.O_RDONLY)
        self.reached, self.durable = 0, Content(self.base)

    def bytes_of(self, operation, start, end):
        if operation.kind != "write":
            return bytes(end - start)
        return os.pread(self.data, end - start, operation.place + start)

    def _apply(self, content, epoch, part):
        operation = self.epochs[epoch].operations[part.index]
        start, end = 0, operation.length
        if part.unit:
            start, end = part.first * part.unit, min(end, (part.last + 1) * part.unit)
        content.write(operation.offset + start, self.bytes_of(operation, start, end))

    def _everything_before(self, epoch):
        if epoch < self.reached:
            self.reached, self.durable = 0, Content(self.base)
        while self.reached < epoch:
            self.durable.absorb(self.content_of(self.reached, whole(self.epochs[self.reached])))
            self.reached += 1
        return self.durable

    def content_of(self, epoch, parts):
        content = Content(self.base, self._everything_before(epoch))
        for part in parts:
            self._apply(content, epoch, part)
        return content

    def tears_superblock(self, epoch, parts):
        """Whether a part begins or ends within a superblock."""
        for part in parts:
            offset = self.epochs[epoch].operations[part.index].offset
            for edge in (part.first, part.last + 1) if part.unit else ():
                place = offset + edge * part.unit
                if any(at < place < at + size for at, size in SUPERBLOCKS):
                    return True
        return False


def whole(epoch):
    return tuple(map(Part, range(len(epoch.operations))))


def tears_of(pieces):
    """Ranges of pieces that arrived: a beginning, an end, or the middle."""
    ends = sorted({1, pieces // 2, pieces - 1} - {0, pieces})
    for end in ends:
        yield 0, end - 1
        yield end, pieces - 1
    if pieces > 3:
        yield pieces // 4, pieces * 3 // 4 - 1


def subsets(indices):
    for size in range(len(indices) + 1):
        yield from itertools.combinations(indices, size)


def subsets_in_flight(count, seed):
    """Which of an epoch's operations arrived, as (kind, indices), without tears."""
    everything = tuple(range(count))
    for end in everything:
        yield "prefix", everything[:end]
    yield "boundary", everything
    for index in everything:
        yield "single", (index,)
        yield "dropped", everything[:index] + everything[index + 1:]
    for end in range(min(count, SUBSET_LIMIT), count + 1):
        start = max(0, end - SUBSET_LIMIT)
        for subset in subsets(everything[start:end]):
            yield "subset", everything[:start] + subset
    chooser = random.Random(seed)
    for _ in range(RANDOM_SUBSETS if count > SUBSET_LIMIT else 0):
        yield "random", tuple(index for index in everything if chooser.random() < 0.5)


def torn_writes(epoch):
    """One write in part: of those before it all arrived, of those after it none, or all."""
    everything = whole(epoch)
    for index, operation in enumerate(epoch.operations):
        for unit in TEAR_UNITS:
            for tear in tears_of(-(-operation.length // unit)):
                part = Part(index, unit, *tear)
                yield f"torn-{unit}", everything[:index] + (part,)
                yield f"torn-{unit}", everything[:index] + (part,) + everything[index + 1:]


def states_of(recording, seed):
    """Each different state once, as (kind, epoch, parts, marks). Of equal states that of the
    latest crash is kept: it has seen the most marks, and those make a check stricter only."""
    found = {}
    for number, epoch in enumerate(recording.epochs):
        candidates = [(kind, tuple(map(Part, indices))) for kind, indices in
                      subsets_in_flight(len(epoch.operations), f"{seed} {number}")]
        for kind, parts in itertools.chain(candidates, torn_writes(epoch)):
            key = recording.content_of(number, parts).key
            if key not in found or found[key][3] != epoch.marks:
                found[key] = (kind, number, parts, epoch.marks)
    return list(found.values())


# ---- names --------------------------------------------------------------------------------------


def name_of(epoch, parts):
    """EPOCH:PART,... where PART is an operation, a range of them, or OPERATION@UNIT=FIRST-LAST."""
    words, run = [], []

    def end_run():
        if run:
            words.append(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]))
            run.clear()

    for part in parts:
        if part.unit or (run and part.index != run[-1] + 1):
            end_run()
        if part.unit:
            words.append(f"{part.index}@{part.unit}={part.first}-{part.last}")
        else:
            run.append(part.index)
    end_run()
    return f"{epoch}:{','.join(words)}"


def parse_name(name):
    epoch, _, words = name.partition(":")
    parts = []
    for word in filter(None, words.split(",")):
        numbers = list(map(int, re.split("[-@=]", word)))
        if "@" in word:
            parts.append(Part(*numbers))
        else:
            parts.extend(map(Part, range(numbers[0], numbers[-1] + 1)))
    return int(epoch), tuple(parts)
